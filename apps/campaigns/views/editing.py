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
from apps.campaigns.rendering.errors import RenderingError
from apps.campaigns.services import previews, remarks
from apps.campaigns.views import images, reading

# What the preview is told when a change has been saved.
SAVED = "saved"


@dataclass(frozen=True, slots=True)
class Desk:
    """What lies on it: how it is saved and read, and where its page is."""

    save: Callable[[Mapping[str, object]], None]
    add_footer: Callable[[], None]
    source: Callable[[], rendering.Source]
    back: Callable[..., HttpResponse]


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
        desk.save({"text": ""})
        kept["part"] = "text"
    elif "look" not in request.POST:
        return None
    return desk.back(**kept)


def unix_lines(text: str) -> str:
    """Return the text as its author wrote it: browsers send CR LF."""
    return text.replace("\r\n", "\n")
