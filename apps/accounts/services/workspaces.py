"""Making and changing workspaces; higher floors register here what every new workspace gets from them."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import Membership, Role, User, Workspace
from core.errors import EspError

Hook = Callable[[Workspace], object]
_hooks: list[Hook] = []


class WorkspaceNameError(EspError):
    """The workspace has no name."""

    code = "workspace_name"


class WorkspaceSettingError(EspError):
    """A zone or a language that does not exist."""

    code = "workspace_setting"


def on_created(hook: Hook) -> Hook:
    """Register what a higher floor adds to every new workspace, within the same transaction.

    Call it from an app's `ready()`; registering twice does nothing.
    """
    if hook not in _hooks:
        _hooks.append(hook)
    return hook


def may_create(user: User) -> bool:
    """Return whether a person may make further workspaces: instance admins, and who owns one already."""
    return user.is_instance_admin or Membership.objects.filter(user=user, role=Role.OWNER).exists()


def create(name: str, *, owner: User) -> Workspace:
    """Return a new workspace with its owner and everything that the floors above give it.

    Raises:
        WorkspaceNameError: the name is empty.
    """
    name = _named(name)
    with transaction.atomic():
        workspace = _insert(name)
        Membership.objects.create(user=owner, workspace=workspace, role=Role.OWNER)
        for hook in _hooks:
            hook(workspace)
        audit.note("workspace_created", workspace=workspace, by=owner, target=workspace.name)
    return workspace


def change(
    workspace: Workspace, *, name: str, postal_address: str, time_zone: str, language: str, by: User | None
) -> None:
    """Write a workspace's settings; the address in links stays.

    Raises:
        WorkspaceNameError: the name is empty.
        WorkspaceSettingError: there is no such zone or language.
    """
    values = {
        "name": _named(name),
        "postal_address": "\n".join(line.strip() for line in postal_address.splitlines() if line.strip())[:500],
        "time_zone": time_zone,
        "language": language,
    }
    if time_zone not in zoneinfo.available_timezones():
        raise WorkspaceSettingError(_("There is no such time zone."))
    if language not in dict(settings.LANGUAGES):
        raise WorkspaceSettingError(_("There is no such language."))
    changed = [field for field, value in values.items() if getattr(workspace, field) != value]
    if not changed:
        return
    with transaction.atomic():
        Workspace.objects.filter(pk=workspace.pk).update(**values)
        audit.note(
            "workspace_changed", workspace=workspace, by=by, target=values["name"], fields=", ".join(sorted(changed))
        )
    workspace.refresh_from_db()


def _named(name: str) -> str:
    name = " ".join(name.split())[:120]
    if not name:
        raise WorkspaceNameError(_("Give the workspace a name: your brand or company."))
    return name


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
