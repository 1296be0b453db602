"""A letter of our own to start from: the demonstration sends it, and a first campaign may begin with it."""

from __future__ import annotations

from html import escape
from pathlib import Path

from apps.campaigns.rendering.types import Source

_FOLDER = Path(__file__).with_name("samples")
SAMPLE_ADDRESS = "VashSender demo, 1 Harbour Road, Springfield"


def sample_source(
    *,
    from_name: str = "VashSender demo",
    from_email: str = "news@vashsender.example",
    reply_to: str = "",
    postal_address: str = SAMPLE_ADDRESS,
    site_url: str = "https://vashsender.example",
) -> Source:
    """Return the sample letter as a marketer would have written it, with this sender, address and site."""
    values = {"%SITE%": site_url.rstrip("/"), "%ADDRESS%": postal_address, "%SENDER%": from_name}
    return Source(
        subject='{{ first_name or "Hello" }}, your first letter has arrived',
        preheader="What is in it, how it got here, and how to send your own.",
        html=_read("welcome.html", {mark: escape(value) for mark, value in values.items()}),
        text=_read("welcome.txt", values),
        from_name=from_name,
        from_email=from_email,
        reply_to=reply_to,
        postal_address=postal_address,
    )


def _read(name: str, values: dict[str, str]) -> str:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text
