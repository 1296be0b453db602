"""What `health_check` looks at in the smtp app: whether the sending accounts would carry an email now; sends none."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.smtp.config import TransportConfig
from apps.smtp.models import Throttle, Transport
from apps.smtp.services import configs, probes, signing_keys
from apps.smtp.services.probe import Probe
from core.errors import EspError
from core.health import Context, Result, Status, register

_MOST = 20
_AT_ONCE = 8
_ANSWER_SECONDS = 12.0


@register("accounts", gettext_lazy("Sending accounts"), patience_seconds=18.0)
def check_accounts(context: Context) -> Result:
    """Connect, encrypt, sign in and say goodbye to every SMTP account; providers are judged by their last emails."""
    found = Transport.objects.filter(is_active=True).order_by("pk")
    if context.account_id is not None:
        found = found.filter(pk=context.account_id)
    accounts = list(found[:_MOST])
    if not accounts:
        return Result(Status.OK, _("No sending account is switched on."))
    broken = {**_stopped(accounts), **_unreachable(accounts)}
    if not broken:
        words = ngettext(
            "%(count)d account would carry an email now.", "%(count)d accounts would carry an email now.", len(accounts)
        )
        return Result(Status.OK, words % {"count": len(accounts)})
    lines = [f"{account.name} ({account.pk}): {broken[account.pk]}" for account in accounts if account.pk in broken]
    # While another one works, only some letters wait.
    status = Status.CRITICAL if len(broken) == len(accounts) else Status.WARNING
    hint = _("Emails of these accounts wait and none failed. Correct the account on its page, and test it there.")
    return Result(status, " ".join(lines), hint)


@register("signing_keys", gettext_lazy("Signing keys"))
def check_signing_keys(_context: Context) -> Result:
    """Name the keys that sign although their record was not found at the last look; asks no name server."""
    found = [f"{key.domain} ({key.selector})" for key in signing_keys.unpublished()[:_MOST]]
    if not found:
        return Result(Status.OK, _("The records of all keys that sign were found."))
    words = ngettext(
        "A key signs and its record was not found: %(keys)s.",
        "%(count)d keys sign and their records were not found: %(keys)s.",
        len(found),
    )
    hint = _("Receivers take these emails for unsigned ones. Publish the record, then look for it on the key's page.")
    return Result(Status.WARNING, words % {"count": len(found), "keys": ", ".join(found)}, hint)


def _stopped(accounts: list[Transport]) -> dict[int, str]:
    troubled = Throttle.objects.filter(transport__in=accounts, trouble_since__isnull=False, closed_until__isnull=False)
    return {
        one.transport_id: ngettext("stopped after %(n)d failure.", "stopped after %(n)d failures.", one.failures)
        % {"n": one.failures}
        for one in troubled
    }


def _unreachable(accounts: list[Transport]) -> dict[int, str]:
    """Return what is wrong with each account that cannot be reached; all are tried side by side."""
    broken: dict[int, str] = {}
    asked: dict[Future[Probe], int] = {}
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="health-account")
    try:
        for account in accounts:
            try:
                config: TransportConfig = configs.read(account)
            except EspError as error:
                broken[account.pk] = error.message
                continue
            if config.kind != "provider":
                asked[pool.submit(probes.connect, config)] = account.pk
        connection.close()  # nothing of the database is needed while servers are waited for
        done, silent = wait(asked, timeout=_ANSWER_SECONDS)
        broken |= {asked[one]: _("no answer in time.") for one in silent}
        broken |= {asked[one]: one.result().words for one in done if not one.result().is_good}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return broken
