"""The composer's first two steps, settings and audience; saved on every change and on going on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from django import forms as django_forms
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns import selectors
from apps.campaigns.forms import AudienceForm, SettingsForm, settings_of
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts, subtraction
from apps.campaigns.views import entrance, reading
from apps.contacts.models import ContactList

STEPS = (
    ("settings", _("Settings")),
    ("audience", _("Audience")),
    ("content", _("Content")),
    ("review", _("Review")),
)
INVALID = 422
NO_CONFLICT: Mapping[str, object] = MappingProxyType({})


def frame(campaign: Campaign | None, step: str) -> dict[str, object]:
    """Return what every step of the composer shows around its own part."""
    urls = [(word, entrance.url(campaign, name) if campaign else "") for name, word in STEPS]
    return {
        "campaign": campaign,
        "steps": urls,
        "at": [name for name, _word in STEPS].index(step) + 1,
        "step_url": entrance.url(campaign, step) if campaign else "",
        "version": drafts.version(campaign) if campaign else "",
    }


@may("campaigns.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: WorkspaceRequest) -> HttpResponse:
    """Begin a campaign; nothing is made before its first step is sent in."""
    initial = drafts.defaults(request.workspace, by=request.user, may_write_sender=request.may("senders.edit"))
    form = _settings_form(request, initial)
    if request.method == "POST" and form.is_valid():
        try:
            campaign = drafts.create(request.workspace, by=request.user, changes=form.cleaned_data)
        except drafts.FieldError as error:
            _show_problems(form, error)
        else:
            return entrance.to(campaign, "audience")
    list_url = reverse("campaigns:list", kwargs={"workspace_slug": request.workspace.slug})
    context = {**frame(None, "settings"), "form": form, "back_url": list_url}
    return render(request, "campaigns/settings.html", context, status=INVALID if form.errors else 200)


@may("campaigns.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Name, subject, sender, sending account."""
    campaign = entrance.campaign_of(request, campaign_id)
    if (reply := elsewhere(request, campaign)) is not None:
        return reply
    form, conflict = _settings_form(request, settings_of(campaign)), NO_CONFLICT
    if _is_autosave(request):
        form.is_valid()
        changes = dict(form.cleaned_data)
        if wrong := drafts.problems(request.workspace, changes):
            changes = {name: value for name, value in changes.items() if name not in wrong}
            _show_problems(form, drafts.FieldError(wrong))
        save: Save = lambda seen: drafts.save(campaign, changes=changes, seen=seen)  # noqa: E731
        return _autosaved(request, campaign, save, "campaigns/fragments/inbox_line.html", form)
    if request.method == "POST" and form.is_valid():
        try:
            drafts.save(campaign, changes=form.cleaned_data, seen=seen(request))
        except drafts.FieldError as error:
            _show_problems(form, error)
        except drafts.ChangedElsewhereError as error:
            conflict = conflict_of(request, error)
        else:
            return entrance.to(campaign, "settings" if "mine" in request.POST else "audience")
    reader, preview = reading.first_reader(campaign)
    context = {**frame(campaign, "settings"), "form": form, "reader": reader, "preview": preview, **conflict}
    return render(request, "campaigns/settings.html", context, status=status_of(form, conflict))


