"""Six designs of our own to begin a letter with: brand-neutral, made of tables, at home in dark mode and on phones."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.campaigns.rendering.types import Source

_FOLDER = Path(__file__).with_name("samples") / "designs"
# Whom a design or template is shown to in the gallery: nobody of the workspace's people.
SHOWN_TO = {
    "email": "marta@orchard.example",
    "first_name": "Marta",
    "last_name": "Kowalczyk",
    "name": "Marta Kowalczyk",
    "city": "Porto",
}


@dataclass(frozen=True, slots=True)
class Design:
    """One built-in design: its key, its name in the gallery, and what it is good for."""

    key: str
    name: str | Promise
    purpose: str | Promise
    subject: str
    preheader: str


DESIGNS = (
    Design(
        "newsletter",
        _("Newsletter"),
        _("One main story, two short ones, a quotation. For a letter that comes every month."),
        'Three things worth your time{{ ", " ~ first_name if first_name }}',
        "What we made, read and learned since we last wrote.",
    ),
    Design(
        "announcement",
        _("Announcement"),
        _("One piece of news in large type, what changes, from when, and what to do."),
        "Say what is new in one line",
        "What changes, from when, and what you need to do.",
    ),
    Design(
        "product",
        _("Product"),
        _("A picture, a name, a price and four facts. For something that can be bought."),
        "{{ first_name or 'Hello' }}, something new",
        "The one we worked on all winter.",
    ),
    Design(
        "event",
        _("Event invitation"),
        _("A date, a place, a programme and a seat to keep."),
        "{{ first_name ~ ', you' if first_name else 'You' }} are invited",
        "Thursday, 12 March, 18:30. There are sixty seats.",
    ),
    Design(
        "welcome",
        _("Welcome"),
        _("A greeting and three first steps. For people who have just joined."),
        "Welcome{{ ', ' ~ first_name if first_name }}",
        "Three first steps, and how often you will hear from us.",
    ),
    Design(
        "letter",
        _("Plain letter"),
        _("No pictures, no columns: one person writes to another."),
        "A few words{{ ' for ' ~ first_name if first_name }}",
        "One thing to say, in under two hundred words.",
    ),
)


def design_of(key: str) -> Design | None:
    """Return the design of this key."""
    return next((design for design in DESIGNS if design.key == key), None)


def written(
    design: Design, *, from_name: str, from_email: str, postal_address: str, site_url: str, reply_to: str = ""
) -> Source:
    """Return a design as a marketer would have written it, with this sender, address and site in their places."""
    # An address or a name is never a placeholder.
    values = {"%SENDER%": from_name, "%ADDRESS%": postal_address, "%SITE%": site_url.rstrip("/")}
    values = {mark: value.replace("{", "(").replace("}", ")") for mark, value in values.items()}
    return Source(
        subject=design.subject,
        preheader=design.preheader,
        html=_read(f"{design.key}.html", {mark: _markup(value) for mark, value in values.items()}),
        text=_read(f"{design.key}.txt", values),
        from_name=from_name,
        from_email=from_email,
        reply_to=reply_to,
        postal_address=postal_address,
    )


def _markup(text: str) -> str:
    return "<br>".join(escape(line) for line in text.splitlines())


def _read(name: str, values: dict[str, str]) -> str:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text
