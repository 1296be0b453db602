"""What each role may do; pure."""

from __future__ import annotations

VIEWER = frozenset({"workspace.view", "campaigns.view", "contacts.view", "inbox.view", "imports.view"})
MARKETER = VIEWER | {
    "campaigns.edit",
    "campaigns.send",
    "contacts.edit",
    "contacts.import",
    "contacts.export",
    "suppressions.edit",
}
ADMIN = MARKETER | {"workspace.edit", "members.edit", "transports.edit", "system.view"}
OWNER = ADMIN | {"workspace.delete"}

MATRIX: dict[str, frozenset[str]] = {
    "viewer": VIEWER,
    "marketer": frozenset(MARKETER),
    "admin": frozenset(ADMIN),
    "owner": frozenset(OWNER),
}


def allows(role: str, permission: str) -> bool:
    """Return whether the role carries the permission; an unknown role carries none."""
    return permission in MATRIX.get(role, frozenset())
