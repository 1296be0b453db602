"""Checks of what surrounds the processes: what waits on the disk, backups, and the way recipients come in."""

from __future__ import annotations

import http.client
import os
import ssl
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.health import Context, Result, Status, register

_WAITED_SECONDS = 180
_BACKUP_HOURS = 26
_CERTIFICATE_DAYS = 14
_ANSWER_SECONDS = 5.0
_WAITING = ("results.jsonl", "wishes.jsonl")
_REFUSED = "results.bad.jsonl"


@register("spool", gettext_lazy("Spool"))
def check_spool(context: Context) -> Result:
    """See that results and wishes can be kept on the disk, and that none has waited there for long."""
    folder: Path = settings.SPOOL_DIR
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
            probe.flush()
            os.fsync(probe.fileno())
        refused = folder / _REFUSED
        has_refused = refused.is_file() and refused.stat().st_size > 0
        waiting = [name for name in _WAITING if _has_waited(folder / name)]
    except OSError as error:
        return Result(
            Status.CRITICAL,
            _("Nothing can be kept in %(folder)s: %(error)s.") % {"folder": folder, "error": error.strerror},
            _("Let the user who runs web and workers write there: without it a database that is away costs results."),
        )
    if has_refused:
        return Result(
            Status.CRITICAL,
            _("%(file)s keeps results of emails that the database refused.") % {"file": refused},
            _("The workers' log says why. Then append its lines to results.jsonl beside it, and delete it."),
        )
    if waiting:
        return Result(
            Status.WARNING,
            _("%(names)s in %(folder)s waits to be written into the database.")
            % {"names": ", ".join(waiting), "folder": folder},
            _("Workers of this machine do that in a minute once the database answers: start them, or read their log."),
        )
    return Result(Status.OK, _("Nothing waits in %(folder)s.") % {"folder": folder})


def _has_waited(path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return found.st_size > 0 and time.time() - found.st_mtime > _WAITED_SECONDS


@register("backup", gettext_lazy("Backup"))
def check_backup(context: Context) -> Result:
    """See how old the newest file is in the folder that backups are written to, where one is named."""
    folder: Path | None = settings.BACKUP_DIR
    if folder is None:
        return Result(Status.OK, _("Not watched: VASHSENDER_BACKUP_DIR names no folder."))
    hint = _("Look why no backup was made; docs/operations/backup.md says how.")
    try:
        newest = max((entry.stat().st_mtime for entry in os.scandir(folder) if entry.is_file()), default=None)
    except OSError as error:
        return Result(Status.CRITICAL, _("%(folder)s: %(error)s.") % {"folder": folder, "error": error.strerror}, hint)
    if newest is None:
        return Result(Status.CRITICAL, _("There is no backup in %(folder)s.") % {"folder": folder}, hint)
    hours = (time.time() - newest) / 3600
    detail = _("The newest backup is %(hours)d hours old.") % {"hours": hours}
    return Result(Status.WARNING, detail, hint) if hours > _BACKUP_HOURS else Result(Status.OK, detail)


@register("public-url", gettext_lazy("Public address"), when_silent=Status.WARNING)
def check_public_url(context: Context) -> Result:
    """Come in as recipients do: by name, through the proxy, to our own web server; and look at the certificate."""
    place = settings.PUBLIC_URL
    try:
        body, days = _fetch(place)
    except ssl.SSLCertVerificationError as error:
        return Result(
            Status.CRITICAL,
            _("%(url)s has no valid certificate: %(error)s.") % {"url": place, "error": error.verify_message},
            _("Renew the certificate: inboxes refuse links and one-click unsubscribe without it."),
        )
    except ConnectionRefusedError:
        return Result(
            Status.CRITICAL,
            _("Nothing listens at %(url)s.") % {"url": place},
            _("Start the web server and the proxy; until then nobody can unsubscribe."),
        )
    except (OSError, http.client.HTTPException) as error:
        return Result(
            Status.WARNING,
            _("%(url)s could not be reached from this machine (%(error)s).")
            % {"url": place, "error": type(error).__name__},
            _("Open it from outside. If that works, this machine merely does not reach its own public name."),
        )
    if body != b"ok\n":
        return Result(
            Status.CRITICAL,
            _("Something else than our web server answers at %(url)s.") % {"url": place},
            _("Correct PUBLIC_URL or the proxy: links in letters lead there."),
        )
    if days is not None and days < _CERTIFICATE_DAYS:
        return Result(
            Status.WARNING,
            _("The certificate of %(url)s ends in %(days)d days.") % {"url": place, "days": days},
            _("Renew it."),
        )
    return Result(Status.OK, _("%(url)s leads to our web server.") % {"url": place})


def _fetch(url: str) -> tuple[bytes, int | None]:
    """Return what stands under /livez, and for https how many days the certificate has left."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    line = connect(parts.hostname or "", parts.port, timeout=_ANSWER_SECONDS)
    try:
        line.request("GET", f"{parts.path.rstrip('/')}/livez")
        socket = line.sock
        certificate = socket.getpeercert() if isinstance(socket, ssl.SSLSocket) else None
        answer = line.getresponse()
        body = answer.read(64) if answer.status == http.client.OK else b""
    finally:
        line.close()
    if not certificate or "notAfter" not in certificate:
        return body, None
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    return body, (ends - datetime.now(UTC)).days
