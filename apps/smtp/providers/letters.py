"""An envelope as a provider's API takes it: our own bytes where it takes bytes, else exactly their parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage as ParsedMessage
from email.parser import BytesParser
from typing import Any, Final, cast

from django.core.mail import EmailMultiAlternatives

from apps.smtp.envelope import Envelope
from apps.smtp.providers.catalogue import Provider

# What the provider is told otherwise, or writes by itself.
_TOLD: Final = frozenset({"from", "to", "subject", "reply-to", "date", "mime-version", "message-id"})
_READ: Final = policy.default.clone(max_line_length=None)


class Letter(EmailMultiAlternatives):
    """A letter whose bytes are those of its envelope."""

    def __init__(self, envelope: Envelope, **named: Any) -> None:
        super().__init__(**named)
        self._wire = envelope.data

    def message(self, *_args: Any, **_named: Any) -> Any:
        """Return the bytes as something that the backends take for a message."""
        return _Wire(self._wire)


class _Wire:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def walk(self) -> Iterator[ParsedMessage]:
        """Return no part: there is nothing to encode anew."""
        return iter(())

    def as_bytes(self) -> bytes:
        """Return the letter."""
        return self._data


def written_for(provider: Provider, envelope: Envelope, *, extra: dict[str, str]) -> Letter:
    """Return the envelope as a message for the provider's backend."""
    found = BytesParser(policy=_READ).parsebytes(envelope.data)
    text, html = found.get_body(("plain",)), found.get_body(("html",))
    headers = _headers(provider, found)
    if provider.keeps_message_id:
        headers["Message-ID"] = (
            envelope.message_id if envelope.message_id.startswith("<") else f"<{envelope.message_id}>"
        )
    if provider.name == "postmark":
        headers["X-PM-KeepID"] = "true"
    letter = Letter(
        envelope,
        subject=str(found["Subject"] or ""),
        body=_text(text),
        from_email=_addresses(found, "From")[0],
        to=_addresses(found, "To"),
        reply_to=_addresses(found, "Reply-To"),
        headers=headers,
    )
    if html is not None:
        letter.attach_alternative(_text(html), "text/html")
    expando = cast(Any, letter)
    if provider.takes_metadata:
        expando.metadata = {"letter": envelope.message_id.strip("<>")}
    body: dict[str, object] = dict(extra)
    if not provider.takes_headers and (link := _unsubscribe_link(found)):
        body["list_unsubscribe"] = link
    if body:
        expando.esp_extra = body
    return letter


def _headers(provider: Provider, found: ParsedMessage) -> dict[str, str]:
    if not provider.takes_headers:
        return {}
    return {
        name: _ascii(str(value))
        for name, value in found.items()
        if name.lower() not in _TOLD and not name.lower().startswith("content-") and _ascii(str(value))
    }


def _ascii(value: str) -> str:
    """Return a header that needs no encoding, because some APIs send bytes where there were letters.

    Of ours only List-Id can have others, in the list's name; its identifier in brackets is what counts.
    """
    return value if value.isascii() else "".join(re.findall(r"<[\x21-\x7e]+>\Z", value))


def _addresses(found: ParsedMessage, name: str) -> list[str]:
    header = found[name]
    return [_written(one) for one in header.addresses] if header is not None else []


def _written(address: Address) -> str:
    """Write an address so that a name with a comma or a quote stays one name, in letters and not encoded."""
    if not address.display_name:
        return address.addr_spec
    name = address.display_name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{address.addr_spec}>'


def _text(part: Any) -> str:
    return str(part.get_content()) if part is not None else ""


def _unsubscribe_link(found: ParsedMessage) -> str:
    value = str(found["List-Unsubscribe"] or "")
    links = [one.strip().strip("<>") for one in value.split(",")]
    return next((one for one in links if one.startswith("http")), "")
