"""Whatever people, files, servers and mail programs wrote into our tables, no page takes it for markup (S05)."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models, transaction
from django.db.utils import DatabaseError
from django.test import Client

from apps.accounts.models import Session, Workspace
from tests.test_routes import OF_WORKSPACE, OURS, Route, _objects, world

__all__ = ["world"]

PAYLOAD = "\"'><xss-canary>&"
# Names that a machine reads: a wrong one is refused long before a page, or leads to another page.
MACHINE = (
    "slug",
    "hash",
    "state",
    "kind",
    "language",
    "time_zone",
    "message_id",
    "encoding",
    "delimiter",
    "tls",
    "role",
    "password",
    "secret",
    "options",
)


def _columns(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    """Return the columns that hold words from outside."""
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, models.CharField | models.TextField)
        and not field.choices
        and not any(word in field.name for word in MACHINE)
        and (field.max_length or 1000) >= len(PAYLOAD)
    ]


def _seed() -> int:
    """Write the payload into every column that takes it; return into how many."""
    written = 0
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.app_label not in OURS or model is Session:
                continue
            for field in _columns(model):
                unique = f" || '{model._meta.pk.column}' || {model._meta.pk.column}" if field.unique else ""
                try:
                    with transaction.atomic():
                        cursor.execute(
                            f'UPDATE {model._meta.db_table} SET "{field.column}" = %s{unique}',
                            [PAYLOAD],
                        )
                except DatabaseError:
                    continue  # the database itself refuses it here
                written += cursor.rowcount > 0
    return written


@pytest.mark.parametrize("route", OF_WORKSPACE, ids=str)
def test_no_page_takes_words_for_markup(route: Route, world: Workspace, owner_client: Client) -> None:
    assert _seed() > 20

    answer = owner_client.get(route.address(world.slug, _objects(route, world)), follow=True)

    assert answer.status_code in (200, 405)
    assert "/accounts/login/" not in answer.request["PATH_INFO"]
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    if "sandbox" in answer.headers.get("Content-Security-Policy", ""):
        return  # a letter's own page: it may say what it likes, and run nothing (tests/browser/test_frames.py)
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        assert b"<xss-canary" not in body


def test_the_words_are_there_and_harmless(world: Workspace, owner_client: Client) -> None:
    _seed()

    shown = owner_client.get(f"/w/{world.slug}/contacts/").content + owner_client.get(f"/w/{world.slug}/").content

    assert shown.count(b"&lt;xss-canary&gt;") > 3
