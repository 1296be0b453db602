"""The shape of what the first owner types in."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class SetupForm(forms.Form):
    """Name, address, password and the first workspace."""

    workspace_name = forms.CharField(
        label=_("Workspace"), max_length=120, help_text=_("Your brand or company. You can change it later.")
    )
    name = forms.CharField(label=_("Your name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = forms.EmailField(
        label=_("Email address"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=1024,
        help_text=_("At least 12 characters. A few words are easier to remember than signs."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
