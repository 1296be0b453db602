"""The set-up link: the only way to the first account, once, for an hour."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Membership, SetupLink, User, Workspace
from apps.accounts.services import setup, workspaces
from apps.contacts.models import ContactList
from core.addresses import InvalidAddressError
from tests.contacts.rivals import race

PASSWORD = "a quiet harbour at dawn"
FORM = {"workspace_name": "Northlight Coffee", "name": "Ines Marlow", "email": "Ines@Northlight.example"}
pytestmark = pytest.mark.django_db


def token_of(link: str) -> str:
    return link.rstrip("/").rpartition("/")[2]


def complete(token: str, **changes: str) -> User:
    return setup.complete(token, **{**FORM, "password": PASSWORD, **changes})


@pytest.fixture
def token(db: None) -> str:
    return token_of(setup.create_link())


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    known = list(workspaces._hooks)
    monkeypatch.setattr(workspaces, "_hooks", known)
    yield known


def test_the_link_stands_at_the_public_address_and_only_its_hash_is_kept(settings: Any) -> None:
    settings.PUBLIC_URL = "https://mail.northlight.example"

    link = setup.create_link()

    assert link.startswith("https://mail.northlight.example/setup/")
    assert len(token_of(link)) == 43
    assert SetupLink.objects.get().token_hash == hashlib.sha256(token_of(link).encode()).hexdigest()


def test_makes_an_owner_with_a_workspace_and_all_that_belongs_to_it(token: str) -> None:
    owner = complete(token)

    assert (owner.email, owner.name, owner.is_instance_admin) == ("ines@northlight.example", "Ines Marlow", True)
    assert owner.check_password(PASSWORD)
    membership = Membership.objects.get(user=owner)
    assert (membership.role, membership.workspace.slug) == ("owner", "northlight-coffee")
    assert ContactList.objects.get(workspace=membership.workspace).name == "Newsletter"


def test_runs_every_hook_of_the_floors_above(token: str, hooks: list[Any]) -> None:
    seen: list[str] = []

    @workspaces.on_created
    def remember(workspace: Workspace) -> None:
        seen.append(workspace.slug)

    workspaces.on_created(remember)
    complete(token)

    assert seen == ["northlight-coffee"]


def test_a_hook_that_fails_leaves_nothing_and_the_link_usable(token: str, hooks: list[Any]) -> None:
    def fail(workspace: Workspace) -> None:
        raise RuntimeError

    hooks.append(fail)
    with pytest.raises(RuntimeError):
        complete(token)
    hooks.remove(fail)

    assert not User.objects.exists()
    assert not Workspace.objects.exists()
    assert complete(token).pk


def test_works_once(token: str) -> None:
    complete(token)

    with pytest.raises(setup.SetupLinkError):
        complete(token, email="second@x.example")
    assert User.objects.count() == 1


def test_dies_after_an_hour(token: str) -> None:
    SetupLink.objects.update(expires_at="2026-01-01T00:00:00Z")

    with pytest.raises(setup.SetupLinkError):
        complete(token)
    assert not User.objects.exists()


def test_a_new_link_replaces_the_old_one(token: str) -> None:
    newer = token_of(setup.create_link())

    with pytest.raises(setup.SetupLinkError):
        complete(token)
    assert complete(newer).pk


def test_no_link_while_there_is_an_owner(owner: User) -> None:
    with pytest.raises(setup.AlreadySetUpError):
        setup.create_link()
    assert not SetupLink.objects.exists()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"password": "short"}, setup.WeakPasswordError),
        ({"password": "password1234"}, setup.WeakPasswordError),
        ({"password": "ines@northlight.example"}, setup.WeakPasswordError),
        ({"email": "ines@"}, InvalidAddressError),
        ({"workspace_name": "  "}, workspaces.WorkspaceNameError),
    ],
)
def test_a_refused_form_leaves_the_link_usable(token: str, changes: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        complete(token, **changes)

    assert not User.objects.exists()
    assert complete(token).pk


def test_a_second_workspace_of_the_same_name_gets_another_slug(owner: User) -> None:
    slugs = [workspaces.create(name, owner=owner).slug for name in ("Northlight", "Northlight", "Кофе")]

    assert slugs == ["northlight", "northlight-2", "workspace"] or slugs == [
        "northlight-2",
        "northlight-3",
        "workspace",
    ]


@pytest.mark.django_db(transaction=True)
def test_of_rivals_with_one_link_one_becomes_owner() -> None:
    token = token_of(setup.create_link())

    def attempt(number: int) -> bool:
        try:
            complete(token, email=f"p{number}@x.example")
        except setup.SetupLinkError:
            return False
        return True

    won = race(*[lambda n=n: attempt(n) for n in range(4)])

    assert sorted(won) == [False, False, False, True]
    assert User.objects.count() == Workspace.objects.count() == 1


class TestPage:
    def test_signs_the_new_owner_in(self, client: Client, token: str) -> None:
        url = reverse("accounts:setup", kwargs={"token": token})
        assert client.get(url).status_code == 200

        answer = client.post(url, {**FORM, "password": PASSWORD})

        assert (answer.status_code, answer.headers["Location"]) == (302, "/")
        assert client.session["_auth_user_id"] == str(User.objects.get().pk)

    def test_says_what_is_wrong_beside_the_field(self, client: Client, token: str) -> None:
        answer = client.post(reverse("accounts:setup", kwargs={"token": token}), {**FORM, "password": "short"})

        assert "at least 12 characters" in str(answer.context["form"].errors["password"])
        assert not User.objects.exists()

    def test_answers_404_for_a_link_that_does_not_work(self, client: Client, owner: User) -> None:
        for method in (client.get, client.post):
            answer = method(reverse("accounts:setup", kwargs={"token": "x" * 43}))

            assert answer.status_code == 404
            assert "set-up link" in answer.content.decode()

    def test_a_get_changes_nothing(self, client: Client, token: str) -> None:
        client.get(reverse("accounts:setup", kwargs={"token": token}))

        assert SetupLink.objects.get().used_at is None

    def test_needs_the_csrf_token(self, token: str) -> None:
        strict = Client(enforce_csrf_checks=True)

        answer = strict.post(reverse("accounts:setup", kwargs={"token": token}), {**FORM, "password": PASSWORD})

        assert answer.status_code == 403
        assert not User.objects.exists()


class TestCommand:
    def test_prints_a_link_that_works(self) -> None:
        out = StringIO()

        call_command("setup_link", stdout=out)

        assert complete(token_of(out.getvalue().strip())).pk

    def test_says_when_there_is_an_owner(self, owner: User) -> None:
        out = StringIO()

        call_command("setup_link", stdout=out)

        assert "has an owner already" in out.getvalue()
        assert "/setup/" not in out.getvalue()
