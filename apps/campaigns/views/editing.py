"""The desk a letter is written at, for drafts and templates: editor, insert menu, remarks, and its small deeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from apps.accounts.access import WorkspaceRequest
from apps.campaigns import merge_fields, rendering
from apps.campaigns.models import Campaign, Template
from apps.campaigns.rendering.errors import RenderingError
from apps.campaigns.services import drafts, previews, remarks, replaced
from apps.campaigns.views import images, reading
from core import toasts
from core.errors import EspError

# What the preview is told when a change has been saved.
SAVED = "saved"


@dataclass(frozen=True, slots=True)
class Desk:
    """What lies on it: how it is saved and read, and where its page is."""

    save: Callable[[Mapping[str, object]], None]
    add_footer: Callable[[], None]
    source: Callable[[], rendering.Source]
    back: Callable[..., HttpResponse]
    letter: Campaign | Template
    take_back_url: str


def context(request: WorkspaceRequest, looked: reading.Reading, source: rendering.Source) -> dict[str, object]:
    """Return what the editor and the panel beside it show."""
    return {
        **reading.panel(request, looked),
        **_remarks(source),
        **images.panel(request.workspace),
        "inserts": (
            (_("About the reader"), merge_fields.of_people(request.workspace)),
            (_("About the email"), merge_fields.of_letter()),
        ),
    }


def _remarks(source: rendering.Source) -> dict[str, object]:
    found = remarks.of(source)
    return {
        "remarks": found[: remarks.MAX_SHOWN],
        "remarks_more": len(found[remarks.MAX_SHOWN :]),
        "is_text_separate": bool(source.text.strip()),
    }


def panel_reply(
    request: WorkspaceRequest, looked: reading.Reading, source: rendering.Source, **more: object
) -> HttpResponse:
    """Answer with the panel, and with the remarks where the page shows them."""
    values = {**more, **reading.panel(request, looked), **_remarks(source), "is_swapped": True}
    return render(request, "campaigns/fragments/reader_reply.html", values)


def is_autosave(request: WorkspaceRequest) -> bool:
    """Return whether the page saved by itself."""
    return request.method == "POST" and "autosave" in request.POST


def after_save(request: WorkspaceRequest, desk: Desk) -> HttpResponse | None:
    """Do what a button of the editor asks for once everything is saved; None when it was none of them."""
    kept = {name: value for name in reading.KEPT if (value := request.POST.get(name))}
    if "footer" in request.POST:
        desk.add_footer()
        messages.success(request, _("Put in at the end of the email."))
    elif "make_text" in request.POST:
        try:
            desk.save({"text": previews.text_from_html(desk.source())})
        except RenderingError as error:
            messages.error(request, error.message)
        kept["part"] = "text"
    elif "drop_text" in request.POST:
        before = replaced.parts_of(desk.letter)
        desk.save({"text": ""})
        done(request, _("The text is made from the HTML again."), desk.letter, before, undo=desk.take_back_url)
        kept["part"] = "text"
    elif "look" not in request.POST:
        return None
    return desk.back(**kept)


def done(
    request: WorkspaceRequest, words: str, letter: Campaign | Template, before: Mapping[str, str], *, undo: str
) -> None:
    """Say that what was written was replaced; the toast offers it back while nobody has written on."""
    key = replaced.keep(letter, before)
    toasts.done(request, words, undo=undo, kept=key) if key else toasts.done(request, words)


def take_back(request: WorkspaceRequest, letter: Campaign | Template) -> None:
    """Write back what was replaced, or say why not."""
    try:
        replaced.take_back(letter, request.POST.get("kept", ""))
    except drafts.ChangedElsewhereError:
        messages.warning(request, _("Something was written since. It stays, and nothing was taken back."))
    except EspError as error:
        messages.warning(request, error.message)
    else:
        messages.success(request, _("As it was before."))


def unix_lines(text: str) -> str:
    """Return the text as its author wrote it: browsers send CR LF."""
    return text.replace("\r\n", "\n")
