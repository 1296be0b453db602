"""The shapes of what people ask the tracking floor for."""

from __future__ import annotations

from django import forms

from apps.tracking.models import ExportJob


class ExportForm(forms.Form):
    """What a file holds, and its format."""

    kind = forms.ChoiceField(choices=ExportJob.Kind.choices)
    format = forms.ChoiceField(choices=ExportJob.Format.choices)
