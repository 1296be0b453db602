"""Where an installation keeps what, and the small rules of its folders."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.installation.errors import InstallationError

ROOT = Path(__file__).resolve().parents[2]
LOWEST_FREE_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The one folder that holds an installation's state."""

    path: Path

    @property
    def keys(self) -> Path:
        """Secrets, readable by the owner alone."""
        return self.path / "keys"

    @property
    def logs(self) -> Path:
        """One rotated file per process."""
        return self.path / "logs"

    @property
    def backups(self) -> Path:
        """Dumps made before migrations."""
        return self.path / "backups"

    def make(self) -> None:
        """Create the folder and its parts.

        Made by root it may be passed through (not listed): PostgreSQL's own user has to reach its cluster.

        Raises:
            InstallationError: it cannot be written to, or the disk is nearly full.
        """
        try:
            if not self.path.exists():
                self.path.mkdir(mode=0o700, parents=True)
                self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            for folder in (self.keys, self.logs, self.backups, self.path / "spool"):
                folder.mkdir(mode=0o700, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InstallationError(f"{self.path} is not a folder: choose another one with --data.") from None
        except PermissionError:
            raise InstallationError(f"{self.path} cannot be written to: choose another folder with --data.") from None
        free_bytes = shutil.disk_usage(self.path).free
        if free_bytes < LOWEST_FREE_BYTES:
            raise InstallationError(
                f"The disk that holds {self.path} is nearly full ({free_bytes // 2**20} MB free): "
                f"free at least {LOWEST_FREE_BYTES // 2**20} MB."
            )


def make_socket_folder() -> Path:
    """Return a new folder of mode 0700 with a short path: a Unix socket's path may have 107 characters (unix(7))."""
    parent = "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="vs-", dir=parent))


def remove_socket_folder(folder: Path) -> None:
    """Remove a socket folder and the sockets left in it; anything else in it stays."""
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            if entry.is_socket() or entry.name.endswith(".lock"):
                entry.unlink()
        folder.rmdir()


def is_disk_full(error: OSError) -> bool:
    """True when the error says that the disk or the quota is used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
