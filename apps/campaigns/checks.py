"""What `health_check` looks at in the campaigns app: stuck campaigns, and letters held too long."""

from __future__ import annotations

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.campaigns.epochs import Reason
from apps.campaigns.services import restore_guard, stuck
from core import remedies
from core.health import Context, Result, Status, register, register_progress


@register("stuck", gettext_lazy("Stuck campaigns"))
def check_stuck(context: Context) -> Result:
    """Find campaigns that could move and do not; with --fix set them going again."""
    found = stuck.find(context.stuck_after)
    if not found:
        return Result(Status.OK, _("No campaign is stuck."))
    names = ", ".join(f"“{one.name}” ({one.reason}, {int(one.quiet_for.total_seconds() // 60)} min)" for one in found)
    if not context.fix:
        return Result(
            Status.CRITICAL,
            ngettext("%(count)d campaign is stuck: %(names)s.", "%(count)d campaigns are stuck: %(names)s.", len(found))
            % {"count": len(found), "names": names},
            _("Run manage.py health_check --fix to set them going again."),
        )
    going = sum(stuck.reset(one) for one in found)
    return Result(
        Status.WARNING,
        _("Reset %(going)d of %(count)d: %(names)s.") % {"going": going, "count": len(found), "names": names},
        _("What was not reset is stalled after three resets: check its sending account, then resume it."),
    )


@register("accounts_open", gettext_lazy("Campaigns add up"))
def check_open_accounts(context: Context) -> Result:
    """Find campaigns that can never close because their letters do not make their audience."""
    found = stuck.open_accounts()
    if not found:
        return Result(Status.OK, _("No campaign waits for letters that are not there."))
    names = ", ".join(f"“{one.name}” ({one.letters} / {one.audience})" for one in found)
    return Result(
        Status.CRITICAL,
        _("Campaigns cannot close, their letters do not make their audience: %(names)s.") % {"names": names},
        _("Rows were changed beside the product. See manage.py account %(id)d, and compare with a backup.")
        % {"id": found[0].campaign_id},
    )


@register("deliveries", gettext_lazy("Letters in hand"))
def check_deliveries(context: Context) -> Result:
    """See that no letter is held beyond its lease or its deadline; the sweep should have taken it back."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT (SELECT count(*) FROM campaigns_delivery
                       WHERE state IN ('leased', 'sending') AND lease_until < now() - interval '1 minute'),
                      (SELECT count(*) FROM campaigns_delivery
                       WHERE state = 'committing' AND attempt_deadline < now() - interval '1 minute')"""
        )
        leases, markers = cursor.fetchone()
    if leases or markers:
        return Result(
            Status.CRITICAL,
            _("%(leases)d letters are past their lease and %(markers)d past their deadline.")
            % {"leases": leases, "markers": markers},
            _("The sweep does not run: start beat and a worker for the queue “default”."),
        )
    return Result(Status.OK, _("Every letter in hand has a living holder."))


FOUND = {
    Reason.RESTORED: gettext_lazy("its tables were made anew"),
    Reason.BEHIND: gettext_lazy("it knows less than the copy outside of it"),
    Reason.TAKEN_OVER: gettext_lazy("another server took over"),
    Reason.COPIED: gettext_lazy("the data folder is a copy"),
    Reason.UNKNOWN: gettext_lazy("there is no copy outside of it, and it was silent for long"),
}


@register("restore", gettext_lazy("Restored database"))
def check_restore(context: Context) -> Result:
    """See whether this is the database we knew; after a restore nothing is sent until somebody confirms it."""
    frozen = restore_guard.state()
    reason = frozen.reason if frozen else restore_guard.finding()
    if reason is None:
        return Result(Status.OK, _("This is the database we knew."))
    return Result(
        Status.CRITICAL,
        _("Nothing is sent: the database was restored or replaced (%(why)s).") % {"why": FOUND[reason]},
        _("Look at what was found and confirm it: %(command)s") % {"command": remedies.confirm_restore()},
    )


@register_progress("email")
def last_settled() -> float | None:
    """Return how many seconds ago a letter of a sending campaign was settled."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT extract(epoch FROM now() - max(d.moved_at))
               FROM campaigns_delivery d JOIN campaigns_campaign k ON k.id = d.campaign_id
               WHERE k.state = 'sending' AND d.kind = 'campaign' AND d.attempts > 0"""
        )
        (age,) = cursor.fetchone()
    return None if age is None else float(age)


@register_progress("campaigns")
def last_prepared() -> float | None:
    """Return how many seconds ago a campaign that is being prepared made a slice."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM now() - max(moved_at)) FROM campaigns_campaign WHERE state = 'preparing'"
        )
        (age,) = cursor.fetchone()
    return None if age is None else float(age)
