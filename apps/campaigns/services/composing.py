"""From a claimed row to an envelope: the frozen content, the recipient's fields, and this letter's own links."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings

from apps.campaigns import rendering
from apps.campaigns.models import Campaign, ContentVersion
from apps.campaigns.rendering.urls import domain_to_ascii
from apps.campaigns.services.claims import Claimed
from apps.campaigns.states import DeliveryKind
from apps.contacts.models import ContactList
from apps.smtp.envelope import Envelope
from apps.smtp.services import signing
from core import clock, tokens

__all__ = ["Envelope", "Urls", "compose", "urls_of"]


class Urls:
    """The links of one letter; every one carries a token bound to its purpose."""

    def __init__(self, delivery_id: int) -> None:
        self._id = delivery_id
        self._base = settings.PUBLIC_URL

    def clicks(self, links: int) -> list[str]:
        """Return the tracked addresses of so many links of the content, by number."""
        base = f"{self._base}/c/"
        return [base + token for token in tokens.seal_each("click", self._id, range(links))]

    @property
    def open(self) -> str:
        """The pixel."""
        return f"{self._base}/o/{tokens.seal('open', self._id)}.gif"

    @property
    def unsubscribe(self) -> str:
        """The page and one-click address."""
        return f"{self._base}/u/{tokens.seal('unsubscribe', self._id)}"

    @property
    def view(self) -> str:
        """The letter in the browser."""
        return f"{self._base}/v/{tokens.seal('view', self._id)}"

    @property
    def preferences(self) -> str:
        """The lists this person may leave or join."""
        return f"{self._base}/p/{tokens.seal('unsubscribe', self._id)}"


def urls_of(delivery_id: int) -> Urls:
    """Return the links of one letter."""
    return Urls(delivery_id)


@lru_cache(maxsize=64)
def _frozen(content_id: int) -> rendering.Frozen:
    return rendering.Frozen.from_json(ContentVersion.objects.values_list("frozen", flat=True).get(pk=content_id))


@lru_cache(maxsize=64)
def _list_of(campaign_id: int) -> tuple[str, str]:
    """Return a stable List-Id local part (RFC 2919) and the list's name."""
    ids = Campaign.objects.values_list("audience_list_ids", flat=True).get(pk=campaign_id)
    first = ContactList.objects.filter(pk__in=ids).order_by("pk").first()
    return (f"list-{first.uuid.hex[:16]}", first.name) if first else (f"campaign-{campaign_id}", "")


@lru_cache(maxsize=8)
def _is_http_loopback(public_url: str) -> bool:
    public = urlsplit(public_url)
    return public.scheme == "http" and public.hostname in {"localhost", "127.0.0.1", "::1"}


def compose(claimed: Claimed) -> Envelope:
    """Build the letter's bytes, check them on the way out, and sign them with the keys of today.

    Raises:
        RenderError: this letter cannot be built; the others can.
        EspError: it cannot be signed, or its account not be used; the same goes for others.
    """
    frozen = _frozen(claimed.content_id)
    urls = urls_of(claimed.delivery_id)
    from_domain = frozen.from_email.rpartition("@")[2]
    bounce_domain = settings.BOUNCE_DOMAIN or from_domain
    is_bulk = claimed.kind in (DeliveryKind.CAMPAIGN, DeliveryKind.TEST)
    list_id, list_name = ("", "")
    if claimed.campaign_id and claimed.kind == DeliveryKind.CAMPAIGN:
        list_id, list_name = _list_of(claimed.campaign_id)
    letter = rendering.Letter(
        message_id=claimed.message_id,
        mail_from=tokens.return_path(claimed.delivery_id, bounce_domain),
        to_email=claimed.email,
        to_name=f"{claimed.first_name} {claimed.last_name}".strip(),
        fields=claimed.merge_fields(),
        click_urls=urls.clicks,
        open_url=urls.open,
        unsubscribe_url=urls.unsubscribe,
        view_url=urls.view,
        preferences_url=urls.preferences,
        list_id=f"{list_id}.{from_domain}" if list_id else "",
        list_name=list_name,
        feedback_id=f"{claimed.campaign_id or 0}:{claimed.workspace_id}:{claimed.kind}:vashsender",
        date=clock.now(),
        allow_http_loopback=_is_http_loopback(settings.PUBLIC_URL),
        is_bulk=is_bulk,
    )
    envelope = rendering.compose(frozen, letter)
    return signing.signed(
        envelope,
        workspace_id=claimed.workspace_id,
        domain=domain_to_ascii(from_domain.lower()),
        transport_id=claimed.transport_id,
    )
