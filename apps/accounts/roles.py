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
ADMIN = MARKETER | {
    "workspace.edit",
    "members.edit",
    "keys.edit",
    "transports.edit",
    "senders.edit",
    "domains.edit",
    "audit.view",
    "system.view",
    "system.repair",
}
# What an API key may carry; people's own matters (members, keys, secrets) stay with people.
SCOPES = ("campaigns.view", "campaigns.edit", "campaigns.send", "contacts.view", "contacts.edit", "suppressions.edit")
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


def covers(role: str, other: str) -> bool:
    """Return whether a role has everything that the other one has: nobody grants, or takes, more than they have."""
    return other in MATRIX and MATRIX[other] <= MATRIX.get(role, frozenset())


def grantable(role: str) -> list[str]:
    """Return the roles that a role may give away, the strongest first."""
    if not allows(role, "members.edit"):
        return []
    return sorted((other for other in MATRIX if covers(role, other)), key=lambda other: -len(MATRIX[other]))
