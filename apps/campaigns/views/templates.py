"""The gallery of templates and built-in designs, and the desk a template is written at."""

from __future__ import annotations

import hashlib
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.accounts.models import Workspace
from apps.campaigns.forms import TemplateForm
from apps.campaigns.models import Campaign, Template
from apps.campaigns.rendering import designs
from apps.campaigns.services import drafts, previews, replaced, templates
from apps.campaigns.views import composer, editing, entrance, reading

PAGE = 12
# What the gallery shows belongs to nobody, and its address changes with it.
KEEP_SECONDS = 24 * 3600


@may("campaigns.view")
@require_safe
def gallery(request: WorkspaceRequest) -> HttpResponse:
    """Show the workspace's templates, newest first, and the designs that are built in."""
    own = Template.objects.filter(workspace=request.workspace).order_by("-pk")
    total = own.count()
    before = request.GET.get("before", "")
    after = own.filter(pk__lt=int(before)) if _is_number(before) else own
    page = list(after[: PAGE + 1])
    shown = (int(request.GET.get("shown", "")) if _is_number(request.GET.get("shown", "")) else 0) + len(page[:PAGE])
    campaign = _asked_for(request, request.GET.get("for", ""))
    more = {"before": page[PAGE - 1].pk, "shown": shown} if len(page) > PAGE else {}
    context = {
        "own": [(template, templates.version(template)) for template in page[:PAGE]],
        "total": total,
        "shown": shown,
        "next_url": "?" + urlencode({**({"for": campaign.pk} if campaign else {}), **more}) if more else "",
        "designs": designs.DESIGNS,
        "designs_version": _designs_version(request.workspace),
        "for_campaign": campaign,
        "may_edit": request.may("campaigns.edit"),
    }
    return render(request, "campaigns/templates.html", context)


@may("campaigns.edit")
@require_POST
def new(request: WorkspaceRequest) -> HttpResponse:
    """Begin an empty template."""
    empty = Template(subject="", preheader="", html="", text="")
    return _to(templates.create(request.workspace, by=request.user, name=_("New template"), content=empty))


@may("campaigns.view")
@require_safe
def design(request: WorkspaceRequest) -> HttpResponse:
    """Show a built-in design wide and on a phone."""
    if "design" not in request.GET:
        return _to_gallery(request)
    context = {
        "design": _design_of(request.GET["design"]),
        "designs_version": _designs_version(request.workspace),
        "for_campaign": _asked_for(request, request.GET.get("for", "")),
        "may_edit": request.may("campaigns.edit"),
    }
    return render(request, "campaigns/design.html", context)


@may("campaigns.view")
@require_safe
def design_preview(request: WorkspaceRequest) -> HttpResponse:
    """Answer with a built-in design as a made-up reader sees it."""
    if "design" not in request.GET:
        return _to_gallery(request)
    source = templates.source_of_design(_design_of(request.GET["design"]), request.workspace)
    return reading.letter(request, previews.of_source(source, designs.SHOWN_TO), keep_seconds=KEEP_SECONDS)


@may("campaigns.edit")
@require_POST
def design_use(request: WorkspaceRequest) -> HttpResponse:
    """Begin a campaign with a built-in design."""
    chosen = _design_of(request.POST.get("design", ""))
    source = templates.source_of_design(chosen, request.workspace, from_email=_usual_address(request))
    return _begin(request, str(chosen.name), source)


@may("campaigns.edit")
@require_POST
def design_keep(request: WorkspaceRequest) -> HttpResponse:
    """Copy a built-in design among the workspace's own, to change it."""
    chosen = _design_of(request.POST.get("design", ""))
    address = _usual_address(request)
    return _to(templates.from_design(request.workspace, by=request.user, design=chosen, from_email=address))


@may("campaigns.edit")
@require_POST
def use(request: WorkspaceRequest, template_uuid: UUID) -> HttpResponse:
    """Begin a campaign with a template, or put it into the draft that asked."""
    template = _template_of(request, template_uuid)
    return _begin(request, template.name, template)


