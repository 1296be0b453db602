"""Invitations: one link, one person, one week."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client, override_settings
from django.urls import reverse

from apps.accounts.models import AuditEntry, Invitation, Membership, User, Workspace
from apps.accounts.services import invitations, members, setup
from core.addresses import InvalidAddressError
from tests.conftest import PASSWORD
from tests.contacts.rivals import race

pytestmark = pytest.mark.django_db
LOCMEM = override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend")
NEW = {"name": "Nadia Orchard", "password": "another quiet harbour"}


@pytest.fixture
def issued(workspace: Workspace, owner: User) -> invitations.Issued:
    with LOCMEM:
        return invitations.invite(workspace, email="Nadia@Orchard.example", role="marketer", by=owner)


def token_of(issued: invitations.Issued) -> str:
    return issued.url.rstrip("/").rpartition("/")[2]


def path_of(issued: invitations.Issued) -> str:
    return reverse("accounts:invitation", kwargs={"token": token_of(issued)})


@LOCMEM
@override_settings(PUBLIC_URL="https://mail.northlight.example")
def test_the_link_goes_by_mail_and_only_its_hash_is_kept(workspace: Workspace, owner: User) -> None:
    issued = invitations.invite(workspace, email="Nadia@Orchard.example", role="marketer", by=owner)

    assert issued.url.startswith("https://mail.northlight.example/invitation/")
    assert (issued.was_mailed, mail.outbox[0].to, issued.url in str(mail.outbox[0].body)) == (
        True, ["nadia@orchard.example"], True,
    )  # fmt: skip
    assert token_of(issued) not in str(Invitation.objects.values().get())


@override_settings(INBOX_ADDRESS=None, EMAIL_BACKEND="apps.smtp.mail.SystemMailBackend")
def test_without_an_inbox_the_link_is_there_to_copy(owner_client: Client, workspace: Workspace) -> None:
    answer = owner_client.post(
        reverse("accounts:invite", args=[workspace.slug]), {"email": "nadia@orchard.example", "role": "viewer"}
    )

    page = answer.content.decode()
    assert answer.status_code == 200
    assert "We could not send the letter" in page
    found = re.search(r"/invitation/([\w-]{43})/", page)
    assert found and invitations.find(found[1]).role == "viewer"
    assert "no-store" in answer.headers["Cache-Control"]


def test_makes_an_account_for_the_invited_address(client: Client, issued: invitations.Issued) -> None:
    answer = client.post(path_of(issued), {**NEW, "email": "evil@x.example"})

    user = User.objects.get(email="nadia@orchard.example")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/w/northlight/")
    assert client.session["_auth_user_id"] == str(user.pk)
    assert (user.memberships.get().role, user.is_instance_admin, user.name) == ("marketer", False, "Nadia Orchard")
    assert not User.objects.filter(email="evil@x.example").exists()


def test_lets_somebody_in_who_is_signed_in(
    issued: invitations.Issued, stranger: User, stranger_client: Client, workspace: Workspace
) -> None:
    assert stranger.email in stranger_client.get(path_of(issued)).content.decode()

    stranger_client.post(path_of(issued))

    assert Membership.objects.get(user=stranger, workspace=workspace).role == "marketer"
    assert AuditEntry.objects.get(action="member_joined").actor_id == stranger.pk


def without_token(page: bytes) -> str:
    """Return a page without Django's own token, which differs from answer to answer."""
    return re.sub(r'(X-CSRFToken": "|name="csrfmiddlewaretoken" value=")\w+', r"\1", page.decode())


def test_a_get_changes_nothing(client: Client, issued: invitations.Issued, stranger_client: Client) -> None:
    client.get(path_of(issued))
    stranger_client.get(path_of(issued))

    assert Invitation.objects.get().accepted_at is None
    assert Membership.objects.filter(workspace__slug="northlight").count() == 1


def test_works_once(client: Client, issued: invitations.Issued, stranger_client: Client) -> None:
    client.post(path_of(issued), NEW)

    for answer in (stranger_client.post(path_of(issued)), stranger_client.get(path_of(issued))):
        assert answer.status_code == 404
    assert Membership.objects.filter(workspace__slug="northlight").count() == 2


def test_dies_after_a_week(issued: invitations.Issued) -> None:
    Invitation.objects.update(expires_at="2026-01-01T00:00:00Z")

    with pytest.raises(invitations.InvitationError):
        invitations.find(token_of(issued))


