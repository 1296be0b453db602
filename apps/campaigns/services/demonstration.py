"""The demonstration: a real campaign through the product's own import, tasks and wire, checked by what arrived."""

from __future__ import annotations

import csv
import io
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from apps.accounts.models import User, Workspace
from apps.accounts.services import setup, workspaces
from apps.campaigns import rendering, selectors
from apps.campaigns.models import Campaign
from apps.campaigns.rendering.sample import sample_source
from apps.campaigns.services import lifecycle
from apps.contacts.models import ImportJob
from apps.contacts.services import imports, lists
from apps.smtp.services import accounts
from core import clock
from core.errors import EspError

WORKSPACE = "VashSender demo"
FIRST_NAMES = ("Ada", "Boris", "Chloé", "Dmytro", "Ève", "Farid", "Greta", "Héctor", "Ірина", "Jörg", "", "Łucja")
CITIES = ("Leith", "Kyiv", "Porto", "Graz", "Gdańsk", "Lyon")


class DemonstrationError(EspError):
    """The demonstration could not go on; the message says where it stood."""

    code = "demonstration"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the local inbox says about a campaign: independent of what the deliveries claim."""

    recipients: int
    exactly_once: int
    missing: int
    doubled: int
    foreign: int

    @property
    def holds(self) -> bool:
        """Whether each recipient has exactly one letter and each letter is its delivery's."""
        return self.exactly_once == self.recipients and not (self.missing or self.doubled or self.foreign)


@dataclass(frozen=True, slots=True)
class Report:
    """How a demonstration ended."""

    account: selectors.Account
    seconds: float
    verdict: Verdict

    @property
    def letters_per_second(self) -> float:
        """Sent letters by the time between the first and the last of them."""
        return self.account.sent / self.seconds if self.seconds else 0.0

    @property
    def holds(self) -> bool:
        """Whether everything was accounted for and arrived once."""
        account = self.account
        return account.is_closed and account.sent == account.total > 0 and self.verdict.holds


def ensure_owner() -> tuple[User, str]:
    """Return the instance's owner; where there is none, make one by a set-up link and return its random password."""
    owner = User.objects.filter(is_instance_admin=True).order_by("pk").first()
    if owner is not None:
        return owner, ""
    password = secrets.token_urlsafe(15)
    token = setup.create_link().rstrip("/").rpartition("/")[2]
    owner = setup.complete(
        token, email="owner@vashsender.example", password=password, name="Demo owner", workspace_name=WORKSPACE
    )
    return owner, password


def ensure_workspace(owner: User) -> Workspace:
    """Return the demonstration's own workspace, which the owner can look into."""
    found = Workspace.objects.filter(name=WORKSPACE, memberships__user=owner).first()
    return found or workspaces.create(WORKSPACE, owner=owner)


def contacts_csv(count: int, *, run: str) -> bytes:
    """Return a CSV of so many people with addresses that no other run has."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["Email", "First name", "Last name", "City"])
    for number in range(count):
        writer.writerow(
            [
                f"reader{number}.{run}@vashsender.example",
                FIRST_NAMES[number % len(FIRST_NAMES)],
                f"Reader {number}",
                CITIES[number % len(CITIES)],
            ]
        )
    return text.getvalue().encode()


def import_contacts(workspace: Workspace, *, count: int, run: str, by: User, say: Callable[[str], None]) -> ImportJob:
    """Import the CSV through the product's own task and wait for it."""
    contact_list = lists.create(workspace, name=f"Demo {run}")
    job = imports.upload(
        workspace,
        io.BytesIO(contacts_csv(count, run=run)),
        file_name=f"demo-{run}.csv",
        contact_list=contact_list,
        by=by,
        consent=_("Made up for the demonstration"),
    )
    job = imports.start(job)
    _wait(lambda: _import_progress(job), say)
    job.refresh_from_db()
    if job.state != ImportJob.State.FINISHED:
        ended = {"state": job.state, "error": job.error}
        raise DemonstrationError(_("The import ended as %(state)s: %(error)s") % ended)
    return job


def _import_progress(job: ImportJob) -> tuple[bool, str]:
    job.refresh_from_db()
    is_over = job.state not in (ImportJob.State.UPLOADED, ImportJob.State.RUNNING)
    return is_over, _("Imported %(done)d contacts") % {"done": job.rows_done}


