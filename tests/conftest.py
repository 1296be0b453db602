"""The cast every test may call on: an owner, a colleague with fewer rights, a stranger with another workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from hypothesis import settings as hypothesis_settings

from apps.accounts.models import Membership, User, Workspace
from apps.contacts.models import Contact, ContactList, Subscription
from apps.smtp.models import Transport
from apps.smtp.pool import connections
from core import addresses

# A busy machine is slow, and that is no finding.
hypothesis_settings.register_profile("calm", deadline=None)
hypothesis_settings.load_profile("calm")

PASSWORD = "correct horse battery staple"


def make_user(email: str, **fields: Any) -> User:
    return User.objects.create_user(email, PASSWORD, **fields)


@pytest.fixture
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(name="Northlight Coffee", slug="northlight", postal_address="1 Harbour Road, Leith")


@pytest.fixture
def owner(workspace: Workspace) -> User:
    user = make_user("ines@northlight.example", name="Ines Marlow", is_instance_admin=True)
    Membership.objects.create(user=user, workspace=workspace, role="owner")
    return user


@pytest.fixture
def colleague(workspace: Workspace) -> User:
    user = make_user("vera@northlight.example", name="Vera Viewer")
    Membership.objects.create(user=user, workspace=workspace, role="viewer")
    return user


@pytest.fixture
def stranger(db: None) -> User:
    user = make_user("mallory@elsewhere.example", name="Mallory")
    elsewhere = Workspace.objects.create(name="Elsewhere", slug="elsewhere")
    Membership.objects.create(user=user, workspace=elsewhere, role="owner")
    return user


@pytest.fixture
def owner_client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def stranger_client(stranger: User) -> Client:
    client = Client()
    client.force_login(stranger)
    return client


@pytest.fixture
def contact_list(workspace: Workspace) -> ContactList:
    return ContactList.objects.create(workspace=workspace, name="Newsletter", is_public=True)


@pytest.fixture
def transport(workspace: Workspace) -> Transport:
    return Transport.objects.create(workspace=workspace, name="Local inbox", kind="local_inbox")


@pytest.fixture
def make_contact(workspace: Workspace, contact_list: ContactList) -> Callable[..., Contact]:
    def make(email: str, *, subscribed: bool = True, **fields: Any) -> Contact:
        address = addresses.parse(email)
        contact = Contact.objects.create(
            workspace=workspace,
            email=address.email,
            email_normalised=address.normalised,
            email_hash=addresses.fingerprint(address.normalised),
            **fields,
        )
        if subscribed:
            Subscription.objects.create(contact=contact, contact_list=contact_list, state="confirmed")
        return contact

    return make


@pytest.fixture(autouse=True)
def _no_connection_is_left() -> Iterator[None]:
    """Say goodbye to every SMTP server a test spoke to through the process's own pool."""
    yield
    connections.close_all()