def test_a_new_link_replaces_the_old_one(workspace: Workspace, owner: User, issued: invitations.Issued) -> None:
    with LOCMEM:
        newer = invitations.invite(workspace, email="nadia@orchard.example", role="viewer", by=owner)

    with pytest.raises(invitations.InvitationError):
        invitations.find(token_of(issued))
    assert invitations.find(token_of(newer)).role == "viewer"
    assert Invitation.objects.count() == 1


def test_a_withdrawn_link_looks_like_an_unknown_one(client: Client, issued: invitations.Issued, owner: User) -> None:
    invitations.withdraw(issued.invitation, by=owner)

    gone, unknown = client.get(path_of(issued)), client.get(reverse("accounts:invitation", args=["x" * 43]))
    assert (gone.status_code, unknown.status_code) == (404, 404)
    assert without_token(gone.content) == without_token(unknown.content)


def test_a_weak_password_or_a_known_address_leave_the_link_usable(client: Client, issued: invitations.Issued) -> None:
    answer = client.post(path_of(issued), {**NEW, "password": "short"})
    assert answer.status_code == 422
    assert "at least 12 characters" in answer.content.decode()

    User.objects.create_user("nadia@orchard.example", PASSWORD)
    answer = client.post(path_of(issued), NEW)
    assert "There is an account with this address" in answer.content.decode()
    assert not client.session.get("_auth_user_id")
    assert invitations.find(token_of(issued))


def test_a_member_keeps_the_role_they_have(workspace: Workspace, owner: User, issued: invitations.Issued) -> None:
    invitations.accept(token_of(issued), user=owner)

    assert owner.memberships.get().role == "owner"


@pytest.mark.django_db(transaction=True)
def test_of_rivals_with_one_link_one_gets_in(workspace: Workspace, owner: User) -> None:
    with LOCMEM:
        token = token_of(invitations.invite(workspace, email="n@x.example", role="viewer", by=owner))
    people = [User.objects.create_user(f"p{n}@x.example", PASSWORD) for n in range(4)]

    def attempt(user: User) -> bool:
        try:
            invitations.accept(token, user=user)
        except invitations.InvitationError:
            return False
        return True

    won = race(*[lambda user=user: attempt(user) for user in people])

    assert sorted(won) == [False, False, False, True]
    assert Membership.objects.filter(workspace=workspace).count() == 2


@pytest.mark.parametrize(
    ("role", "wanted", "may"),
    [("owner", "owner", True), ("admin", "owner", False), ("admin", "admin", True), ("marketer", "viewer", False)],
)
def test_nobody_invites_to_more_than_they_have(
    workspace: Workspace, owner: User, colleague: User, role: str, wanted: str, may: bool
) -> None:
    Membership.objects.filter(user=colleague).update(role=role)

    with LOCMEM:
        if may:
            invitations.invite(workspace, email="n@x.example", role=wanted, by=colleague)
        else:
            with pytest.raises(members.NotYoursToGrantError):
                invitations.invite(workspace, email="n@x.example", role=wanted, by=colleague)

    assert Invitation.objects.exists() is may
    assert len(mail.outbox) == int(may)


def test_an_admin_cannot_choose_owner_in_the_form(workspace: Workspace, owner: User, colleague: User) -> None:
    Membership.objects.filter(user=colleague).update(role="admin")
    client = Client()
    client.force_login(colleague)

    answer = client.post(reverse("accounts:invite", args=[workspace.slug]), {"email": "n@x.example", "role": "owner"})

    assert answer.status_code == 422
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("email", "error"), [("nobody", InvalidAddressError), ("Vera@northlight.example", invitations.AlreadyMemberError)]
)
def test_makes_no_sense(workspace: Workspace, owner: User, colleague: User, email: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        invitations.invite(workspace, email=email, role="viewer", by=owner)

    assert not Invitation.objects.exists()


def test_the_page_of_a_dead_link_says_nothing_of_the_workspace(client: Client, issued: Any, owner: User) -> None:
    invitations.withdraw(issued.invitation, by=owner)

    assert "Northlight" not in client.get(path_of(issued)).content.decode()


def test_needs_the_csrf_token(issued: invitations.Issued) -> None:
    strict = Client(enforce_csrf_checks=True)

    assert strict.post(path_of(issued), NEW).status_code == 403
    assert not User.objects.filter(email="nadia@orchard.example").exists()


def test_a_refused_password_is_no_weaker_than_at_set_up() -> None:
    with pytest.raises(setup.WeakPasswordError):
        setup.check_password("password1234", email="n@x.example", name="N")
