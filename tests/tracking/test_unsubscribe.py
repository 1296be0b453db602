"""The way out: for every letter ever sent, by one POST, and by nothing but a POST."""

from __future__ import annotations

import json

import pytest
from django.db import OperationalError

from apps.campaigns.models import Campaign, Delivery
from apps.contacts.models import Contact, ContactList, Subscription, Suppression
from apps.contacts.services import suppression
from apps.tracking import letters
from apps.tracking.models import Event
from apps.tracking.services import kept_wishes
from apps.tracking.services.opt_outs import Scope
from core import addresses, tokens

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def url(delivery: Delivery) -> str:
    return f"/u/{tokens.seal('unsubscribe', delivery.pk)}"


def is_suppressed(delivery: Delivery) -> bool:
    return Suppression.objects.filter(workspace=delivery.workspace, email_hash=delivery.email_hash).exists()


def states() -> list[str]:
    return list(Subscription.objects.order_by("pk").values_list("state", flat=True))


@pytest.fixture
def no_broker(settings, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the way out must not need the broker")

    monkeypatch.setattr("core.jobs.ring_now", refuse)


def test_a_get_changes_nothing(recipient, delivery):
    pages = [recipient.get(url(delivery)), recipient.head(url(delivery))]

    assert [page.status_code for page in pages] == [200, 200]
    assert states() == ["confirmed"]
    assert not is_suppressed(delivery)
    assert not Event.objects.exists()


def test_the_page_shows_the_sender_the_list_and_a_masked_address(recipient, delivery):
    page = recipient.get(url(delivery)).content.decode()

    assert "Northlight Coffee" in page
    assert "Newsletter" in page
    assert "m…a@orchard.example" in page
    assert "mara@" not in page
    assert "<script" not in page


def test_one_click_takes_the_person_off_the_list_without_login_cookie_csrf_or_broker(recipient, delivery, no_broker):
    response = recipient.post(url(delivery), ONE_CLICK)

    assert response.status_code == 200
    assert states() == ["unsubscribed"]
    assert not is_suppressed(delivery)
    assert Event.objects.get().detail["how"] == "one-click"
    assert not response.cookies


def test_one_click_takes_the_body_of_rfc_8058_as_it_is_written(recipient, delivery):
    response = recipient.post(
        url(delivery), b"List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
    )

    assert response.status_code == 200
    assert states() == ["unsubscribed"]


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "yes"}, {"action": "all of it"}])
def test_a_post_that_says_nothing_changes_nothing(recipient, delivery, body):
    response = recipient.post(url(delivery), body)

    assert response.status_code == 400
    assert states() == ["confirmed"]


def test_everything_suppresses_the_address(recipient, delivery):
    recipient.post(url(delivery), {"action": "everything"})

    assert is_suppressed(delivery)
    assert Suppression.objects.get().reason == "unsubscribed"


@pytest.mark.parametrize("action", ["list", "everything"])
def test_undo_on_the_same_page_restores_what_was_stopped(recipient, delivery, action):
    stopped = recipient.post(url(delivery), {"action": action})
    restored = recipient.post(url(delivery), {"action": "undo"})

    assert 'value="undo"' in stopped.content.decode()
    assert 'value="undo"' not in restored.content.decode()
    assert states() == ["confirmed"]
    assert not is_suppressed(delivery)
    assert list(Event.objects.order_by("pk").values_list("kind", flat=True)) == ["unsubscribe", "resubscribe"]


def test_undo_without_anything_stopped_changes_nothing(recipient, delivery):
    recipient.post(url(delivery), {"action": "undo"})

    assert states() == ["confirmed"]
    assert not Event.objects.exists()


def test_undo_never_lifts_a_complaint(recipient, delivery):
    Suppression.objects.create(workspace=delivery.workspace, email_hash=delivery.email_hash, reason="complaint")

    recipient.post(url(delivery), {"action": "everything"})
    page = recipient.post(url(delivery), {"action": "undo"})

    assert Suppression.objects.get().reason == "complaint"
    assert 'value="undo"' not in page.content.decode()


def test_takes_the_person_off_every_list_the_campaign_reached_them_by(recipient, delivery, workspace):
    second = ContactList.objects.create(workspace=workspace, name="Events")
    other = ContactList.objects.create(workspace=workspace, name="Not of this campaign")
    for each in (second, other):
        Subscription.objects.create(contact=delivery.contact, contact_list=each, state="confirmed")
    Campaign.objects.update(audience_list_ids=[*delivery.campaign.audience_list_ids, second.pk])

    recipient.post(url(delivery), ONE_CLICK)

    assert states() == ["unsubscribed", "unsubscribed", "confirmed"]


@pytest.mark.parametrize("gone", [Contact, ContactList, Campaign])
def test_works_when_the_person_the_list_or_the_campaign_is_gone(recipient, delivery, gone):
    gone.objects.all().delete()

    assert recipient.get(url(delivery)).status_code == 200
    response = recipient.post(url(delivery), ONE_CLICK)

    assert response.status_code == 200
    assert is_suppressed(delivery)


def test_works_when_the_address_itself_was_erased(recipient, delivery):
    Contact.objects.all().delete()
    Delivery.objects.update(email="")

    recipient.post(url(delivery), ONE_CLICK)

    suppressed = Suppression.objects.get()
    assert (suppressed.email, bytes(suppressed.email_hash)) == ("", bytes(delivery.email_hash))


