"""The composer and the report as the README shows them: one real-looking campaign, and the numbers on its pages."""

from __future__ import annotations

import datetime as dt
import os
import random
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import history
from apps.contacts.models import Contact, ContactList, Subscription
from apps.smtp.models import Transport
from apps.tracking.models import Event
from core import addresses, clock
from tests.campaigns import scene
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import check

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
DESK = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LETTER = """\
<p class="by">Northlight Coffee Roasters</p>
<h1>{{ first_name or "Hello" }}, the Kenyan is in.</h1>

<p>Gachatha comes from 900 families near Nyeri.
We roasted it on Thursday, a touch lighter
than last year.</p>

{% if box_date %}
<p>Your box of {{ box_date }} has one bag in it
already.</p>
{% else %}
<p><a href="https://northlight.example/gachatha">
Reserve a bag</a> before it is gone.</p>
{% endif %}

<p>Blackcurrant first, then lime, and a little
smoke as it cools. Try it as a filter, 94 degrees.</p>

<p class="foot">You get this because you asked for it.
<a href="{{ unsubscribe_url }}">Unsubscribe</a> or
<a href="{{ preferences_url }}">choose what you get</a><br>
Northlight Coffee, Rua do Almada 112, Porto</p>

<style>
body { font: 17px/1.6 Georgia, serif; color: #1f2a26; background: #fff; margin: 0 auto; padding: 30px 34px; max-width: 520px }
h1 { font-size: 27px; line-height: 1.25; font-weight: 400; margin: 18px 0 20px }
.by { font: 13px/1.4 sans-serif; color: #5c6a64 }
.foot { font: 13px/1.5 sans-serif; color: #5c6a64; border-top: 1px solid #dce4e0; padding-top: 18px; margin-top: 30px }
a { color: #0b6a57 }
</style>
"""  # noqa: E501 - a letter, as people write them


def keep(page: Page, name: str) -> None:
    """Make the README's picture anew, when VASHSENDER_PICTURES=1 asks for it."""
    if os.environ.get("VASHSENDER_PICTURES") == "1":
        page.evaluate("document.fonts.ready")
        page.screenshot(path=str(PICTURES / f"{name}.png"))


@pytest.fixture
def relay(workspace: Workspace) -> Transport:
    Workspace.objects.filter(pk=workspace.pk).update(
        postal_address="Rua do Almada 112, Porto", time_zone="Europe/Lisbon"
    )
    return Transport.objects.create(workspace=workspace, kind="smtp", name="Own relay", host="mail.northlight.example")


@pytest.fixture
def draft(workspace: Workspace, relay: Transport, contact_list: ContactList) -> Campaign:
    for first, last, box in (("Marta", "Kowalczyk", "3 December"), ("Jonas", "Weiß", ""), ("Олена", "Шевчук", "")):
        address = addresses.parse(f"{first.encode().hex()}@orchard.example")
        contact = Contact.objects.create(
            workspace=workspace, email=address.email, email_normalised=address.normalised, first_name=first,
            last_name=last, email_hash=addresses.fingerprint(address.normalised), attributes={"box_date": box},
        )  # fmt: skip
        Subscription.objects.create(contact=contact, contact_list=contact_list, state="confirmed", source="shop")
    campaign = Campaign.objects.create(
        workspace=workspace, transport=relay, name="November roast: Kenya Gachatha", html=LETTER,
        subject="{{ first_name or 'Hello' }}, the Kenyan is in: blackcurrant, lime, a little smoke",
        preheader="Roasted on Thursday. 340 bags, then it is gone until spring.",
        from_name="Northlight Coffee", from_email="hello@northlight.example", audience_list_ids=[contact_list.pk],
    )  # fmt: skip
    campaign.lists.add(contact_list)
    return campaign


