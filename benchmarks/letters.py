"""The people, the campaign and the letter of a benchmark: made through the product's own services."""

from __future__ import annotations

import json
import re
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from django.db import connection

from apps.accounts.models import User, Workspace
from apps.accounts.services import workspaces
from apps.campaigns.models import Campaign
from apps.campaigns.rendering import sample_source
from apps.campaigns.services import composing, lifecycle
from apps.campaigns.services.claims import Claimed
from apps.contacts.models import Contact, ContactList, Subscription
from apps.contacts.services import lists
from apps.smtp.models import Transport
from benchmarks.place import DOMAIN
from core import addresses, tokens

FIRST_NAMES = ("Ada", "Boris", "Chloé", "Dmytro", "Farid", "Greta", "Héctor", "Ірина", "Jörg", "Łucja")
CITIES = ("Leith", "Kyiv", "Porto", "Graz", "Gdańsk", "Lyon")
_CHUNK = 5000
_A_FEW = 200
_NAME = "Zephyrine"
_TOKEN_LENGTH = 35
_TOKEN_IN_URL = re.compile(rf"(/[coupv]/){tokens.TOKEN_PATTERN}")


@dataclass(frozen=True, slots=True)
class World:
    """Who sends to whom, and through what."""

    owner: User
    workspace: Workspace
    everybody: ContactList
    a_few: ContactList
    transport: Transport


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one campaign went, by the database."""

    total: int
    sent: int
    other: dict[str, int]
    preparing_seconds: float
    seconds: float

    @property
    def per_second(self) -> float:
        """Letters a second, from the gate's opening to the last result."""
        return self.total / self.seconds if self.seconds else 0.0


def make_world(people: int, *, host: str, port: int) -> World:
    """Make a workspace with so many confirmed subscribers and one sending account."""
    owner = User.objects.create_user(email=f"owner@{DOMAIN}", password=secrets.token_urlsafe(16))
    workspace = workspaces.create("Benchmark", owner=owner)
    workspace.postal_address = sample_source().postal_address
    workspace.save(update_fields=["postal_address"])
    everybody = lists.create(workspace, name="Everybody")
    a_few = lists.create(workspace, name="A few, to warm up")
    for start in range(0, people, _CHUNK):
        _add_people(workspace, everybody, range(start, min(people, start + _CHUNK)))
    first = Contact.objects.order_by("pk")[:_A_FEW]
    Subscription.objects.bulk_create(Subscription(contact=one, contact_list=a_few, state="confirmed") for one in first)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    transport = Transport.objects.create(
        workspace=workspace, name="Sink", kind="smtp", host=host, port=port, tls="none", max_connections=20
    )
    return World(owner, workspace, everybody, a_few, transport)


def _email(number: int) -> str:
    return f"reader{number}@{DOMAIN}"


def _add_people(workspace: Workspace, contact_list: ContactList, numbers: range) -> None:
    made = Contact.objects.bulk_create(
        Contact(
            workspace=workspace,
            email=_email(number),
            email_normalised=_email(number),
            email_hash=addresses.fingerprint(_email(number)),
            first_name=FIRST_NAMES[number % len(FIRST_NAMES)],
            last_name=f"Reader {number}",
            attributes={"city": CITIES[number % len(CITIES)]},
        )
        for number in numbers
    )
    Subscription.objects.bulk_create(
        Subscription(contact=contact, contact_list=contact_list, state="confirmed") for contact in made
    )


def make_campaign(world: World, name: str, *, to: ContactList) -> Campaign:
    """Make a draft of the sample letter to one list."""
    source = sample_source(from_email=f"news@{DOMAIN}")
    campaign = Campaign.objects.create(
        workspace=world.workspace,
        name=name,
        subject=source.subject,
        preheader=source.preheader,
        html=source.html,
        text=source.text,
        from_name=source.from_name,
        from_email=source.from_email,
        transport=world.transport,
        created_by=world.owner,
    )
    campaign.lists.add(to)
    return campaign


