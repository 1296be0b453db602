"""Content as one reader would see it, and whom to look at it as."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from uuid import UUID

from django.core.cache import cache
from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from apps.accounts.models import Workspace
from apps.campaigns import rendering, selectors
from apps.campaigns.models import Campaign, Template
from apps.campaigns.rendering import designs
from apps.campaigns.rendering.errors import RenderingError
from apps.campaigns.services import lifecycle, templates
from apps.contacts.models import Contact
from core import addresses
from core.errors import NotFoundError

logger = logging.getLogger(__name__)

MAX_READERS = 9
# A version is built once for the panel and the frame beside it, whichever process answers.
KEPT_SECONDS = 600
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
    error_part: str = ""
    error_line: int = 0
    is_empty: bool = False


def of(campaign: Campaign, reader: Contact | None) -> Preview:
    """Return the content as this reader would see it; a draft's as it is now, any other's as it was frozen."""
    fields = reader.merge_fields() if reader else {}
    if campaign.content is not None:
        return _filled(rendering.Frozen.from_json(campaign.content.frozen), fields)
    return of_source(lifecycle.source_of(campaign), fields)


def of_template(template: Template, reader: Contact | None) -> Preview:
    """Return a template as this reader would see it; without one, as somebody made up."""
    return of_source(templates.source_of(template), reader.merge_fields() if reader else designs.SHOWN_TO)


def of_source(source: rendering.Source, fields: Mapping[str, object]) -> Preview:
    """Return content that was not frozen yet as a reader with these fields would see it."""
    if not source.html.strip():
        return Preview(is_empty=True)
    try:
        return _filled(_frozen(source), fields)
    except RenderingError as error:
        return _refused(error)


def text_from_html(source: rendering.Source) -> str:
    """Return the text version that is made from the HTML while nobody has written one.

    Raises:
        ContentError: with the line and what to do.
    """
    return _frozen(replace(source, text="")).text


def _filled(frozen: rendering.Frozen, fields: Mapping[str, object]) -> Preview:
    try:
        seen = rendering.preview(frozen, fields)
    except RenderingError as error:
        return _refused(error)
    size = len(seen.html.encode("utf-8", "replace"))
    return Preview(seen.subject, seen.html, seen.text, links=len(frozen.links), size_bytes=size)


def _refused(error: RenderingError) -> Preview:
    line = error.params.get("line", 0)
    return Preview(
        error=error.message,
        error_part=str(error.params.get("part", "")),
        error_line=line if isinstance(line, int) else 0,
    )


def _frozen(source: rendering.Source) -> rendering.Frozen:
    written = json.dumps(asdict(source), sort_keys=True).encode("utf-8", "replace")
    key = f"frozen:{hashlib.sha256(written).hexdigest()}"
    kept = _kept(key)
    if kept:
        return rendering.Frozen.from_json(kept)
    frozen = rendering.freeze(source)
    try:
        cache.set(key, json.dumps(frozen.to_json()), KEPT_SECONDS)
    except RedisError:
        logger.warning("preview not kept: the cache is away")
    return frozen


def _kept(key: str) -> str:
    try:
        return str(cache.get(key) or "")
    except RedisError:  # previews are only slower without it
        return ""


def readers(campaign: Campaign) -> list[Contact]:
    """Return whom to look at a campaign as: people of its audience as it is chosen now, else of the workspace."""
    people = selectors.readers(
        campaign.workspace,
        list_ids=list(campaign.lists.values_list("pk", flat=True)),
        excluded_list_ids=list(campaign.excluded_lists.values_list("pk", flat=True)),
    )
    return _in_turn(people) if people.exists() else readers_of(campaign.workspace)


def readers_of(workspace: Workspace) -> list[Contact]:
    """Return whom of a workspace to look at a letter as."""
    return _in_turn(Contact.objects.filter(workspace_id=workspace.pk).order_by("pk"))


def _in_turn(people: QuerySet[Contact]) -> list[Contact]:
    """Return somebody ordinary, then the awkward ones, then a few more."""
    longest = people.annotate(length=Length("first_name") + Length("last_name")).order_by("-length", "pk")
    in_turn = (
        *people.exclude(first_name="")[:1],
        *people.filter(first_name="")[:1],
        *longest[:1],
        *people.filter(first_name__regex=_OTHER_SCRIPT)[:1],
        *people[:MAX_READERS],
    )
    return list({reader.pk: reader for reader in in_turn}.values())[:MAX_READERS]


def reader_named(workspace: Workspace, text: str) -> Contact | None:
    """Return the person of the workspace whom an address, or a public number, names; None for an empty text.

    Raises:
        NotFoundError: nobody is.
    """
    if not text.strip():
        return None
    people = Contact.objects.filter(workspace_id=workspace.pk)
    try:
        found = people.filter(uuid=UUID(text.strip())).first()
    except ValueError:
        try:
            found = people.filter(email_normalised=addresses.parse(text).normalised).first()
        except addresses.InvalidAddressError:
            found = None
    if found is None:
        raise NotFoundError(_("Nobody in this workspace has the address “%(text)s”.") % {"text": text.strip()[:80]})
    return found


def find_readers(workspace: Workspace, text: str) -> list[Contact]:
    """Return people of the workspace by a piece of their name or address."""
    found = Contact.objects.filter(workspace_id=workspace.pk).filter(
        Q(email__icontains=text) | Q(first_name__icontains=text) | Q(last_name__icontains=text)
    )
    return list(found.order_by("pk")[:MAX_READERS])
