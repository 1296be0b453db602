"""All components on one page, for developers and for the browser tests; not there in a running installation."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from apps.web import states

OPEN = {"sent": 31846, "skipped": 58, "failed": 173, "unconfirmed": 3, "waiting": 412, "queued": 15720, "total": 48212}
MIXED = {**OPEN, "sent": 31209, "skipped": 4120, "failed": 5210, "unconfirmed": 1800, "waiting": 3101, "queued": 2772}
CLOSED = {"sent": 45871, "skipped": 251, "failed": 352, "unconfirmed": 6, "total": 46480}
CANCELLED = {"sent": 1204, "skipped": 2410, "failed": 9, "total": 3623}
NOTHING_YET = {"queued": 8927, "total": 8927}
WRONG = {"sent": 40, "total": 43}


class PartsForm(forms.Form):
    """One field of each kind."""

    pace = forms.IntegerField(label=_("Emails a minute"), help_text=_("Your provider allows 840. Leave some room."))
    domain = forms.CharField(label=_("Return path domain"))
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea(attrs={"rows": 3}))
    list = forms.ChoiceField(label=_("Add them to"), choices=[("1", "Newsletter"), ("2", "Porto events")])
    when = forms.ChoiceField(
        label=_("When"), widget=forms.RadioSelect, choices=[("now", "Now"), ("later", "At a time…")]
    )
    agreed = forms.BooleanField(label=_("They agreed to get email"), required=False)
    file = forms.FileField(label=_("File"), required=False)

    def clean_domain(self) -> str:
        """Refuse a name without a dot and a label after it, in words."""
        domain: str = self.cleaned_data["domain"]
        if not domain.endswith(".example"):
            raise forms.ValidationError(f"This is not a full domain. Did you mean {domain}.example?")
        return domain


def show(request: HttpRequest) -> HttpResponse:
    """Show every component."""
    if not settings.DEBUG and not getattr(settings, "SHOW_COMPONENTS", False):
        raise Http404
    form = PartsForm({"pace": "600", "domain": "bounce.northlight", "list": "1", "when": "now"})
    context = {
        "form": form,
        "accounts": [OPEN, MIXED, CLOSED],
        "small": [
            (_("120 px, open"), OPEN),
            (_("120 px, closed"), CLOSED),
            (_("120 px, cancelled"), CANCELLED),
            (_("120 px, nothing yet"), NOTHING_YET),
        ],
        "open_account": OPEN,
        "wrong": WRONG,
        "delivery_states": [state for state in states.DELIVERY if state not in {"leased", "committing", "hand"}],
        "campaign_states": list(states.CAMPAIGN),
        "steps": [(_("Settings"), "#1"), (_("Audience"), "#2"), (_("Content"), "#3"), (_("Review"), "")],
    }
    return render(request, "web/components.html", context)
