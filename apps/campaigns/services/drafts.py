"""Drafts: made, saved field by field, copied, thrown away; nothing here touches a campaign that has begun."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.db import transaction
from django.db.models.functions import Now
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User, Workspace
from apps.campaigns import rendering
from apps.campaigns.models import Campaign, SenderIdentity
from apps.campaigns.services import history, senders
from apps.campaigns.states import UNFINISHED, CampaignState, Policy
from apps.contacts.models import ContactList
from apps.smtp.models import Transport
from core import addresses
from core.errors import EspError, InvalidTransitionError

SETTINGS = (
    "name", "subject", "preheader", "from_name", "from_email", "reply_to", "sender", "transport", "policy",
    "expires_after",
)  # fmt: skip
CONTENT = ("html", "text")
SHORTEST_LIFE, LONGEST_LIFE = dt.timedelta(hours=1), dt.timedelta(days=5)
_COPIED = (
    "subject", "preheader", "from_name", "from_email", "reply_to", "sender_id", "html", "text", "track_opens",
    "track_clicks", "transport_id", "policy", "expires_after",
)  # fmt: skip


class FieldError(EspError):
    """Something that was typed makes no sense; `problems` says what, by field."""

    code = "field"
    status = 422

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = problems


class ChangedElsewhereError(EspError):
    """The draft was saved by somebody else, or in another window, since this page was read."""

    code = "changed_elsewhere"
    status = 409


def defaults(workspace: Workspace, *, by: User, may_write_sender: bool) -> dict[str, object]:
    """Return what a new campaign begins with: the last one's sender, else a sender that is set up, else who asks.

    Args:
        may_write_sender: whether who asks may choose addresses; for others their own address is nobody's choice.
    """
    values = _usual(workspace, by)
    if not may_write_sender and values.get("sender") is None and values["from_email"] == by.email:
        del values["from_email"]
    return values


def _usual(workspace: Workspace, by: User) -> dict[str, object]:
    last = (
        Campaign.objects.filter(workspace=workspace)
        .exclude(from_email="")
        .order_by("-pk")
        .select_related("sender", "transport")
        .first()
    )
    transports = Transport.objects.filter(workspace=workspace, is_active=True)
    first = transports.filter(kind=Transport.Kind.LOCAL_INBOX).first() or transports.order_by("pk").first()
    if last is None:
        if (sender := senders.of(workspace).first()) is not None:
            return {"sender": sender, **senders.copied(sender), "transport": first}
        return {"from_name": workspace.name, "from_email": by.email, "transport": first}
    usual = last.transport if last.transport and last.transport.is_active else first
    return {
        "sender": last.sender,
        "from_name": last.from_name,
        "from_email": last.from_email,
        "reply_to": last.reply_to,
        "transport": usual,
    }


def create(workspace: Workspace, *, by: User | None, changes: Mapping[str, object]) -> Campaign:
    """Return a new draft with these settings.

    Raises:
        FieldError: nothing was made.
    """
    values = _sensible(workspace, changes)
    with transaction.atomic():
        campaign = Campaign.objects.create(workspace=workspace, created_by=by, **values)
        history.note(campaign.pk, "created", by=by)
    campaign.refresh_from_db()
    return campaign


def problems(workspace: Workspace, changes: Mapping[str, object]) -> dict[str, str]:
    """Return, for each field that makes no sense, a sentence that says why."""
    found: dict[str, str] = {}
    if "name" in changes and not str(changes["name"]).strip():
        found["name"] = _("Give the campaign a name. Only your team sees it.")
    for field in ("from_email", "reply_to"):
        text = str(changes.get(field) or "")
        if text:
            try:
                addresses.parse(text)
            except addresses.InvalidAddressError as error:
                found[field] = error.message
    if "policy" in changes and changes["policy"] not in set(Policy):
        found["policy"] = _("Choose what happens when the last answer is lost.")
    life = changes.get("expires_after")
    if life is not None and not (isinstance(life, dt.timedelta) and SHORTEST_LIFE <= life <= LONGEST_LIFE):
        found["expires_after"] = _("Keep trying for one hour at least and five days at most.")
    sender = changes.get("sender")
    if isinstance(sender, SenderIdentity) and sender.workspace_id != workspace.pk:
        found["sender"] = _("Choose one of your senders.")
    transport = changes.get("transport")
    if isinstance(transport, Transport) and (transport.workspace_id != workspace.pk or not transport.is_active):
        found["transport"] = _("Choose a sending account that is switched on.")
    return found


def save(campaign: Campaign, *, changes: Mapping[str, object], seen: str = "") -> None:
    """Write these settings or contents into a draft.

    Args:
        seen: the draft's `version` as the page knew it; when given, a draft that was saved since is left alone.

    Raises:
        FieldError, ChangedElsewhereError, InvalidTransitionError: nothing was saved.
    """
    values = _sensible(campaign.workspace, changes)
    with _draft(campaign, seen) as locked:
        for name, value in values.items():
            setattr(locked, name, value)
        _write(locked, list(values))
    campaign.refresh_from_db()


def save_audience(
    campaign: Campaign, *, lists: Sequence[ContactList], excluded: Sequence[ContactList], seen: str = ""
) -> None:
    """Choose who gets a draft and who does not; lists of other workspaces are left out.

    Raises:
        ChangedElsewhereError, InvalidTransitionError: nothing was saved.
    """
    with _draft(campaign, seen) as locked:
        locked.lists.set([each for each in lists if each.workspace_id == campaign.workspace_id])
        locked.excluded_lists.set([each for each in excluded if each.workspace_id == campaign.workspace_id])
        _write(locked, [])
    campaign.refresh_from_db()


def version(campaign: Campaign) -> str:
    """Return what changes with every save of a draft."""
    return campaign.updated_at.isoformat()


def begin_with_sample(campaign: Campaign) -> None:
    """Put the sample letter into a draft; a subject that was written stays."""
    sample = rendering.sample_source(
        from_name=campaign.from_name or campaign.workspace.name,
        postal_address=campaign.workspace.postal_address,
        site_url=f"https://{campaign.from_email.rpartition('@')[2] or 'example.com'}",
    )
    changes = {
        "html": sample.html,
        "text": sample.text,
        "subject": campaign.subject or sample.subject,
        "preheader": campaign.preheader or sample.preheader,
    }
    save(campaign, changes=changes)


def add_footer(campaign: Campaign) -> None:
    """Put the unsubscribe link and the postal address into a draft where they are missing."""
    html, text = rendering.with_footer(campaign.html, campaign.text, campaign.workspace.postal_address)
    save(campaign, changes={"html": html, "text": text})


def set_postal_address(workspace: Workspace, text: str) -> None:
    """Keep the address that every email of the workspace must show.

    Raises:
        EspError: it is empty.
    """
    address = "\n".join(line.strip() for line in text.splitlines() if line.strip())[:500]
    if not address:
        raise EspError(_("Write the postal address: street or P.O. box, town, country."), code="no_postal_address")
    Workspace.objects.filter(pk=workspace.pk).update(postal_address=address)
    workspace.postal_address = address


def duplicate(campaign: Campaign, *, by: User | None) -> Campaign:
    """Return a new draft with a campaign's content, sender and lists, whatever became of that campaign."""
    name = _("%(name)s, again") % {"name": campaign.name}
    with transaction.atomic():
        copy = Campaign.objects.create(
            workspace_id=campaign.workspace_id,
            created_by=by,
            name=name[:200],
            **{field: getattr(campaign, field) for field in _COPIED},
        )
        copy.lists.set(campaign.lists.all())
        copy.excluded_lists.set(campaign.excluded_lists.all())
        history.note(copy.pk, "created", by=by, copy_of=campaign.name)
    copy.refresh_from_db()
    return copy


