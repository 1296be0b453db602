"""What is found before a campaign leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign
from apps.campaigns.services import drafts, lifecycle, preflight, previews, subtraction
from apps.contacts.models import Contact, ContactList, Subscription, Suppression
from apps.smtp.models import Transport

MakeContact = Callable[..., Contact]
GOOD = (
    '<p>Hello {{ first_name or "there" }}</p><p>Northlight, 1 Harbour Road, Leith. '
    '<a href="{{ unsubscribe_url }}">Leave</a></p>'
)


@pytest.fixture
def draft(workspace: Workspace, owner: User, transport: Transport, contact_list: ContactList) -> Campaign:
    changes = {
        "name": "November roast",
        "subject": "The Kenyan is in",
        "preheader": "Roasted on Thursday",
        "from_name": "Northlight",
        "from_email": "hello@northlight.example",
        "transport": transport,
        "html": GOOD,
    }
    campaign = drafts.create(workspace, by=owner, changes=changes)
    drafts.save_audience(campaign, lists=[contact_list], excluded=[])
    return campaign


def codes(report: preflight.Report, level: preflight.Level) -> set[str]:
    return {check.code for check in report.of(level)}


def test_a_good_draft_may_go(draft: Campaign, make_contact: MakeContact) -> None:
    make_contact("ann@example.com", first_name="Ann")

    report = preflight.inspect(draft)

    assert report.may_go
    assert report.forecast.audience == 1
    assert codes(report, "warn") == {"local_inbox"}
    assert {"audience", "sender", "subject", "unsubscribe", "address", "links"} <= codes(report, "ok")


def test_what_the_report_lets_go_can_be_scheduled(draft: Campaign, make_contact: MakeContact) -> None:
    make_contact("ann@example.com")

    lifecycle.schedule(draft, by=None)

    assert draft.state == "scheduled"


def test_an_empty_draft_needs_everything(workspace: Workspace) -> None:
    report = preflight.inspect(Campaign.objects.create(workspace=workspace, name="Empty"))

    assert codes(report, "bad") == {"no_transport", "no_list", "no_from_address", "empty_subject", "empty_body"}
    assert not report.may_go
    assert [check.level for check in report.checks] == sorted(
        (check.level for check in report.checks), key=["bad", "warn", "ok"].index
    )


def test_nobody_left_stops_it(draft: Campaign, make_contact: MakeContact) -> None:
    contact = make_contact("ann@example.com")
    Suppression.objects.create(
        workspace=draft.workspace, email=contact.email, email_hash=contact.email_hash, reason="manual"
    )

    report = preflight.inspect(draft)

    assert codes(report, "bad") == {"no_audience"}
    assert report.to_fix[0].step == "audience"


def test_a_real_account_needs_https(draft: Campaign, make_contact: MakeContact) -> None:
    make_contact("ann@example.com")
    relay = Transport.objects.create(workspace=draft.workspace, name="Relay", kind="smtp", host="mx.example")
    drafts.save(draft, changes={"transport": relay})

    with override_settings(PUBLIC_URL="http://mail.northlight.example"):
        refused = preflight.inspect(draft)
    with override_settings(PUBLIC_URL="https://mail.northlight.example"):
        passed = preflight.inspect(draft)

    assert "PUBLIC_URL" in next(check.detail for check in refused.to_fix if check.code == "insecure_public_url")
    assert passed.may_go
    assert "local_inbox" not in codes(passed, "warn")


@pytest.mark.parametrize(
    ("html", "code", "step"),
    [
        ("<p>1 Harbour Road, Leith</p>", "missing_unsubscribe", "footer"),
        ('<a href="{{ unsubscribe_url }}">Leave</a>', "missing_postal_address", "footer"),
        (GOOD + "{{ oops", "syntax", "content"),
        (GOOD + "<script>1</script>", "active_content", "content"),
    ],
)
def test_content_that_cannot_leave(draft: Campaign, make_contact: MakeContact, html: str, code: str, step: str) -> None:
    make_contact("ann@example.com")
    drafts.save(draft, changes={"html": html})

    report = preflight.inspect(draft)

    found = next(check for check in report.to_fix if check.code == code)
    assert found.step == step


def test_without_a_postal_address_it_is_asked_for(draft: Campaign, make_contact: MakeContact) -> None:
    make_contact("ann@example.com")
    draft.workspace.postal_address = ""

    assert [check.step for check in preflight.inspect(draft).to_fix] == ["address"]


@pytest.mark.parametrize(
    ("html", "holes"),
    [
        ("{{ city }}", {"city": 2}),
        ("{{ first_name }} {{ city }}", {"first_name": 1, "city": 2}),
        ("{{ name }}", {"name": 1}),
        ('{{ city or "your town" }}', {}),
        ('{{ city|default("your town") }}', {}),
        ("{% if city %}in {{ city }}{% endif %}", {}),
        ('{{ city or "there" }} {{ city }}', {"city": 2}),
        ("{{ email }} {{ view_url }}", {}),
        ("{% for x in [1] %}{{ x }}{{ loop.index }}{% endfor %}", {}),
    ],
)
def test_counts_who_would_read_a_hole(
    draft: Campaign, make_contact: MakeContact, html: str, holes: dict[str, int]
) -> None:
    make_contact("ann@example.com", first_name="Ann", attributes={"city": "Leith"})
    make_contact("bob@example.com", first_name="Bob", attributes={"city": ""})
    make_contact("nn@example.com")
    make_contact("off@example.com", subscribed=False)
    drafts.save(draft, changes={"html": html + GOOD})

    report = preflight.inspect(draft)

    found = {
        check.code.removeprefix("empty_field_"): int(check.title.split()[0])
        for check in report.to_check
        if check.code.startswith("empty_field_")
    }
    assert found == holes
    assert report.may_go


def test_looking_changes_nothing_and_is_cheap(draft: Campaign, make_contact: MakeContact) -> None:
    for number in range(5):
        make_contact(f"p{number}@example.com")
    before = Campaign.objects.values().get(pk=draft.pk)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        preflight.inspect(draft)

    assert Campaign.objects.values().get(pk=draft.pk) == before
    assert len(queries) <= 5


def test_the_subtraction_adds_up(draft: Campaign, make_contact: MakeContact, workspace: Workspace) -> None:
    porto = ContactList.objects.create(workspace=workspace, name="Porto")
    both = make_contact("both@example.com")
    gone = make_contact("gone@example.com")
    Subscription.objects.filter(contact=gone).update(state="unsubscribed")
    Subscription.objects.create(contact=both, contact_list=porto, state="confirmed")
    drafts.save_audience(draft, lists=[*draft.lists.all(), porto], excluded=[])

    count = subtraction.now(draft)

    assert dict(count.lists) == {"Newsletter": 2, "Porto": 1}
    assert (count.on_several, count.people, count.left_out, count.forecast.audience) == (1, 2, 1, 1)


def test_readers_are_those_who_would_get_it(draft: Campaign, make_contact: MakeContact, stranger: User) -> None:
    ordinary = make_contact("ann@example.com", first_name="Ann")
    nameless = make_contact("nn@example.com")
    other_script = make_contact("olena@example.com", first_name="Олена")
    make_contact("off@example.com", subscribed=False)
    Contact.objects.create(
        workspace=stranger.workspaces.get(), email="x@y.example", email_normalised="x@y.example", email_hash=b"x" * 32
    )

    assert previews.readers(draft)[:2] == [ordinary, nameless]
    assert set(previews.readers(draft)) == {ordinary, nameless, other_script}
    assert [each.email for each in previews.find_readers(draft.workspace, "OFF")] == ["off@example.com"]
    assert previews.find_readers(draft.workspace, "x@y") == []


def test_a_preview_shows_one_reader_or_says_why_not(draft: Campaign, make_contact: MakeContact) -> None:
    ann = make_contact("ann@example.com", first_name="Ann <b>")

    assert "Hello Ann &lt;b&gt;" in previews.of(draft, ann).html
    assert "Hello there" in previews.of(draft, None).html
    drafts.save(draft, changes={"html": "{% if %}"})
    broken = previews.of(draft, ann)
    assert broken.html == ""
    assert "line 1" in broken.error
