"""Making workspaces; higher floors register here what every new workspace gets from them."""

from __future__ import annotations

from collections.abc import Callable

from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from apps.accounts.models import Membership, Role, User, Workspace
from core.errors import EspError

Hook = Callable[[Workspace], object]
_hooks: list[Hook] = []


class WorkspaceNameError(EspError):
    """The workspace has no name."""

    code = "workspace_name"


def on_created(hook: Hook) -> Hook:
    """Register what a higher floor adds to every new workspace, within the same transaction.

    Call it from an app's `ready()`; registering twice does nothing.
    """
    if hook not in _hooks:
        _hooks.append(hook)
    return hook


def create(name: str, *, owner: User) -> Workspace:
    """Return a new workspace with its owner and everything that the floors above give it.

    Raises:
        WorkspaceNameError: the name is empty.
    """
    name = " ".join(name.split())[:120]
    if not name:
        raise WorkspaceNameError(_("Give the workspace a name: your brand or company."))
    with transaction.atomic():
        workspace = _insert(name)
        Membership.objects.create(user=owner, workspace=workspace, role=Role.OWNER)
        for hook in _hooks:
            hook(workspace)
    return workspace


def _insert(name: str) -> Workspace:
    stem = slugify(name)[:50] or "workspace"
    number = 1
    while True:
        slug = stem if number == 1 else f"{stem}-{number}"
        try:
            with transaction.atomic():
                return Workspace.objects.create(name=name, slug=slug)
        except IntegrityError:
            number += 1
