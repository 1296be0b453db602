"""Every page there is, read from the URL configuration: a page that is new is walked to without being named here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from django.test import Client

from apps.accounts.models import User, Workspace
from apps.accounts.services import invitations
from apps.campaigns.models import Campaign, Delivery
from core import tokens
from tests.test_routes import OF_WORKSPACE, OTHERS, Route, _objects

# Letters of recipients are what their author made of them, and run nothing; pictures are no pages.
LETTERS = ("letter_html", "letter_source", "preview", "tracking:view", "tracking:open", "tracking:click")
# Looked at in every state of a campaign; of the others one that has ended shows all there is.
DIFFERS_BY_STATE = ("campaigns:detail",)


@dataclass(frozen=True)
class Stop:
    """A page, and who looks at it."""

    name: str
    path: str
    user: User | None


def stops(workspace: Workspace, owner: User, *, part: int = 0, parts: int = 1) -> list[Stop]:
    """Return every page that answers with a whole HTML document, each address once; or every so many-th of them."""
    signed_in, visitor = Client(), Client()
    signed_in.force_login(owner)
    found: list[Stop] = []
    once: dict[str, str] = {}
    for name, path in _of_workspace(workspace):
        once.setdefault(path, name)
    for path, name in islice(once.items(), part, None, parts):
        if _is_page(signed_in, path):
            found.append(Stop(name, path, owner))
    for name, path in islice(_others(workspace, owner), part, None, parts):
        if _is_page(visitor, path):
            found.append(Stop(name, path, None))
        elif _is_page(signed_in, path):
            found.append(Stop(name, path, owner))
    return found


def _of_workspace(workspace: Workspace) -> Iterator[tuple[str, str]]:
    for route in OF_WORKSPACE:
        if route.name.endswith(LETTERS):
            continue
        yield _named(route), route.address(workspace.slug, _objects(route, workspace))
        if "campaign_id" in route.converters:
            for campaign in Campaign.objects.filter(workspace=workspace).order_by("pk"):
                if campaign.state != "finished" and route.name not in DIFFERS_BY_STATE:
                    continue
                letter = Delivery.objects.filter(campaign=campaign).order_by("-pk").first()
                objects = {**_objects(route, workspace), "campaign_id": campaign.pk}
                if "delivery_uuid" in objects and letter:
                    objects["delivery_uuid"] = letter.uuid
                yield f"{_named(route)}-{campaign.state}", route.address(workspace.slug, objects)


def _others(workspace: Workspace, owner: User) -> Iterator[tuple[str, str]]:
    letter = Delivery.objects.filter(workspace=workspace, state="sent").order_by("pk").first()
    assert letter is not None
    invitation = invitations.invite(workspace, email="new@orchard.example", role="viewer", by=owner)
    values = {
        "tracking:unsubscribe": tokens.seal("unsubscribe", letter.pk),
        "tracking:preferences": tokens.seal("unsubscribe", letter.pk),
        "accounts:invitation": invitation.url.rstrip("/").rpartition("/")[2],
    }
    for route in OTHERS:
        if route.name.endswith(LETTERS) or "^" in route.path:
            continue
        yield _named(route), route.address("", {"token": values.get(route.name, "nobody")})
    for name in ("tracking:unsubscribe", "accounts:invitation"):
        route = next(one for one in OTHERS if one.name == name)
        yield f"{_named(route)}-dead", route.address("", {"token": "nobody"})
    yield "not-found", "/nowhere/"


def _named(route: Route) -> str:
    return route.name.replace(":", "-").replace("_", "-")


def _is_page(client: Client, path: str) -> bool:
    answer = client.get(path)
    is_html = answer.headers.get("Content-Type", "").startswith("text/html")
    return is_html and not answer.streaming and answer.content.lstrip().lower().startswith(b"<!doctype html")
