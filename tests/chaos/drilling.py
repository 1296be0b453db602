"""Runs `manage.py drill` as an admin would: without an installation, or beside one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def command(*options: str) -> list[str]:
    return [sys.executable, "manage.py", "drill", *options]


def surroundings(**more: str) -> dict[str, str]:
    """An environment that names no installation."""
    ours = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "PUBLIC_URL", "DJANGO_SETTINGS_MODULE")
    kept = {name: value for name, value in os.environ.items() if name not in ours and "VASHSENDER" not in name}
    return {**kept, "VASHSENDER_DATA": "/nonexistent/installation", **more}


def run(*options: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*options), cwd=ROOT, env=surroundings(**more), capture_output=True, text=True, timeout=280, check=False
    )


def drilled(*options: str, **more: str) -> dict[str, Any]:
    """Return what a drill that was passed has told."""
    done = run(*options, "--json", **more)
    assert done.returncode == 0, done.stderr + done.stdout
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
