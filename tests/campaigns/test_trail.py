"""Why (not) this person: the answer and what decided so, for those with a letter and for everybody else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now

from apps.accounts.models import User, Workspace
from apps.campaigns import trail
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import audience, claims, history, lifecycle, outcomes, proofs
from apps.campaigns.trail import Trail
from apps.contacts.models import Contact, ContactList, Subscription
from apps.contacts.services import subscriptions, suppression
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Rejected, Reply, Stage, Unknown
from apps.tracking.models import Event
from tests.campaigns.conftest import letters

MakeContact = Callable[..., Contact]
Sending = Callable[..., Campaign]
BUSY = Deferred(Stage.RCPT, Reply(451, "4.7.500", "Server busy"), FailureClass.POLICY_RATE, counted=True)


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def attempt(letter: Delivery, outcome: Outcome, *, was_marked: bool = False) -> None:
    sql(f"UPDATE campaigns_delivery SET due_at = now() WHERE id = {letter.pk}")
    claimed = claims.begin(letter.pk, owner="w1")
    assert claimed is not None
    if was_marked:
        assert claims.mark(claimed)
    assert outcomes.write(outcomes.interpret(claimed, outcome, was_marked=was_marked))


def why(campaign: Campaign, email: str) -> Trail:
    # Within the test's transaction now() stands still, while people are subscribed at the real time.
    earlier = "now() - interval '1 hour'"
    sql(f"UPDATE contacts_subscription SET created_at = {earlier}, changed_at = {earlier} WHERE created_at > now()")
    campaign.refresh_from_db()
    return trail.tell(trail.ask_address(campaign, email))


def words(told: Trail) -> list[str]:
    return [step.what for step in told.steps]


@pytest.fixture
def freeze(make_campaign: Callable[..., Campaign]) -> Callable[..., Campaign]:
    """Freeze the audience as it is now and open the gate."""

    def make(**fields: Any) -> Campaign:
        campaign = make_campaign(started_at=Now(), **fields)
        while (made := audience.make_slice(campaign.pk)) and not made.is_last:
            pass
        lifecycle.begin_sending(campaign.pk)
        campaign.refresh_from_db()
        return campaign

    return make


# people with a letter


def test_from_the_list_to_the_next_try(sending: Sending) -> None:
    campaign = sending(1)
    letter = letters(campaign)[0]
    attempt(letter, BUSY)
    attempt(letter, BUSY)

    told = why(campaign, "Reader0@Example.com")

    assert told.verdict.answer.startswith("Not yet. We try again at ")
    assert "We keep trying until" in told.sentence
    assert words(told) == [
        "Subscribed to “Newsletter”",
        "Taken into the audience",
        "First try: asked to slow down",
        "Second try: asked to slow down",
        "Third try",
    ]
    assert "On “Newsletter”, confirmed." in told.steps[1].how
    assert told.steps[2].reply == "451 4.7.500 Server busy"
    assert "Through Local inbox, refused at RCPT, before we sent the email." in told.steps[2].how
    assert told.steps[4].is_expected
    assert told.steps[4].at is not None and told.steps[2].at is not None
    assert told.steps[4].at > told.steps[2].at


def test_yes_with_the_last_reply(sending: Sending) -> None:
    campaign = sending(1)
    attempt(letters(campaign)[0], BUSY)
    attempt(letters(campaign)[0], Accepted(Reply(250, "2.0.0", "OK id=17")), was_marked=True)

    told = why(campaign, "reader0@example.com")

    assert told.verdict.answer.startswith("Yes. Accepted at ")
    assert words(told)[-2:] == ["First try: asked to slow down", "Second try: accepted"]
    assert told.steps[-1].reply == "250 2.0.0 OK id=17"


def test_no_with_the_servers_words(sending: Sending) -> None:
    campaign = sending(1)
    refused = Rejected(Stage.RCPT, Reply(550, "5.1.1", "No such user"), FailureClass.PERM_RECIPIENT)
    attempt(letters(campaign)[0], refused)

    told = why(campaign, "reader0@example.com")

    assert (told.verdict.kind, told.verdict.answer) == ("bad", "No.")
    # the refusal suppressed the address; both are of the same moment
    assert {"First try: no such mailbox", "The address was suppressed: no such mailbox"} <= set(words(told))
    assert [step.reply for step in told.steps if step.reply] == ["550 5.1.1 No such user"]


def test_we_cannot_know_until_something_comes_back(sending: Sending) -> None:
    campaign = sending(1)
    letter = letters(campaign)[0]
    attempt(letter, Unknown(Stage.DOT, "closed"), was_marked=True)
    assert why(campaign, "reader0@example.com").verdict.answer == "We cannot know."

    Event.objects.create(workspace=campaign.workspace, delivery=letter, campaign=campaign, kind="open")
    proofs.arrived(letter.pk, by="open")

    told = why(campaign, "reader0@example.com")
    assert told.verdict.answer == "Yes. It arrived."
    assert words(told)[2:] == [
        "First try: the connection broke at the last answer",
        "No longer unconfirmed: it arrived",
        "Opened",
    ]


def test_what_came_back_later_is_told(sending: Sending) -> None:
    campaign = sending(1)
    letter = letters(campaign)[0]
    letter.content.links = ["https://northlight.example/kenya"]
    letter.content.save()
    attempt(letter, Accepted(Reply(250, "", "OK")), was_marked=True)
    for kind, fields in (
        ("open", {"is_machine": True}),
        ("click", {"link": 0}),
        ("unsubscribe", {"detail": {"scope": "list"}}),
    ):
        Event.objects.create(
            workspace=campaign.workspace, delivery=letter, campaign=campaign, kind=kind, **fields  # type: ignore[arg-type]
        )  # fmt: skip

    told = why(campaign, "reader0@example.com")

    assert words(told)[-3:] == ["Opened by a machine", "Followed a link", "Unsubscribed"]
    assert told.steps[-2].how == "https://northlight.example/kenya"


def test_a_pause_they_waited_through_is_told(sending: Sending, owner: User) -> None:
    campaign = sending(2)
    attempt(letters(campaign)[1], Accepted(Reply(250, "", "OK")), was_marked=True)
    sql("UPDATE campaigns_delivery SET moved_at = now() - interval '1 minute' WHERE state = 'sent'")
    lifecycle.pause(campaign, by=owner)

    waiting, sent = why(campaign, "reader0@example.com"), why(campaign, "reader1@example.com")

    assert "Ines Marlow paused the campaign" in words(waiting)
    assert "The campaign is paused; nothing leaves until it goes on." in waiting.sentence
    assert "Ines Marlow paused the campaign" not in words(sent)


def test_skipped_and_cancelled_say_so(sending: Sending) -> None:
    campaign = sending(2)
    first, second = letters(campaign)
    suppression.add(campaign.workspace_id, email=first.email, reason="complaint")
    claims.settle_refused(first.pk)
    Delivery.objects.filter(pk=second.pk).update(state="cancelled", reason="campaign_cancelled", moved_at=Now())

    skipped, cancelled = why(campaign, first.email), why(campaign, second.email)

    assert skipped.verdict.answer == cancelled.verdict.answer == "No, it was not sent."
    assert "Not sent: the address is suppressed." in skipped.sentence
    assert "cancelled before this email began" in cancelled.sentence


def test_a_deleted_person_is_found_by_the_address_they_had(sending: Sending) -> None:
    campaign = sending(1)
    attempt(letters(campaign)[0], Accepted(Reply(250, "", "OK")), was_marked=True)
    Contact.objects.all().delete()

    assert why(campaign, "reader0@example.com").verdict.answer.startswith("Yes.")


def test_of_several_lists_those_that_counted_are_named(
    freeze: Callable[..., Campaign], make_contact: MakeContact, contact_list: ContactList, workspace: Workspace
) -> None:
    other = ContactList.objects.create(workspace=workspace, name="Roasts")
    make_contact("reader@example.com")
    campaign = freeze(audience_list_ids=[contact_list.pk, other.pk])

    told = why(campaign, "reader@example.com")

    assert letters(campaign)[0].via_list_ids == [contact_list.pk]
    assert "On “Newsletter”, confirmed." in told.steps[1].how


def test_the_record_of_consent_is_told_in_full(
    freeze: Callable[..., Campaign], make_contact: MakeContact, contact_list: ContactList
) -> None:
    reader = make_contact("reader@example.com", subscribed=False)
    subscriptions.subscribe(reader, contact_list, source="form on northlight.example")
    subscriptions.unsubscribe(reader.pk, [contact_list.pk], source="link in email 7")

    told = why(freeze(), "reader@example.com")

    assert {"Subscribed to “Newsletter”", "Unsubscribed from “Newsletter”"} <= set(words(told))
    assert "By: form on northlight.example." in [step.how for step in told.steps]
    assert told.sentence == "Unsubscribed from every list that this campaign goes to."


# people without one


def test_the_excluded_hear_which_list(
    freeze: Callable[..., Campaign], make_contact: MakeContact, contact_list: ContactList, workspace: Workspace
) -> None:
    bought = ContactList.objects.create(workspace=workspace, name="Bought lately")
    reader = make_contact("reader@example.com")
    subscriptions.subscribe(reader, bought, source="import")
    campaign = freeze(excluded_list_ids=[bought.pk])

    told = why(campaign, "reader@example.com")

    assert told.verdict.answer == "No, it was not sent."
    assert told.sentence == "On “Bought lately”, which this campaign leaves out."
    assert words(told)[-1] == "Left out of the audience"
    assert "This campaign leaves out everyone on it." in told.steps[1].how
    assert campaign.left_out == {"excluded": 1, "unsubscribed": 0, "unconfirmed": 0, "suppressed": 0, "duplicate": 0}


def test_what_was_frozen_stays_even_if_the_lists_change(
    freeze: Callable[..., Campaign], make_contact: MakeContact, contact_list: ContactList
) -> None:
    reader = make_contact("reader@example.com")
    suppression.add(reader.workspace_id, email=reader.email, reason="manual")
    campaign = freeze()
    sql("DELETE FROM contacts_suppression")

    told = why(campaign, "reader@example.com")

    assert told.sentence == "The address was suppressed: added by hand."


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("unsubscribed", "Unsubscribed from every list that this campaign goes to."),
        ("unconfirmed", "On the list, but the subscription was not confirmed."),
    ],
)
def test_consent_that_is_missing(
    freeze: Callable[..., Campaign], make_contact: MakeContact, state: str, sentence: str
) -> None:
    make_contact("reader@example.com")
    Subscription.objects.update(state=state)

    assert why(freeze(), "reader@example.com").sentence == sentence


def test_on_no_list_and_joined_after_the_freeze(
    freeze: Callable[..., Campaign], make_contact: MakeContact, contact_list: ContactList
) -> None:
    nowhere = make_contact("nowhere@example.com", subscribed=False)
    campaign = freeze()
    assert why(campaign, nowhere.email).sentence == "They were on none of the lists that this campaign goes to."

    subscriptions.subscribe(nowhere, contact_list, source="form")

    told = why(campaign, nowhere.email)
    assert told.sentence == "They came to the list after the audience had been frozen."
    assert told.verdict.answer == "No, it was not sent."


def test_an_address_nobody_has(freeze: Callable[..., Campaign], workspace: Workspace) -> None:
    suppression.add(workspace.pk, email="gone@example.com", reason="hard_bounce", source="delivery 5")

    told = why(freeze(), "gone@example.com")

    assert told.sentence == "Nobody with this address is among your contacts."
    assert words(told) == ["The address was suppressed: no such mailbox"]


@pytest.mark.parametrize(("subscribed", "would"), [(True, "they will get it"), (False, "they will not get it")])
def test_before_the_freeze_it_says_how_things_stand(
    make_campaign: Callable[..., Campaign], make_contact: MakeContact, subscribed: bool, would: str
) -> None:
    make_contact("reader@example.com", subscribed=subscribed)

    told = why(make_campaign(state="draft"), "reader@example.com")

    assert (told.verdict.answer, would in told.sentence) == ("Not yet.", True)


def test_people_of_another_workspace_are_nobody(freeze: Callable[..., Campaign], stranger: User) -> None:
    elsewhere = Workspace.objects.get(slug="elsewhere")
    Contact.objects.create(
        workspace=elsewhere, email="r@example.com", email_normalised="r@example.com", email_hash=b"x" * 32
    )

    assert why(freeze(), "r@example.com").sentence == "Nobody with this address is among your contacts."


def test_steps_stand_oldest_to_newest(sending: Sending) -> None:
    campaign = sending(1)
    attempt(letters(campaign)[0], BUSY)
    history.note(campaign.pk, "paused")
    Subscription.objects.update(created_at=Now() - timedelta(days=400), changed_at=Now() - timedelta(days=400))

    told = why(campaign, "reader0@example.com")

    moments = [step.at for step in told.steps if step.at and not step.is_expected]
    assert moments == sorted(moments)
    assert [step.is_expected for step in told.steps] == sorted(step.is_expected for step in told.steps)


# the command


def command(*arguments: Any) -> tuple[str, int]:
    out = StringIO()
    try:
        call_command("why", *map(str, arguments), stdout=out)
    except CommandError as error:
        return str(error), error.returncode
    return out.getvalue(), 0


def test_the_command_answers_in_plain_words(sending: Sending) -> None:
    campaign = sending(1)
    attempt(letters(campaign)[0], BUSY)

    said, status = command(campaign.pk, "reader0@example.com")

    assert status == 0
    assert "Not yet. We try again at" in said
    assert "First try: asked to slow down" in said
    assert "      451 4.7.500 Server busy" in said
    assert "(expected)" in said


def test_the_command_says_what_it_did_not_understand(sending: Sending) -> None:
    campaign = sending(1)

    assert command("no-such", "reader0@example.com")[1] == 2
    assert command(campaign.pk, "nonsense")[1] == 1
    assert command(campaign.pk, "nobody@example.com")[1] == 0
