"""The shape of what people type in about sending accounts; `services/accounts.py` judges its sense."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.smtp.models import Transport
from apps.smtp.providers.catalogue import Option, Provider
from apps.smtp.services import accounts
from apps.smtp.services.accounts import ProviderAccount, Server
from apps.smtp.throttle import Limits
from core.secretbox import Secret

NO_AUTOFILL = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
LIMITS = ("per_second", "per_minute", "per_hour", "per_day")


def _limit(label: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, required=False, min_value=1, max_value=accounts.MAX_LIMIT,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip


def secret_field(label: Any, *, is_kept: bool, required: bool = True, help_text: Any = "") -> forms.CharField:
    """Return a field whose value goes in and never comes out again."""
    return forms.CharField(
        label=label,
        required=required and not is_kept,
        max_length=1000,
        strip=True,
        widget=forms.PasswordInput(attrs={**NO_AUTOFILL, "autocomplete": "new-password"}, render_value=False),
        help_text=_("One is kept and cannot be shown. Leave this empty to go on using it.") if is_kept else help_text,
    )


class AccountForm(forms.Form):
    """What every account has: a name and limits."""

    name = forms.CharField(label=_("Name"), max_length=120, help_text=_("Your team sees it where a campaign is made."))
    per_second = _limit(_("A second"))
    per_minute = _limit(_("A minute"))
    per_hour = _limit(_("An hour"))
    per_day = _limit(_("A day"))

    def __init__(self, *args: Any, account: Transport | None = None, **kwargs: Any) -> None:
        if account is not None:
            first = {"name": account.name} | {name: getattr(account, name) for name in LIMITS}
            kwargs["initial"] = first | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)

    @property
    def limits(self) -> Limits:
        """The limits as they were typed in."""
        return Limits(**{name: self.cleaned_data[name] for name in LIMITS})

    @property
    def limit_fields(self) -> list[forms.BoundField]:
        """The limits, as they stand side by side."""
        return [self[name] for name in LIMITS]


class ProviderForm(AccountForm):
    """An account with a provider: its own options, and a choice among its own regions."""

    def __init__(self, *args: Any, provider: Provider, account: Transport | None = None, **kwargs: Any) -> None:
        stored = dict(json.loads(account.options.reveal() or "{}")) if account is not None else {}
        kwargs["initial"] = {one.name: stored.get(one.name, "") for one in provider.options if not one.is_secret}
        kwargs["initial"]["region"] = stored.get("region", "")
        if account is None:
            kwargs["initial"] |= {"name": provider.label} | {name: getattr(provider.limits, name) for name in LIMITS}
        super().__init__(*args, account=account, **kwargs)
        self.provider = provider
        if provider.regions:
            choices = [(one.name, one.label) for one in provider.regions]
            self.fields["region"] = forms.ChoiceField(label=_("Region"), choices=choices)
        for one in provider.options:
            self.fields[one.name] = _option_field(one, is_kept=bool(stored.get(one.name)))

    @property
    def option_fields(self) -> list[forms.BoundField]:
        """The provider's own fields, as they stand in the form."""
        names = ["region"] if self.provider.regions else []
        return [self[name] for name in [*names, *(one.name for one in self.provider.options)]]

    @property
    def typed(self) -> ProviderAccount:
        """The account as it was typed in."""
        names = [*(one.name for one in self.provider.options), "region"]
        return ProviderAccount(self.provider.name, {name: self.cleaned_data.get(name) or "" for name in names})


def _option_field(option: Option, *, is_kept: bool) -> forms.CharField:
    if option.is_secret:
        return secret_field(option.label, is_kept=is_kept, required=option.is_required, help_text=option.help)
    label: Any = option.label
    help_text: Any = option.help
    widget = forms.TextInput(attrs=NO_AUTOFILL)
    return forms.CharField(label=label, required=option.is_required, max_length=300, widget=widget, help_text=help_text)


class SmtpForm(AccountForm):
    """An SMTP server."""

    host = forms.CharField(
        label=_("Server"),
        max_length=253,
        widget=forms.TextInput(attrs={**NO_AUTOFILL, "placeholder": "smtp.example.com"}),
    )
    port = forms.IntegerField(label=_("Port"), min_value=1, max_value=65535, initial=587)
    tls = forms.ChoiceField(
        label=_("Encryption"), choices=Transport.Tls.choices, initial=Transport.Tls.STARTTLS,
        help_text=_("STARTTLS goes with port 587, TLS from the start with 465. Certificates are always checked."),
    )  # fmt: skip
    username = forms.CharField(
        label=_("User name"), max_length=200, required=False, widget=forms.TextInput(attrs=NO_AUTOFILL)
    )
    max_connections = forms.IntegerField(
        label=_("Connections"), min_value=1, max_value=accounts.MAX_CONNECTIONS, initial=10,
        help_text=_("At most so many at once from each sending process."),
    )  # fmt: skip

    def __init__(self, *args: Any, account: Transport | None = None, **kwargs: Any) -> None:
        if account is not None:
            own = ("host", "port", "tls", "username", "max_connections")
            kwargs["initial"] = {name: getattr(account, name) for name in own}
        super().__init__(*args, account=account, **kwargs)
        is_kept = bool(account and account.password)
        self.fields["password"] = secret_field(_("Password"), is_kept=is_kept, required=False)

    def clean_host(self) -> str:
        """Take a host name as people paste it."""
        return str(self.cleaned_data["host"]).strip().lower()

    @property
    def server(self) -> Server:
        """The server as it was typed in."""
        given = self.cleaned_data
        return Server(
            host=given["host"],
            port=given["port"],
            tls=given["tls"],
            username=given["username"],
            password=Secret(given["password"]) if given["password"] else None,
            max_connections=given["max_connections"],
        )
