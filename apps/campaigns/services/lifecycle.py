"""A campaign's moves between its states: each one statement that only one of two rivals can win."""

from __future__ import annotations

import datetime as dt
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import User
from apps.campaigns import rendering
from apps.campaigns.models import Batch, Campaign, ContentVersion, Delivery
from apps.campaigns.rendering.urls import domain_to_ascii
from apps.campaigns.services import certificates, history, restore_guard
from apps.campaigns.services.aging import STOOD, stood
from apps.campaigns.services.gates import THAWED
from apps.campaigns.states import CampaignState, DeliveryState, sources_of
from apps.smtp.models import Transport
from apps.smtp.services import breaker
from core import clock, jobs
from core.errors import EspError, InvalidTransitionError

SEND_CAMPAIGN = "apps.campaigns.tasks.send_campaign"
SWEEP = "apps.campaigns.tasks.sweep"
ACCOUNT = "account"
"""The reason of a campaign that stalled because its sending account carries nothing."""
FARTHEST = dt.timedelta(days=36_525)


class NotReadyError(EspError):
    """The campaign lacks something it needs before it can be sent."""

    code = "not_ready"
    status = 422


class InsecureUrlError(EspError):
    """Real accounts need https links, or the one-click unsubscribe does not work (RFC 8058 section 3.1)."""

    code = "insecure_public_url"
    status = 422


def source_of(campaign: Campaign) -> rendering.Source:
    """Return the campaign's content as the renderer takes it."""
    return rendering.Source(
        subject=campaign.subject,
        preheader=campaign.preheader,
        html=campaign.html,
        text=campaign.text,
        from_name=campaign.from_name,
        from_email=campaign.from_email,
        reply_to=campaign.reply_to,
        postal_address=campaign.workspace.postal_address,
        track_opens=campaign.track_opens,
        track_clicks=campaign.track_clicks,
    )


def freeze_content(campaign: Campaign) -> ContentVersion:
    """Compile, inline and check the content now and keep that version.

    Raises:
        ContentError: with the line and what to do.
    """
    frozen = rendering.freeze(source_of(campaign))
    return ContentVersion.objects.create(
        workspace_id=campaign.workspace_id,
        content_hash=frozen.content_hash,
        frozen=frozen.to_json(),
        links=list(frozen.links),
    )


def message_domain(campaign: Campaign) -> str:
    """Return the domain of the campaign's Message-IDs in A-labels."""
    return domain_to_ascii(campaign.from_email.rpartition("@")[2])


def check_transport(campaign: Campaign) -> None:
    """Refuse accounts that must not or cannot carry letters.

    Raises:
        NotReadyError: no account, or one that is switched off or not offered.
        InsecureUrlError: a real account without an https PUBLIC_URL.
    """
    transport = campaign.transport
    if transport is None or not transport.is_active:
        raise NotReadyError(_("Choose a sending account that is switched on."), code="no_transport")
    if transport.is_local_inbox:
        if not settings.LOCAL_INBOX_OFFERED:
            raise NotReadyError(
                _("The local inbox is not offered in production. Choose another sending account, or set "
                  "VASHSENDER_LOCAL_INBOX=1."),
                code="local_inbox_not_offered",
            )  # fmt: skip
        return
    if urlsplit(settings.PUBLIC_URL).scheme != "https":
        raise InsecureUrlError(
            _("Set PUBLIC_URL to the https address recipients reach this server at. Until then only the local inbox "
              "carries emails.")
        )  # fmt: skip


def check_ready(campaign: Campaign) -> None:
    """Raise the first reason why the campaign cannot be sent; see `preflight` for all of them."""
    check_transport(campaign)
    if not campaign.lists.exists():
        raise NotReadyError(_("Choose at least one list."), code="no_list")
    for finding in rendering.findings(source_of(campaign)):
        if finding.level == "blocks":
            raise NotReadyError(finding.message, code=finding.code)


def _check_moment(at: dt.datetime | None) -> None:
    if at is not None and at > clock.now() + FARTHEST:
        raise NotReadyError(_("This is more than a hundred years away. Choose an earlier moment."), code="too_far")


def schedule(campaign: Campaign, *, by: User | None, at: dt.datetime | None = None) -> None:
    """Freeze the content and hand the campaign to the workers, now or at a moment.

    Raises:
        NotReadyError, ContentError: nothing has changed, the sentence says what to do.
        InvalidTransitionError: it is no longer a draft.
    """
    _check_moment(at)
    check_ready(campaign)
    content = freeze_content(campaign)
    with transaction.atomic():
        moved = Campaign.objects.filter(pk=campaign.pk, state=CampaignState.DRAFT).update(
            state=CampaignState.SCHEDULED,
            state_reason="",
            content=content,
            audience_list_ids=sorted(campaign.lists.values_list("pk", flat=True)),
            excluded_list_ids=sorted(campaign.excluded_lists.values_list("pk", flat=True)),
            message_domain=message_domain(campaign),
            scheduled_at=at or Now(),
            is_appointed=at is not None,
            archived_at=None,  # what is sent stands where people look
            moved_at=Now(),
        )
        if not moved:
            raise _refused(campaign, CampaignState.SCHEDULED)
        history.note(campaign.pk, "scheduled", by=by, at=at.isoformat() if at else None)
        if by is not None:
            moment = at.isoformat() if at else None
            audit.note("campaign_sent", workspace=campaign.workspace_id, by=by, target=campaign.name, at=moment)
        if at is None:
            jobs.ring(SEND_CAMPAIGN, campaign.pk)
    campaign.refresh_from_db()


