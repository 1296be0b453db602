"""Checks of this machine's installation: settings, encryption keys, disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core import secretbox
from core.errors import EspError
from core.health import Context, Result, Status, register
from settings.env import env

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SECRET_KEY_LENGTH = 40
_DISK_WARNING, _DISK_CRITICAL = 0.10, 0.02


@register("settings", gettext_lazy("Settings"))
def check_settings(context: Context) -> Result:
    """Look for settings that must not meet the world."""
    broken = _dangerous()
    if broken:
        return Result(Status.CRITICAL, " ".join(broken), _("Change .env or the environment and start again."))
    address = urlsplit(settings.PUBLIC_URL)
    if address.scheme != "https" and (env.is_production or address.hostname not in _LOOPBACK):
        return Result(
            Status.WARNING,
            _("PUBLIC_URL is not an https address, so only the local inbox carries letters."),
            _("Set PUBLIC_URL to the https address at which recipients reach this server."),
        )
    return Result(Status.OK, _("Recipients reach us at %(url)s.") % {"url": settings.PUBLIC_URL})


def _dangerous() -> list[str]:
    broken = []
    if settings.DEBUG and env.is_production:
        broken.append(_("DEBUG is on in production."))
    if len(settings.SECRET_KEY) < _SECRET_KEY_LENGTH:
        broken.append(_("SECRET_KEY is missing or too short."))
    if "*" in settings.ALLOWED_HOSTS:
        broken.append(_("ALLOWED_HOSTS lets every host name through."))
    if not settings.PUBLIC_URL:
        broken.append(_("PUBLIC_URL is not set, so links in letters would lead nowhere."))
    return broken


@register("encryption-keys", gettext_lazy("Encryption keys"))
def check_encryption_keys(context: Context) -> Result:
    """Encrypt and decrypt a word with the keys that stored passwords need."""
    hint = _("Restore keys/encryption_key from a backup, or correct VASHSENDER_ENCRYPTION_KEYS.")
    try:
        is_good = secretbox.decrypt(secretbox.encrypt("canary")) == "canary"
    except EspError as error:
        return Result(Status.CRITICAL, error.message, hint)
    except ValueError:  # Fernet's answer to a key of the wrong length or alphabet
        is_good = False
    if not is_good:
        return Result(Status.CRITICAL, _("An encryption key is damaged."), hint)
    count = len(settings.ENCRYPTION_KEYS)
    sentence = ngettext("%(count)d key, and it works.", "%(count)d keys, and the first one works.", count)
    return Result(Status.OK, sentence % {"count": count})


@register("disk", gettext_lazy("Disk"))
def check_disk(context: Context) -> Result:
    """See how much room the data folder's disk has left."""
    folder = _existing(settings.DATA_DIR)
    usage = shutil.disk_usage(folder)
    share = min(usage.free / usage.total, _free_inodes(folder))
    detail = _("%(percent).1f %% free (%(gib).1f GiB) where %(folder)s is.") % {
        "percent": usage.free / usage.total * 100,
        "gib": usage.free / 1024**3,
        "folder": folder,
    }
    hint = _("Make room on this disk; without it the database stops and no letter leaves.")
    if share < usage.free / usage.total and share < _DISK_WARNING:
        detail = _("%(percent).1f %% of the files' places (inodes) are free where %(folder)s is.") % {
            "percent": share * 100,
            "folder": folder,
        }
    if share < _DISK_CRITICAL:
        return Result(Status.CRITICAL, detail, hint)
    if share < _DISK_WARNING:
        return Result(Status.WARNING, detail, hint)
    return Result(Status.OK, detail)


def _free_inodes(folder: Path) -> float:
    found = os.statvfs(folder)
    return found.f_favail / found.f_files if found.f_files else 1.0  # some file systems count none


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
