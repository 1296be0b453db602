"""Images: only images come in, nothing hidden stays in them, and they leave as what they are (design: S06)."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image as Pil
from PIL import PngImagePlugin

from apps.accounts.models import User, Workspace
from apps.campaigns import recoding
from apps.campaigns.models import Campaign, Image
from apps.campaigns.services import images

PAGE = "/w/northlight/images/"
HTMX = {"HX-Request": "true"}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def file(kind: str = "PNG", size: tuple[int, int] = (40, 20), mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Pil.new(mode, size, "red" if mode == "RGB" else 0).save(out, kind, **options)
    return out.getvalue()


def moving(frames: int, size: tuple[int, int] = (20, 10)) -> bytes:
    out = io.BytesIO()
    pictures = [Pil.new("RGB", size, (n % 256, 90, 200)) for n in range(frames)]
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=80, loop=0)
    return out.getvalue()


def seen(made: recoding.Recoded) -> Pil.Image:
    return Pil.open(io.BytesIO(made.data))


def upload(client: Client, data: bytes, name: str = "Photo.png", **more: Any) -> Any:
    return client.post(f"{PAGE}add/", {"file": SimpleUploadedFile(name, data), **more})


# --- written anew ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (file("PNG"), "png"),
        (file("PNG", mode="P"), "png"),
        (file("PNG", mode="I;16"), "png"),
        (file("JPEG"), "jpg"),
        (file("JPEG", mode="CMYK"), "jpg"),
        (file("GIF"), "png"),
        (file("WEBP"), "jpg"),
        (file("WEBP", mode="RGBA"), "png"),
        (moving(3), "gif"),
    ],
)
def test_each_kind_is_written_anew(data: bytes, kind: str) -> None:
    made = recoding.recode(data)

    assert (made.kind, seen(made).size) == (kind, (made.width, made.height))
    assert made.data != data or kind == "png"


def test_a_moving_image_keeps_moving() -> None:
    made = seen(recoding.recode(moving(3)))

    assert (made.n_frames, made.info["duration"], made.info["loop"]) == (3, 80, 0)  # type: ignore[attr-defined]  # a GIF has it


def test_a_place_and_a_camera_are_taken_out_and_the_image_stands_upright() -> None:
    exif = Pil.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[2] = (59.0, 19.0, 5.0)
    data = file("JPEG", size=(60, 20), exif=exif, comment=b"SecretWords")
    assert b"SecretCamera" in data

    made = recoding.recode(data)

    assert (made.width, made.height) == (20, 60)
    assert b"Secret" not in made.data and b"Exif" not in made.data
    assert not seen(made).getexif()


def test_words_within_a_png_are_taken_out() -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", "SecretWords")

    made = recoding.recode(file("PNG", pnginfo=words))

    assert b"Secret" not in made.data


def test_what_is_appended_does_not_stay() -> None:
    made = recoding.recode(file("JPEG") + b"PK\x03\x04 a whole archive")

    assert b"archive" not in made.data


def test_a_photograph_is_made_as_wide_as_letters_need() -> None:
    made = recoding.recode(file("JPEG", size=(4000, 3000)))

    assert (made.width, made.height) == (1600, 1200)


# --- refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (SVG, "no PNG, JPEG, GIF or WebP"),
        (b"<!doctype html><script>alert(1)</script>", "no PNG, JPEG, GIF or WebP"),
        (b"", "no PNG, JPEG, GIF or WebP"),
        (file("BMP"), "no PNG, JPEG, GIF or WebP"),
        (file("GIF") + b"<script>alert(1)</script>", "hidden in this file"),
        (file("JPEG", comment=b"<html><body onload=alert(1)>"), "hidden in this file"),
        (file("PNG") + SVG, "hidden in this file"),
        (file("JPEG") + b"<?php system($_GET[0]); ?>", "hidden in this file"),
        (file("PNG", size=(16_000, 16_000), mode="1"), "16000 × 16000"),
        (file("WEBP", size=(16_000, 3_000)), "16000 × 3000"),
        (moving(201), "too many pictures"),
        (file("PNG", size=(400, 400))[:-300], "cannot be read"),
        (file("JPEG", size=(400, 400))[:400], "cannot be read"),
        (b"GIF89a" + b"\xff" * 40, "no PNG, JPEG, GIF or WebP"),
        (b"\x89PNG" + b"x" * recoding.MAX_BYTES, "larger than 10 MB"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(
    owner_client: Client, workspace: Workspace, data: bytes, sentence: str
) -> None:
    reply = upload(owner_client, data)

    assert reply.status_code == 422
    assert sentence in reply.content.decode()
    assert not Image.objects.exists()


def test_no_file_is_a_sentence_too(owner_client: Client, workspace: Workspace) -> None:
    reply = owner_client.post(f"{PAGE}add/", {})

    assert (reply.status_code, "Choose a file first" in reply.content.decode()) == (422, True)


def test_the_images_of_a_workspace_have_an_end(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES_OF_ALL", 10)

    with pytest.raises(recoding.ImageError, match="500 MB"):
        images.add(workspace, by=None, title="x", data=file())


# --- kept and shown -------------------------------------------------------------------------------------------------


def test_the_same_image_is_kept_once(owner_client: Client, owner: User) -> None:
    upload(owner_client, file(), "../../etc/Photo <b>.svg")
    upload(owner_client, file(), "again.png")

    image = Image.objects.get()
    assert (image.title, image.kind, image.created_by) == ("Photo <b>.png", "png", owner)
    assert (image.width, image.height, image.size_bytes) == (40, 20, len(bytes(image.data)))
    assert len(image.name) == 28


def test_it_is_shown_as_a_file_that_can_be_nothing_else(workspace: Workspace, client: Client) -> None:
    image = images.add(workspace, by=None, title="x", data=file())

    reply = client.get(f"/i/{image.name}")

    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "image/png")
    assert reply.content == bytes(image.data)
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Disposition"] == f'inline; filename="{image.name}"'
    assert reply.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert "immutable" in reply.headers["Cache-Control"]
    assert not reply.cookies and "Cookie" not in reply.headers.get("Vary", "")
    assert client.get(f"/i/{image.name}", headers={"If-None-Match": reply.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("name", ["nothing.png", "%2e%2e%2fsecret", "x" * 300, "a%00b"])
def test_no_other_name_shows_anything(db: None, client: Client, name: str) -> None:
    assert client.get(f"/i/{name}").status_code == 404


def test_the_address_is_the_public_one(workspace: Workspace) -> None:
    image = images.add(workspace, by=None, title="x", data=file())

    assert images.url(image) == f"http://localhost:8000/i/{image.name}"


def test_the_panel_takes_images_in_place(owner_client: Client, workspace: Workspace) -> None:
    draft = Campaign.objects.create(workspace=workspace, name="Roast")

    taken = owner_client.post(
        f"{PAGE}add/", {"file": SimpleUploadedFile("a.png", file()), "campaign": draft.pk}, headers=HTMX
    )
    refused = owner_client.post(
        f"{PAGE}add/", {"file": SimpleUploadedFile("a.svg", SVG), "campaign": draft.pk}, headers=HTMX
    )

    image = Image.objects.get()
    html = taken.content.decode()
    assert 'id="images"' in html and "<h1" not in html
    assert f"&lt;img src=&quot;{images.url(image)}&quot; alt=&quot;…&quot; width=&quot;40&quot;" in html
    assert (refused.status_code, 'role="alert"' in refused.content.decode()) == (422, True)


def test_without_script_it_leads_back_to_the_letter(owner_client: Client, workspace: Workspace) -> None:
    draft = Campaign.objects.create(workspace=workspace, name="Roast")

    reply = upload(owner_client, file(), campaign=draft.pk)

    assert reply.headers["Location"] == f"/w/northlight/campaigns/{draft.pk}/content/#images"
    assert images.path(Image.objects.get()) in owner_client.get(reply.headers["Location"]).content.decode()


def test_each_workspace_has_its_own(owner_client: Client, workspace: Workspace, stranger: User) -> None:
    theirs = stranger.workspaces.get()
    foreign = images.add(theirs, by=None, title="secret", data=file())
    draft = Campaign.objects.create(workspace=theirs, name="Theirs")

    page = owner_client.get(PAGE).content.decode()
    beside = upload(owner_client, file(), campaign=draft.pk)
    removed = owner_client.post(f"{PAGE}{foreign.uuid}/remove/")

    assert "secret" not in page
    assert (beside.status_code, removed.status_code) == (404, 404)
    assert list(Image.objects.all()) == [foreign]


def test_it_is_removed(owner_client: Client, workspace: Workspace, client: Client) -> None:
    image = images.add(workspace, by=None, title="x", data=file())

    owner_client.post(f"{PAGE}{image.uuid}/remove/")

    assert client.get(f"/i/{image.name}").status_code == 404


def test_a_viewer_only_looks(colleague: User, workspace: Workspace) -> None:
    client = Client()
    client.force_login(colleague)
    image = images.add(workspace, by=None, title="x", data=file())

    assert upload(client, file()).status_code == 403
    assert client.post(f"{PAGE}{image.uuid}/remove/").status_code == 403
    assert "Upload" not in client.get(PAGE).content.decode()