def unschedule(campaign: Campaign, *, by: User | None) -> None:
    """Take a campaign that has not begun back to a draft."""
    _move(campaign, CampaignState.DRAFT, only_from=[CampaignState.SCHEDULED], by=by, kind="unscheduled")


def appoint(campaign: Campaign, *, by: User | None, at: dt.datetime | None = None) -> None:
    """Give a campaign that waits for its time another one; None sends it now.

    Raises:
        InvalidTransitionError: it does not wait (any more).
        NotReadyError: the moment is more than a hundred years away.
    """
    _check_moment(at)
    with transaction.atomic():
        moved = Campaign.objects.filter(pk=campaign.pk, state=CampaignState.SCHEDULED).update(
            scheduled_at=at or Now(), is_appointed=at is not None, rung_at=None, moved_at=Now()
        )
        if not moved:
            raise _refused(campaign, CampaignState.SCHEDULED)
        moment = at.isoformat() if at else None
        history.note(campaign.pk, "appointed", by=by, at=moment)
        if by is not None:
            audit.note("campaign_sent", workspace=campaign.workspace_id, by=by, target=campaign.name, at=moment)
        if at is None:
            jobs.ring(SEND_CAMPAIGN, campaign.pk)
    campaign.refresh_from_db()


def begin_preparing(campaign_id: int) -> bool:
    """Move a due campaign into preparation; return whether it is (now) being prepared.

    One that was appointed and is found long after its time stays where it is: nobody wants Friday's offer on Monday.
    """
    due = Campaign.objects.filter(pk=campaign_id, state=CampaignState.SCHEDULED, scheduled_at__lte=Now())
    due.exclude(is_appointed=True, scheduled_at__lt=Now() - _patience()).update(
        state=CampaignState.PREPARING, moved_at=Now(), started_at=Now()
    )
    return Campaign.objects.filter(pk=campaign_id, state=CampaignState.PREPARING).exists()


def begin_sending(campaign_id: int) -> bool:
    """Open the gate: from here on the workers may take its letters."""
    moved = Campaign.objects.filter(pk=campaign_id, state=CampaignState.PREPARING).update(
        state=CampaignState.SENDING, moved_at=Now()
    )
    if moved:
        history.note(campaign_id, "sending")
    return bool(moved)


def pause(campaign: Campaign, *, by: User | None, reason: str = "") -> None:
    """Close the gate at once: at most the letters already in hand still leave."""
    _move(campaign, CampaignState.PAUSED, by=by, kind="paused", reason=reason)


def resume(campaign: Campaign, *, by: User | None) -> None:
    """Open the gate again; rings that were consumed while it was closed are made anew.

    Raises:
        NotReadyError: its account is what it stands still for, and carries nothing yet.
    """
    restore_guard.refuse_while_frozen()
    _refuse_while_held(campaign)
    with transaction.atomic():
        _move(
            campaign,
            CampaignState.SENDING,
            only_from=[CampaignState.PAUSED, CampaignState.STALLED],
            by=by,
            kind="resumed",
        )
        Campaign.objects.filter(pk=campaign.pk).update(resets=0)
        forget_rings(campaign.pk)
        jobs.ring(SWEEP)


def _refuse_while_held(campaign: Campaign) -> None:
    held = Campaign.objects.filter(pk=campaign.pk, state=CampaignState.STALLED, state_reason="account")
    account = held.values_list("transport", flat=True).first()
    if account and breaker.is_troubled(account):
        raise NotReadyError(
            _("Its sending account carries nothing yet. Test the account or switch it on; then it goes on by itself."),
            code="account_held",
        )


def cancel(campaign: Campaign, *, by: User | None) -> None:
    """Close the gate for good; what was not begun is cancelled, what is in hand ends by itself."""
    with transaction.atomic():
        _move(campaign, CampaignState.CANCELLED, by=by, kind="cancelled")
        jobs.ring(SWEEP)


def pause_for(campaign_id: int, *, reason: str) -> bool:
    """Pause a campaign by itself, because nothing of it can get through until a person acts.

    One that stalled for its account, too: letters of it may be under way (`gates.GOES`), and it would go on by itself.
    """
    going = Q(state=CampaignState.SENDING) | Q(state=CampaignState.STALLED, state_reason=ACCOUNT)
    moved = Campaign.objects.filter(going, pk=campaign_id).update(
        state=CampaignState.PAUSED, state_reason=reason, held=stood(), moved_at=Now()
    )
    if moved:
        history.note(campaign_id, "paused", reason=reason)
    return bool(moved)


