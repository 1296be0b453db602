"""What can stop an installation from starting; each message is one sentence for the terminal."""

from __future__ import annotations

from core.errors import EspError


class InstallationError(EspError):
    """The installation cannot start or go on."""

    code = "installation"


class AlreadyRunningError(InstallationError):
    """Another supervisor holds the data folder."""

    code = "already_running"


class MissingKeyError(InstallationError):
    """A key is gone while the data it protects is still there."""

    code = "missing_key"


class ServiceError(InstallationError):
    """A service did not start, or ended before it was ready."""

    code = "service"


class InterruptedStartError(InstallationError):
    """Somebody asked to stop while the installation was starting."""

    code = "interrupted"