@may("campaigns.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def audience(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Lists in, lists out, and the subtraction as it stands."""
    campaign = entrance.campaign_of(request, campaign_id)
    if (reply := elsewhere(request, campaign)) is not None:
        return reply
    if _is_autosave(request):
        ins, outs = (_still_there(request, name) for name in ("lists", "excluded"))
        save: Save = lambda seen: drafts.save_audience(campaign, lists=ins, excluded=outs, seen=seen)  # noqa: E731
        return _autosaved(request, campaign, save, "campaigns/fragments/subtraction.html")
    form, conflict = (
        AudienceForm(request.POST if request.method == "POST" else None, workspace=request.workspace),
        NO_CONFLICT,
    )
    if request.method == "POST" and form.is_valid():
        chosen, left_out = list(form.cleaned_data["lists"]), list(form.cleaned_data["excluded"])
        try:
            drafts.save_audience(campaign, lists=chosen, excluded=left_out, seen=seen(request))
        except drafts.ChangedElsewhereError as error:
            conflict = conflict_of(request, error)
        else:
            stays = "count" in request.POST or "mine" in request.POST
            return entrance.to(campaign, "audience" if stays else "content")
    context = {
        **frame(campaign, "audience"),
        "lists": selectors.members_by_list(request.workspace),
        "chosen": _chosen(form, "lists") if conflict else set(campaign.lists.values_list("pk", flat=True)),
        "left_out": _chosen(form, "excluded")
        if conflict
        else set(campaign.excluded_lists.values_list("pk", flat=True)),
        "subtraction": subtraction.now(campaign),
        "form": form,
        **conflict,
    }
    return render(request, "campaigns/audience.html", context, status=status_of(form, conflict))


def _still_there(request: WorkspaceRequest, name: str) -> list[ContactList]:
    """Return the lists that were ticked, without those that were deleted since the page was read."""
    known = {str(each.pk): each for each in ContactList.objects.filter(workspace=request.workspace)}
    return [known[text] for text in request.POST.getlist(name) if text in known]


def _chosen(form: AudienceForm, name: str) -> set[int]:
    return {each.pk for each in form.cleaned_data[name]}


def _settings_form(request: WorkspaceRequest, initial: dict[str, object]) -> SettingsForm:
    may_write = request.may("senders.edit")
    return SettingsForm(request.POST or None, workspace=request.workspace, may_write_sender=may_write, initial=initial)


Save = Callable[[str], None]


def _is_autosave(request: WorkspaceRequest) -> bool:
    return request.method == "POST" and "autosave" in request.POST


def _autosaved(
    request: WorkspaceRequest,
    campaign: Campaign,
    save: Save,
    fragment: str,
    form: django_forms.Form | None = None,
) -> HttpResponse:
    """Save and answer with the note, the new version, and the part of the page that follows from the change."""
    try:
        save(seen(request))
    except drafts.ChangedElsewhereError as error:
        return conflict_reply(request, error, entrance.url(campaign, "settings" if "inbox" in fragment else "audience"))
    context: dict[str, object] = {"campaign": campaign, "version": drafts.version(campaign), "is_swapped": True}
    match fragment.rpartition("/")[2]:
        case "inbox_line.html":
            context["reader"], context["preview"] = reading.first_reader(campaign)
        case "subtraction.html":
            context["subtraction"] = subtraction.now(campaign)
    context |= {"fragment": fragment, **refusal_of(form)}
    return render(request, "campaigns/fragments/saved.html", context, status=status_of(form, NO_CONFLICT))


def seen(request: WorkspaceRequest) -> str:
    """Return the version that the page was made from; nothing where its author has said that theirs counts."""
    return "" if "mine" in request.POST else request.POST.get("seen", "")


def conflict_of(request: WorkspaceRequest, error: drafts.ChangedElsewhereError) -> dict[str, object]:
    """Return what a page shows that was overtaken; it keeps its version, so that nothing of it is saved by itself."""
    return {"conflict": error.message, "version": request.POST.get("seen", "")}


def refusal_of(form: django_forms.Form | None) -> dict[str, object]:
    """Return what a page that saved by itself says of what was left out of it; nothing where nothing was."""
    if form is None or not form.errors:
        return {}
    names = [name for name in form.fields if name in form.errors] or ["form"]
    written = next((name for name in drafts.CONTENT if name in names), "")
    if written or names == ["form"]:
        sentence = next(iter(form.errors[written])) if written else next(iter(form.non_field_errors()))
        said = gettext("Not saved: %(sentence)s") % {"sentence": sentence}
    else:
        labels = ", ".join(str(form.fields[name].label) for name in names)
        said = gettext("Saved, except: %(fields)s") % {"fields": labels}
    why = {name: [str(sentence) for sentence in form.errors.get(name, [])] for name in names}
    return {"refused": " ".join(names), "refusal": said, "refused_why": json.dumps(why)}


def status_of(form: django_forms.Form | None, conflict: Mapping[str, object]) -> int:
    """Return the status of a page with this form on it."""
    if conflict:
        return drafts.ChangedElsewhereError.status
    return INVALID if form is not None and form.errors else 200


def conflict_reply(request: WorkspaceRequest, error: drafts.ChangedElsewhereError, step_url: str) -> HttpResponse:
    """Answer a page that saved by itself, and was overtaken, with what its author can do now."""
    context = {"conflict": error.message, "step_url": step_url}
    return render(request, "campaigns/fragments/conflict.html", context, status=error.status)


def noted(request: WorkspaceRequest, campaign: Campaign, form: django_forms.Form, *, tells: str) -> HttpResponse:
    """Answer with the note that a change is saved, or what of it is not, and tell the page so by this event."""
    context = {"campaign": campaign, "version": drafts.version(campaign), **refusal_of(form)}
    response = render(request, "campaigns/fragments/saved.html", context, status=status_of(form, NO_CONFLICT))
    response["HX-Trigger"] = tells
    return response


def elsewhere(request: WorkspaceRequest, campaign: Campaign) -> HttpResponse | None:
    """Lead to the campaign's own page when there is nothing left to compose."""
    if request.method != "POST" and not entrance.is_editable(campaign):
        return entrance.to(campaign, "detail")
    return None


def _show_problems(form: django_forms.Form, error: drafts.FieldError) -> None:
    for name, sentence in error.problems.items():
        form.add_error(name if name in form.fields else None, sentence)