def finish(campaign_id: int) -> bool:
    """Close a campaign whose states add up to its audience and of which nothing is pending.

    A paused or stalled one with nothing pending closes too: there is nothing left that going on could do. After a
    restored backup it waits for an operator. The certificate is made in the same transaction; where a late result
    reopens a letter meanwhile, nothing has happened and the next sweep looks again.

    The row is locked before the letters are counted: a second try that is given at the same moment is then either
    seen by the count or finds the campaign finished and opens it again.
    """
    try:
        with transaction.atomic():
            return _close(campaign_id)
    except (certificates.AccountOpenError, IntegrityError):
        return False


def _close(campaign_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM campaigns_campaign WHERE id = %s FOR NO KEY UPDATE", [campaign_id])
        cursor.execute(
            f"""UPDATE campaigns_campaign k
               SET state = CASE WHEN k.state = 'cancelled' THEN k.state ELSE 'finished' END,
                   state_reason = CASE WHEN k.state = 'cancelled' THEN k.state_reason ELSE '' END,
                   finished_at = now(), held = {STOOD}, moved_at = now()
               WHERE k.id = %s AND k.state IN ('sending', 'paused', 'stalled', 'cancelled') AND k.finished_at IS NULL
                 AND NOT (k.state = 'paused' AND k.state_reason = 'restored') AND {THAWED}
                 AND NOT EXISTS (SELECT 1 FROM campaigns_delivery d WHERE d.campaign_id = k.id AND d.kind = 'campaign'
                                 AND d.state IN ('queued', 'leased', 'sending', 'committing'))
                 AND coalesce(k.audience_size, 0) = (SELECT count(*) FROM campaigns_delivery d
                                        WHERE d.campaign_id = k.id AND d.kind = 'campaign')""",  # noqa: S608 - a constant
            [campaign_id],
        )
        is_closed = bool(cursor.rowcount)
    if is_closed:
        history.note(campaign_id, "finished")
        certificates.issue(campaign_id)
    return is_closed


def reopen(campaign_id: int) -> bool:
    """Take back the close of a finished campaign, some letters of which wait again; it closes again when it adds up."""
    return bool(
        Campaign.objects.filter(pk=campaign_id, state=CampaignState.FINISHED).update(
            state=CampaignState.SENDING, state_reason="", finished_at=None, resets=0, moved_at=Now()
        )
    )


def wait_for_account(account: Transport) -> None:
    """Count the time an account was off for its campaigns that no sweep has called stalled meanwhile.

    Those that stand still count it when they go on. The move keeps one that stalls at this moment from counting twice.
    """
    Campaign.objects.filter(transport_id=account.pk, state=CampaignState.SENDING).update(held=stood(), moved_at=Now())


def forget_rings(campaign_id: int) -> None:
    """Let every waiting letter of a campaign, and every batch, be rung again."""
    waiting = Delivery.objects.filter(campaign_id=campaign_id, state=DeliveryState.QUEUED)
    waiting.filter(rung_at__isnull=False).update(rung_at=None)
    Batch.objects.filter(campaign_id=campaign_id).update(rung_at=None)


def _move(
    campaign: Campaign,
    target: CampaignState,
    *,
    by: User | None,
    kind: str,
    only_from: list[CampaignState] | None = None,
    reason: str = "",
) -> None:
    sources = only_from or sources_of(target)
    with transaction.atomic():
        moved = Campaign.objects.filter(pk=campaign.pk, state__in=sources).update(
            state=target, state_reason=reason, held=stood(), moved_at=Now()
        )
        if not moved:
            raise _refused(campaign, target)
        history.note(campaign.pk, kind, by=by, **({"reason": reason} if reason else {}))
        if by is not None:
            audit.note(f"campaign_{kind}", workspace=campaign.workspace_id, by=by, target=campaign.name)
    campaign.refresh_from_db()


def _refused(campaign: Campaign, target: CampaignState) -> InvalidTransitionError:
    current = Campaign.objects.values_list("state", flat=True).get(pk=campaign.pk)
    return InvalidTransitionError(
        _("“%(name)s” is %(current)s, so it cannot become %(target)s. Nothing has changed.")
        % {"name": campaign.name, "current": current, "target": target.value}
    )


def _patience() -> dt.timedelta:
    return dt.timedelta(seconds=settings.LIMITS.late)


def is_asking(campaign: Campaign) -> bool:
    """Return whether a campaign missed the time it was appointed for, and waits for a person to say what now."""
    return (
        campaign.state == CampaignState.SCHEDULED
        and campaign.is_appointed
        and campaign.scheduled_at is not None
        and campaign.scheduled_at < clock.now() - _patience()
    )


def is_late(campaign: Campaign) -> bool:
    """Return whether the chosen moment has passed."""
    return campaign.scheduled_at is not None and campaign.scheduled_at <= clock.now()
