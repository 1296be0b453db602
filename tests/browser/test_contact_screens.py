"""People, lists, imports and suppressions as a browser shows them; nothing that strangers wrote runs anywhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.db import models
from playwright.sync_api import Page, expect

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, ContentVersion, Delivery
from apps.contacts.models import (
    BulkDeed,
    ConsentEvent,
    Contact,
    ContactList,
    ContactNote,
    ImportJob,
    ImportReject,
    Subscription,
    Suppression,
)
from apps.contacts.services import contacts, imports, lists, subscriptions, suppression
from apps.smtp.models import Transport
from apps.tracking.models import Event
from core import jobs
from tests.web.conftest import Complaints, OpenPage
from tests.web.test_screens import SIZES, check

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TakePicture = Callable[[Page, str], None]
PEOPLE = [
    ("claire.fontaine@ateliernord.example", "Claire", "Fontaine"),
    ("jonas@ateliernord.example", "Jonas", "Weiß"),
    ("mette@ateliernord.example", "Mette", "Holm"),
    ("rui.carvalho@ateliernord.example", "Rui", "Carvalho"),
    ("iryna@ateliernord.example", "Ірина", "Бондар"),
    ("studio@ateliernord.example", "", ""),
    (
        "a.very.long.address.that.never.seems.to.end.at.all@department.of.long.names.ateliernord.example",
        "Tove",
        "Aasen",
    ),
]
FILE = (
    "E-mail;Имя;Фамилия;Country;Badge\nnadia@orchard.example;Надежда;Орлова;PT;LX-00418\n"
    "pedro.antunes@;;;PT;\nmaria@@lagoa.example;;;PT;\nNadia@Orchard.example;;;;\nclaire.fontaine@ateliernord.example;;;FR;\n"
)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ring_now", lambda task, calls: len(calls))


@pytest.fixture
def people(workspace: Workspace, owner: User, transport: Transport, contact_list: ContactList) -> dict[str, Contact]:
    """Return a workspace's people by first name: with lists, letters, consent, notes and suppressions."""
    events = lists.create(workspace, name="Porto events", description="What happens at the roastery", is_public=True)
    made = {}
    for email, first, last in PEOPLE:
        contact = contacts.add(
            workspace, email=email, first_name=first, last_name=last, lists=[contact_list], source="form at the counter"
        )
        made[first] = contact
    Subscription.objects.filter(contact=made["Mette"]).update(state="unconfirmed")
    suppression.add(workspace.pk, email=made["Rui"].email, reason="hard_bounce", source="550 5.1.1 No such user")
    suppression.add(workspace.pk, email=made[""].email, reason="complaint", source="feedback loop")
    claire = made["Claire"]
    contacts.edit(claire, first_name="Claire", last_name="Fontaine", attributes={"country": "FR", "plan": "gold"})
    subscriptions.subscribe(claire, events, source="form at the counter")
    subscriptions.unsubscribe(claire.pk, [events.pk], source="link in email 12")
    contacts.write_note(claire, text="Prefers to be called.\nAsks about decaf.", by=owner)
    content = ContentVersion.objects.create(workspace=workspace, content_hash="x", frozen={})
    for name, state in (("November roast", "sent"), ("Open day", "failed"), ("Winter letter", "unconfirmed")):
        campaign = Campaign.objects.create(workspace=workspace, name=name, transport=transport, state="finished")
        delivery = Delivery.objects.create(
            workspace=workspace, campaign=campaign, contact=claire, content=content, transport=transport, state=state,
            message_id=f"<{name}@x.example>", email=claire.email, email_hash=b"h" * 32, attempts=1,
            expires_at="2030-01-01T00:00:00Z", failure="perm_recipient" if state == "failed" else "",
        )  # fmt: skip
        if state == "sent":
            for kind, is_machine in (("open", True), ("open", False), ("click", False)):
                Event.objects.create(
                    workspace=workspace, delivery=delivery, campaign=campaign, kind=kind, is_machine=is_machine
                )
    return made


