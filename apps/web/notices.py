"""The worst thing an admin must know on every page: one fact, its consequence, and the command that helps."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.models import Workspace
from apps.campaigns import workload
from apps.campaigns.services import restore_guard
from apps.campaigns.workload import Workload
from apps.web import numbers
from core import crew, pulses, remedies
from settings.celery import QUEUES

# A beat that was just started has not ticked yet, and one that ticks writes every five seconds.
BEAT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Notice:
    """A banner for admins; the command may be empty."""

    kind: str
    title: str
    text: str
    command: str = ""


def worst(workspace: Workspace | None) -> Notice | None:
    """Return what keeps work from being done, of a workspace or (None) of the whole installation; None if nothing.

    Asks the database alone, so that it is quick whatever the broker and the workers do.
    """
    if restore_guard.state():
        return _about_restore()
    work = workload.waiting(workspace)
    if not (work.letters or work.campaigns or work.under_way):
        return None
    serving = crew.listeners(crew.processes(), QUEUES)
    for queue in QUEUES:
        if not serving[queue] and (waits := _waits(queue, work)):
            return Notice(
                "bad",
                _("No worker listens to the queue “%(queue)s”") % {"queue": queue},
                f"{waits} {_('Nothing is lost; it goes on by itself as soon as a worker listens. Start one:')}",
                remedies.start_workers(),
            )
    return _about_beat()


def _waits(queue: str, work: Workload) -> str:
    """Say what waits in a queue; empty when nothing does."""
    match queue:
        case "email" if work.letters:
            count = numbers.whole(work.letters)
            if work.letters >= workload.COUNTED:
                return _("More than %(n)s emails wait.") % {"n": count}
            return ngettext("%(n)s email waits.", "%(n)s emails wait.", work.letters) % {"n": count}
        case "campaigns" if work.campaigns:
            words = ngettext("%(n)s campaign waits.", "%(n)s campaigns wait.", work.campaigns)
            return words % {"n": numbers.whole(work.campaigns)}
        case "default" if work.under_way:
            return _("What workers lost is not found again, and nothing is tried again.")
        case _:
            return ""


def _about_restore() -> Notice:
    title = _("Nothing is sent: the database was restored or replaced")
    text = _("Going on could send emails twice. On the web server's machine, see what was found and confirm it:")
    return Notice("bad", title, text, remedies.confirm_restore())


def _about_beat() -> Notice | None:
    age = pulses.age("beat")
    if age is not None and age <= BEAT_SECONDS:
        return None
    return Notice(
        "bad",
        _("Beat does not run"),
        _("Nothing is scheduled, swept or tried again until it does. Nothing is lost. Start it:"),
        remedies.start_workers(),
    )
