"""What the home page of a workspace shows."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import Workspace
from apps.campaigns.models import Campaign
from apps.campaigns.states import UNFINISHED, CampaignState
from apps.contacts.models import Contact

RECENT = 5


@dataclass(frozen=True)
class Home:
    """A workspace at a glance."""

    sending: list[Campaign]
    recent: list[Campaign]
    has_contacts: bool
    has_sent: bool

    @property
    def is_new(self) -> bool:
        """True until the first campaign was sent: the first steps are shown."""
        return not self.has_sent and not self.sending

    @property
    def step(self) -> int:
        """Which of the first steps comes next: 2 people, 3 the first email."""
        return 3 if self.has_contacts else 2


def home(workspace: Workspace) -> Home:
    """Return what the workspace is sending, what it worked on last, and how far a new one has come."""
    campaigns = Campaign.objects.filter(workspace=workspace)
    now = [state for state in UNFINISHED if state is not CampaignState.SCHEDULED]
    return Home(
        sending=list(campaigns.filter(state__in=now).order_by("-id")[:RECENT]),
        recent=list(campaigns.exclude(state__in=now).order_by("-moved_at")[:RECENT]),
        has_contacts=Contact.objects.filter(workspace=workspace).exists(),
        has_sent=campaigns.filter(started_at__isnull=False).exists(),
    )
