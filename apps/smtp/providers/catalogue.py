"""The fixed list of providers: what an account with each needs to know, and where their API may be found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.smtp.throttle import Limits

Words = str | Promise


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to type in.

    Args:
        name: as the provider's backend calls it.
        pattern: a regular expression the whole value must match; empty takes any printable text.
        extra: where it belongs in the body of a request, when it is no option of the backend.
    """

    name: str
    label: Words
    is_secret: bool = False
    is_required: bool = True
    pattern: str = r"[\x21-\x7e]+"
    help: Words = ""
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Region:
    """One place where a provider keeps its API; only these addresses are ever called."""

    name: str
    label: Words
    api_url: str = ""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    Args:
        backend: the module of `anymail.backends` that speaks its language; from this list and nowhere else.
        regions: the first is chosen unless another one is; empty when there is one address only.
        limits: what its terms allow an ordinary account, proposed in the form.
        keeps_message_id: its API lets a letter keep its own Message-ID.
        takes_headers: it takes headers of our own; otherwise only the ones it has a name for.
        takes_metadata: the letter can carry our name for it, which comes back in its events.
    """

    name: str
    label: str
    backend: str
    options: tuple[Option, ...]
    regions: tuple[Region, ...] = ()
    limits: Limits = field(default=Limits())
    keeps_message_id: bool = False
    takes_headers: bool = True
    takes_metadata: bool = True

    def region(self, name: str) -> Region | None:
        """Return the region of a name, the first for none."""
        if not name:
            return self.regions[0] if self.regions else None
        return next((one for one in self.regions if one.name == name), None)


def _key(name: str = "api_key", label: Words = "") -> Option:
    return Option(name, label or _("API key"), is_secret=True)


_EU_US: Final = (_("United States"), _("European Union"))
_SES_REGIONS: Final = {
    "us-east-1": "N. Virginia", "us-east-2": "Ohio", "us-west-1": "N. California", "us-west-2": "Oregon",
    "ca-central-1": "Montréal", "sa-east-1": "São Paulo", "eu-central-1": "Frankfurt", "eu-west-1": "Dublin",
    "eu-west-2": "London", "eu-west-3": "Paris", "eu-north-1": "Stockholm", "eu-south-1": "Milan",
    "eu-central-2": "Zürich", "af-south-1": "Cape Town", "me-south-1": "Bahrain", "il-central-1": "Tel Aviv",
    "ap-south-1": "Mumbai", "ap-northeast-1": "Tokyo", "ap-northeast-2": "Seoul", "ap-northeast-3": "Osaka",
    "ap-southeast-1": "Singapore", "ap-southeast-2": "Sydney", "ap-southeast-3": "Jakarta",
}  # fmt: skip
_NAME: Final = r"[A-Za-z0-9_.\-]{1,64}"

_ALL: Final = (
    Provider(
        "amazon_ses", "Amazon SES", "amazon_ses",
        (
            Option("access_key_id", _("Access key ID"), pattern=r"[A-Z0-9]{16,128}"),
            _key("secret_access_key", _("Secret access key")),
            Option("configuration_set_name", _("Configuration set"), is_required=False, pattern=_NAME),
        ),
        regions=tuple(Region(name, f"{place} ({name})") for name, place in _SES_REGIONS.items()),
        takes_metadata=False,  # the letter travels as it is, to the last byte
    ),
    Provider("brevo", "Brevo", "brevo", (_key(),)),
    Provider("mailersend", "MailerSend", "mailersend", (_key("api_token", _("API token")),),
             takes_headers=False, takes_metadata=False),
    Provider(
        "mailgun", "Mailgun", "mailgun",
        (
            _key(),
            Option("sender_domain", _("Sending domain"), is_required=False, pattern=r"[A-Za-z0-9.\-]{1,253}",
                   help=_("Only when it is not the domain of the sender's address.")),
        ),
        regions=(
            Region("us", _EU_US[0], "https://api.mailgun.net/v3/"),
            Region("eu", _EU_US[1], "https://api.eu.mailgun.net/v3/"),
        ),
        keeps_message_id=True,
    ),
    Provider(
        "mailjet", "Mailjet", "mailjet", (_key(), _key("secret_key", _("Secret key"))),
        regions=(
            Region("eu", _EU_US[1], "https://api.mailjet.com/v3.1/"),
            Region("us", _EU_US[0], "https://api.us.mailjet.com/v3.1/"),
        ),
    ),
    Provider(
        "mailtrap", "Mailtrap", "mailtrap", (_key("api_token", _("API token")),),
        regions=(
            Region("bulk", _("Bulk stream"), "https://bulk.api.mailtrap.io/api/"),
            Region("transactional", _("Transactional stream"), "https://send.api.mailtrap.io/api/"),
        ),
    ),
    Provider("mandrill", "Mandrill (Mailchimp)", "mandrill", (_key(),)),
    Provider(
        "postmark", "Postmark", "postmark",
        (
            _key("server_token", _("Server API token")),
            Option("message_stream", _("Message stream"), is_required=False, pattern=r"[a-z0-9\-]{1,30}",
                   extra="MessageStream", help=_("Campaigns belong in a broadcast stream, often called “broadcast”.")),
        ),
        keeps_message_id=True,
    ),
    Provider("resend", "Resend", "resend", (_key(),), limits=Limits(per_second=2)),
    Provider(
        "scaleway", "Scaleway", "scaleway",
        (_key("secret_key", _("Secret key")), Option("project_id", _("Project ID"), pattern=r"[0-9a-fA-F\-]{36}")),
        regions=(Region("fr-par", "Paris (fr-par)"),),
    ),
    Provider(
        "sendgrid", "SendGrid", "sendgrid", (_key(),),
        regions=(
            Region("global", _("Global"), "https://api.sendgrid.com/v3/"),
            Region("eu", _EU_US[1], "https://api.eu.sendgrid.com/v3/"),
        ),
        keeps_message_id=True,
    ),
    Provider(
        "sparkpost", "SparkPost", "sparkpost",
        (_key(), Option("subaccount", _("Subaccount"), is_required=False, pattern=r"[0-9]{1,9}")),
        regions=(
            Region("us", _EU_US[0], "https://api.sparkpost.com/api/v1/"),
            Region("eu", _EU_US[1], "https://api.eu.sparkpost.com/api/v1/"),
        ),
    ),
    Provider(
        "unisender_go", "Unisender Go", "unisender_go", (_key(),),
        regions=(
            Region("go1", "go1", "https://go1.unisender.ru/ru/transactional/api/v1/"),
            Region("go2", "go2", "https://go2.unisender.ru/ru/transactional/api/v1/"),
        ),
    ),
)  # fmt: skip
PROVIDERS: Final = {one.name: one for one in _ALL}

# They send nothing anywhere, so that outside the tests an account with one of them would lose letters.
_TESTING: Final = {one.name: one for one in (Provider("test", "Test", "test", ()), Provider("console", "Console", "console", ()))}  # fmt: skip  # noqa: E501


def offered() -> dict[str, Provider]:
    """Return the providers an account can be made with here."""
    return {**PROVIDERS, **_TESTING} if settings.TESTING_PROVIDERS_OFFERED else PROVIDERS


def find(name: str) -> Provider | None:
    """Return a provider by its name; None for everything that is not on the list."""
    return offered().get(name)
