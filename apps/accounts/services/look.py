"""How a workspace looks to its recipients: one colour of a fixed palette, readable by day and by night, and a logo."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import audit
from apps.accounts.models import User, Workspace
from core.errors import EspError

# Each is drawn in frontend/src/css/looks.css, twice.
COLOURS: dict[str, str | Promise] = {
    "pine": gettext_lazy("Pine"),
    "ocean": gettext_lazy("Ocean"),
    "indigo": gettext_lazy("Indigo"),
    "plum": gettext_lazy("Plum"),
    "berry": gettext_lazy("Berry"),
    "rust": gettext_lazy("Rust"),
    "graphite": gettext_lazy("Graphite"),
}


class NoSuchColourError(EspError):
    """The palette has no such colour."""

    code = "no_such_colour"


def change(workspace: Workspace, *, colour: str, logo: str, by: User) -> None:
    """Write a workspace's look.

    Args:
        logo: the name of one of its images; empty for none.

    Raises:
        NoSuchColourError: nothing was changed.
    """
    if colour not in COLOURS:
        raise NoSuchColourError(_("Choose one of the colours."))
    values = {"colour": colour, "logo": logo}
    changed = [name for name, value in values.items() if getattr(workspace, name) != value]
    if not changed:
        return
    Workspace.objects.filter(pk=workspace.pk).update(**values)
    audit.note("workspace_changed", workspace=workspace, by=by, target=workspace.name, fields=", ".join(changed))
    workspace.refresh_from_db()
