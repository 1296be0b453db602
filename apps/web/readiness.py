"""What is left to do before real mail can leave: each thing with the page where it is done."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts import roles
from apps.accounts.models import Workspace
from apps.smtp.models import Transport


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do; `url` is empty for members whose role may not do it."""

    is_done: bool
    word: str | Promise
    why: str | Promise
    deed: str | Promise
    url: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """All that real mail needs."""

    steps: tuple[Step, ...]

    @property
    def is_ready(self) -> bool:
        """True when nothing is left to do."""
        return all(step.is_done for step in self.steps)

    @property
    def done(self) -> int:
        """How many are done."""
        return sum(step.is_done for step in self.steps)


def of(workspace: Workspace, *, role: str) -> Readiness:
    """Return what a workspace has and lacks, with links for who may act."""
    real = Transport.objects.filter(workspace=workspace, is_active=True).exclude(kind=Transport.Kind.LOCAL_INBOX)
    place = reverse("accounts:workspace", args=[workspace.slug])
    accounts = reverse("smtp:accounts", args=[workspace.slug])
    return Readiness(
        (
            Step(
                real.exists(),
                _("A sending account"),
                _("An SMTP server or a provider that carries your emails. Until then all land in the local inbox."),
                _("Add an account"),
                accounts if roles.allows(role, "transports.edit") else "",
            ),
            Step(
                bool(workspace.postal_address.strip()),
                _("Your postal address"),
                _("The law wants it at the foot of every email."),
                _("Write it down"),
                f"{place}#id_postal_address" if roles.allows(role, "workspace.edit") else "",
            ),
            Step(
                urlsplit(settings.PUBLIC_URL).scheme == "https",
                _("An https address"),
                _("Unsubscribe links must open for everybody, and inboxes only show their button for https."),
                _("See how"),
                f"{place}#public-address" if roles.allows(role, "workspace.edit") else "",
            ),
        )
    )
