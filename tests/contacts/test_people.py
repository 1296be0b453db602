"""People and lists, one at a time."""

from __future__ import annotations

import pytest

from apps.accounts.models import Workspace
from apps.contacts.models import Contact, ContactList, Subscription, Suppression
from apps.contacts.services import contacts, imports, lists, subscriptions, suppression
from core.addresses import InvalidAddressError
from tests.contacts.rivals import race


@pytest.mark.django_db
def test_adds_a_person_to_lists(workspace: Workspace, contact_list: ContactList) -> None:
    contact = contacts.add(workspace, email=" Ann@Пример.example ", first_name="An\x0bn\n", lists=[contact_list])

    assert (contact.email, contact.first_name) == ("Ann@xn--e1afmkfd.example", "Ann")
    assert Subscription.objects.get(contact=contact).state == "confirmed"


@pytest.mark.django_db
def test_refuses_a_second_person_with_the_same_address(workspace: Workspace) -> None:
    first = contacts.add(workspace, email="ann@x.example", first_name="Ann")

    with pytest.raises(contacts.ContactExistsError) as refused:
        contacts.add(workspace, email="ANN@X.example", first_name="Other")

    assert refused.value.contact == first
    assert Contact.objects.get().first_name == "Ann"


@pytest.mark.django_db
def test_refuses_what_is_no_address(workspace: Workspace) -> None:
    with pytest.raises(InvalidAddressError):
        contacts.add(workspace, email="ann@")
    assert not Contact.objects.exists()


@pytest.mark.django_db
def test_edits_names_and_keeps_attributes(workspace: Workspace) -> None:
    contact, _ = contacts.find_or_create(workspace, email="ann@x.example", attributes={"city": "Porto"})

    contacts.edit(contact, first_name="Ann", last_name="Lee")

    contact.refresh_from_db()
    assert (contact.name, contact.attributes) == ("Ann Lee", {"city": "Porto"})


@pytest.mark.django_db
def test_a_deleted_person_stays_suppressed(workspace: Workspace) -> None:
    contact = contacts.add(workspace, email="ann@x.example")
    suppression.add(workspace.pk, email="ann@x.example", reason="unsubscribed")

    contacts.delete(contact)

    assert suppression.is_suppressed(workspace.pk, email="ann@x.example")


@pytest.mark.django_db
def test_deleting_a_person_does_not_forget_that_they_unsubscribed(
    workspace: Workspace, contact_list: ContactList
) -> None:
    ann = contacts.add(workspace, email="ann@x.example", lists=[contact_list])
    bob = contacts.add(workspace, email="bob@x.example", lists=[contact_list])
    subscriptions.unsubscribe(ann.pk, [contact_list.pk], source="link")

    contacts.delete(ann)
    contacts.delete(bob)

    kept = Suppression.objects.get()
    assert (kept.email, bytes(kept.email_hash), kept.reason) == ("", bytes(ann.email_hash), "unsubscribed")
    assert suppression.has_asked_to_stop(workspace.pk, email="ann@x.example")


@pytest.mark.django_db(transaction=True)
def test_rivals_make_one_person(workspace: Workspace) -> None:
    found = race(*[lambda: contacts.find_or_create(workspace, email="ann@x.example") for _ in range(5)])

    assert sorted(is_new for _contact, is_new in found) == [False] * 4 + [True]
    assert Contact.objects.count() == 1


@pytest.mark.django_db
def test_lists_have_a_name_of_their_own(workspace: Workspace) -> None:
    first = lists.create(workspace, name=" News ")
    second = lists.create(workspace, name="Events")

    for attempt in ("", "News"):
        with pytest.raises(lists.ListNameError):
            lists.change(second, name=attempt)

    assert [one.name for one in ContactList.objects.order_by("pk")] == ["News", "Events"]
    assert first.name == "News"


@pytest.mark.django_db(transaction=True)
def test_rivals_import_one_file_once(workspace: Workspace, contact_list: ContactList) -> None:
    import io

    data = "email\n" + "".join(f"p{n}@x.example\n" for n in range(300))
    job = imports.upload(
        workspace, io.BytesIO(data.encode()), file_name="p.csv", contact_list=contact_list, by=None, consent="yes"
    )
    imports.start(job)

    def work() -> int:
        chunks = 0
        while imports.run_chunk(job.pk, rows=10):
            chunks += 1
        return chunks

    race(work, work, work)
    imports.run_to_end(job)

    job.refresh_from_db()
    assert (job.state, job.counts["rows"], job.counts["new"]) == ("finished", 300, 300)


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_the_same_people_do_not_lock_each_other_out(
    workspace: Workspace, contact_list: ContactList
) -> None:
    import io

    def make(order: int) -> int:
        rows = [f"p{n}@x.example,v{order}" for n in range(1000)][:: 1 if order else -1]
        job = imports.upload(
            workspace,
            io.BytesIO(("email,value\n" + "\n".join(rows)).encode()),
            file_name="p.csv",
            contact_list=contact_list,
            by=None,
            consent="yes",
        )
        return imports.start(job).pk

    pks = [make(0), make(1)]

    def work(pk: int) -> None:
        while imports.run_chunk(pk, rows=200):
            pass

    race(lambda: work(pks[0]), lambda: work(pks[1]))

    assert Contact.objects.count() == 1000
    assert Subscription.objects.count() == 1000
