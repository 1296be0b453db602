"""What a drill proves: the rows of the database held against what the mail server saw; pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

PENDING = frozenset({"queued", "leased", "sending", "committing"})
# The only replies at RCPT that say something about a person (the classification's `perm_recipient`).
_BAD_ADDRESS = re.compile(r"5\d\d 5\.(1\.(1|2|3|6|10)|2\.1|7\.13)\b")
RECOVERED_SHARE = 0.9
_WINDOW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """What the database says about one letter."""

    message_id: str
    email: str
    state: str
    reason: str
    stage: str
    ambiguous_count: int


@dataclass(slots=True)
class Witness:
    """What the mail server saw, read from its file line by line."""

    copies: Counter[str] = field(default_factory=Counter)
    moments: list[float] = field(default_factory=list)
    bad_addresses: set[str] = field(default_factory=set)
    unanswered: int = 0

    def add(self, line: str) -> None:
        """Take in one line of the server's file."""
        seen = json.loads(line)
        if seen["what"] == "accepted":
            self.copies[seen["message_id"]] += 1
            self.moments.append(seen["at"])
            self.unanswered += not seen["is_answered"]
        elif seen["what"] == "silent":
            self.unanswered += 1
        elif _BAD_ADDRESS.match(seen["reply"]):
            self.bad_addresses.add(seen["recipient"])


@dataclass(frozen=True, slots=True)
class Tally:
    """Every letter, counted."""

    n: int
    states: dict[str, int]
    lost: int
    doubled: int
    doubled_outside_window: int
    unconfirmed: int
    false_suppressions: int
    stuck: int
    contradicted: int
    foreign: int
    is_accounted: bool


def tally(
    rows: Iterable[Row], witness: Witness, *, suppressed: Iterable[str], n: int, audience: int, is_finished: bool
) -> Tally:
    """Hold the rows against what arrived.

    Lost is every letter that the server never took although its row does not admit it: it says sent, or it does not
    exist, or it ended without a word of the server. Doubled outside the window is every copy beyond the first that
    no unanswered attempt explains.
    """
    letters = list(rows)
    copies = witness.copies
    states = Counter(row.state for row in letters)
    missing = [row for row in letters if not copies[row.message_id] and not _is_explained(row)]
    more = {row: copies[row.message_id] - 1 for row in letters if copies[row.message_id] > 1}
    stuck = sum(states[state] for state in PENDING)
    contradicted = sum(row.state not in ("sent", "unconfirmed", *PENDING) for row in letters if copies[row.message_id])
    foreign = len(copies.keys() - {row.message_id for row in letters})
    adds_up = len(letters) == audience == n and not (stuck or contradicted or foreign)
    return Tally(
        n=n,
        states=dict(sorted(states.items())),
        lost=len(missing) + max(0, n - len(letters)),
        doubled=sum(more.values()),
        doubled_outside_window=sum(max(0, extra - row.ambiguous_count) for row, extra in more.items()),
        unconfirmed=states["unconfirmed"],
        false_suppressions=len(set(suppressed) - witness.bad_addresses),
        stuck=stuck,
        contradicted=contradicted,
        foreign=foreign,
        is_accounted=is_finished and adds_up,
    )


def _is_explained(row: Row) -> bool:
    """Whether the row itself says why the server has no such letter: nobody knows yet, or the server refused it."""
    if row.state == "unconfirmed" or row.state in PENDING:
        return True
    return row.state in ("failed", "expired") and bool(row.stage) and row.reason != "crashed"


def time_to_recover(moments: list[float], *, first: float | None, last: float | None) -> float:
    """Return the seconds from the last blow until letters flow again as before the first.

    Flowing again is a second with 90 % of the rate before the first blow, or the last letter, whichever comes first.

    Args:
        moments: when each letter was taken, ascending.
        first: when the first blow fell; None when none did.
        last: when the last was over.
    """
    if first is None or last is None:
        return 0.0
    before = [moment for moment in moments if moment < first]
    after = [moment for moment in moments if moment >= last]
    if not after:
        return 0.0
    span = first - before[0] if before else 0.0
    wanted = RECOVERED_SHARE * len(before) / span * _WINDOW_SECONDS if span > 0 else 0.0
    end = 0
    for begin, moment in enumerate(after):
        while end < len(after) and after[end] < moment + _WINDOW_SECONDS:
            end += 1
        if end - begin >= wanted:
            return moment - last
    return after[-1] - last