@pytest.fixture
def finished(workspace: Workspace, relay: Transport) -> Campaign:
    # Long enough ago that every open of the picture has come: its numbers are the same at any hour.
    begun = clock.now().replace(hour=9, minute=0, second=0, microsecond=0) - dt.timedelta(days=6)
    over = begun + dt.timedelta(hours=72, minutes=4)
    campaign = scene.campaign_of(
        workspace,
        relay,
        name="Autumn brewing guide",
        state="finished",
        started_at=begun,
        finished_at=over,
        moved_at=over,
    )
    sent_at = begun + dt.timedelta(minutes=20)
    scene.add(campaign, 4587, "orchard.example", named=20, **scene.OK, sent_at=sent_at, moved_at=sent_at)
    scene.add(campaign, 21, "lindqvist.example", named=6, **scene.NO_MAILBOX, moved_at=sent_at)
    scene.add(campaign, 10, "sadok.example", named=6, **scene.FULL, moved_at=over)
    scene.add(campaign, 4, "ashdown.example", named=4, **scene.REFUSED, moved_at=sent_at)
    scene.add(campaign, 25, "gmail.com", **scene.SKIPPED)
    scene.add(campaign, 1, "gmail.com", **scene.UNCONFIRMED)
    _answer(campaign, sent_at)
    history.note(campaign.pk, "finished")
    return campaign


def _answer(campaign: Campaign, sent_at: dt.datetime) -> None:
    """Let 1,720 people and 1,136 machines open it, and 232 people follow a link; most of them soon."""
    chance = random.Random(11)
    letters = list(Delivery.objects.filter(campaign=campaign, state="sent").order_by("pk"))
    chance.shuffle(letters)
    events = []
    for number, letter in enumerate(letters[:2856]):
        soon = min(dt.timedelta(hours=chance.expovariate(1 / 7), minutes=chance.uniform(4, 30)), dt.timedelta(hours=60))
        shared = {"workspace": campaign.workspace, "delivery": letter, "campaign": campaign}
        if number >= 1720:
            reason = {"is_machine": True, "machine_reason": "prefetch" if number % 7 else "burst"}
            events.append(Event(**shared, kind="open", at=sent_at + soon / 12, **reason))
            continue
        agent = PHONE if number % 5 < 3 else DESK
        events.append(Event(**shared, kind="open", at=sent_at + soon, user_agent=agent))
        if number < 232:
            link, at = int(number % 3 == 0), sent_at + soon + dt.timedelta(minutes=chance.uniform(1, 20))
            events.append(Event(**shared, kind="click", link=link, at=at, user_agent=agent))
        if number >= 1710:
            events.append(Event(**shared, kind="unsubscribe", at=sent_at + soon))
    Event.objects.bulk_create(events)


def test_a_letter_is_written_and_read_side_by_side(
    open_page: OpenPage, owner: User, draft: Campaign, complaints: Complaints
) -> None:
    page = open_page(f"/w/northlight/campaigns/{draft.pk}/content/", user=owner)
    letter = page.frame_locator("iframe.frame")
    expect(letter.locator("h1")).to_have_text("Marta, the Kenyan is in.")
    expect(letter.locator("body")).to_contain_text("Your box of 3 December has one bag in it already.")
    expect(page.locator(".cm-line").first).to_contain_text("Northlight Coffee Roasters")
    keep(page, "composer")
    check(page, complaints)


def test_a_report_adds_up_and_tells_people_from_machines(
    open_page: OpenPage, owner: User, finished: Campaign, complaints: Complaints
) -> None:
    page = open_page(f"/w/northlight/campaigns/{finished.pk}/", user=owner)
    expect(page.get_by_role("heading", name="People and machines")).to_be_visible()
    main = page.locator("main")
    for said in ("4,587 of 4,648 in the audience", "1,720 of 4,587 accepted; 2,856 including machines", "232 of 4,587"):
        expect(main).to_contain_text(said)
    expect(page.locator("dl.reckon.closed")).to_be_visible()
    keep(page, "report")
    check(page, complaints)
