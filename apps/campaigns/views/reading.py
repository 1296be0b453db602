"""Looking at a letter as one reader sees it: the panel around the preview, and the preview at its own address."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts, previews
from apps.campaigns.views import entrance
from apps.contacts.models import Contact

# A stranger's HTML on our own address: the sandbox takes its origin, the policy everything else (design: S04).
PREVIEW_POLICY = "sandbox; default-src 'none'; img-src https: data:{own}; style-src 'unsafe-inline'"
LIGHTS = ("light", "dark")
_SCHEME_META = re.compile(
    r"(<meta\b[^>]*\bname=\"(?:supported-)?color-schemes?\"[^>]*\bcontent=\")[^\"]*(?=\")", re.IGNORECASE
)
_SCHEME_STYLE = re.compile(r"(\bcolor-scheme\s*:\s*)(?:light\s+dark|dark\s+light)\b", re.IGNORECASE)
_SCHEME_QUERY = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.IGNORECASE)
KEPT = ("as", "part", "width", "light", "find")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is looked at: a draft or a template, where its panel and its preview are, and by whom it can be read."""

    reader_url: str
    preview_url: str
    version: str
    readers: Callable[[], list[Contact]]
    seen_by: Callable[[Contact | None], previews.Preview]


def of_campaign(campaign: Campaign) -> Reading:
    """Return how a campaign is looked at."""
    return Reading(
        reader_url=entrance.url(campaign, "reader"),
        preview_url=entrance.url(campaign, "preview"),
        version=drafts.version(campaign),
        readers=lambda: previews.readers(campaign),
        seen_by=lambda reader: previews.of(campaign, reader),
    )


def first_reader(campaign: Campaign) -> tuple[Contact | None, previews.Preview]:
    """Return an ordinary reader of a campaign, and what this person would see."""
    reader = next(iter(previews.readers(campaign)), None)
    return reader, previews.of(campaign, reader)


@dataclass(frozen=True, slots=True)
class Panel:
    """The panel around a preview: as whom, which part, how wide, by which light, and where each change leads."""

    reading: Reading
    reader: Contact | None
    readers: list[Contact]
    part: str
    is_phone: bool
    is_dark: bool
    find: str = ""
    found: tuple[Contact, ...] = ()

    def url(self, **changes: str) -> str:
        """Return the address of the panel after a change; an empty value takes a choice back."""
        now = {"as": str(self.reader.uuid) if self.reader else "", "part": self.part}
        now |= {"width": "phone" if self.is_phone else "", "light": "dark" if self.is_dark else ""}
        return f"{self.reading.reader_url}?{urlencode({key: value for key, value in (now | changes).items() if value})}"

    @property
    def people(self) -> list[tuple[Contact, str]]:
        """Whom else one could look as, each with the address that does it."""
        shown = self.found if self.find else self.readers
        return [(person, self.url(**{"as": str(person.uuid)})) for person in shown]

    @property
    def previous_url(self) -> str:
        """The address of the person before; empty where there is nobody else."""
        return self._beside(-1)

    @property
    def next_url(self) -> str:
        """The address of the next person."""
        return self._beside(1)

    def _beside(self, step: int) -> str:
        if len(self.readers) < 2:
            return ""
        place = next((n for n, each in enumerate(self.readers) if self.reader and each.pk == self.reader.pk), -1)
        return self.url(**{"as": str(self.readers[(place + step) % len(self.readers)].uuid)})

    @property
    def other_part_url(self) -> str:
        """The address of the text version, or back."""
        return self.url(part="html" if self.part == "text" else "text")

    @property
    def other_width_url(self) -> str:
        """The address at the width of a phone, or back."""
        return self.url(width="" if self.is_phone else "phone")

    @property
    def other_light_url(self) -> str:
        """The address in dark mode, or back."""
        return self.url(light="" if self.is_dark else "dark")

    @property
    def frame_url(self) -> str:
        """The address of the letter itself, a new one after every change."""
        shown = {"contact": str(self.reader.uuid) if self.reader else "", "part": self.part, "v": self.reading.version}
        shown["light"] = "dark" if self.is_dark else "light"
        return f"{self.reading.preview_url}?{urlencode(shown)}"


def panel(request: WorkspaceRequest, reading: Reading) -> dict[str, object]:
    """Return what the panel shows, as it is asked for."""
    asked = request.POST if request.method == "POST" else request.GET
    readers = reading.readers()
    reader = entrance.reader_of(request, asked.get("as", "")) or next(iter(readers), None)
    query = asked.get("find", "").strip()
    drawn = Panel(
        reading=reading,
        reader=reader,
        readers=readers,
        part="text" if asked.get("part") == "text" else "html",
        is_phone=asked.get("width") == "phone",
        is_dark=asked.get("light") == "dark",
        find=query,
        found=tuple(previews.find_readers(request.workspace, query)) if query else (),
    )
    return {"panel": drawn, "preview": reading.seen_by(reader), "version": reading.version}


def choices(request: WorkspaceRequest) -> dict[str, str]:
    """Return how the panel was set, for the address of the page it stands on."""
    return {name: value for name in KEPT if (value := request.GET.get(name))}


@may("campaigns.view")
@require_safe
def preview(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Answer with the letter itself, able to do nothing, wherever it is opened."""
    campaign = entrance.campaign_of(request, campaign_id)
    asked = request.GET.get("contact") or request.GET.get("as", "")
    return letter(request, previews.of(campaign, entrance.reader_of(request, asked)))


def letter(request: WorkspaceRequest, seen: previews.Preview, *, keep_seconds: int = 0) -> HttpResponse:
    """Return a letter as a document of its own that can do nothing.

    Args:
        keep_seconds: how long the browser may keep it; nought where it shows what is known about a person.
    """
    if request.GET.get("part") == "text" and not (seen.error or seen.is_empty):
        response = HttpResponse(seen.text, content_type="text/plain; charset=utf-8")
    elif seen.error or seen.is_empty:
        keep_seconds = 0
        response = render(request, "campaigns/preview_error.html", {"preview": seen})
    else:
        response = HttpResponse(
            in_light(seen.html, request.GET.get("light", "")), content_type="text/html; charset=utf-8"
        )
    # An installation on one machine has no https: its own images are let through by their address.
    own = f" {settings.PUBLIC_URL}/i/" if settings.PUBLIC_URL.startswith("http://") else ""
    response["Content-Security-Policy"] = PREVIEW_POLICY.format(own=own)
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = f"private, max-age={keep_seconds}" if keep_seconds else "private, no-store"
    return response


def in_light(html: str, light: str) -> str:
    """Return a letter as a program in light or dark mode shows it; unchanged for any other word.

    A document in a sandbox hears only of its reader's own mode, whatever the frame around it says.
    """
    if light not in LIGHTS:
        return html
    html = _SCHEME_META.sub(lambda meta: meta[1] + light, html)
    html = _SCHEME_STYLE.sub(lambda rule: rule[1] + light, html)
    return _SCHEME_QUERY.sub(lambda query: "(min-width: 0)" if query[1].lower() == light else "(max-width: 0)", html)
