"""Senders: the names and addresses a workspace writes in; changed by admins, chosen by everybody who composes."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, SenderIdentity
from apps.campaigns.states import CampaignState
from core import addresses
from core.errors import EspError


class SenderError(EspError):
    """What was typed makes no sense; `field` says where."""

    code = "sender"
    status = 422

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


def of(workspace: Workspace) -> QuerySet[SenderIdentity]:
    """Return a workspace's senders by name."""
    return SenderIdentity.objects.filter(workspace=workspace).order_by("name", "email")


def add(workspace: Workspace, *, name: str, email: str, reply_to: str = "", by: User | None) -> SenderIdentity:
    """Return a new sender.

    Raises:
        SenderError: a name is missing, an address is none, or there is such a sender.
    """
    sender = SenderIdentity(workspace=workspace, **_sensible(name, email, reply_to))
    with transaction.atomic():
        _save(sender)
        audit.note("sender_added", workspace=workspace, by=by, target=str(sender))
    return sender


def change(sender: SenderIdentity, *, name: str, email: str, reply_to: str = "", by: User | None) -> None:
    """Change a sender; drafts that chose it follow, what was sent off stays.

    Raises:
        SenderError: nothing was changed.
    """
    before, values = str(sender), _sensible(name, email, reply_to)
    for field, value in values.items():
        setattr(sender, field, value)
    with transaction.atomic():
        _save(sender)
        drafts = Campaign.objects.filter(sender=sender, state=CampaignState.DRAFT)
        drafts.update(**copied(sender), updated_at=Now())
        audit.note("sender_changed", workspace=sender.workspace_id, by=by, target=str(sender), before=before)


def remove(sender: SenderIdentity, *, by: User | None) -> None:
    """Take a sender away; campaigns keep the name and address they had from it."""
    with transaction.atomic():
        audit.note("sender_removed", workspace=sender.workspace_id, by=by, target=str(sender))
        sender.delete()


def copied(sender: SenderIdentity) -> dict[str, str]:
    """Return what a campaign takes over from a sender."""
    return {"from_name": sender.name, "from_email": sender.email, "reply_to": sender.reply_to}


def _sensible(name: str, email: str, reply_to: str) -> dict[str, str]:
    name = " ".join(addresses.CONTROLS.sub("", name).split())[:200]
    if not name:
        raise SenderError(_("Write the name that readers see."), field="name")
    return {"name": name, "email": _address(email, "email"), "reply_to": _address(reply_to, "reply_to")}


def _address(text: str, field: str) -> str:
    if not text.strip() and field == "reply_to":
        return ""
    try:
        return addresses.parse(text).email
    except addresses.InvalidAddressError as error:
        raise SenderError(error.message, field=field) from None


def _save(sender: SenderIdentity) -> None:
    try:
        with transaction.atomic():
            sender.save()
    except IntegrityError:
        raise SenderError(_("There is a sender with this name and address already."), field="name") from None