def make_campaign(workspace: Workspace, job: ImportJob, *, run: str, by: User) -> Campaign:
    """Return a draft of the sample letter to the imported list, through the local inbox."""
    source: rendering.Source = sample_source()
    workspace.postal_address = workspace.postal_address or source.postal_address
    workspace.save(update_fields=["postal_address"])
    campaign = Campaign.objects.create(
        workspace=workspace,
        name=f"Demo {run}",
        subject=source.subject,
        preheader=source.preheader,
        html=source.html,
        text=source.text,
        from_name=source.from_name,
        from_email=source.from_email,
        transport=accounts.ensure_local_inbox(workspace),
        created_by=by,
    )
    assert job.contact_list is not None
    campaign.lists.add(job.contact_list)
    return campaign


def send(campaign: Campaign, *, by: User, say: Callable[[str], None]) -> Report:
    """Send through the real tasks, wait until the campaign is closed, and ask the inbox what arrived."""
    lifecycle.schedule(campaign, by=by)
    _wait(lambda: _sending_progress(campaign), say)
    return Report(selectors.account(campaign), _sending_seconds(campaign), verdict(campaign))


def _sending_progress(campaign: Campaign) -> tuple[bool, str]:
    campaign.refresh_from_db()
    account = selectors.account(campaign)
    counts = {"state": campaign.state, "settled": account.settled, "total": account.total}
    is_over = campaign.finished_at is not None or campaign.state in ("failed", "stalled")
    return is_over, _("%(state)s: %(settled)d of %(total)d accounted for") % counts


def _wait(look: Callable[[], tuple[bool, str]], say: Callable[[str], None]) -> None:
    # A letter whose worker died after the marker is held until its attempt's deadline; that is no standstill.
    patience = settings.LIMITS.single_deadline + 60
    last, quiet_since = "", time.monotonic()
    while True:
        is_over, news = look()
        if news != last:
            say(news)
            last, quiet_since = news, time.monotonic()
        if is_over:
            return
        if time.monotonic() - quiet_since > patience:
            raise DemonstrationError(
                _("Nothing has moved for %(seconds)d seconds; it stands at: %(last)s. Run manage.py health_check.")
                % {"seconds": patience, "last": last}
            )
        time.sleep(0.25)


def _sending_seconds(campaign: Campaign) -> float:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT coalesce(extract(epoch FROM max(d.sent_at) - k.started_at), 0)
               FROM campaigns_campaign k LEFT JOIN campaigns_delivery d ON d.campaign_id = k.id AND d.kind = 'campaign'
               WHERE k.id = %s GROUP BY k.started_at""",
            [campaign.pk],
        )
        return float(cursor.fetchone()[0])


def verdict(campaign: Campaign) -> Verdict:
    """Compare the deliveries with the letters in the local inbox, by recipient and Message-ID."""
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH wanted AS (
                 SELECT message_id, email FROM campaigns_delivery WHERE campaign_id = %(campaign)s AND kind = 'campaign'
               ), arrived AS (
                 SELECT i.message_id, i.recipient, count(*) AS n FROM smtp_inboxletter i
                 WHERE i.workspace_id = %(workspace)s AND i.recipient IN (SELECT email FROM wanted) GROUP BY 1, 2
               )
               SELECT (SELECT count(*) FROM wanted),
                      (SELECT count(*) FROM wanted w WHERE EXISTS (SELECT 1 FROM arrived a
                         WHERE a.message_id = w.message_id AND a.recipient = w.email AND a.n = 1)),
                      (SELECT count(*) FROM wanted w WHERE NOT EXISTS (SELECT 1 FROM arrived a
                         WHERE a.message_id = w.message_id AND a.recipient = w.email)),
                      (SELECT count(*) FROM arrived WHERE n > 1),
                      (SELECT count(*) FROM arrived a WHERE NOT EXISTS (SELECT 1 FROM wanted w
                         WHERE w.message_id = a.message_id AND w.email = a.recipient))""",
            {"campaign": campaign.pk, "workspace": campaign.workspace_id},
        )
        return Verdict(*cursor.fetchone())


def run_name() -> str:
    """Return a name for one run, by the clock."""
    return clock.now().strftime("%Y%m%d-%H%M%S")
