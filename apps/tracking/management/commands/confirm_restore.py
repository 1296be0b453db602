"""Lets sending go on after the database was restored or replaced: says what it found, asks, replays wishes, thaws."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.campaigns import checks
from apps.campaigns.models import Campaign
from apps.campaigns.services import restore_guard
from apps.campaigns.services.restore_guard import Freeze
from apps.tracking.services import kept_wishes, wish_journal


class Command(BaseCommand):
    """`manage.py confirm_restore [--yes]`; exit 0 when nothing is frozen (any more), 1 when it still is."""

    help = "After a restore: show what was found, carry out kept unsubscribes, and let campaigns be resumed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the one option."""
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show, ask, replay, thaw."""
        restore_guard.look()
        frozen = restore_guard.state()
        if frozen is None:
            self.stdout.write(_("This is the database we knew. There is nothing to confirm."))
            return
        for line in _told(frozen, restore_guard.settle()):
            self.stdout.write(line)
        if not options["yes"] and not self._agrees():
            raise CommandError(_("Nothing is sent until you confirm."))
        wishes = wish_journal.replay(frozen.knows_until) + kept_wishes.replay()
        restore_guard.thaw()
        audit.note("restore_confirmed", reason=frozen.reason.value, wishes=wishes)
        self.stdout.write(_("%(count)d wishes to stop, or to take that back, were carried out.") % {"count": wishes})
        self.stdout.write(_("Confirmed. Campaigns stay paused until somebody resumes each of them."))

    def _agrees(self) -> bool:
        try:
            return input(_("Type yes when you have looked at this: ")).strip() == "yes"
        except EOFError:
            return False


def _told(frozen: Freeze, facts: dict[str, Any]) -> list[str]:
    unknown = _("unknown")
    until = frozen.knows_until.isoformat(timespec="seconds") if frozen.knows_until else unknown
    sent = facts.get("outside_last_sent_at") or unknown
    lines = [
        _("This database was restored or replaced: %(why)s.") % {"why": checks.FOUND[frozen.reason]},
        _("It knows what happened until %(until)s; letters were last sent at %(sent)s, by the copy outside of it.")
        % {"until": until, "sent": sent},
        _("%(count)d emails may have gone out after that: they are held as unconfirmed, and nobody gets one twice.")
        % {"count": facts.get("held", 0)},
        _("%(paused)d campaigns were paused, %(cancelled)d cancelled while they were prepared, and %(back)d whose time "
          "has passed went back to drafts.")
        % {"paused": facts.get("paused", 0), "cancelled": facts.get("cancelled", 0),
           "back": facts.get("taken_back", 0)},
    ]  # fmt: skip
    touched = Campaign.objects.filter(state_reason="restored").select_related("workspace").order_by("pk")[:50]
    lines += [f"  {one.workspace.name}: {one.name} ({one.state})" for one in touched]
    waiting = Campaign.objects.filter(state="scheduled").select_related("workspace").order_by("scheduled_at")[:50]
    lines += [
        _("  Still to come: %(workspace)s: %(name)s at %(at)s")
        % {"workspace": one.workspace.name, "name": one.name, "at": one.scheduled_at}
        for one in waiting
    ]
    lines.append(
        _("What was made or sent off after that time is not known here; a draft may have been sent already. "
          "Unsubscribes kept in %(folder)s are carried out now.") % {"folder": settings.SPOOL_DIR}
    )  # fmt: skip
    return lines