def test_everything_covers_the_address_a_person_has_moved_to(recipient, delivery):
    moved = addresses.parse("mara@new.example")
    Contact.objects.update(
        email=moved.email, email_normalised=moved.normalised, email_hash=addresses.fingerprint(moved.normalised)
    )

    recipient.post(url(delivery), {"action": "everything"})

    assert set(Suppression.objects.values_list("email", flat=True)) == {"mara@orchard.example", "mara@new.example"}


def test_a_test_letter_says_so_and_changes_nothing(recipient, make_delivery):
    letter = make_delivery(kind="test")

    pages = [recipient.get(url(letter)), recipient.post(url(letter), ONE_CLICK)]

    assert all("This is a test email" in page.content.decode() for page in pages)
    assert states() == ["confirmed"]
    assert not is_suppressed(letter)


def test_a_letter_without_campaign_or_list_stops_everything(recipient, make_delivery):
    letter = make_delivery(kind="transactional", campaign=None)

    recipient.post(url(letter), ONE_CLICK)

    assert is_suppressed(letter)


@pytest.mark.parametrize("purpose", ["open", "click", "view"])
def test_unknown_and_foreign_tokens_get_one_calm_page(recipient, delivery, purpose):
    foreign = recipient.post(f"/u/{tokens.seal(purpose, delivery.pk)}", ONE_CLICK)
    unknown = recipient.post("/u/nobody", ONE_CLICK)
    missing = recipient.post(f"/u/{tokens.seal('unsubscribe', 2**40)}", ONE_CLICK)

    assert {foreign.status_code, unknown.status_code, missing.status_code} == {404}
    assert foreign.content == unknown.content == missing.content
    assert states() == ["confirmed"]


def test_refuses_a_body_beyond_eight_kilobytes(recipient, delivery):
    response = recipient.post(url(delivery), {**ONE_CLICK, "padding": "x" * 9000})

    assert response.status_code == 413
    assert states() == ["confirmed"]


def test_offers_no_language_without_a_catalogue(recipient, delivery):
    page = recipient.get(url(delivery) + "?lang=ru", headers={"Accept-Language": "uk"}).content.decode()

    assert '<html lang="en"' in page
    assert "hreflang" not in page


def test_speaks_the_visitors_language(recipient, delivery, settings):
    settings.LANGUAGES = [("en", "English"), ("ru", "Russian"), ("uk", "Ukrainian")]
    page = recipient.get(url(delivery), headers={"Accept-Language": "uk"})
    chosen = recipient.get(url(delivery) + "?lang=ru", headers={"Accept-Language": "uk"})

    assert '<html lang="uk"' in page.content.decode()
    assert '<html lang="ru"' in chosen.content.decode()
    assert 'action="?lang=ru"' in chosen.content.decode()
    assert 'hreflang="uk"' in chosen.content.decode()
    assert not chosen.cookies


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (X11) Firefox/140.0", "GoogleBot/2.1", ""])
def test_an_unconfirmed_letter_is_proven_by_its_reader(recipient, make_delivery, agent):
    letter = make_delivery(state="unconfirmed", sent_at=None)

    recipient.post(url(letter), ONE_CLICK, headers={"User-Agent": agent})

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("sent", "proven_by_unsubscribe")


def test_a_letter_that_waits_for_its_one_more_try_is_proven_too(recipient, make_delivery):
    letter = make_delivery(state="queued", policy="retry_once", ambiguous_count=1, sent_at=None)

    recipient.post(url(letter), ONE_CLICK)

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("sent", "proven_by_unsubscribe")


def test_keeps_a_wish_to_stop_while_the_database_is_away(recipient, delivery, settings, tmp_path, monkeypatch):
    settings.SPOOL_DIR = tmp_path
    really_get = letters.get

    def away(*_):
        raise OperationalError("gone")

    monkeypatch.setattr(letters, "get", away)
    response = recipient.post(url(delivery), ONE_CLICK)
    kept = (tmp_path / "wishes.jsonl").read_text()
    monkeypatch.setattr(letters, "get", really_get)

    assert (response.status_code, response["Retry-After"]) == (503, "60")
    assert "Your wish is noted" in response.content.decode()
    assert json.loads(kept)["delivery"] == delivery.pk
    assert "orchard" not in kept
    assert kept_wishes.replay() == 1
    assert states() == ["unsubscribed"]
    assert kept_wishes.replay() == 0


def test_a_torn_line_does_not_stop_the_kept_wishes(delivery, settings, tmp_path):
    settings.SPOOL_DIR = tmp_path
    (tmp_path / "wishes.jsonl").write_text('{"delivery": 12, "sco')
    kept_wishes.keep(delivery.pk, Scope.LIST, user_agent="", how="page")

    assert kept_wishes.replay() == 1
    assert states() == ["unsubscribed"]


@pytest.mark.parametrize("is_first", [True, False])
def test_undo_never_lifts_what_a_member_suppressed_by_hand(recipient, delivery, owner, is_first):
    if is_first:
        suppression.by_hand(delivery.contact, why="asked by phone", by=owner)
    recipient.post(url(delivery), {"action": "everything"})
    if not is_first:
        suppression.by_hand(delivery.contact, why="asked by phone", by=owner)

    page = recipient.post(url(delivery), {"action": "undo"})

    assert Suppression.objects.get().reason == "manual"
    assert 'value="undo"' not in page.content.decode()