@pytest.fixture
def upload(workspace: Workspace, owner: User) -> Callable[[], ImportJob]:
    def make() -> ImportJob:
        return imports.upload(
            workspace, io.BytesIO(FILE.encode()), file_name="trade-fair-lisbon.csv", contact_list=None, by=owner
        )

    return make


def looked_at(job: ImportJob, contact_list: ContactList) -> ImportJob:
    consent = "Signed forms at our stand in Lisbon"
    mapping = imports.preview(job).mapping
    return imports.run_to_end(imports.check(job, mapping=mapping, contact_list=contact_list, consent=consent))


def test_every_page_in_both_themes_and_on_a_phone(
    open_page: OpenPage, owner: User, people: dict[str, Contact], upload: Callable[[], ImportJob],
    contact_list: ContactList, complaints: Complaints, take_picture: TakePicture,
) -> None:  # fmt: skip
    fresh, looked = upload(), looked_at(upload(), contact_list)
    done = imports.run_to_end(imports.start(looked_at(upload(), contact_list), by=owner))
    bounce = Suppression.objects.get(reason="hard_bounce")
    pages = {
        "contacts": "contacts/",
        "contacts-none": "contacts/?q=nobody",
        "contact": f"contacts/{people['Claire'].uuid}/",
        "contact-suppressed": f"contacts/{people['Rui'].uuid}/",
        "contact-edit": f"contacts/{people['Claire'].uuid}/edit/",
        "contact-add": "contacts/add/",
        "lists": "lists/",
        "list": f"lists/{contact_list.uuid}/",
        "imports": "imports/",
        "import-new": "imports/new/",
        "import-columns": f"imports/{fresh.uuid}/",
        "import": f"imports/{looked.uuid}/",
        "import-done": f"imports/{done.uuid}/",
        "suppressed": "suppressed/",
        "suppress": "suppressed/add/",
        "lift": f"suppressed/{bounce.pk}/remove/",
    }
    for name, path in pages.items():
        for theme, width in SIZES:
            page = open_page(f"/w/northlight/{path}", user=owner, theme=theme, width=width)
            if name == "contact":
                expect(page.locator("#letter-rows tr")).to_have_count(3)
            if name == "contacts":
                for box in page.locator('[name="chosen"]').all()[:2]:
                    box.check()
            take_picture(page, f"{name}-{theme if width > 500 else width}")
            check(page, complaints)
            page.context.close()


def test_choosing_people_by_keyboard_and_taking_it_back(
    open_page: OpenPage, owner: User, people: dict[str, Contact], complaints: Complaints
) -> None:
    page = open_page("/w/northlight/contacts/", user=owner)
    expect(page.locator("#chosen")).to_be_hidden()

    page.get_by_label("Choose Claire Fontaine").focus()
    page.keyboard.press("Space")
    page.get_by_label("Choose Jonas Weiß").focus()
    page.keyboard.press("Space")
    expect(page.locator("[data-chosen-count]")).to_have_text("2")
    page.get_by_role("button", name="Suppress").focus()
    page.keyboard.press("Enter")

    expect(page.locator(".toast")).to_contain_text("Suppressed 2 people.")
    assert Suppression.objects.filter(reason="manual").count() == 2
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Taken back for 2 people.")
    assert not Suppression.objects.filter(reason="manual").exists()
    check(page, complaints)


