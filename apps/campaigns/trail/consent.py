"""The steps of a person's consent, from the record that is only ever added to."""

from __future__ import annotations

from django.utils.translation import gettext as _

from apps.campaigns.trail.steps import Step
from apps.contacts.models import ConsentEvent, Contact

Kind = ConsentEvent.Kind
_LOOKS = {
    Kind.JOINED: ("sent", "check"),
    Kind.CAME_BACK: ("sent", "check"),
    Kind.RESUMED: ("sent", "check"),
    Kind.LIFTED: ("sent", "check"),
    Kind.LEFT: ("skipped", "minus"),
    Kind.REMOVED: ("skipped", "minus"),
    Kind.STOPPED: ("failed", "ban"),
}
# The suppression itself tells these, with its reason; a wish to stop is told in the person's own word.
_TOLD_ELSEWHERE = frozenset({Kind.SUPPRESSED})


def steps(contact: Contact, list_ids: list[int], *, excluded: list[int]) -> dict[int, list[Step]]:
    """Return what is on record for each of a campaign's lists; under 0 what concerns all emails."""
    events = ConsentEvent.objects.filter(contact=contact.pk, workspace=contact.workspace_id).order_by("pk")
    found: dict[int, list[Step]] = {}
    for event in events:
        where = event.contact_list_id or 0
        if (where and where not in [*list_ids, *excluded]) or event.kind in _TOLD_ELSEWHERE:
            continue
        found.setdefault(where, []).append(_step(event, is_excluded=where in excluded))
    return found


def _step(event: ConsentEvent, *, is_excluded: bool) -> Step:
    style, icon = _LOOKS.get(Kind(event.kind), ("draft", "rotate-cw"))
    left_out = _("This campaign leaves out everyone on it.") if is_excluded else ""
    how = " ".join(part for part in (_how(event), left_out) if part)
    return Step(event.at, _what(event), how, style=style, icon=icon)


def _what(event: ConsentEvent) -> str:
    values = {"name": event.list_name}
    match event.kind:
        case Kind.JOINED:
            return _("Subscribed to “%(name)s”") % values
        case Kind.LEFT:
            return _("Unsubscribed from “%(name)s”") % values
        case Kind.CAME_BACK:
            return _("Came back to “%(name)s”") % values
        case Kind.REMOVED:
            return _("Taken off “%(name)s”") % values
        case _:
            return str(event.get_kind_display())


def _how(event: ConsentEvent) -> str:
    source = _("By: %(source)s.") % {"source": event.source.rstrip(".")} if event.source else ""
    actor = _("Done by %(who)s.") % {"who": event.actor_name} if event.actor_name else ""
    return " ".join(part for part in (source, actor) if part)
