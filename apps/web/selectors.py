"""What the home page and the sidebar of a workspace show."""

from __future__ import annotations

from dataclasses import dataclass, replace

from apps.accounts.models import Workspace
from apps.campaigns import selectors as campaigns
from apps.campaigns.models import Campaign
from apps.campaigns.states import UNFINISHED, CampaignState
from apps.contacts.models import Contact
from apps.tracking import summaries

RECENT = 5
UNDER_WAY = [state for state in UNFINISHED if state is not CampaignState.SCHEDULED]


@dataclass(frozen=True)
class Line:
    """A campaign with its account; the account is open while its audience is not frozen."""

    campaign: Campaign
    account: campaigns.Account
    is_open: bool
    opened: int = 0


@dataclass(frozen=True)
class Home:
    """A workspace at a glance."""

    under_way: list[Line]
    recent: list[Line]
    has_contacts: bool
    has_sent: bool

    @property
    def is_new(self) -> bool:
        """True until the first campaign was sent: the first steps are shown."""
        return not self.has_sent and not self.under_way

    @property
    def step(self) -> int:
        """Which of the first steps comes next: 2 people, 3 the first email."""
        return 3 if self.has_contacts else 2


def _lines(found: list[Campaign]) -> list[Line]:
    accounts = campaigns.accounts(found)
    opened = summaries.opened_by_people([campaign.pk for campaign in found])
    lines = []
    for campaign in found:
        account = accounts.get(campaign.pk, campaigns.Account())
        is_open = campaign.audience_size is None
        if is_open:
            # Nothing to compare with yet: what was counted so far is all there is.
            account = replace(account, total=account.settled + account.pending)
        lines.append(Line(campaign, account, is_open, opened.get(campaign.pk, 0)))
    return lines


def home(workspace: Workspace) -> Home:
    """Return what the workspace is sending, what it worked on last, and how far a new one has come."""
    mine = campaigns.campaigns_of(workspace)
    return Home(
        under_way=_lines(list(mine.filter(state__in=UNDER_WAY)[:RECENT])),
        recent=_lines(
            list(mine.exclude(state__in=UNDER_WAY).filter(archived_at=None).order_by("-moved_at", "-pk")[:RECENT])
        ),
        has_contacts=Contact.objects.filter(workspace=workspace).exists(),
        has_sent=mine.filter(started_at__isnull=False).exists(),
    )


def sending_now(workspace: Workspace) -> Line | None:
    """Return the campaign for the foot of the sidebar, if one is being sent."""
    campaign = campaigns.sending_now(workspace)
    return _lines([campaign])[0] if campaign else None
