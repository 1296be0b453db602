"""`scripts/check`: everything that can be told without running the product; each check runs, whatever fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("bootstrap.py", "suite.py", "static_checks.py", "setting_up")
# Django must be told of some database; none of these commands connects to it.
NOWHERE = {
    "DATABASE_URL": "postgresql:///nowhere",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "VASHSENDER_ENV": "development",
}

CHECKS: dict[str, list[str]] = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy"],
    "mypy scripts": ["-m", "mypy", *(f"scripts/{name}" for name in SCRIPTS)],
    "import-linter": ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
    "djlint": ["-m", "djlint", "--lint", "--quiet", "apps"],
    "migrations": ["manage.py", "makemigrations", "--check", "--dry-run"],
    "system check": ["manage.py", "check", "--fail-level", "WARNING"],
}


def main() -> int:
    """Run every check; return 0 when all pass."""
    os.chdir(ROOT)
    environment = {**os.environ, **NOWHERE, "MYPYPATH": str(ROOT / "scripts"), "PYTHONPATH": str(ROOT)}
    failed = []
    for name, command in CHECKS.items():
        begun = time.monotonic()
        done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)
        print(f"{'ok    ' if not done.returncode else 'FAILED'} {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        if done.returncode:
            failed.append(name)
            print(f"{done.stdout}{done.stderr}".rstrip(), flush=True)
    print(f"Static checks failed: {', '.join(failed)}." if failed else "All static checks passed.", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
