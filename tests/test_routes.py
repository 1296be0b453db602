"""Every route, as everybody: nothing of a workspace is reachable from outside it, and nothing changes by a link.

The routes are read from the URL configuration, so a new one is judged by itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, models
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import IntConverter, SlugConverter, UUIDConverter

from apps.accounts import roles
from apps.accounts.models import ApiKey, Invitation, Membership, User, Workspace
from apps.campaigns.models import Campaign, ContentVersion, Delivery, Image, SenderIdentity, Template
from apps.contacts.models import BulkDeed, Contact, ContactList, ImportChunk, ImportJob, Subscription, Suppression
from apps.smtp.models import InboxLetter, SigningKey, Transport
from apps.tracking.models import ExportJob

UNSAFE = ("post", "put", "patch", "delete")
OURS = ("core", "accounts", "contacts", "smtp", "campaigns", "tracking", "web")
HTML_LETTER = b"Content-Type: text/html\r\n\r\n<p>Hello</p>"
OF_INSTANCE = "/system-inbox/"  # letters of no workspace, for instance admins


@dataclass(frozen=True)
class Route:
    """One pattern of the URL configuration."""

    name: str
    path: str
    view: Callable[..., Any]
    converters: dict[str, Any]

    def __str__(self) -> str:
        return self.name

    @property
    def object_keys(self) -> dict[str, Any]:
        """The parts of the address that name an object."""
        return {name: how for name, how in self.converters.items() if name != "workspace_slug"}

    def address(self, slug: str, objects: dict[str, Any]) -> str:
        """Return the address in a workspace with the given values."""
        path = self.path
        for name, value in {**objects, "workspace_slug": slug}.items():
            for how in ("slug", "uuid", "int", "str"):
                path = path.replace(f"<{how}:{name}>", str(value))
        return "/" + path


def _walk(patterns: list[Any], path: str = "", spaces: tuple[str, ...] = (), known: Any = None) -> Iterator[Route]:
    for pattern in patterns:
        here, converters = path + str(pattern.pattern), {**(known or {}), **pattern.pattern.converters}
        if isinstance(pattern, URLResolver):
            namespace = (pattern.namespace,) if pattern.namespace else ()
            yield from _walk(pattern.url_patterns, here, spaces + namespace, converters)
        elif isinstance(pattern, URLPattern):
            yield Route(":".join((*spaces, pattern.name or here)), here, pattern.callback, converters)


ROUTES = list(_walk(get_resolver().url_patterns))
OF_WORKSPACE = [route for route in ROUTES if "workspace_slug" in route.converters]
WITH_OBJECT = [route for route in OF_WORKSPACE if route.object_keys]
OTHERS = [route for route in ROUTES if route not in OF_WORKSPACE]

each_route = pytest.mark.parametrize("route", OF_WORKSPACE, ids=str)
each_with_object = pytest.mark.parametrize("route", WITH_OBJECT, ids=str)


@pytest.fixture
def world(workspace: Workspace, owner: User, contact_list: ContactList, transport: Transport) -> Workspace:
    """Return the owner's workspace with at least one of everything a route may name."""
    Invitation.objects.create(
        workspace=workspace, email="i@x.example", role="viewer", token_hash="h", expires_at="2030-01-01T00:00:00Z"
    )
    ApiKey.objects.create(
        workspace=workspace, membership=Membership.objects.get(user=owner), name="Shop", prefix="vsk_a", key_hash="h"
    )
    contact = Contact.objects.create(
        workspace=workspace, email="p@x.example", email_normalised="p@x.example", email_hash=b"h" * 32
    )
    Subscription.objects.create(contact=contact, contact_list=contact_list, state="confirmed")
    Suppression.objects.create(workspace=workspace, email="s@x.example", email_hash=b"s" * 32, reason="manual")
    job = ImportJob.objects.create(
        workspace=workspace, contact_list=contact_list, file_name="p.csv", size_bytes=20, encoding="utf-8",
        delimiter=",", columns=[{"name": "email", "sample": "", "suggested": "email"}],
    )  # fmt: skip
    ImportChunk.objects.create(job=job, position=0, data=b"email\np@x.example\n")
    BulkDeed.objects.create(workspace=workspace, kind="add", contact_list=contact_list)
    campaign = Campaign.objects.create(workspace=workspace, name="Spring", transport=transport)
    Template.objects.create(workspace=workspace, name="Letter")
    Image.objects.create(
        workspace=workspace,
        name="x.png",
        title="x.png",
        kind="png",
        width=1,
        height=1,
        size_bytes=1,
        digest="x",
        data=b"x",
    )
    SenderIdentity.objects.create(workspace=workspace, name="Northlight", email="news@x.example")
    SigningKey.objects.create(
        workspace=workspace,
        domain="x.example",
        selector="s1",
        algorithm="rsa-sha256",
        private_key="k",
        public_key="p" * 392,
    )
    content = ContentVersion.objects.create(workspace=workspace, content_hash="x", frozen={})
    Delivery.objects.create(
        workspace=workspace, campaign=campaign, contact=contact, content=content, transport=transport,
        message_id="<m@x.example>", email="p@x.example", email_hash=b"h" * 32, expires_at="2030-01-01T00:00:00Z",
    )  # fmt: skip
    ExportJob.objects.create(workspace=workspace, campaign=campaign, kind="people", format="csv", file_name="p.csv")
    for where in (workspace, None):
        InboxLetter.objects.create(workspace=where, recipient="p@x.example", size=35, data=HTML_LETTER)
    return workspace


