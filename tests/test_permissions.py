"""What each role may do: one row per permission, and every route asked as every role."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.accounts import roles
from apps.accounts.models import Membership, Workspace
from tests.conftest import make_user
from tests.test_routes import OF_INSTANCE, OF_WORKSPACE, UNSAFE, Route, _call, _fingerprint, _objects, world

__all__ = ["world"]

ROLES = ("viewer", "marketer", "admin", "owner")

# permission: viewer, marketer, admin, owner
MATRIX = {
    "workspace.view": (True, True, True, True),
    "campaigns.view": (True, True, True, True),
    "contacts.view": (True, True, True, True),
    "imports.view": (True, True, True, True),
    "inbox.view": (True, True, True, True),
    "campaigns.edit": (False, True, True, True),
    "campaigns.send": (False, True, True, True),
    "contacts.edit": (False, True, True, True),
    "contacts.import": (False, True, True, True),
    "contacts.export": (False, True, True, True),
    "suppressions.edit": (False, True, True, True),
    "senders.edit": (False, False, True, True),
    "domains.edit": (False, False, True, True),
    "transports.edit": (False, False, True, True),
    "workspace.edit": (False, False, True, True),
    "keys.edit": (False, False, True, True),
    "members.edit": (False, False, True, True),
    "audit.view": (False, False, True, True),
    "system.view": (False, False, True, True),
    "system.repair": (False, False, True, True),
    "workspace.delete": (False, False, False, True),
}


@pytest.fixture
def as_role(world: Workspace) -> dict[str, Client]:
    clients = {}
    for role in ROLES:
        user = make_user(f"{role}@roles.example")
        Membership.objects.create(user=user, workspace=world, role=role)
        clients[role] = Client()
        clients[role].force_login(user)
    return clients


def test_the_table_names_every_permission_and_no_other() -> None:
    assert set(MATRIX) == roles.OWNER
    assert set(roles.MATRIX) == set(ROLES)


@pytest.mark.parametrize("permission", MATRIX)
def test_each_role_has_what_its_row_says(permission: str) -> None:
    assert tuple(roles.allows(role, permission) for role in ROLES) == MATRIX[permission]


@pytest.mark.parametrize("role", ["", "nobody", "OWNER"])
def test_an_unknown_role_may_do_nothing(role: str) -> None:
    assert not any(roles.allows(role, permission) for permission in MATRIX)


@pytest.mark.parametrize("route", OF_WORKSPACE, ids=str)
def test_a_route_lets_in_exactly_the_roles_of_its_permission(
    route: Route, world: Workspace, as_role: dict[str, Client]
) -> None:
    permission = route.view.required_permission  # type: ignore[attr-defined]  # `may` puts it there
    address = route.address(world.slug, _objects(route, world))
    for role, allowed in zip(ROLES, MATRIX[permission], strict=True):
        answer = as_role[role].get(address)
        if allowed:
            # Letters of no workspace are for instance admins, whatever their role here.
            wanted = (404,) if OF_INSTANCE in route.path else (200, 302, 405)
            assert answer.status_code in wanted, f"{role} gets {answer.status_code}"
            continue
        before = _fingerprint()
        for method in ("get", *UNSAFE):
            assert _call(as_role[role], method, address).status_code == 403, f"{method} as {role}"
        assert _fingerprint() == before
