"""Who did what, to what, when and from where: one append-only row per deed, in the transaction of the deed."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.accounts import origin
from apps.accounts.models import AuditEntry, User, Workspace

# Every deed that is recorded; the page of activity has a sentence for each, which a test asserts.
ACTIONS = frozenset(
    {
        "signed_in",
        "sign_in_failed",
        "signed_out",
        "sessions_ended",
        "password_changed",
        "password_reset",
        "workspace_created",
        "workspace_changed",
        "invitation_made",
        "invitation_withdrawn",
        "member_joined",
        "member_role_changed",
        "member_removed",
        "key_made",
        "key_revoked",
        "sender_added",
        "sender_changed",
        "sender_removed",
        "account_added",
        "account_changed",
        "account_switched",
        "account_deleted",
        "secret_changed",
        "signing_key_made",
        "signing_key_activated",
        "signing_key_retired",
        "signing_key_deleted",
        "campaign_sent",
        "campaign_paused",
        "campaign_resumed",
        "campaign_cancelled",
        "campaign_unscheduled",
        "campaign_retried",
        "campaign_resent",
        "campaign_deleted",
        "contact_changed",
        "campaign_reset",
        "contact_deleted",
        "contacts_suppressed",
        "list_deleted",
        "suppressions_added",
        "suppression_lifted",
        "import_started",
        "import_undone",
        "exported",
        "restore_confirmed",
    }
)


def note(
    action: str,
    *,
    workspace: Workspace | int | None = None,
    by: User | None = None,
    target: str = "",
    **detail: str | int | bool | None,
) -> None:
    """Write one row.

    Args:
        action: one of `ACTIONS`.
        workspace: whose deed it is, or its id; None for what concerns an account only.
        by: who did it; None takes whoever is signed in with the request in hand, or nobody (a worker).
        target: what it was done to, in words that may be kept: a name, never a secret, an address only masked.
        detail: facts about it, such as the role before and after.
    """
    if action not in ACTIONS:
        raise ValueError(f"name the deed {action!r} in ACTIONS first")
    request = origin.request_in_hand.get()
    if by is None and request is not None:
        user = getattr(request, "user", None)
        by = user if isinstance(user, User) else None
    AuditEntry.objects.create(
        action=action,
        workspace_id=workspace.pk if isinstance(workspace, Workspace) else workspace,
        actor_id=by.pk if by else None,
        actor_name=by.email if by else "",
        target=target[:300],
        detail=detail,
        ip=origin.ip_of(request),
    )


def of_workspace(workspace: Workspace, *, after: int = 0) -> QuerySet[AuditEntry]:
    """Return a workspace's deeds, newest first, behind the one with id `after`."""
    found = AuditEntry.objects.filter(workspace=workspace).order_by("-pk")
    return found.filter(pk__lt=after) if after else found
