"""Images of a workspace: taken in, offered for letters, shown to the world, thrown away."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import PurePosixPath

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import User, Workspace
from apps.campaigns import recoding
from apps.campaigns.models import Image
from core import addresses

MAX_BYTES_OF_ALL = 500 * 1024 * 1024
_RANDOM_BYTES = 18


def of(workspace: Workspace) -> QuerySet[Image]:
    """Return a workspace's images, newest first, without their bytes."""
    return Image.objects.filter(workspace=workspace).defer("data").order_by("-pk")


def add(workspace: Workspace, *, by: User | None, title: str, data: bytes) -> Image:
    """Take an image in, written anew; the same one twice is kept once.

    Raises:
        ImageError: it is not taken; the sentence says why.
    """
    made = recoding.recode(data)
    taken = Image.objects.filter(workspace=workspace).aggregate(total=Sum("size_bytes"))["total"] or 0
    if taken + len(made.data) > MAX_BYTES_OF_ALL:
        raise recoding.ImageError(
            _("The images of this workspace fill their 500 MB. Remove some, and upload it again.")
        )
    image, _is_new = Image.objects.get_or_create(
        workspace=workspace,
        digest=hashlib.sha256(made.data).hexdigest(),
        defaults={
            "name": f"{secrets.token_urlsafe(_RANDOM_BYTES)}.{made.kind}",
            "title": _title(title, made.kind),
            "kind": made.kind,
            "width": made.width,
            "height": made.height,
            "size_bytes": len(made.data),
            "data": made.data,
            "created_by": by,
        },
    )
    return image


def path(image: Image) -> str:
    """Return where our own pages show it."""
    return path_of(image.name)


def path_of(name: str) -> str:
    """Return where our own pages show the image of this name; empty for none."""
    return reverse("images:show", args=[name]) if name else ""


def url(image: Image) -> str:
    """Return the address that letters show it from."""
    return f"{settings.PUBLIC_URL}{path(image)}"


def remove(image: Image) -> None:
    """Throw an image away; letters that show it, sent ones too, show its words instead."""
    Workspace.objects.filter(pk=image.workspace_id, logo=image.name).update(logo="")
    Image.objects.filter(pk=image.pk).delete()


def _title(text: str, kind: str) -> str:
    stem = PurePosixPath(text.replace("\\", "/")).stem
    return (" ".join(addresses.CONTROLS.sub("", stem).split())[:110] or _("Image")) + f".{kind}"
