"""The user PostgreSQL runs as when root starts the installation, and what that user can reach."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from core.installation.errors import InstallationError


class Identity(TypedDict, total=False):
    """The part of subprocess's arguments that changes the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """One user of the operating system."""

    name: str
    uid: int
    gid: int

    def identity(self) -> Identity:
        """Return the arguments that make a child run as this user and nothing more."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, folder: Path) -> bool:
        """True when this user can make the folder its working folder; asked of the kernel, not computed from modes."""
        return self.can_run(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)])

    def can_run(self, command: Sequence[str]) -> bool:
        """True when this user can run the command and it succeeds."""
        try:
            done = subprocess.run(
                command, cwd="/", env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=False, **self.identity()
            )
        except PermissionError:
            return False
        return done.returncode == 0

    def own(self, path: Path) -> None:
        """Make this user the owner of one file or folder."""
        os.chown(path, self.uid, self.gid)


def for_postgres(existing: Path) -> Account | None:
    """Return the user PostgreSQL must change to: none unless we are root.

    A cluster that exists keeps the owner it has, so that root may run what an ordinary user has set up.
    """
    is_made = (existing / "PG_VERSION").exists()
    if os.geteuid() != 0:
        if is_made and existing.stat().st_uid != os.geteuid():
            raise InstallationError(
                f"{existing} belongs to another user: start as that user, or choose another --data."
            )
        return None
    if is_made and (owner := existing.stat().st_uid) != 0:
        return _account(pwd.getpwuid(owner))
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise InstallationError("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as.")


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
