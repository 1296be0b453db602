"""The composer's third step: the source and the text version, beside what a chosen reader would see."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import WorkspaceRequest, may
from apps.campaigns.forms import ContentForm
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts, lifecycle, templates
from apps.campaigns.views import composer, editing, entrance, reading


@may("campaigns.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Write the letter; every change is saved, and the preview follows."""
    campaign = entrance.campaign_of(request, campaign_id)
    if (reply := composer.elsewhere(request, campaign)) is not None:
        return reply
    initial = {"html": campaign.html, "text": campaign.text}
    form, conflict = (
        ContentForm(request.POST if request.method == "POST" else None, initial=initial),
        composer.NO_CONFLICT,
    )
    if request.method == "POST" and (form.is_valid() or editing.is_autosave(request)):
        changes = {name: editing.unix_lines(text) for name, text in form.cleaned_data.items()}
        try:
            drafts.save(campaign, changes=changes, seen=composer.seen(request))
        except drafts.ChangedElsewhereError as error:
            if editing.is_autosave(request):
                return composer.conflict_reply(request, error, entrance.url(campaign, "content"))
            conflict = composer.conflict_of(request, error)
        else:
            return _saved(request, campaign, form)
    context = {
        **composer.frame(campaign, "content"),
        "form": form,
        **editing.context(request, reading.of_campaign(campaign), lifecycle.source_of(campaign)),
        **conflict,
    }
    return render(request, "campaigns/content.html", context, status=composer.status_of(form, conflict))


def _saved(request: WorkspaceRequest, campaign: Campaign, form: ContentForm) -> HttpResponse:
    """Do what the page asked for beside saving."""
    if editing.is_autosave(request):
        return composer.noted(request, campaign, form, tells=editing.SAVED)
    if "mine" in request.POST:
        return entrance.to(campaign, "content")
    if "keep" in request.POST:
        template = templates.from_campaign(campaign, by=request.user)
        messages.success(request, _("Kept “%(name)s” among the templates.") % {"name": template.name})
        return entrance.to(campaign, "content")
    return editing.after_save(request, _desk(campaign)) or entrance.to(campaign, "review")


def _desk(campaign: Campaign) -> editing.Desk:
    return editing.Desk(
        save=lambda changes: drafts.save(campaign, changes=changes),
        add_footer=lambda: drafts.add_footer(campaign),
        source=lambda: lifecycle.source_of(campaign),
        back=lambda **kept: entrance.to(campaign, "content", **kept),
        letter=campaign,
        take_back_url=entrance.url(campaign, "take_back"),
    )


@may("campaigns.edit")
@require_POST
def take_back(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Bring back what a design, a template or the text made from the HTML replaced."""
    campaign = entrance.campaign_of(request, campaign_id)
    editing.take_back(request, campaign)
    return entrance.to(campaign, "content")


@may("campaigns.view")
@require_safe
def reader(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Answer with the panel as another reader, part or width; without htmx, with the page it stands on."""
    campaign = entrance.campaign_of(request, campaign_id)
    if not entrance.is_fragment(request):
        return entrance.to(campaign, "content", **reading.choices(request))
    return editing.panel_reply(request, reading.of_campaign(campaign), lifecycle.source_of(campaign), campaign=campaign)


@may("campaigns.edit")
@require_POST
def sample(request: WorkspaceRequest, campaign_id: int) -> HttpResponse:
    """Begin the content with the sample letter."""
    campaign = entrance.campaign_of(request, campaign_id)
    drafts.begin_with_sample(campaign)
    return entrance.to(campaign, "content")
