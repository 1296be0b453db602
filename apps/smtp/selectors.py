"""What the local inbox's page shows: letters of one workspace, or those of the instance itself."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from apps.accounts.models import Workspace
from apps.smtp.models import InboxLetter

PAGE = 30
# Beyond this, counting what is doubled would cost more than the sentence is worth.
COUNTED = 50_000


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Some letters, how many there are in all, and where the next ones begin (None at the end)."""

    letters: list[InboxLetter]
    found: int
    next_after: int | None


def inbox_letters(workspace: Workspace | None) -> QuerySet[InboxLetter]:
    """Return the workspace's letters, or for None those that belong to no workspace, without their bodies."""
    owned = Q(workspace__isnull=True) if workspace is None else Q(workspace=workspace)
    has_body = ExpressionWrapper(Q(data__isnull=False), output_field=BooleanField())
    return InboxLetter.objects.filter(owned).defer("data").annotate(has_body=has_body)


def inbox_page(workspace: Workspace | None, *, query: str = "", after: int = 0, size: int = PAGE) -> InboxPage:
    """Return letters whose recipient, subject or Message-ID holds the query, newest first, behind the id `after`."""
    matching = inbox_letters(workspace)
    if query:
        matching = matching.filter(
            Q(recipient__icontains=query) | Q(subject__icontains=query) | Q(message_id__icontains=query)
        )
    rows = matching.filter(pk__lt=after) if after else matching
    found = list(rows.order_by("-pk")[: size + 1])
    has_more = len(found) > size
    found = found[:size]
    return InboxPage(found, matching.count(), found[-1].pk if has_more else None)


def doubled_letters(workspace: Workspace | None) -> int | None:
    """Return how many letters carry a Message-ID that an earlier one has; None where there are too many to count."""
    named = inbox_letters(workspace).exclude(message_id="").values_list("message_id", flat=True)
    known = list(named[: COUNTED + 1])
    return None if len(known) > COUNTED else len(known) - len(set(known))
