"""The pages that prove a campaign: why (not) this person, and the certificate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from apps.accounts.models import User
from apps.campaigns.models import Campaign, Certificate, Delivery, Recount
from apps.campaigns.services import lifecycle, proofs
from apps.contacts.models import Contact
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]


def at(campaign: Campaign, page: str = "") -> str:
    return f"/w/northlight/campaigns/{campaign.pk}/{page}"


@pytest.fixture
def closed(sending: Sending) -> Campaign:
    campaign = sending(4, started_at=Now())
    ends = [("sent", ""), ("sent", ""), ("failed", "perm_recipient"), ("unconfirmed", "no_reply")]
    for letter, (state, reason) in zip(letters(campaign), ends, strict=True):
        Delivery.objects.filter(pk=letter.pk).update(
            state=state, reason=reason, attempts=1, sent_at=Now() if state == "sent" else None
        )
    assert lifecycle.finish(campaign.pk)
    campaign.refresh_from_db()
    return campaign


# why (not) this person


def test_an_address_leads_to_the_answer(owner_client: Client, closed: Campaign) -> None:
    html = owner_client.get(at(closed, "why/"), {"address": " Reader0@example.com "}).content.decode()

    assert "Did Reader 0 get it?" in html
    assert "Yes. Accepted at" in html
    assert "Taken into the audience" in html
    assert letters(closed)[0].message_id.strip("<>") in html
    assert "Their place in the account" in html


def test_a_letters_own_page_says_the_same(owner_client: Client, closed: Campaign) -> None:
    failed = letters(closed)[2]

    html = owner_client.get(at(closed, f"people/{failed.uuid}/")).content.decode()

    assert "<b>No.</b>" in html
    assert "Another person…" in html


def test_somebody_who_was_not_in_the_audience(
    owner_client: Client, closed: Campaign, make_contact: Callable[..., Contact]
) -> None:
    late = make_contact("late@example.com", first_name="Claire")

    by_address = owner_client.get(at(closed, "why/"), {"address": "late@example.com"}).content.decode()
    by_contact = owner_client.get(at(closed, f"why/{late.uuid}/")).content.decode()

    for html in (by_address, by_contact):
        assert "Did Claire get it?" in html
        assert "They came to the list after the audience had been frozen." in html
        assert "Their place in the account" not in html


def test_an_address_nobody_has_and_one_that_is_none(owner_client: Client, closed: Campaign) -> None:
    nobody = owner_client.get(at(closed, "why/"), {"address": "nobody@example.com"}).content.decode()
    nonsense = owner_client.get(at(closed, "why/"), {"address": "<b>nonsense"})

    assert "Nobody with this address is among your contacts." in nobody
    assert nonsense.status_code == 200
    assert 'aria-invalid="true"' in nonsense.content.decode()
    assert "&lt;b&gt;nonsense" in nonsense.content.decode()


def test_the_question_is_asked_on_the_report_and_on_the_live_page(
    owner_client: Client, sending: Sending, closed: Campaign
) -> None:
    live = sending(0)

    for campaign in (closed, live):
        html = owner_client.get(at(campaign)).content.decode()
        assert f'action="{at(campaign, "why/")}"' in html


def test_people_of_another_workspace_have_no_page(
    owner_client: Client, closed: Campaign, stranger: User
) -> None:  # fmt: skip
    elsewhere = stranger.memberships.get().workspace
    theirs = Contact.objects.create(
        workspace=elsewhere, email="x@x.example", email_normalised="x@x.example", email_hash=b""
    )

    assert owner_client.get(at(closed, f"why/{theirs.uuid}/")).status_code == 404


# the certificate


def test_the_certificate_shows_the_sum_and_its_digest(owner_client: Client, closed: Campaign) -> None:
    html = owner_client.get(at(closed, "certificate/")).content.decode()

    kept = Certificate.objects.get(campaign=closed)
    assert "Of 4 people in its audience each has exactly one recorded end." in html
    assert "nobody was sent it twice" in html
    assert "no such mailbox" in html and "the connection broke at the last answer" in html
    assert kept.digest in html
    assert "does not add up" not in html


def test_a_campaign_that_resends_claims_less(owner_client: Client, closed: Campaign) -> None:
    Campaign.objects.filter(pk=closed.pk).update(policy="retry_once")

    html = owner_client.get(at(closed, "certificate/")).content.decode()

    assert "nobody was sent it twice" not in html


def test_an_open_campaign_has_none_yet(owner_client: Client, sending: Sending) -> None:
    campaign = sending(2)

    html = owner_client.get(at(campaign, "certificate/")).content.decode()

    assert "2 emails have no end yet" in html
    for page in ("json", "list"):
        assert owner_client.get(at(campaign, f"certificate/{page}/")).headers["Location"] == at(
            campaign, "certificate/"
        )


def test_the_downloads_prove_each_other(owner_client: Client, closed: Campaign) -> None:
    document = json.loads(owner_client.get(at(closed, "certificate/json/")).content)
    listed = b"".join(owner_client.get(at(closed, "certificate/list/")).streaming_content)  # type: ignore[attr-defined]

    assert document["account"]["sha256"] == hashlib.sha256(listed).hexdigest()
    assert document["amendments"] == []
    assert len(listed.splitlines()) == document["audience"] == 4


def test_recompute_says_what_it_found(owner_client: Client, closed: Campaign, owner: User) -> None:
    same = owner_client.post(at(closed, "certificate/recount/"), follow=True).content.decode()
    assert "Recomputed from the emails: the same result." in same and "Same result" in same

    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_delivery SET reason = 'edited' WHERE id = %s", [letters(closed)[0].pk])
    differs = owner_client.post(at(closed, "certificate/recount/"), follow=True).content.decode()

    assert "1 differ" in differs and f"{letters(closed)[0].pk}: sent → sent edited" in differs
    assert list(Recount.objects.order_by("pk").values_list("is_same", "by")) == [(True, owner.pk), (False, owner.pk)]


def test_a_later_closing_is_shown_as_an_amendment(owner_client: Client, closed: Campaign) -> None:
    proofs.arrived(letters(closed)[3].pk, by="open")

    html = owner_client.get(at(closed, "certificate/")).content.decode()

    assert "Closed otherwise later" in html
    assert "arrived: something came back later" in html
    amended = json.loads(owner_client.get(at(closed, "certificate/json/")).content)["amendments"]
    assert [(one["from"]["state"], one["to"]["state"]) for one in amended] == [("unconfirmed", "sent")]


def test_a_reopened_campaign_is_certified_again_and_the_first_stays(owner_client: Client, closed: Campaign) -> None:
    lifecycle.reopen(closed.pk)
    assert lifecycle.finish(closed.pk)

    html = owner_client.get(at(closed, "certificate/")).content.decode()
    first = owner_client.get(at(closed, "certificate/"), {"number": "1"}).content.decode()

    assert list(Certificate.objects.order_by("number").values_list("number", flat=True)) == [1, 2]
    assert "closing 2" in html and "closing 2" not in first