def delete(campaign: Campaign) -> None:
    """Throw a draft away for good.

    Raises:
        InvalidTransitionError: it is no longer a draft, and its account is kept.
    """
    with _draft(campaign, "") as locked:
        audit.note("campaign_deleted", workspace=locked.workspace_id, target=locked.name)
        locked.delete()


def archive(campaign: Campaign, *, by: User | None) -> None:
    """Put a campaign away: out of the lists, with everything it has.

    Raises:
        InvalidTransitionError: it is under way.
    """
    moved = Campaign.objects.filter(pk=campaign.pk, archived_at=None).exclude(state__in=UNFINISHED)
    with transaction.atomic():
        if moved.update(archived_at=Now()):
            history.note(campaign.pk, "archived", by=by)
    campaign.refresh_from_db()
    if campaign.archived_at is None:
        raise InvalidTransitionError(
            _("“%(name)s” is under way. It can be archived when it is closed.") % {"name": campaign.name}
        )


def unarchive(campaign: Campaign, *, by: User | None) -> None:
    """Take a campaign out of the archive."""
    with transaction.atomic():
        if Campaign.objects.filter(pk=campaign.pk, archived_at__isnull=False).update(archived_at=None):
            history.note(campaign.pk, "unarchived", by=by)
    campaign.refresh_from_db()


def _sensible(workspace: Workspace, changes: Mapping[str, object]) -> dict[str, object]:
    if wrong := problems(workspace, changes):
        raise FieldError(wrong)
    values = {name: value for name, value in changes.items() if name in (*SETTINGS, *CONTENT)}
    for field in ("from_email", "reply_to"):
        if values.get(field):
            values[field] = addresses.parse(str(values[field])).email
    return values


@contextmanager
def _draft(campaign: Campaign, seen: str) -> Iterator[Campaign]:
    """Hold the draft's row; whoever schedules it at the same moment waits, or has won already."""
    with transaction.atomic():
        locked = Campaign.objects.select_for_update().filter(pk=campaign.pk, state=CampaignState.DRAFT).first()
        if locked is None:
            raise InvalidTransitionError(
                _("“%(name)s” is no longer a draft, so it cannot be changed.") % {"name": campaign.name}
            )
        if seen and _moment(seen) != locked.updated_at:
            raise ChangedElsewhereError(
                _("This draft was changed in another window. Reload the page to see it as it is now.")
            )
        yield locked


def _moment(text: str) -> dt.datetime | None:
    try:
        return parse_datetime(text)
    except ValueError:
        return None


def _write(campaign: Campaign, fields: list[str]) -> None:
    campaign.updated_at = Now()  # the database writes its own time
    campaign.save(update_fields=[*fields, "updated_at"])
