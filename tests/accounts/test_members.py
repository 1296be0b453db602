"""Who belongs to a workspace: nobody grants or takes more than they have, and an owner always stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts import roles
from apps.accounts.models import AuditEntry, Invitation, Membership, User, Workspace
from apps.accounts.services import members
from core.errors import NotFoundError
from tests.conftest import make_user
from tests.contacts.rivals import race

pytestmark = pytest.mark.django_db
Join = Callable[..., Membership]


@pytest.fixture
def join(workspace: Workspace) -> Join:
    def make(role: str, email: str = "") -> Membership:
        user = make_user(email or f"{role}@northlight.example", name=role.title())
        return Membership.objects.create(user=user, workspace=workspace, role=role)

    return make


def role_of(membership: Membership) -> str:
    return Membership.objects.values_list("role", flat=True).get(pk=membership.pk)


# One row per (who acts, whom, to what): may they?
CHANGES = [
    ("owner", "viewer", "owner", True),
    ("owner", "owner", "viewer", True),
    ("owner", "admin", "marketer", True),
    ("admin", "viewer", "admin", True),
    ("admin", "admin", "viewer", True),
    ("admin", "viewer", "owner", False),
    ("admin", "owner", "viewer", False),
    ("marketer", "viewer", "viewer", False),
    ("marketer", "viewer", "marketer", False),
    ("viewer", "viewer", "owner", False),
    ("owner", "viewer", "emperor", False),
    ("owner", "viewer", "", False),
]


@pytest.mark.parametrize(("actor", "before", "after", "may"), CHANGES)
def test_nobody_grants_or_takes_more_than_they_have(
    join: Join, owner: User, actor: str, before: str, after: str, may: bool
) -> None:
    by, member = join(actor, "by@x.example").user, join(before, "member@x.example")

    if may:
        members.change_role(member, role=after, by=by)
    else:
        with pytest.raises(members.NotYoursToGrantError):
            members.change_role(member, role=after, by=by)

    assert role_of(member) == (after if may else before)


@pytest.mark.parametrize(
    ("actor", "member", "may"),
    [("owner", "owner", True), ("admin", "admin", True), ("admin", "owner", False), ("marketer", "viewer", False)],
)
def test_nobody_removes_who_has_more(join: Join, owner: User, actor: str, member: str, may: bool) -> None:
    by, theirs = join(actor, "by@x.example").user, join(member, "member@x.example")

    if may:
        members.remove(theirs, by=by)
    else:
        with pytest.raises(members.NotYoursToGrantError):
            members.remove(theirs, by=by)

    assert Membership.objects.filter(pk=theirs.pk).exists() is not may


def test_the_last_owner_stays_and_stays_owner(owner: User, join: Join) -> None:
    mine = owner.memberships.get()

    with pytest.raises(members.LastOwnerError):
        members.remove(mine, by=owner)
    with pytest.raises(members.LastOwnerError):
        members.change_role(mine, role="admin", by=owner)
    assert role_of(mine) == "owner"

    join("owner", "second@x.example")
    members.remove(mine, by=owner)
    assert not Membership.objects.filter(pk=mine.pk).exists()


def test_an_owner_who_cannot_sign_in_does_not_count(owner: User, join: Join) -> None:
    other = join("owner", "second@x.example").user
    User.objects.filter(pk=other.pk).update(is_active=False)

    with pytest.raises(members.LastOwnerError):
        members.remove(owner.memberships.get(), by=owner)


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_remove_each_other_leave_one(owner: User, workspace: Workspace) -> None:
    other = make_user("second@x.example")
    theirs = Membership.objects.create(user=other, workspace=workspace, role="owner")
    mine = owner.memberships.get()

    def remove(member: Membership, by: User) -> bool:
        try:
            members.remove(member, by=by)
        except (members.LastOwnerError, NotFoundError):
            return False
        return True

    won = race(lambda: remove(theirs, owner), lambda: remove(mine, other))

    assert sorted(won) == [False, True]
    assert Membership.objects.filter(workspace=workspace, role="owner").count() == 1


def test_a_viewer_may_leave_by_themselves(workspace: Workspace, owner: User, colleague: User) -> None:
    client = Client()
    client.force_login(colleague)

    client.post(reverse("accounts:leave", args=[workspace.slug]))

    assert not Membership.objects.filter(user=colleague).exists()
    assert client.get(reverse("web:dashboard", args=[workspace.slug])).status_code == 404


def test_another_role_signs_the_member_out_everywhere(owner_client: Client, owner: User, join: Join) -> None:
    member, bystander = join("marketer"), join("viewer")
    clients = {}
    for who in (member, bystander):
        clients[who.pk] = Client()
        clients[who.pk].force_login(who.user)

    owner_client.post(reverse("accounts:member_role", args=["northlight", member.pk]), {"role": "viewer"})

    assert clients[member.pk].get("/w/northlight/").status_code == 302
    assert clients[bystander.pk].get("/w/northlight/").status_code == 200
    assert owner_client.get("/w/northlight/").status_code == 200


def test_a_new_role_can_be_undone_from_the_toast(owner_client: Client, join: Join) -> None:
    member = join("viewer")
    url = reverse("accounts:member_role", args=["northlight", member.pk])

    page = owner_client.post(url, {"role": "marketer"}, follow=True).content.decode()

    assert f'<form method="post" action="{url}" data-once>' in page.partition('id="toasts"')[2]
    assert '<input type="hidden" name="role" value="viewer">' in page
    owner_client.post(url, {"role": "viewer"})
    assert role_of(member) == "viewer"


def test_who_lowers_themselves_stays_signed_in_here_only(owner_client: Client, owner: User, join: Join) -> None:
    join("owner", "second@x.example")
    there = Client()
    there.force_login(owner)
    mine = Membership.objects.get(user=owner)

    owner_client.post(reverse("accounts:member_role", args=["northlight", mine.pk]), {"role": "admin"})

    assert owner_client.get("/w/northlight/").status_code == 200
    assert there.get("/w/northlight/").status_code == 302


def test_invitations_of_who_was_lowered_stop_working(workspace: Workspace, owner: User, join: Join) -> None:
    admin = join("admin")
    for number, role in enumerate(("admin", "viewer")):
        Invitation.objects.create(
            workspace=workspace, email=f"i{number}@x.example", role=role, token_hash=str(number),
            invited_by=admin.user, expires_at="2030-01-01T00:00:00Z",
        )  # fmt: skip

    members.change_role(admin, role="marketer", by=owner)

    assert not Invitation.objects.exists()


def test_every_change_is_noted_with_who_and_from_where(owner_client: Client, owner: User, join: Join) -> None:
    member = join("viewer")
    url = reverse("accounts:member_role", args=["northlight", member.pk])

    owner_client.post(url, {"role": "marketer"}, REMOTE_ADDR="203.0.113.9")

    entry = AuditEntry.objects.get(action="member_role_changed")
    assert (entry.actor_id, entry.actor_name, entry.ip) == (owner.pk, owner.email, "203.0.113.9")
    assert (entry.target, entry.detail) == ("viewer@northlight.example", {"before": "viewer", "now": "marketer"})


def test_the_page_refuses_in_words(join: Join, owner: User) -> None:
    client = Client()
    client.force_login(join("admin").user)

    answer = client.post(
        reverse("accounts:member_role", args=["northlight", owner.memberships.get().pk]), {"role": "viewer"}
    )

    assert answer.status_code == 403
    assert "more than their own" in answer.content.decode()
    assert role_of(owner.memberships.get()) == "owner"


def test_roles_contain_each_other() -> None:
    order = ["viewer", "marketer", "admin", "owner"]

    assert [[roles.covers(a, b) for b in order] for a in order] == [
        [number >= other for other in range(4)] for number in range(4)
    ]
    assert roles.grantable("admin") == ["admin", "marketer", "viewer"]
    assert roles.grantable("marketer") == []
