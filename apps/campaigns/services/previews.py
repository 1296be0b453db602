"""A campaign's content as one reader would see it, and whom to look at it as."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q
from django.db.models.functions import Length

from apps.campaigns import rendering, selectors
from apps.campaigns.models import Campaign
from apps.campaigns.rendering.errors import RenderingError
from apps.campaigns.services import lifecycle
from apps.contacts.models import Contact

MAX_READERS = 9
_OTHER_SCRIPT = r"[^\x01-\x7f]"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a reader would see, or the sentence that says why there is nothing to see."""

    subject: str = ""
    html: str = ""
    text: str = ""
    links: int = 0
    size_bytes: int = 0
    error: str = ""
    is_empty: bool = False


def of(campaign: Campaign, reader: Contact | None) -> Preview:
    """Return the content as this reader would see it; a draft's as it is now, any other's as it was frozen."""
    if campaign.content is None and not campaign.html.strip():
        return Preview(is_empty=True)
    try:
        frozen = _frozen(campaign)
        seen = rendering.preview(frozen, reader.merge_fields() if reader else {})
    except RenderingError as error:
        return Preview(error=error.message)
    size = len(seen.html.encode("utf-8", "replace"))
    return Preview(seen.subject, seen.html, seen.text, links=len(frozen.links), size_bytes=size)


def _frozen(campaign: Campaign) -> rendering.Frozen:
    if campaign.content is not None:
        return rendering.Frozen.from_json(campaign.content.frozen)
    return rendering.freeze(lifecycle.source_of(campaign))


def readers(campaign: Campaign) -> list[Contact]:
    """Return whom to look at a campaign as: somebody ordinary, then the awkward ones, then a few more.

    They come from its audience as it is chosen now; while nobody is chosen, from the whole workspace.
    """
    people = selectors.readers(
        campaign.workspace,
        list_ids=list(campaign.lists.values_list("pk", flat=True)),
        excluded_list_ids=list(campaign.excluded_lists.values_list("pk", flat=True)),
    )
    if not people.exists():
        people = Contact.objects.filter(workspace_id=campaign.workspace_id).order_by("pk")
    longest = people.annotate(length=Length("first_name") + Length("last_name")).order_by("-length", "pk")
    in_turn = (
        *people.exclude(first_name="")[:1],
        *people.filter(first_name="")[:1],
        *longest[:1],
        *people.filter(first_name__regex=_OTHER_SCRIPT)[:1],
        *people[:MAX_READERS],
    )
    return list({reader.pk: reader for reader in in_turn}.values())[:MAX_READERS]


def find_readers(campaign: Campaign, text: str) -> list[Contact]:
    """Return people of the workspace by a piece of their name or address."""
    found = Contact.objects.filter(workspace_id=campaign.workspace_id).filter(
        Q(email__icontains=text) | Q(first_name__icontains=text) | Q(last_name__icontains=text)
    )
    return list(found.order_by("pk")[:MAX_READERS])