def test_deleting_needs_the_address_typed(
    open_page: OpenPage, owner: User, people: dict[str, Contact], complaints: Complaints
) -> None:
    claire = people["Claire"]
    page = open_page(f"/w/northlight/contacts/{claire.uuid}/", user=owner)
    page.get_by_label("More", exact=True).click()
    page.get_by_role("button", name="Delete…").click()
    deed = page.get_by_role("button", name="Delete", exact=True)
    expect(deed).to_be_disabled()

    page.get_by_label("Type claire.fontaine").fill(claire.email)
    deed.click()

    expect(page.locator(".toast")).to_contain_text("still count in the reports")
    assert not Contact.objects.filter(pk=claire.pk).exists()
    assert list(Delivery.objects.values_list("email", "contact")) == [("", None)] * 3
    letter = Delivery.objects.get(state="sent")
    page.goto(page.url.partition("/w/")[0] + f"/w/northlight/campaigns/{letter.campaign_id}/people/{letter.uuid}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Did a deleted person get it?")
    check(page, complaints)


PAYLOAD = "\"'><img src=x onerror=alert(1)><script>window.hit=1</script><a href=javascript:alert(1)>x</a>{{7*7}}${7*7}"


def poison(row: models.Model) -> None:
    """Put the payload into every text that somebody outside can bring."""
    for each in row._meta.concrete_fields:
        if isinstance(each, models.UUIDField | models.GenericIPAddressField) or each.choices:
            continue
        if isinstance(each, models.CharField | models.TextField):
            limit = each.max_length or 500
            if each.name not in ("email_normalised", "encoding", "delimiter", "file_sha256") and limit > 40:
                setattr(row, each.name, PAYLOAD[:limit])
        elif isinstance(each, models.JSONField) and each.name == "attributes":
            setattr(row, each.name, {PAYLOAD: PAYLOAD, "plain": PAYLOAD})
        elif isinstance(each, models.JSONField) and each.name == "examples":
            setattr(row, each.name, {"new": [PAYLOAD], "updated": [PAYLOAD]})
        elif isinstance(each, models.JSONField) and each.name == "row":
            setattr(row, each.name, [PAYLOAD])
        elif isinstance(each, models.JSONField) and each.name == "columns":
            setattr(row, each.name, [{"name": PAYLOAD, "sample": PAYLOAD, "suggested": ""}])


def test_nothing_that_strangers_wrote_runs_on_any_page(
    open_page: OpenPage, owner: User, people: dict[str, Contact], upload: Callable[[], ImportJob],
    contact_list: ContactList, complaints: Complaints,
) -> None:  # fmt: skip
    fresh, looked = upload(), looked_at(upload(), contact_list)
    done = imports.run_to_end(imports.start(looked_at(upload(), contact_list), by=owner))
    claire = people["Claire"]
    deed = BulkDeed(workspace=claire.workspace, kind="add", contact_list=contact_list)
    deed.save()
    event = ConsentEvent(workspace=claire.workspace, contact=claire, kind="joined", contact_list=contact_list)
    rows: list[Any] = [
        *Contact.objects.filter(pk=claire.pk), *ContactList.objects.filter(pk=contact_list.pk),
        *Subscription.objects.filter(contact=claire), *Suppression.objects.filter(reason="hard_bounce"),
        *ContactNote.objects.all(), *ImportReject.objects.all(), *ImportJob.objects.exclude(pk=fresh.pk), event,
        *Campaign.objects.all()[:1], *Delivery.objects.all()[:1],
    ]  # fmt: skip
    for row in rows:
        poison(row)
        row.save()
    bounce = Suppression.objects.get(reason="hard_bounce")

    for path in (
        "contacts/", f"contacts/?q={PAYLOAD[:60]}", f"contacts/{claire.uuid}/", f"contacts/{claire.uuid}/edit/",
        "lists/", f"lists/{contact_list.uuid}/", "imports/", f"imports/{fresh.uuid}/", f"imports/{looked.uuid}/",
        f"imports/{done.uuid}/", "suppressed/", f"suppressed/{bounce.pk}/remove/",
    ):  # fmt: skip
        page = open_page(f"/w/northlight/{path}", user=owner)
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.hit") is None, path
        assert page.locator("main img, main script").count() == 0, path
        assert page.locator('a[href^="javascript"]').count() == 0, path
        assert complaints == [], path
        page.context.close()
