"""What stands in an exported file: the report's tables, or one row for everyone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.campaigns import causes, fates, finding, tally
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.selectors import PARTS, Account, part_of
from apps.tracking import selectors, timeline
from apps.tracking.machines import BURST_LINKS, BURST_SECONDS
from core.spreadsheets import Cell, Tables

PAGE = 1000

# When each of some letters was first opened and followed, by people and by anything, and what was unsubscribed by it.
_CAME_BACK = f"""
WITH {selectors.judged_clicks("AND e.delivery_id = ANY(%(ids)s)")}
SELECT d.id,
  (SELECT min(e.at) FROM tracking_event e WHERE e.delivery_id = d.id AND e.kind = 'open' AND NOT e.is_machine),
  EXISTS (SELECT 1 FROM tracking_event e WHERE e.delivery_id = d.id AND e.kind = 'open' AND e.is_machine),
  (SELECT min(j.at) FROM judged j WHERE j.delivery_id = d.id AND NOT j.is_machine),
  EXISTS (SELECT 1 FROM judged j WHERE j.delivery_id = d.id AND j.is_machine),
  (SELECT CASE WHEN e.kind = 'unsubscribe' THEN e.at END FROM tracking_event e
   WHERE e.delivery_id = d.id AND e.kind IN ('unsubscribe', 'resubscribe') ORDER BY e.id DESC LIMIT 1)
FROM unnest(%(ids)s::bigint[]) AS d (id)
"""  # noqa: S608 - constants of this package


@dataclass(frozen=True, slots=True)
class _CameBack:
    opened_at: dt.datetime | None = None
    is_opened_by_machine: bool = False
    clicked_at: dt.datetime | None = None
    is_clicked_by_machine: bool = False
    unsubscribed_at: dt.datetime | None = None


def how_many(campaign: Campaign, wanted: finding.Wanted) -> int:
    """Return how many rows `people` will write if nothing changes meanwhile."""
    return finding.deliveries(campaign, wanted).count()


def people(tables: Tables, campaign: Campaign, wanted: finding.Wanted) -> Iterator[int]:
    """Write one row for each of the wanted, in order and each once; yield after each page how many there are."""
    tables.begin(str(_("Everyone")), _head())
    found = finding.deliveries(campaign, wanted)
    after = done = 0
    while page := list(found.filter(pk__gt=after)[:PAGE]):
        came_back = _came_back(campaign, [letter.pk for letter in page])
        for letter in page:
            tables.row(_row(letter, came_back.get(letter.pk, _CameBack())))
        after, done = page[-1].pk, done + len(page)
        yield done


def _head() -> list[str]:
    zone = timezone.get_current_timezone_name()
    return [
        _("Email"), _("First name"), _("Last name"), _("State"), _("Reason"), _("What happened"), _("Server said"),
        _("Tries"), _("Last moved (%(zone)s)") % {"zone": zone}, _("Accepted (%(zone)s)") % {"zone": zone},
        _("First opened by a person"), _("Opened by a machine"), _("First click by a person"),
        _("Clicked by a machine"), _("Unsubscribed by this email"), _("Message-ID"),
    ]  # fmt: skip


def _row(letter: Delivery, came_back: _CameBack) -> list[Cell]:
    fate, contact = fates.of(letter), letter.contact
    cause = letter.state if letter.state in ("cancelled", "expired") else letter.reason or letter.failure
    part = part_of(letter)
    return [
        letter.email,
        contact.first_name if contact else "",
        contact.last_name if contact else "",
        str(causes.PARTS[part]),
        causes.words(cause) if cause and part not in ("sent", "queued") else "",
        fate.sentence,
        fate.reply,
        letter.attempts,
        _moment(letter.moved_at),
        _moment(letter.sent_at if letter.state == "sent" else None),
        _moment(came_back.opened_at),
        _yes(came_back.is_opened_by_machine),
        _moment(came_back.clicked_at),
        _yes(came_back.is_clicked_by_machine),
        _moment(came_back.unsubscribed_at),
        letter.message_id,
    ]


def _came_back(campaign: Campaign, ids: list[int]) -> dict[int, _CameBack]:
    values: dict[str, int | float | list[int]] = {
        "campaign": campaign.pk,
        "ids": ids,
        "links": BURST_LINKS,
        "window": BURST_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CAME_BACK, values)
        return {row[0]: _CameBack(*row[1:]) for row in cursor.fetchall()}


def report(tables: Tables, campaign: Campaign) -> None:
    """Write the tables of a campaign's report."""
    counted, found = tally.of(campaign), selectors.campaign_statistics(campaign.pk)
    _write(tables, _("Account"), [_("Part"), _("Emails"), _("Of")], _account_rows(counted.account))
    _write(tables, _("What came of it"), [_("What"), _("People"), _("Machines only"), _("Of")], _came_rows(found))
    _write(tables, _("Why"), [_("Part"), _("Reason"), _("Emails")], _cause_rows(counted))
    links: list[list[Cell]] = [
        [link.url, link.people, link.people_and_machines, link.clicks, link.clicks_by_machines] for link in found.links
    ]
    head = [_("Link"), _("People"), _("People and machines"), _("Clicks by people"), _("Clicks by machines")]
    _write(tables, _("Links"), head, links)
    _write(tables, _("Timeline"), _timeline_head(), _timeline_rows(timeline.of(campaign)))
    replies: list[list[Cell]] = [[str(causes.PARTS[said.part]), said.reply, said.letters] for said in counted.replies]
    _write(tables, _("What servers said"), [_("Part"), _("Reply"), _("Emails")], replies)


def _write(tables: Tables, title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    tables.begin(title, head)
    for row in rows:
        tables.row(row)


def _account_rows(account: Account) -> list[list[Cell]]:
    rows: list[list[Cell]] = [[str(causes.PARTS[part]), getattr(account, part), account.total] for part in PARTS]
    return [*rows, [_("audience"), account.total, account.total]]


def _came_rows(found: selectors.CampaignStatistics) -> list[list[Cell]]:
    return [
        [_("Opened"), found.opened, found.opened_by_machines_only, found.accepted],
        [_("Clicked"), found.clicked, found.clicked_by_machines_only, found.accepted],
        [_("Unsubscribed"), found.unsubscribed, None, found.accepted],
    ]


def _cause_rows(counted: tally.Tally) -> list[list[Cell]]:
    return [[str(causes.PARTS[one.part]), causes.words(one.cause), one.letters] for one in counted.causes]


def _timeline_head() -> list[str]:
    return [
        _("From (%(zone)s)") % {"zone": timezone.get_current_timezone_name()}, _("Sent"), _("First opened by people"),
        _("First opened by machines"), _("First clicked by people"), _("First clicked by machines"),
    ]  # fmt: skip


def _timeline_rows(found: timeline.Timeline) -> list[list[Cell]]:
    stretches = [*found.stretches, *([found.later] if found.later else [])]
    return [[_moment(one.start), *(getattr(one, what) for what in timeline.WHAT)] for one in stretches]


def _moment(at: dt.datetime | None) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S") if at else ""


def _yes(is_so: bool) -> str:
    return str(_("yes")) if is_so else ""
