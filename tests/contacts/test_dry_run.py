"""The dry run says exactly what the import then does; columns are remembered; an import can be taken back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, ContentVersion, Delivery
from apps.contacts.models import (
    ConsentEvent,
    Contact,
    ContactList,
    ImportJob,
    ImportReject,
    ImportSeen,
    RememberedMapping,
    Subscription,
)
from apps.contacts.services import contacts, import_undo, imports, subscriptions, suppression
from apps.smtp.models import Transport
from core.errors import InvalidTransitionError
from tests.contacts.conftest import Upload
from tests.contacts.test_imports import five_hundred_rows

pytestmark = pytest.mark.django_db
MakeContact = Callable[..., Contact]
MIXED = "email,first name,city\nnew@x.example,Nia,Porto\nKNOWN@x.example,,Leith\nsame@x.example,Sam,\nbad@,,\n"


@pytest.fixture
def check(upload: Upload, contact_list: ContactList) -> Upload:
    def run(text: str, **options: str) -> ImportJob:
        job = upload(text, **options)
        mapping = imports.preview(job).mapping
        return imports.run_to_end(imports.check(job, mapping=mapping, contact_list=contact_list, consent="at the fair"))

    return run


def test_counts_what_would_change_with_examples_and_changes_nobody(
    check: Upload, make_contact: MakeContact, workspace: Workspace
) -> None:
    make_contact("known@x.example", attributes={"city": "Porto"})
    make_contact("same@x.example", first_name="Sam")
    suppression.add(workspace.pk, email="new@x.example", reason="hard_bounce")
    before = list(Contact.objects.order_by("pk").values())

    job = check(MIXED)

    assert job.state == "checked"
    assert {name: job.counts[name] for name in ("rows", "new", "updated", "unchanged", "rejected", "suppressed")} == {
        "rows": 4, "new": 1, "updated": 1, "unchanged": 1, "rejected": 1, "suppressed": 1,
    }  # fmt: skip
    assert job.examples == {
        "new": ["new@x.example"],
        "updated": ["KNOWN@x.example: city Porto → Leith"],
        "unchanged": ["same@x.example"],
        "suppressed": ["new@x.example"],
    }
    assert list(Contact.objects.order_by("pk").values()) == before
    assert not ConsentEvent.objects.exists()
    assert not ImportSeen.objects.exists()
    assert job.rejects.get().line == 5


@pytest.mark.parametrize("rows", [7, 2000])
def test_the_import_does_exactly_what_the_dry_run_said(
    upload: Upload, contact_list: ContactList, make_contact: MakeContact, rows: int
) -> None:
    make_contact("person3@orchard.example", first_name="Old")
    make_contact("person4@orchard.example")
    left = make_contact("person5@orchard.example")
    subscriptions.unsubscribe(left.pk, [contact_list.pk], source="link")
    job = upload(five_hundred_rows(), encoding="windows-1251")
    imports.check(job, mapping=imports.preview(job).mapping, contact_list=contact_list, consent="yes")
    while imports.run_chunk(job.pk, rows=rows):
        pass
    job.refresh_from_db()
    said, refused = job.counts, list(job.rejects.order_by("line").values_list("line", "code"))
    assert (said["rows"], said["rejected"], said["unsubscribed"]) == (500, 20, 1)

    imports.run_to_end(imports.start(job))

    job.refresh_from_db()
    assert job.state == "finished"
    assert job.counts == said
    assert list(job.rejects.order_by("line").values_list("line", "code")) == refused


def test_goes_back_to_the_columns_and_forgets_what_it_counted(check: Upload) -> None:
    job = check(MIXED)

    imports.rethink(job)

    job.refresh_from_db()
    assert (job.state, job.counts, job.examples) == ("uploaded", {}, {})
    assert not ImportReject.objects.exists()
    with pytest.raises(InvalidTransitionError):
        imports.rethink(job)


def test_a_dry_run_that_stands_still_is_rung_and_one_nobody_wants_is_dropped(check: Upload, upload: Upload) -> None:
    done, still = check(MIXED), upload(MIXED)
    imports.check(still, mapping={0: "email"}, contact_list=done.contact_list, consent="yes")
    ImportJob.objects.filter(pk=still.pk).update(moved_at="2026-01-01T00:00:00Z")
    ImportJob.objects.filter(pk=done.pk).update(created_at="2026-01-01T00:00:00Z")

    assert imports.sweep() == 1

    done.refresh_from_db()
    assert done.state == "cancelled"


def test_remembers_the_columns_by_their_heads_in_any_order(check: Upload, upload: Upload, stranger: User) -> None:
    job = upload("E-mail,Town,Note\na@x.example,Porto,x\n")
    imports.start(job, mapping={0: "email", 1: "last_name", 2: ""})

    again = imports.preview(upload("Note,E-mail,Town\nx,b@x.example,Leith\n"))
    assert (again.is_recalled, again.mapping) == (True, {1: "email", 2: "last_name"})
    other = imports.preview(upload("E-mail,Town\nb@x.example,Leith\n"))
    assert (other.is_recalled, other.mapping) == (False, {0: "email", 1: "attr:town"})
    elsewhere = Workspace.objects.get(slug="elsewhere")
    foreign = imports.preview(_moved(upload, elsewhere))
    assert not foreign.is_recalled
    assert RememberedMapping.objects.count() == 1


def _moved(upload: Upload, workspace: Workspace) -> ImportJob:
    job = upload("Note,E-mail,Town\nx,b@x.example,Leith\n")
    job.workspace = workspace
    return job


class TestUndo:
    def test_removes_whom_only_the_import_brought_and_takes_back_its_subscriptions(
        self, bring: Upload, contact_list: ContactList, make_contact: MakeContact
    ) -> None:
        known = make_contact("known@x.example", subscribed=False)
        on_it = make_contact("on@x.example")
        job = bring("email\nnew@x.example\nknown@x.example\non@x.example\n")
        assert Subscription.objects.count() == 3

        import_undo.begin(job)
        imports.run_to_end(job)

        assert job.state == "undone"
        assert (job.counts["removed"], job.counts["stayed"], job.counts["taken_off"]) == (1, 0, 1)
        assert set(Contact.objects.all()) == {known, on_it}
        assert Subscription.objects.get().contact == on_it
        assert list(ConsentEvent.objects.filter(contact=known).order_by("pk").values_list("kind", flat=True)) == [
            "joined", "undone",
        ]  # fmt: skip

    def test_keeps_who_got_a_letter_has_a_note_or_changed_their_mind(
        self, bring: Upload, workspace: Workspace, contact_list: ContactList, owner: User, transport: Transport
    ) -> None:
        job = bring("email\nletter@x.example\nnote@x.example\nleft@x.example\ngone@x.example\n")
        letter, note, left = (Contact.objects.get(email=f"{n}@x.example") for n in ("letter", "note", "left"))
        content = ContentVersion.objects.create(workspace=workspace, content_hash="x", frozen={})
        campaign = Campaign.objects.create(workspace=workspace, name="Spring", transport=transport)
        Delivery.objects.create(
            workspace=workspace, campaign=campaign, contact=letter, content=content, transport=transport,
            message_id="<m@x.example>", email=letter.email, email_hash=b"h" * 32, expires_at="2030-01-01T00:00:00Z",
        )  # fmt: skip
        contacts.write_note(note, text="Met at the fair", by=owner)
        subscriptions.unsubscribe(left.pk, [contact_list.pk], source="link")

        import_undo.begin(job)
        while imports.run_chunk(job.pk, rows=1):
            pass

        job.refresh_from_db()
        assert (job.counts["removed"], job.counts["stayed"], job.counts["taken_off"]) == (1, 3, 2)
        assert set(Contact.objects.all()) == {letter, note, left}
        assert Subscription.objects.get().state == "unsubscribed"

    def test_keeps_who_was_edited_by_hand_since(self, bring: Upload) -> None:
        job = bring("email\nedited@x.example\nmoved@x.example\ngone@x.example\n")
        contacts.edit(Contact.objects.get(email="edited@x.example"), first_name="Edda", last_name="")
        contacts.change_address(Contact.objects.get(email="moved@x.example"), email="new@x.example")

        import_undo.begin(job)
        imports.run_to_end(job)

        assert (job.counts["removed"], job.counts["stayed"]) == (1, 2)
        assert set(Contact.objects.values_list("email", flat=True)) == {"edited@x.example", "new@x.example"}

    @pytest.mark.parametrize("first", [0, 1])
    def test_keeps_whom_another_import_brought_too(self, bring: Upload, first: int) -> None:
        jobs = [bring("email\nboth@x.example\none@x.example\n"), bring("email\nBOTH@x.example\ntwo@x.example\n")]
        assert jobs[1].counts["unchanged"] == 1

        import_undo.begin(jobs[first])
        imports.run_to_end(jobs[first])

        left = "two@x.example" if first == 0 else "one@x.example"
        assert set(Contact.objects.values_list("email", flat=True)) == {"both@x.example", left}

    @pytest.mark.parametrize("first", [0, 1])
    def test_whom_two_imports_put_on_a_list_leaves_it_with_the_last_of_them(
        self, bring: Upload, contact_list: ContactList, first: int
    ) -> None:
        both = [bring("email\nboth@x.example\nlone@x.example\n"), bring("email\nBOTH@x.example\n")]
        person = Contact.objects.get(email="both@x.example")
        consents = ConsentEvent.objects.filter(contact=person).order_by("pk")
        assert [one.import_job_id for one in consents] == [both[0].pk, both[1].pk]

        import_undo.begin(both[first])
        imports.run_to_end(both[first])

        assert Subscription.objects.get(contact=person).state == "confirmed"
        assert [one.kind for one in consents.all()] == ["joined", "joined"]
        assert Contact.objects.filter(email="lone@x.example").exists() is (first == 1)
        import_undo.begin(both[1 - first])
        imports.run_to_end(both[1 - first])
        assert not Subscription.objects.filter(contact=person).exists()
        assert not Contact.objects.exists()

    @pytest.mark.parametrize("first", [0, 1])
    def test_undoing_the_last_of_several_imports_removes_the_people(
        self, bring: Upload, owner_client: Client, first: int
    ) -> None:
        text = "email\none@x.example\ntwo@x.example\nthree@x.example\n"
        other = ContactList.objects.create(workspace=Workspace.objects.get(slug="northlight"), name="Other")
        both = [bring(text), bring(text, contact_list=other)]
        subscriptions.unsubscribe(Contact.objects.get(email="three@x.example").pk, [other.pk], source="link")

        for job in (both[first], both[1 - first]):
            import_undo.begin(job)
            while imports.run_chunk(job.pk, rows=1):
                pass
            job.refresh_from_db()

        counts = [(one.counts["removed"], one.counts["stayed"], one.counts["shared"]) for one in both]
        assert counts[first][0] == 0
        assert counts[first][2] == 3
        assert counts[1 - first][0] == 2
        assert counts[1 - first][2] == 0
        assert Contact.objects.get().email == "three@x.example"
        page = owner_client.get(reverse("contacts:import_detail", args=["northlight", both[first].uuid]))
        assert "3 stay because another import named them too." in page.content.decode()

    def test_both_taken_back_at_once_leave_nobody(self, bring: Upload) -> None:
        both = [bring("email\nann@x.example\nbo@x.example\n") for _ in range(2)]
        for job in both:
            import_undo.begin(job)
        for job in (*reversed(both), *both, *both):
            imports.run_chunk(job.pk, rows=1)
        for job in both:
            imports.run_to_end(job)

        assert not Contact.objects.exists()

    def test_somebody_put_on_a_list_by_hand_stays_when_every_import_is_undone(
        self, bring: Upload, make_contact: MakeContact, workspace: Workspace
    ) -> None:
        known = make_contact("known@x.example", subscribed=False)
        both = [bring("email\nknown@x.example\nnew@x.example\n") for _ in range(2)]
        other = ContactList.objects.create(workspace=workspace, name="Other")
        new = Contact.objects.get(email="new@x.example")
        subscriptions.subscribe(new, other, source="by hand")
        for job in both:
            import_undo.begin(job)
            imports.run_to_end(job)

        assert set(Contact.objects.all()) == {known, new}

    @pytest.mark.parametrize("first", [0, 1])
    def test_two_imports_of_who_left_since_bring_nobody_back(
        self, bring: Upload, contact_list: ContactList, first: int
    ) -> None:
        both = [bring("email\nboth@x.example\n"), bring("email\nboth@x.example\n")]
        person = Contact.objects.get()
        subscriptions.unsubscribe(person.pk, [contact_list.pk], source="link")

        for job in (both[first], both[1 - first]):
            import_undo.begin(job)
            imports.run_to_end(job)

        assert Subscription.objects.get(contact=person).state == "unsubscribed"

    def test_an_import_takes_nobody_off_who_was_on_the_list_by_hand(
        self, bring: Upload, make_contact: MakeContact
    ) -> None:
        on_it = make_contact("on@x.example")
        job = bring("email\non@x.example\n")
        assert not ConsentEvent.objects.filter(import_job=job).exists()

        import_undo.begin(job)
        imports.run_to_end(job)

        assert Subscription.objects.get().contact == on_it

    def test_once_only_ended_ones_and_within_thirty_days(self, bring: Upload, upload: Upload) -> None:
        old, waiting, fresh = (
            bring("email\na@x.example\n"),
            upload("email\nb@x.example\n"),
            bring("email\nc@x.example\n"),
        )
        ImportJob.objects.filter(pk=old.pk).update(finished_at="2026-01-01T00:00:00Z")

        for job in (old, waiting):
            assert not import_undo.can_undo(job)
            with pytest.raises(InvalidTransitionError):
                import_undo.begin(job)
        import_undo.begin(fresh)
        with pytest.raises(InvalidTransitionError):
            import_undo.begin(fresh)

    def test_by_its_page(self, bring: Upload, owner_client: Client) -> None:
        job = bring("email\na@x.example\n")
        page = reverse("contacts:import_detail", args=["northlight", job.uuid])
        assert "Undo the import…" in owner_client.get(page).content.decode()

        owner_client.post(reverse("contacts:import_undo", args=["northlight", job.uuid]))
        imports.run_to_end(job)

        shown = owner_client.get(page).content.decode()
        assert "1 people whom only this import had brought were removed" in shown
        assert "Undo the import…" not in shown
