"""The closed account of a campaign: made with the close, kept, and compared row by row when somebody asks again."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypedDict

from django.db import connection, transaction
from django.db.models import Max, QuerySet
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.campaigns.models import Campaign, Certificate, Delivery, DeliveryEntry, Recount, Revision
from apps.campaigns.states import PENDING, DeliveryKind, Policy
from core import health
from core.errors import EspError

FORMAT = 1
PROTOCOL = 1  # the life of a letter as ARCHITECTURE.md draws it
NAMED = 100  # so many differing rows are named one by one
_SLICE = 10_000

End = tuple[int, str, str]  # delivery, state, reason


class AccountOpenError(EspError):
    """Letters without an end, or more or fewer letters than the audience: there is nothing to certify."""

    code = "account_open"
    status = 409


class Difference(TypedDict):
    """One letter that is not what the certificate says; an empty state stands for no letter."""

    delivery: int
    then: str
    now: str


@dataclass(slots=True)
class Comparison:
    """What a recount found."""

    is_intact: bool
    amended: int = 0
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        """Whether the certificate still tells the truth about every letter, later closings aside."""
        return self.is_intact and not self.differing


def issue(campaign_id: int) -> Certificate | None:
    """Keep the account of a campaign that has just closed; call within the transaction that closes it.

    None for a campaign that was cancelled before it had an audience.

    Raises:
        AccountOpenError: a letter has no end, or the letters are not the audience; the close must not stand.
    """
    campaign = Campaign.objects.select_related("workspace").get(pk=campaign_id)
    if campaign.audience_size is None or campaign.finished_at is None:
        return None
    counts: Counter[tuple[str, str]] = Counter()
    digest, packed = _pack(_counted(ends_of(campaign_id), counts))
    pending = sum(letters for (state, _reason), letters in counts.items() if state in PENDING)
    if pending or counts.total() != campaign.audience_size:
        raise AccountOpenError(
            _("The account of “%(name)s” is open: audience %(audience)d, letters %(letters)d, pending %(pending)d.")
            % {
                "name": campaign.name,
                "audience": campaign.audience_size,
                "letters": counts.total(),
                "pending": pending,
            }
        )
    former = Certificate.objects.filter(campaign_id=campaign_id).aggregate(Max("number"))["number__max"] or 0
    return Certificate.objects.create(
        campaign=campaign,
        number=former + 1,
        closed_at=campaign.finished_at,
        audience_size=campaign.audience_size,
        digest=digest,
        document=_document(campaign, counts, digest=digest, number=former + 1),
        ends=packed,
    )


def issue_missing() -> int:
    """Certify campaigns that closed before there were certificates; a few at a time."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT k.id FROM campaigns_campaign k
               WHERE k.finished_at IS NOT NULL AND k.audience_size IS NOT NULL AND k.state IN ('finished', 'cancelled')
                 AND NOT EXISTS (SELECT 1 FROM campaigns_certificate c WHERE c.campaign_id = k.id)
                 AND NOT EXISTS (SELECT 1 FROM campaigns_delivery d WHERE d.campaign_id = k.id AND d.kind = 'campaign'
                                 AND d.state IN ('queued', 'leased', 'sending', 'committing'))
                 AND k.audience_size = (SELECT count(*) FROM campaigns_delivery d
                                        WHERE d.campaign_id = k.id AND d.kind = 'campaign')
               ORDER BY k.id LIMIT 5"""
        )
        found = [row[0] for row in cursor.fetchall()]
    made = 0
    for campaign_id in found:
        try:
            with transaction.atomic():
                made += issue(campaign_id) is not None
        except AccountOpenError:
            continue
    return made


def ends_of(campaign_id: int) -> Iterator[End]:
    """Return every letter's end in the order of their numbers, as one statement sees them."""
    letters = Delivery.objects.filter(campaign_id=campaign_id, kind=DeliveryKind.CAMPAIGN).order_by("pk")
    return letters.values_list("pk", "state", "reason").iterator(chunk_size=_SLICE)


def lines(certificate: Certificate) -> Iterator[str]:
    """Return the certified list, one "delivery state reason" a line."""
    reader, rest = zlib.decompressobj(), b""
    packed = bytes(certificate.ends)
    for start in range(0, len(packed), 65536):
        *whole, rest = (rest + reader.decompress(packed[start : start + 65536])).split(b"\n")
        yield from (line.decode() for line in whole)
    if last := rest + reader.flush():
        yield from (line.decode() for line in last.split(b"\n"))


def _counted(ends: Iterable[End], counts: Counter[tuple[str, str]]) -> Iterator[str]:
    for number, state, reason in ends:
        counts[state, reason] += 1
        yield f"{number} {state} {reason}"


def _pack(texts: Iterable[str]) -> tuple[str, bytes]:
    """Return the list's SHA-256 and the list itself, deflated; lines are joined by LF."""
    hasher, packer, parts, is_first = hashlib.sha256(), zlib.compressobj(6), [], True
    for text in texts:
        line = (text if is_first else f"\n{text}").encode()
        is_first = False
        hasher.update(line)
        parts.append(packer.compress(line))
    parts.append(packer.flush())
    return hasher.hexdigest(), b"".join(parts)


_FACTS = """
SELECT min(created_at), max(created_at), min(sent_at), max(sent_at), coalesce(sum(attempts), 0)
FROM campaigns_delivery WHERE campaign_id = %s AND kind = 'campaign'
"""
_CONTENTS = """
SELECT v.content_hash, count(*) FROM campaigns_delivery d JOIN campaigns_contentversion v ON v.id = d.content_id
WHERE d.campaign_id = %s AND d.kind = 'campaign' GROUP BY 1 ORDER BY 2 DESC, 1
"""
_ACCOUNTS = """
SELECT t.uuid::text, t.name, t.kind, count(*) FROM campaigns_delivery d JOIN smtp_transport t ON t.id = d.transport_id
WHERE d.campaign_id = %s AND d.kind = 'campaign' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1
"""