def _objects(route: Route, workspace: Workspace | None) -> dict[str, Any]:
    """Return for each name in the address the owner's real object; made-up values where `workspace` is None."""
    found: dict[str, Any] = {}
    for key, how in route.object_keys.items():
        model_name, _underscore, field = key.rpartition("_")
        if workspace is not None:
            holder = None if OF_INSTANCE in route.path else workspace
            found[key] = getattr(_one_of(model_name, holder), "uuid" if field == "uuid" else "pk")
        elif isinstance(how, UUIDConverter):
            found[key] = uuid.uuid4()
        elif isinstance(how, IntConverter):
            found[key] = 987654321
        else:
            assert isinstance(how, SlugConverter), f"teach this test about {how!r} in {route}"
            found[key] = "nothing"
    return found


def _one_of(model_name: str, workspace: Workspace | None) -> models.Model:
    wanted = model_name.replace("_", "")
    models_of_ours = [model for model in apps.get_models() if model._meta.app_label in OURS]
    matching = [model for model in models_of_ours if model._meta.model_name in (wanted, f"inbox{wanted}")]
    assert matching, f"name the part of the address after its model: {model_name}_uuid or {model_name}_id"
    fields = {field.name for field in matching[0]._meta.get_fields()}
    one = matching[0]._default_manager.filter(**({"workspace": workspace} if "workspace" in fields else {})).first()
    assert one is not None, f"make one {model_name} in the `world` of this test"
    return one


def _fingerprint() -> dict[str, str]:
    """Return a checksum of every table of ours."""
    quote = connection.ops.quote_name
    tables = [quote(model._meta.db_table) for model in apps.get_models() if model._meta.app_label in OURS]
    query = "SELECT '{0}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {0} t"
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(query.format(table) for table in tables))
        return dict(cursor.fetchall())


def _call(client: Client, method: str, address: str) -> Any:
    if method == "post":
        return client.post(address, {"file": SimpleUploadedFile("x.csv", b"email\n"), "email": "z@x.example"})
    return getattr(client, method)(address)


def test_there_are_routes_to_judge() -> None:
    assert len(OF_WORKSPACE) > 20
    assert len(WITH_OBJECT) > 10


@each_route
def test_names_the_permission_it_needs(route: Route) -> None:
    assert getattr(route.view, "required_permission", None) in roles.OWNER


@each_route
def test_sends_the_anonymous_to_sign_in(route: Route, world: Workspace, client: Client) -> None:
    before = _fingerprint()

    for objects in (_objects(route, world), _objects(route, None)):
        for method in ("get", *UNSAFE):
            answer = _call(client, method, route.address(world.slug, objects))
            assert (answer.status_code, answer.headers.get("Location", "")[:17]) == (302, "/accounts/login/?")
    assert _fingerprint() == before


@each_route
def test_does_not_exist_for_a_stranger(route: Route, world: Workspace, stranger_client: Client) -> None:
    before = _fingerprint()

    for objects in (_objects(route, world), _objects(route, None)):
        for method in ("get", *UNSAFE):
            answer = _call(stranger_client, method, route.address(world.slug, objects))
            assert answer.status_code == 404, f"{method} {route}"
    assert _fingerprint() == before


@each_with_object
def test_finds_no_object_of_another_workspace(route: Route, world: Workspace, stranger_client: Client) -> None:
    before = _fingerprint()

    for method in ("get", *UNSAFE):
        answer = _call(stranger_client, method, route.address("elsewhere", _objects(route, world)))
        # 405: this route does not know the method, whoever asks.
        assert answer.status_code in (404, 405), f"{method} {route}"
    assert _fingerprint() == before


@each_with_object
def test_at_least_one_method_looks_for_the_object(route: Route, world: Workspace, stranger_client: Client) -> None:
    answers = [
        _call(stranger_client, method, route.address("elsewhere", _objects(route, world))).status_code
        for method in ("get", "post")
    ]

    assert 404 in answers


@each_route
def test_a_get_changes_nothing(route: Route, world: Workspace, owner_client: Client) -> None:
    before = _fingerprint()

    answer = owner_client.get(route.address(world.slug, _objects(route, world)))

    assert answer.status_code in (200, 302, 405), f"{route} answers {answer.status_code}"
    if answer.streaming:
        b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert _fingerprint() == before


@each_route
def test_an_unsafe_request_needs_the_csrf_token(route: Route, world: Workspace, owner: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    before = _fingerprint()

    for method in UNSAFE:
        answer = _call(strict, method, route.address(world.slug, _objects(route, world)))
        assert answer.status_code == 403, f"{method} {route}"
    assert _fingerprint() == before


# Letters' links work without a cookie, so they cannot carry our token: RFC 8058 one-click is such a POST.
# Programs bring a key and no cookie (tests/api).
WITHOUT_TOKEN = ("tracking:", "api:")


@pytest.mark.parametrize("route", [r for r in OTHERS if not r.name.startswith(WITHOUT_TOKEN)], ids=str)
def test_no_other_view_is_free_of_the_csrf_token(route: Route) -> None:
    assert not getattr(route.view, "csrf_exempt", False)
