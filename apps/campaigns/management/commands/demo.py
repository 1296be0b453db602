"""`manage.py demo N`: sends a real campaign to the local inbox and checks by the inbox that everybody got it once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.campaigns.services import demonstration
from core.errors import EspError

LIMIT = 200_000


class Command(BaseCommand):
    """Prints the account; the exit status is 0 only if all of it holds."""

    help = "Import N made-up contacts, send them a campaign into the local inbox, and account for every letter."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the number of contacts."""
        parser.add_argument("contacts", type=int, metavar="N", help=f"how many contacts, 1 to {LIMIT}")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the demonstration."""
        count = options["contacts"]
        if not 1 <= count <= LIMIT:
            raise CommandError(f"Give a number of contacts from 1 to {LIMIT}.")
        try:
            report = self._run(count)
        except EspError as error:
            raise CommandError(error.message) from error
        self._print(report)
        if not report.holds:
            raise CommandError("The account does not hold: see the lines above.")

    def _run(self, count: int) -> demonstration.Report:
        owner, password = demonstration.ensure_owner()
        if password:
            self.stdout.write(f"Made the owner {owner.email} with the password {password} (shown only now).")
        run = demonstration.run_name()
        workspace = demonstration.ensure_workspace(owner)
        job = demonstration.import_contacts(workspace, count=count, run=run, by=owner, say=self._say)
        campaign = demonstration.make_campaign(workspace, job, run=run, by=owner)
        return demonstration.send(campaign, by=owner, say=self._say)

    def _say(self, news: str) -> None:
        self.stdout.write(f"  {news}")
        self.stdout.flush()

    def _print(self, report: demonstration.Report) -> None:
        account, verdict = report.account, report.verdict
        self.stdout.write(
            f"audience {account.total} = sent {account.sent} + failed {account.failed} + skipped {account.skipped} "
            f"+ unconfirmed {account.unconfirmed}{'' if account.is_closed else f' + pending {account.pending}'}"
        )
        self.stdout.write(f"{report.seconds:.1f} seconds, {report.letters_per_second:.0f} letters/s")
        self.stdout.write(
            f"inbox: {verdict.exactly_once} of {verdict.recipients} recipients have exactly one letter with their "
            f"delivery's Message-ID; missing {verdict.missing}, doubled {verdict.doubled}, foreign {verdict.foreign}"
        )
