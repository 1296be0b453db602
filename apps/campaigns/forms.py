"""The shape of what is typed into the composer; sense is the services' matter."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace
from apps.campaigns import selectors
from apps.campaigns.models import Campaign, SenderIdentity
from apps.campaigns.services import senders
from apps.campaigns.states import Policy
from apps.contacts.models import ContactList
from apps.smtp.models import SigningKey, Transport

LOCAL_TIME = "%Y-%m-%dT%H:%M"
MAX_CONTENT_CHARS = 1_000_000


# What only who may edit senders can type in freely.
WRITTEN_SENDER = ("from_name", "from_email", "reply_to")


LIVES = [
    ("1", _("1 hour")),
    ("6", _("6 hours, for offers that end soon")),
    ("24", _("1 day")),
    ("72", _("3 days")),
    ("120", _("5 days")),
]


class SettingsForm(forms.Form):
    """Step one: what it is called, what stands in the inbox, who writes and what carries it."""

    name = forms.CharField(label=_("Name"), max_length=200, help_text=_("Only your team sees it."))
    subject = forms.CharField(
        label=_("Subject"),
        max_length=998,
        required=False,
        help_text=_('Phones show about 38 characters. {{ first_name or "Hello" }} puts in a name.'),
    )
    preheader = forms.CharField(
        label=_("Line after the subject"),
        max_length=300,
        required=False,
        help_text=_("Shown in grey by most inboxes. Empty means they take the first words of the email."),
    )
    sender = forms.ModelChoiceField(
        label=_("Sender"),
        queryset=SenderIdentity.objects.none(),
        required=False,
        empty_label=_("Another one, written here"),
        error_messages={"invalid_choice": _("Choose one of your senders.")},
    )
    from_name = forms.CharField(
        label=_("From"), max_length=200, required=False, help_text=_("The name that readers see.")
    )
    from_email = forms.CharField(
        label=_("From address"), max_length=320, required=False, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    reply_to = forms.CharField(
        label=_("Replies go to"),
        max_length=320,
        required=False,
        help_text=_("Empty means the from address."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    transport = forms.ModelChoiceField(
        label=_("Send through"),
        queryset=Transport.objects.none(),
        empty_label=None,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": _("Choose one of your sending accounts.")},
    )
    policy = forms.ChoiceField(
        label=_("When the last answer is lost"),
        required=False,
        choices=[
            (Policy.HOLD.value, _("Show it as unconfirmed: nobody gets it twice")),
            (Policy.RETRY_ONCE.value, _("Send it once more after 10 minutes: somebody may get it twice")),
        ],
        help_text=_("Nearly all such emails have arrived. Choose the second for what must not be missed."),
    )
    expires_after = forms.TypedChoiceField(
        label=_("Keep trying for"),
        required=False,
        empty_value=None,
        coerce=lambda hours: dt.timedelta(hours=float(hours)),
        choices=LIVES,
        help_text=_("What could not be handed over by then is given up."),
    )

    def __init__(self, *args: Any, workspace: Workspace, may_write_sender: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["transport"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Transport.objects.filter(workspace=workspace, is_active=True).order_by("kind", "name")
        sender = self.fields["sender"]
        assert isinstance(sender, forms.ModelChoiceField)
        sender.queryset = senders.of(workspace)
        life = self.fields["expires_after"]
        assert isinstance(life, forms.TypedChoiceField)
        if isinstance(hours := self.initial.get("expires_after"), dt.timedelta):
            self.initial["expires_after"] = shown = f"{hours / dt.timedelta(hours=1):g}"
            if shown not in dict(LIVES):  # an API may have chosen another one
                life.choices = [(shown, _t("%(hours)s hours") % {"hours": shown}), *LIVES]
        self.has_senders = sender.queryset.exists()
        self.may_write_sender = may_write_sender
        # Who may not write a sender keeps the one that an admin wrote into this campaign.
        self.kept_sender = "" if may_write_sender else str(self.initial.get("from_email") or "")
        if not may_write_sender:
            sender.empty_label = self.kept_sender or None
            for name in WRITTEN_SENDER:
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        """Take name and address from the chosen sender; without one they must have been written."""
        cleaned = super().clean() or {}
        for name in ("policy", "expires_after"):
            if not cleaned.get(name):
                cleaned.pop(name, None)  # whoever does not say keeps what is
        if isinstance(chosen := cleaned.get("sender"), SenderIdentity):
            cleaned.update(senders.copied(chosen))
            for name in WRITTEN_SENDER:
                self.errors.pop(name, None)
        elif self.may_write_sender:
            if not cleaned.get("from_email") and "from_email" not in self.errors:
                self.add_error("from_email", _t("Write the address that readers see and answer to."))
        elif self.kept_sender:
            cleaned.update({name: self.initial.get(name, "") for name in WRITTEN_SENDER})
        elif "sender" not in self.errors:
            self.add_error("sender", _t("Choose a sender. An admin can add one in the settings."))
        return cleaned

    @property
    def transports(self) -> list[tuple[Transport, bool]]:
        """The accounts to choose from, each with whether it is chosen."""
        field = self.fields["transport"]
        assert isinstance(field, forms.ModelChoiceField) and field.queryset is not None
        chosen = str(getattr(self["transport"].value(), "pk", self["transport"].value()))
        return [(transport, str(transport.pk) == chosen) for transport in field.queryset]


class AudienceForm(forms.Form):
    """Step two: lists in, lists out."""

    lists = forms.ModelMultipleChoiceField(queryset=ContactList.objects.none(), required=False)
    excluded = forms.ModelMultipleChoiceField(queryset=ContactList.objects.none(), required=False)

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("lists", "excluded"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelMultipleChoiceField)
            field.queryset = selectors.members_by_list(workspace)


class ContentForm(forms.Form):
    """Step three: the HTML, and the text version where somebody wrote one."""

    html = forms.CharField(
        label=_("HTML source"),
        strip=False,
        required=False,
        max_length=MAX_CONTENT_CHARS,
        widget=forms.Textarea,
        error_messages={"max_length": _("The HTML is longer than 1,000,000 characters. Shorten it.")},
    )
    text = forms.CharField(
        label=_("Plain text"),
        strip=False,
        required=False,
        max_length=MAX_CONTENT_CHARS,
        widget=forms.Textarea,
        error_messages={"max_length": _("The plain text is longer than 1,000,000 characters. Shorten it.")},
    )


class TemplateForm(ContentForm):
    """A template: a letter without sender and audience."""

    name = forms.CharField(label=_("Name"), max_length=200)
    subject = forms.CharField(label=_("Subject"), max_length=998, required=False)
    preheader = forms.CharField(label=_("Line after the subject"), max_length=300, required=False)


class TestForm(forms.Form):
    """Addresses for a test, and whose fields fill it."""

    to = forms.CharField(label=_("To"), max_length=4000, help_text=_("One or more addresses, up to ten."))
    reader = forms.CharField(
        label=_("Filled in for"),
        required=False,
        max_length=320,
        help_text=_("The address of any contact. Empty means nobody: fields stay empty."),
    )

    def addresses(self) -> list[str]:
        """Return what was typed, split where people split addresses."""
        written: str = self.cleaned_data["to"]
        for mark in (",", ";", "\n", "\t"):
            written = written.replace(mark, " ")
        return written.split()


class LocalMomentField(forms.DateTimeField):
    """A time as the clocks of the current zone show it; of an hour that comes twice, its first time."""

    def to_python(self, value: Any) -> dt.datetime | None:
        """Return the moment.

        Raises:
            ValidationError: there is no such time, be it that clocks skip it.
        """
        try:
            return super().to_python(value)
        except ValidationError as error:
            if error.code != "ambiguous_timezone" or not error.params:
                raise
            shown: dt.datetime = error.params["datetime"]
        moment = shown.replace(tzinfo=timezone.get_current_timezone(), fold=0)
        if moment.astimezone(dt.UTC).astimezone(moment.tzinfo).replace(tzinfo=None) != shown:
            raise ValidationError(
                _t("The clocks skip this time: they go forward in that hour. Choose another one."), code="skipped"
            )
        return moment


class SendForm(forms.Form):
    """Now, or at a moment in the workspace's zone."""

    when = forms.ChoiceField(choices=[("now", _("Now")), ("later", _("At a time…"))])
    at = LocalMomentField(
        label=_("Date and time"),
        required=False,
        input_formats=[LOCAL_TIME, "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL_TIME),
    )


class SenderForm(forms.Form):
    """A name and an address to write in."""

    name = forms.CharField(label=_("Name"), max_length=200, help_text=_("What readers see beside the subject."))
    email = forms.CharField(label=_("Address"), max_length=320, widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    reply_to = forms.CharField(
        label=_("Replies go to"),
        max_length=320,
        required=False,
        help_text=_("Empty means the address above."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )


class SigningKeyForm(forms.Form):
    """A domain and how its letters are to be signed."""

    domain = forms.CharField(
        label=_("Domain"),
        max_length=320,
        help_text=_("What stands behind the @ of your from address."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    algorithm = forms.ChoiceField(
        label=_("Kind of key"),
        choices=SigningKey.Algorithm.choices,
        help_text=_("Every receiver verifies RSA. Ed25519 goes beside it as a second signature."),
    )


class AddressForm(forms.Form):
    """The workspace's postal address."""

    postal_address = forms.CharField(
        label=_("Postal address"), max_length=500, widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off"})
    )


def settings_of(campaign: Campaign) -> dict[str, object]:
    """Return a draft's settings as the form shows them."""
    return {
        "name": campaign.name,
        "subject": campaign.subject,
        "preheader": campaign.preheader,
        "sender": campaign.sender_id,
        "from_name": campaign.from_name,
        "from_email": campaign.from_email,
        "reply_to": campaign.reply_to,
        "transport": campaign.transport,
        "policy": campaign.policy,
        "expires_after": campaign.expires_after,
    }
