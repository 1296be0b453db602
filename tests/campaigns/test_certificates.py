"""The closed account: made with the close, kept, never edited, and compared with the deliveries row by row."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.campaigns.models import Campaign, Certificate, Delivery, Revision
from apps.campaigns.services import certificates, lifecycle, proofs
from tests.campaigns.conftest import letters

Sending = Callable[..., Campaign]


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def behind_its_back(table: str, statement: str) -> None:
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    sql(statement)
    sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.fixture
def closed(sending: Sending) -> Campaign:
    """Return a campaign that has just closed: two sent, one failed, one unconfirmed."""
    campaign = sending(4)
    for letter, (state, reason) in zip(
        letters(campaign),
        [("sent", ""), ("sent", ""), ("failed", "perm_recipient"), ("unconfirmed", "no_reply")],
        strict=True,
    ):
        sql(
            f"""UPDATE campaigns_delivery SET state = '{state}', reason = '{reason}', attempts = 1,
                sent_at = CASE WHEN '{state}' = 'sent' THEN now() END WHERE id = {letter.pk}"""
        )
    assert lifecycle.finish(campaign.pk)
    campaign.refresh_from_db()
    return campaign


def certificate_of(campaign: Campaign) -> Certificate:
    return Certificate.objects.get(campaign=campaign)


# the close


def test_the_close_makes_the_certificate(closed: Campaign) -> None:
    kept = certificate_of(closed)

    document = kept.document
    assert (kept.number, kept.audience_size, kept.closed_at) == (1, 4, closed.finished_at)
    assert document["counts"] == [
        {"state": "failed", "reason": "perm_recipient", "letters": 1},
        {"state": "sent", "reason": "", "letters": 2},
        {"state": "unconfirmed", "reason": "no_reply", "letters": 1},
    ]
    assert sum(row["letters"] for row in document["counts"]) == document["audience"] == 4
    assert (document["attempts"], document["closed_as"], document["protocol"]) == (4, "finished", 1)
    assert document["content"] == [{"sha256": "0" * 64, "letters": 4}]
    assert [(one["name"], one["letters"]) for one in document["sending_accounts"]] == [("Local inbox", 4)]
    assert all(document["times"].values())


def test_the_digest_can_be_recomputed_by_anyone(closed: Campaign) -> None:
    rows = Delivery.objects.filter(campaign=closed).order_by("pk").values_list("pk", "state", "reason")
    text = "\n".join(f"{number} {state} {reason}" for number, state, reason in rows)

    kept = certificate_of(closed)

    assert kept.digest == kept.document["account"]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert list(certificates.lines(kept)) == text.split("\n")


@pytest.mark.parametrize("state", ["paused", "stalled"])
def test_a_halted_campaign_with_nothing_pending_closes_by_itself(sending: Sending, state: str) -> None:
    campaign = sending(2, state=state, state_reason="no_progress")
    Delivery.objects.filter(campaign=campaign).update(state="sent")

    assert lifecycle.finish(campaign.pk)

    campaign.refresh_from_db()
    assert (campaign.state, campaign.state_reason) == ("finished", "")
    assert certificate_of(campaign).document["closed_as"] == "finished"


@pytest.mark.parametrize("state", ["queued", "leased", "sending", "committing"])
def test_a_halted_campaign_with_something_pending_stays(sending: Sending, state: str) -> None:
    campaign = sending(2, state="paused")
    Delivery.objects.filter(pk=letters(campaign)[0].pk).update(state="sent")
    Delivery.objects.filter(pk=letters(campaign)[1].pk).update(state=state)

    assert not lifecycle.finish(campaign.pk)

    campaign.refresh_from_db()
    assert (campaign.state, campaign.finished_at) == ("paused", None)


def test_after_a_restored_backup_nothing_closes_before_an_operator_looked(sending: Sending) -> None:
    campaign = sending(1, state="paused", state_reason="restored")
    Delivery.objects.filter(campaign=campaign).update(state="unconfirmed")

    assert not lifecycle.finish(campaign.pk)


def test_what_a_restored_backup_cancelled_closes_and_keeps_its_reason(sending: Sending) -> None:
    campaign = sending(1, state="cancelled", state_reason="restored")
    Delivery.objects.filter(campaign=campaign).update(state="unconfirmed", reason="restored")

    assert lifecycle.finish(campaign.pk)

    campaign.refresh_from_db()
    assert (campaign.state, campaign.state_reason) == ("cancelled", "restored")
    assert certificate_of(campaign).document["counts"][0]["state"] == "unconfirmed"


def test_a_cancelled_campaign_gets_its_certificate_too(sending: Sending) -> None:
    campaign = sending(2)
    lifecycle.cancel(campaign, by=None)
    Delivery.objects.filter(campaign=campaign).update(state="cancelled", reason="campaign_cancelled")

    lifecycle.finish(campaign.pk)

    assert certificate_of(campaign).document["closed_as"] == "cancelled"


def test_a_campaign_that_never_had_an_audience_has_no_certificate(make_campaign: Sending) -> None:
    campaign = make_campaign(state="cancelled")

    assert lifecycle.finish(campaign.pk)

    assert not Certificate.objects.filter(campaign=campaign).exists()


def test_a_late_result_in_mid_close_undoes_the_close(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = sending(1)
    letter = letters(campaign)[0]
    Delivery.objects.filter(pk=letter.pk).update(state="unconfirmed")
    monkeypatch.setattr(certificates, "ends_of", lambda _campaign: iter([(letter.pk, "queued", "refused")]))

    assert not lifecycle.finish(campaign.pk)

    campaign.refresh_from_db()
    assert (campaign.state, Certificate.objects.count()) == ("sending", 0)


def test_older_closed_campaigns_are_certified_by_the_sweep(closed: Campaign) -> None:
    Certificate.objects.all().delete()

    assert (certificates.issue_missing(), certificates.issue_missing()) == (1, 0)


# the database's own refusal


@pytest.mark.parametrize(
    "change", ["state = 'finished'", "finished_at = now()", "state = 'finished', audience_size = 9"]
)
def test_the_database_refuses_to_close_what_does_not_add_up(sending: Sending, change: str) -> None:
    campaign = sending(2)
    Delivery.objects.filter(pk=letters(campaign)[0].pk).update(state="sent")
    if "audience_size" in change:
        Delivery.objects.filter(campaign=campaign).update(state="sent")

    with pytest.raises(IntegrityError, match="cannot close"), transaction.atomic():
        sql(f"UPDATE campaigns_campaign SET {change} WHERE id = {campaign.pk}")

    campaign.refresh_from_db()
    assert (campaign.state, campaign.finished_at) == ("sending", None)


def test_the_database_closes_what_adds_up(sending: Sending) -> None:
    campaign = sending(2)
    Delivery.objects.filter(campaign=campaign).update(state="sent")

    sql(f"UPDATE campaigns_campaign SET state = 'finished' WHERE id = {campaign.pk}")

    campaign.refresh_from_db()
    assert campaign.state == "finished"


def test_a_certificate_is_never_edited(closed: Campaign) -> None:
    with pytest.raises(DatabaseError, match="never edited"), transaction.atomic():
        Certificate.objects.filter(campaign=closed).update(audience_size=5)

    assert certificate_of(closed).audience_size == 4


# asked again


def test_recomputing_gives_the_same_result(closed: Campaign) -> None:
    found = certificates.recount(certificate_of(closed), by=None)

    assert (found.is_same, found.amended, found.differences) == (True, 0, [])


def test_a_letter_proven_later_is_an_amendment_and_the_first_counts_stay(closed: Campaign) -> None:
    unconfirmed = letters(closed)[3]

    assert proofs.arrived(unconfirmed.pk, by="click")

    found = certificates.recount(certificate_of(closed), by=None)
    revision = Revision.objects.get(delivery=unconfirmed)
    assert (found.is_same, found.amended, found.differences) == (True, 1, [])
    assert (revision.from_state, revision.to_state, revision.to_reason) == ("unconfirmed", "sent", "proven_by_click")
    counts = certificate_of(closed).document["counts"]
    assert {"state": "unconfirmed", "reason": "no_reply", "letters": 1} in counts


def test_what_changed_without_a_record_is_named_row_by_row(closed: Campaign) -> None:
    one, two, three, _four = letters(closed)
    sql(f"UPDATE campaigns_delivery SET reason = 'edited' WHERE id = {one.pk}")
    behind_its_back(
        "campaigns_delivery", f"UPDATE campaigns_delivery SET state = 'sent', reason = '' WHERE id = {three.pk}"
    )
    Delivery.objects.filter(pk=two.pk).delete()

    found = certificates.recount(certificate_of(closed), by=None)

    assert not found.is_same
    assert found.differences == [
        {"delivery": one.pk, "then": "sent", "now": "sent edited"},
        {"delivery": two.pk, "then": "sent", "now": ""},
        {"delivery": three.pk, "then": "failed perm_recipient", "now": "sent"},
    ]


def test_a_letter_too_many_is_named(closed: Campaign) -> None:
    sample = letters(closed)[0]
    sample.pk, sample.uuid, sample.contact = None, uuid.uuid4(), None
    sample.save(force_insert=True)

    found = certificates.compare(certificate_of(closed))

    assert [(row["then"], row["now"]) for row in found.differences] == [("", "sent")]


def test_a_tampered_certificate_is_found_out(closed: Campaign) -> None:
    change = "UPDATE campaigns_certificate SET document = jsonb_set(document, '{counts,1,letters}', '3')"
    behind_its_back("campaigns_certificate", change)

    assert not certificates.compare(certificate_of(closed)).is_intact


def test_a_long_list_is_read_back_as_it_was_kept() -> None:
    many = [f"{number} sent proven_by_open{number * 7919}" for number in range(60_000)]

    digest, packed = certificates._pack(many)

    assert list(certificates.lines(Certificate(ends=packed))) == many
    assert digest == hashlib.sha256("\n".join(many).encode()).hexdigest()
    assert list(certificates.lines(Certificate(ends=certificates._pack([])[1]))) == []


# the command


def account(*words: Any) -> tuple[str, int]:
    out = StringIO()
    try:
        call_command("account", *map(str, words), stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}{error}", error.returncode
    return out.getvalue(), 0


def test_the_account_of_a_closed_campaign(closed: Campaign) -> None:
    said, status = account(closed.pk)

    assert status == 0
    assert "audience 4 = 2 sent + 0 skipped + 1 failed + 1 unconfirmed + 0 waiting + 0 queued" in said
    assert "1 failed: no such mailbox (failed perm_recipient)" in said
    assert "(sent)" in said and "-)" not in said
    assert "Closed: every letter has its end, and the states add up to the audience." in said


def test_the_account_of_a_sending_campaign_says_that_it_is_open(sending: Sending) -> None:
    campaign = sending(3)
    Delivery.objects.filter(pk=letters(campaign)[0].pk).update(state="sent")

    said, status = account(campaign.uuid)

    assert (status, "Still open: 2 of 3 have no end yet; so far it adds up." in said) == (0, True)


def test_an_account_that_does_not_add_up_exits_1(closed: Campaign) -> None:
    Delivery.objects.filter(pk=letters(closed)[0].pk).delete()

    said, status = account(closed.pk)

    assert status == 1
    assert said.endswith("This account does not add up: audience 4, letters 3, so 1 are missing.")


@pytest.mark.parametrize("named", ["987654321", "nonsense", "4d2c9a8e-0000-4000-8000-000000000000"])
def test_no_such_campaign_exits_2(db: None, named: str) -> None:
    said, status = account(named)

    assert status == 2
    assert said.startswith(f"There is no campaign “{named}”.")


def test_the_account_for_programs(closed: Campaign) -> None:
    said, status = account(closed.pk, "--json", "--certificate")

    found = json.loads(said)
    assert status == 0
    assert (found["audience"], found["sent"], found["adds_up"], found["is_open"]) == (4, 2, True, False)
    assert found["certificate"]["account"]["sha256"] == certificate_of(closed).digest
    assert found["recount"] == {"is_same": True, "amended": 0, "differences": []}


def test_a_certificate_that_no_longer_holds_exits_1(closed: Campaign) -> None:
    sql(f"UPDATE campaigns_delivery SET reason = 'edited' WHERE id = {letters(closed)[0].pk}")

    said, status = account(closed.pk, "--certificate")

    assert status == 1
    assert f"letter {letters(closed)[0].pk}: sent became sent edited" in said