def _document(campaign: Campaign, counts: Counter[tuple[str, str]], *, digest: str, number: int) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [campaign.pk])
        _begun, frozen, first, last, attempts = cursor.fetchone()
        cursor.execute(_CONTENTS, [campaign.pk])
        contents = cursor.fetchall()
        cursor.execute(_ACCOUNTS, [campaign.pk])
        accounts = cursor.fetchall()
    frozen = frozen or campaign.started_at
    times = {"audience_frozen": frozen, "first_sent": first, "last_sent": last, "closed": campaign.finished_at}
    return {
        "format": FORMAT,
        "product": "VashSender",
        "version": health.version(),
        "protocol": PROTOCOL,
        "number": number,
        "campaign": {"uuid": str(campaign.uuid), "name": campaign.name, "workspace": campaign.workspace.name},
        "closed_as": campaign.state,
        "audience": campaign.audience_size,
        "counts": [
            {"state": state, "reason": reason, "letters": letters}
            for (state, reason), letters in sorted(counts.items())
        ],
        "left_out": campaign.left_out,
        "attempts": int(attempts),
        "times": {name: at.isoformat() if at else None for name, at in times.items()},
        "content": [{"sha256": value, "letters": letters} for value, letters in contents],
        "sending_accounts": [
            {"uuid": uuid, "name": name, "kind": kind, "letters": letters} for uuid, name, kind, letters in accounts
        ],
        "account": {
            "sha256": digest,
            "of": "one line per letter: delivery number, state, reason, separated by a space; ordered by number, "
            "joined by LF, UTF-8",
        },
    }


def compare(certificate: Certificate) -> Comparison:
    """Compare the certified list with the deliveries as they are now, row by row; changes nothing.

    A letter whose end was revised since, with every step on record, is an amendment and no difference.
    """
    counts: Counter[tuple[str, str]] = Counter()
    hasher = hashlib.sha256()
    result = Comparison(is_intact=True)
    revised = _revisions(certificate.campaign_id)
    then, now = _tapped(lines(certificate), hasher), ends_of(certificate.campaign_id)
    for before, after in _pairs(then, now):
        if before is not None:
            counts[before[1], before[2]] += 1
        if before == after:
            continue
        if before and after and _is_on_record(before, after, revised.get(before[0], [])):
            result.amended += 1
            continue
        result.differing += 1
        if len(result.differences) < NAMED:
            number = (before or after or (0, "", ""))[0]
            result.differences.append({"delivery": number, "then": _words(before), "now": _words(after)})
    stated = Counter({(row["state"], row["reason"]): row["letters"] for row in certificate.document["counts"]})
    result.is_intact = hasher.hexdigest() == certificate.digest and counts == stated
    return result


def _tapped(texts: Iterable[str], hasher: Any) -> Iterator[End]:
    is_first = True
    for text in texts:
        hasher.update((text if is_first else f"\n{text}").encode())
        is_first = False
        number, state, reason = text.split(" ", 2)
        yield int(number), state, reason


def _pairs(then: Iterator[End], now: Iterator[End]) -> Iterator[tuple[End | None, End | None]]:
    """Walk two lists in the order of their numbers; a number that one of them lacks comes with None."""
    before, after = next(then, None), next(now, None)
    while before or after:
        if after is None or (before is not None and before[0] < after[0]):
            yield before, None
            before = next(then, None)
        elif before is None or after[0] < before[0]:
            yield None, after
            after = next(now, None)
        else:
            yield before, after
            before, after = next(then, None), next(now, None)


def _words(end: End | None) -> str:
    return f"{end[1]} {end[2]}".strip() if end else ""


def _revisions(campaign_id: int) -> dict[int, list[Revision]]:
    found: dict[int, list[Revision]] = {}
    for revision in Revision.objects.filter(campaign_id=campaign_id).order_by("pk"):
        found.setdefault(revision.delivery_id, []).append(revision)
    return found


def _is_on_record(before: End, after: End, revisions: list[Revision]) -> bool:
    """Return whether the record leads from one end to the other: it left the first, and says how it came back."""
    left = [one for one in revisions if (one.from_state, one.from_reason) == before[1:]]
    if not left:
        return False
    latest = revisions[-1]
    # Put back in the queue by a late result or by a person, a letter ends the ordinary way: tries tell how.
    return (latest.to_state, latest.to_reason) == after[1:] or latest.to_state in PENDING


def recount(certificate: Certificate, *, by: User | None) -> Recount:
    """Compare and keep what came of it."""
    found = compare(certificate)
    differences: list[Any] = list(found.differences)
    if not found.is_intact:
        differences.insert(0, {"delivery": 0, "then": certificate.digest, "now": ""})
    return Recount.objects.create(
        certificate=certificate, by=by, is_same=found.is_same, amended=found.amended, differences=differences
    )


def amendments(certificate: Certificate) -> QuerySet[Revision]:
    """Return the ends that were revised since, oldest first."""
    since = Revision.objects.filter(campaign_id=certificate.campaign_id, at__gte=certificate.closed_at)
    return since.select_related("delivery", "delivery__contact").order_by("pk")


def nobody_twice(campaign: Campaign) -> bool:
    """Return whether no letter of a campaign was offered again after an offer that nobody answered."""
    was_resent = DeliveryEntry.objects.filter(campaign=campaign, kind="resent").exists()
    return campaign.policy == Policy.HOLD and not was_resent
