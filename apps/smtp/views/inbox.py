"""The local inbox as a page: what arrived, and what exactly a recipient would see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.accounts.models import Workspace
from apps.smtp import selectors
from apps.smtp.inbox import letters
from apps.smtp.models import InboxLetter

# A stranger's HTML on our own address: it has no origin, runs nothing, and its links leave the frame (design: S04).
LETTER_POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src 'self' https: data:; "
    "style-src 'unsafe-inline'"
)
PARTS: Final = ("seen", "text", "headers", "source")
SHOWN_SOURCE: Final = 200_000


@dataclass(frozen=True, slots=True)
class Box:
    """Whose letters a page shows, and under which routes."""

    workspace: Workspace | None
    slug: str
    prefix: str

    def url(self, route: str, letter: InboxLetter | None = None, **query: str | int) -> str:
        """Return the address of a page of this box, with what is not empty in its query."""
        own = {"letter_id": letter.pk} if letter else {}
        address = reverse(f"smtp:{self.prefix}{route}", kwargs={"workspace_slug": self.slug, **own})
        kept = urlencode({name: value for name, value in query.items() if value})
        return f"{address}?{kept}" if kept else address

    def letter(self, letter_id: int) -> InboxLetter:
        """Return one letter of this box with its body.

        Raises:
            Http404: it does not exist or belongs to another box: the two look the same.
        """
        return get_object_or_404(selectors.inbox_letters(self.workspace).defer(None), pk=letter_id)


def _own(request: WorkspaceRequest) -> Box:
    return Box(request.workspace, request.workspace.slug, "")


def _system(request: WorkspaceRequest) -> Box:
    """Sign-in and reset letters open accounts of the whole instance: only its admins may see that they exist."""
    if not request.user.is_instance_admin:
        raise Http404
    return Box(None, request.workspace.slug, "system_")


@may("inbox.view")
@require_safe
def show(request: WorkspaceRequest) -> HttpResponse:
    """List what the workspace's campaigns and tests sent here."""
    return _list(request, _own(request))


@may("inbox.view")
@require_safe
def letter(request: WorkspaceRequest, letter_id: int) -> HttpResponse:
    """Show one letter: as seen, its text, its headers or its source."""
    return _letter(request, _own(request), letter_id)


@may("inbox.view")
@require_safe
def letter_html(request: WorkspaceRequest, letter_id: int) -> HttpResponse:
    """Answer with the letter's HTML, able to do nothing, wherever it is opened."""
    return _html(_own(request).letter(letter_id))


@may("inbox.view")
@require_safe
def letter_source(request: WorkspaceRequest, letter_id: int) -> HttpResponse:
    """Answer with the letter as it came over the wire."""
    return _source(_own(request).letter(letter_id))


@may("system.view")
@require_safe
def system_show(request: WorkspaceRequest) -> HttpResponse:
    """List the instance's own letters (password resets), for its admins."""
    return _list(request, _system(request))


@may("system.view")
@require_safe
def system_letter(request: WorkspaceRequest, letter_id: int) -> HttpResponse:
    """Show one of the instance's own letters."""
    return _letter(request, _system(request), letter_id)


@may("system.view")
@require_safe
def system_letter_html(request: WorkspaceRequest, letter_id: int) -> HttpResponse:
    """Answer with the HTML of one of the instance's own letters."""
    return _html(_system(request).letter(letter_id))


@may("system.view")
@require_safe
def system_letter_source(request: WorkspaceRequest, letter_id: int) -> HttpResponse:
    """Answer with one of the instance's own letters as it came over the wire."""
    return _source(_system(request).letter(letter_id))


@dataclass(frozen=True, slots=True)
class Position:
    """Where in the column of letters a person is: what they look for, and behind which letter the column begins."""

    query: str
    after: int
    shown_before: int

    @classmethod
    def of(cls, request: WorkspaceRequest) -> Position:
        """Read it from the address."""
        query = request.GET.get("q", "").replace("\0", "").strip()[:200]
        return cls(query, _number(request, "after"), _number(request, "shown"))

    @property
    def kept(self) -> dict[str, str | int]:
        """What the addresses of letters carry on."""
        return {"q": self.query, "after": self.after, "shown": self.shown_before}


def _listing(request: WorkspaceRequest, box: Box, position: Position) -> dict[str, object]:
    """Return the column of letters, which stands beside an open one too."""
    page = selectors.inbox_page(box.workspace, query=position.query, after=position.after)
    shown = position.shown_before + len(page.letters)
    return {
        "page": page,
        "rows": [(one, box.url("letter", one, **position.kept)) for one in page.letters],
        "position": position,
        "shown": shown,
        "next_url": box.url("inbox", q=position.query, after=page.next_after, shown=shown) if page.next_after else "",
        "list_url": box.url("inbox", q=position.query),
        "clear_url": box.url("inbox"),
        "doubled": None if position.query else selectors.doubled_letters(box.workspace),
        "is_system": box.workspace is None,
        "may_see_system": request.user.is_instance_admin and request.may("system.view"),
    }


def _list(request: WorkspaceRequest, box: Box) -> HttpResponse:
    return render(request, "smtp/inbox.html", _listing(request, box, Position.of(request)))


def _letter(request: WorkspaceRequest, box: Box, letter_id: int) -> HttpResponse:
    found = box.letter(letter_id)
    data = bytes(found.data or b"")
    position = Position.of(request)
    part = request.GET.get("part", "")
    context = {
        **_listing(request, box, position),
        "letter": found,
        "opened": letters.take_apart(data),
        "is_removed": found.data is None,
        "part": part if part in PARTS else "seen",
        "tabs": {
            name: box.url("letter", found, part="" if name == "seen" else name, **position.kept) for name in PARTS
        },
        "html_url": box.url("letter_html", found),
        "source_url": box.url("letter_source", found),
        "source": letters.source_of(data[:SHOWN_SOURCE]) if part == "source" else "",
        "is_source_cut": len(data) > SHOWN_SOURCE,
    }
    return render(request, "smtp/letter.html", context)


def _html(found: InboxLetter) -> HttpResponse:
    html = letters.take_apart(bytes(found.data)).html if found.data is not None else None
    if html is None:
        raise Http404
    return _inert(HttpResponse(letters.for_frame(html), content_type="text/html; charset=utf-8"))


def _source(found: InboxLetter) -> HttpResponse:
    if found.data is None:
        raise Http404
    response = HttpResponse(bytes(found.data), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'inline; filename="letter-{found.pk}.txt"'
    return _inert(response)


def _inert(response: HttpResponse) -> HttpResponse:
    response["Content-Security-Policy"] = LETTER_POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, no-store"
    return response


def _number(request: WorkspaceRequest, name: str) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
