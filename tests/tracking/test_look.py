"""The pages of recipients wear their sender's colour and logo, and do without both."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts.models import AuditEntry, User, Workspace
from apps.campaigns.models import Delivery, Image
from apps.campaigns.services import images
from core import tokens
from tests.campaigns.test_images import file

LOOK = "/w/northlight/settings/look/"


def logo() -> SimpleUploadedFile:
    return SimpleUploadedFile("Logo.png", file("PNG"), content_type="image/png")


def pages(recipient: Client, delivery: Delivery) -> list[str]:
    token = tokens.seal("unsubscribe", delivery.pk)
    return [recipient.get(f"/{door}/{token}").content.decode() for door in ("u", "p")]


@pytest.mark.django_db
def test_colour_and_logo_show_on_the_pages_of_recipients(
    owner_client: Client, recipient: Client, delivery: Delivery, workspace: Workspace
) -> None:
    assert all('data-look="pine"' in page and "pub-logo" not in page for page in pages(recipient, delivery))

    assert owner_client.post(LOOK, {"colour": "plum", "logo": logo()}).status_code == 302

    workspace.refresh_from_db()
    image = Image.objects.get()
    assert (workspace.colour, workspace.logo) == ("plum", image.name)
    for page in pages(recipient, delivery):
        assert 'data-look="plum"' in page and f'src="{images.path(image)}" alt=""' in page
    assert recipient.get(images.path(image)).headers["Content-Type"] == "image/png"
    assert AuditEntry.objects.get(action="workspace_changed").detail["fields"] == "colour, logo"


@pytest.mark.django_db
def test_the_logo_stays_until_it_is_taken_away(owner_client: Client, workspace: Workspace) -> None:
    owner_client.post(LOOK, {"colour": "plum", "logo": logo()})
    owner_client.post(LOOK, {"colour": "ocean"})
    workspace.refresh_from_db()
    assert (workspace.colour, bool(workspace.logo)) == ("ocean", True)

    owner_client.post(LOOK, {"colour": "ocean", "no_logo": "1"})

    workspace.refresh_from_db()
    assert workspace.logo == ""


@pytest.mark.django_db
def test_a_removed_image_is_no_logo_any_more(owner_client: Client, workspace: Workspace) -> None:
    owner_client.post(LOOK, {"colour": "plum", "logo": logo()})

    images.remove(Image.objects.get())

    workspace.refresh_from_db()
    assert workspace.logo == ""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"colour": "#ff0000"}, "Choose one of the colours."),
        ({"colour": "plum", "logo": SimpleUploadedFile("x.svg", b"<svg/>")}, "no PNG, JPEG, GIF or WebP"),
    ],
)
def test_what_is_no_colour_or_no_image_changes_nothing(
    owner_client: Client, workspace: Workspace, values: dict[str, object], words: str
) -> None:
    reply = owner_client.post(LOOK, values)

    assert reply.status_code == 422 and words in reply.content.decode()
    workspace.refresh_from_db()
    assert (workspace.colour, workspace.logo) == ("pine", "")


@pytest.mark.django_db
def test_a_viewer_changes_no_look(colleague: User, workspace: Workspace) -> None:
    client = Client()
    client.force_login(colleague)

    assert client.post(LOOK, {"colour": "plum"}).status_code == 403
    assert "settings/look" not in client.get("/w/northlight/settings/members/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_without_the_database_the_pages_do_without(
    recipient: Client, delivery: Delivery, away: Callable[[bool], None]
) -> None:
    Workspace.objects.update(colour="plum", logo="x.png")
    away(True)

    for page in pages(recipient, delivery):
        assert "data-look" not in page and "pub-logo" not in page