def send(campaign: Campaign, world: World, *, watch: Callable[[int], None], patience: float = 600) -> Outcome:
    """Schedule the campaign and wait for its end; `watch` hears how many letters are settled, twice a second."""
    lifecycle.schedule(campaign, by=world.owner)
    settled, moved, asking = 0, time.monotonic(), 0.0
    while campaign.finished_at is None:
        if time.monotonic() - moved > patience:
            raise RuntimeError(f"nothing has moved for {patience} s; {_states(campaign)}, {campaign.state}")
        time.sleep(max(0.25, 10 * asking))  # asking must not become a load of its own
        begun = time.monotonic()
        last, settled = settled, _settled(campaign)
        asking = time.monotonic() - begun
        if settled != last:
            moved = time.monotonic()
        watch(settled)
        campaign.refresh_from_db()
    return _outcome(campaign)


def for_nodemailer(campaign: Campaign, folder: Path, people: int) -> tuple[Path, Path]:
    """Write the campaign's letter as a template and its recipients, for a program that knows nothing of us.

    The letter is one that the product composed, with the recipient's name and the tokens of its links taken out.
    """
    wire = composing.compose(_somebody(campaign))
    letter = message_from_bytes(wire.data, policy=policy.default)
    assert isinstance(letter, EmailMessage)
    parts = {part.get_content_subtype(): str(part.get_content()) for part in letter.iter_parts()}
    kept = ["List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Feedback-ID", "Precedence"]
    kept.append("X-Auto-Response-Suppress")
    template = {
        "run": secrets.token_hex(4),
        "domain": DOMAIN,
        "token_length": _TOKEN_LENGTH,
        "return_path": f"b+@@token@@@{DOMAIN}",
        "from": str(letter["From"]),
        "subject": _emptied(str(letter["Subject"])),
        "text": _emptied(parts["plain"]),
        "html": _emptied(parts["html"]),
        "headers": {name: _emptied(str(letter[name])) for name in kept},
    }
    recipients = [
        {
            "email": _email(number),
            "first_name": FIRST_NAMES[number % len(FIRST_NAMES)],
            "last_name": f"Reader {number}",
            "number": number,
        }
        for number in range(people)
    ]
    letter_file, recipients_file = folder / "letter.json", folder / "recipients.json"
    letter_file.write_text(json.dumps(template))
    recipients_file.write_text(json.dumps(recipients))
    return letter_file, recipients_file


def _somebody(campaign: Campaign) -> Claimed:
    assert campaign.content_id and campaign.transport_id
    return Claimed(
        delivery_id=1,
        token=0,
        owner="",
        kind="campaign",
        workspace_id=campaign.workspace_id,
        campaign_id=campaign.pk,
        content_id=campaign.content_id,
        transport_id=campaign.transport_id,
        uuid=uuid.uuid4(),
        message_id=f"<{uuid.uuid4()}@{DOMAIN}>",
        email=_email(1),
        policy="hold",
        attempts=1,
        counted_tries=0,
        protocol_tries=0,
        first_name=_NAME,
        last_name="Reader",
        attributes={"city": CITIES[0]},
    )


def _emptied(text: str) -> str:
    return _TOKEN_IN_URL.sub(r"\1@@token@@", text).replace(_NAME, "@@first_name@@")


def _states(campaign: Campaign) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, count(*) FROM campaigns_delivery WHERE campaign_id = %s GROUP BY 1", [campaign.pk]
        )
        return dict(cursor.fetchall())


def _settled(campaign: Campaign) -> int:
    pending = ("queued", "leased", "sending", "committing")
    return sum(count for state, count in _states(campaign).items() if state not in pending)


def _outcome(campaign: Campaign) -> Outcome:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT extract(epoch FROM e.at - k.started_at), extract(epoch FROM max(d.moved_at) - e.at)
               FROM campaigns_campaign k JOIN campaigns_delivery d ON d.campaign_id = k.id
               JOIN campaigns_campaignentry e ON e.campaign_id = k.id AND e.kind = 'sending'
               WHERE k.id = %s GROUP BY k.started_at, e.at""",
            [campaign.pk],
        )
        preparing, seconds = map(float, cursor.fetchone())
    states = _states(campaign)
    sent = states.pop("sent", 0)
    return Outcome(sent + sum(states.values()), sent, states, preparing, seconds)