@may("campaigns.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: WorkspaceRequest, template_uuid: UUID) -> HttpResponse:
    """Write a template; every change is saved, and the preview follows."""
    template = _template_of(request, template_uuid)
    initial = {name: getattr(template, name) for name in templates.FIELDS}
    form, conflict = (
        TemplateForm(request.POST if request.method == "POST" else None, initial=initial),
        composer.NO_CONFLICT,
    )
    if request.method == "POST" and (form.is_valid() or editing.is_autosave(request)):
        changes = {name: editing.unix_lines(text) for name, text in form.cleaned_data.items()}
        try:
            templates.save(template, changes=changes, seen=composer.seen(request))
        except drafts.ChangedElsewhereError as error:
            if editing.is_autosave(request):
                return composer.conflict_reply(request, error, _url(template, "template"))
            conflict = composer.conflict_of(request, error)
        else:
            return _saved(request, template, form)
    context = {
        "template": template,
        "form": form,
        "step_url": _url(template, "template"),
        **editing.context(request, _reading(template), templates.source_of(template)),
        **conflict,
    }
    return render(request, "campaigns/template.html", context, status=composer.status_of(form, conflict))


def _saved(request: WorkspaceRequest, template: Template, form: TemplateForm) -> HttpResponse:
    """Do what the page asked for beside saving."""
    if editing.is_autosave(request):
        return _noted(request, template, form)
    if "mine" in request.POST:
        return _to(template)
    return editing.after_save(request, _desk(template)) or _to_gallery(request)


@may("campaigns.edit")
@require_safe
def reader(request: WorkspaceRequest, template_uuid: UUID) -> HttpResponse:
    """Answer with the panel as another reader, part or width; without htmx, with the page it stands on."""
    template = _template_of(request, template_uuid)
    if not entrance.is_fragment(request):
        return _to(template, **reading.choices(request))
    return editing.panel_reply(request, _reading(template), templates.source_of(template))


@may("campaigns.view")
@require_safe
def preview(request: WorkspaceRequest, template_uuid: UUID) -> HttpResponse:
    """Answer with the template as a person, or somebody made up, sees it."""
    template = _template_of(request, template_uuid)
    person = entrance.reader_of(request, request.GET.get("contact") or request.GET.get("as", ""))
    keep_seconds = KEEP_SECONDS if person is None and "v" in request.GET else 0
    return reading.letter(request, previews.of_template(template, person), keep_seconds=keep_seconds)


@may("campaigns.edit")
@require_POST
def take_back(request: WorkspaceRequest, template_uuid: UUID) -> HttpResponse:
    """Bring back what was replaced in a template."""
    template = _template_of(request, template_uuid)
    editing.take_back(request, template)
    return _to(template)


@may("campaigns.edit")
@require_POST
def duplicate(request: WorkspaceRequest, template_uuid: UUID) -> HttpResponse:
    """Make a copy."""
    return _to(templates.duplicate(_template_of(request, template_uuid), by=request.user))


@may("campaigns.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: WorkspaceRequest, template_uuid: UUID) -> HttpResponse:
    """Ask, then throw a template away."""
    template = _template_of(request, template_uuid)
    if request.method != "POST":
        return render(request, "campaigns/confirm_delete_template.html", {"template": template})
    templates.delete(template)
    messages.success(request, _("Deleted the template “%(name)s”.") % {"name": template.name})
    return _to_gallery(request)


def _noted(request: WorkspaceRequest, template: Template, form: TemplateForm) -> HttpResponse:
    """Answer with the note that a change is saved, or what of it is not, and tell the preview."""
    context = {"template": template, "version": templates.version(template), **composer.refusal_of(form)}
    status = composer.status_of(form, composer.NO_CONFLICT)
    response = render(request, "campaigns/fragments/template_saved.html", context, status=status)
    response["HX-Trigger"] = editing.SAVED
    return response


def _template_of(request: WorkspaceRequest, template_uuid: UUID) -> Template:
    return within(request.workspace, Template.objects.select_related("workspace"), uuid=template_uuid)


def _design_of(key: str) -> designs.Design:
    found = designs.design_of(key)
    if found is None:
        raise Http404
    return found


def _asked_for(request: WorkspaceRequest, text: str) -> Campaign | None:
    """Return the draft that something is chosen for; None when the choice begins a campaign of its own."""
    if not _is_number(text):
        return None
    campaign = entrance.campaign_of(request, int(text))
    return campaign if entrance.is_editable(campaign) else None


def _begin(request: WorkspaceRequest, name: str, content: templates.Written) -> HttpResponse:
    campaign = _asked_for(request, request.POST.get("campaign", ""))
    if campaign is not None:
        before = replaced.parts_of(campaign)
        templates.put_into(campaign, content)
        words = _("“%(design)s” is in “%(name)s” now.") % {"design": name, "name": campaign.name}
        editing.done(request, words, campaign, before, undo=entrance.url(campaign, "take_back"))
        return entrance.to(campaign, "content")
    may_write = request.may("senders.edit")
    begun = templates.begin(request.workspace, by=request.user, name=name, content=content, may_write_sender=may_write)
    return entrance.to(begun, "settings")


def _usual_address(request: WorkspaceRequest) -> str:
    may_write = request.may("senders.edit")
    usual = drafts.defaults(request.workspace, by=request.user, may_write_sender=may_write)
    return str(usual.get("from_email", ""))


def _desk(template: Template) -> editing.Desk:
    return editing.Desk(
        save=lambda changes: templates.save(template, changes=changes),
        add_footer=lambda: templates.add_footer(template),
        source=lambda: templates.source_of(template),
        back=lambda **kept: _to(template, **kept),
        letter=template,
        take_back_url=_url(template, "template_take_back"),
    )


def _reading(template: Template) -> reading.Reading:
    return reading.Reading(
        reader_url=_url(template, "template_reader"),
        preview_url=_url(template, "template_preview"),
        version=templates.version(template),
        readers=lambda: previews.readers_of(template.workspace),
        seen_by=lambda person: previews.of_template(template, person),
    )


def _designs_version(workspace: Workspace) -> str:
    shown = "\0".join((workspace.name, workspace.postal_address))
    return hashlib.sha256(shown.encode()).hexdigest()[:12]


def _url(template: Template, route: str, **query: str) -> str:
    words = {"workspace_slug": template.workspace.slug, "template_uuid": template.uuid}
    path = reverse(f"campaigns:{route}", kwargs=words)
    return f"{path}?{urlencode(query)}" if query else path


def _to(template: Template, **query: str) -> HttpResponse:
    return HttpResponseRedirect(_url(template, "template", **query))


def _to_gallery(request: WorkspaceRequest) -> HttpResponse:
    return redirect("campaigns:templates", workspace_slug=request.workspace.slug)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
