"""The shape of what people type in about themselves and their workspaces; the services judge its sense."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts import roles
from apps.accounts.models import Role


def _languages() -> list[tuple[str, str | Promise]]:
    return list(settings.LANGUAGES)


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


class WorkspaceForm(forms.Form):
    """What a workspace is called, where it is, and how it speaks."""

    name = forms.CharField(label=_("Name"), max_length=120, help_text=_("Your brand or company."))
    postal_address = forms.CharField(
        label=_("Postal address"),
        max_length=500,
        required=False,
        help_text=_("Stands at the foot of every email; the law asks for it."),
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off"}),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"), help_text=_("Times are shown in it, and a campaign sent at nine leaves at nine there.")
    )
    language = forms.ChoiceField(
        label=_("Language"), choices=_languages, help_text=_("Of the reasons and notes we write in lists.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = self.fields["time_zone"]
        assert isinstance(zone, forms.ChoiceField)
        zone.choices = _zones()


class NewWorkspaceForm(forms.Form):
    """A further workspace."""

    name = forms.CharField(label=_("Name"), max_length=120, help_text=_("A brand or company of its own."))


class RoleForm(forms.Form):
    """A role that the person who acts may give away."""

    role = forms.ChoiceField(label=_("Role"), choices=())

    def __init__(self, *args: Any, grantable: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role = self.fields["role"]
        assert isinstance(role, forms.ChoiceField)
        role.choices = [(one, Role(one).label) for one in grantable]


class InviteForm(RoleForm):
    """Somebody new, and as what."""

    email = forms.EmailField(
        label=_("Email address"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    field_order = ("email", "role")


class JoinForm(forms.Form):
    """A new account behind an invitation; its address is the invited one."""

    name = forms.CharField(label=_("Your name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=1024,
        help_text=_("At least 12 characters. A few words are easier to remember than signs."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class ProfileForm(forms.Form):
    """A person's name and language."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=150,
        help_text=_("Your colleagues see it beside what you do."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    language = forms.ChoiceField(
        label=_("Language"), required=False, choices=lambda: [("", _("As the browser says")), *settings.LANGUAGES]
    )


def _zones() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the zones by region, as people look for them."""
    regions: dict[str, list[tuple[str, str]]] = {"UTC": [("UTC", "UTC")]}
    for name in sorted(zoneinfo.available_timezones()):
        region, _slash, place = name.partition("/")
        if place and region not in ("Etc", "SystemV", "posix", "right"):
            regions.setdefault(region, []).append((name, place.replace("_", " ")))
    return list(regions.items())


class ApiKeyForm(forms.Form):
    """What a program is called, what it may do, and for how long."""

    WORDS = {
        "campaigns.view": _("Read campaigns and reports"),
        "campaigns.edit": _("Write campaigns"),
        "campaigns.send": _("Send, pause and cancel campaigns"),
        "contacts.view": _("Read contacts and lists"),
        "contacts.edit": _("Add and change contacts"),
        "suppressions.edit": _("Suppress addresses"),
    }
    DAYS = (("90", _("90 days")), ("365", _("A year")), ("", _("Until it is revoked")))

    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("The program that will use it."))
    scopes = forms.MultipleChoiceField(label=_("It may"), widget=forms.CheckboxSelectMultiple)
    days = forms.TypedChoiceField(
        label=_("It works for"), choices=DAYS, coerce=int, empty_value=None, required=False, initial="365"
    )

    def __init__(self, *args: Any, role: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)
        scopes.choices = [(scope, self.WORDS[scope]) for scope in roles.SCOPES if roles.allows(role, scope)]
