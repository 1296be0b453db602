"""`manage.py account CAMPAIGN`: where every letter of a campaign stands, and whether it adds up."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.campaigns import reasons, selectors
from apps.campaigns.models import Campaign, Certificate
from apps.campaigns.selectors import PARTS, Account
from apps.campaigns.services import certificates, lookups
from core.errors import EspError

WRONG = 1
NO_SUCH_CAMPAIGN = 2


class Command(BaseCommand):
    """The exit status is 0 where it adds up (open or closed), 1 where it does not, 2 without such a campaign."""

    help = "Print a campaign's account: every letter by state and reason, and whether the states make the audience."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the campaign and the form of the answer."""
        parser.add_argument("campaign", metavar="CAMPAIGN", help="its number, as in its page's address, or its uuid")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of sentences")
        parser.add_argument(
            "--certificate", action="store_true", help="print the kept certificate too, compared row by row"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the account."""
        try:
            campaign = lookups.campaign(options["campaign"])
        except EspError as error:
            raise CommandError(error.message, returncode=NO_SUCH_CAMPAIGN) from error
        account = selectors.account(campaign)
        kept = Certificate.objects.filter(campaign=campaign).order_by("-number").first()
        found = certificates.compare(kept) if kept and options["certificate"] else None
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(campaign, account, kept if found else None, found)))
        else:
            self._print(campaign, account)
            if options["certificate"]:
                self._print_certificate(kept, found)
        if not account.adds_up:
            raise CommandError(_missing(account), returncode=WRONG)
        if found and not found.is_same:
            raise CommandError(
                f"The certificate does not agree with the deliveries: {found.differing} differ.", returncode=WRONG
            )

    def _print(self, campaign: Campaign, account: Account) -> None:
        parts = " + ".join(f"{getattr(account, part)} {part}" for part in PARTS)
        self.stdout.write(f"Campaign {campaign.pk} “{campaign.name}”: {campaign.state}")
        self.stdout.write(f"audience {account.total} = {parts}")
        for part, state, reason, letters in selectors.ends(campaign):
            code = f"{state} {reason}" if reason else state
            self.stdout.write(f"  {letters:>9} {part}: {reasons.phrase(state, reason)} ({code})")
        if account.adds_up:
            self.stdout.write(_verdict(campaign, account))

    def _print_certificate(self, kept: Certificate | None, found: certificates.Comparison | None) -> None:
        if kept is None or found is None:
            self.stdout.write("There is no certificate yet: it is made when the campaign closes.")
            return
        self.stdout.write(json.dumps(kept.document, indent=2, ensure_ascii=False))
        for difference in found.differences:
            then, now = difference["then"] or "none", difference["now"] or "none"
            self.stdout.write(f"  letter {difference['delivery']}: {then} became {now}")
        if found.is_same:
            self.stdout.write(
                f"Recomputed row by row: the same result; {found.amended} closed otherwise later, on record."
            )


def _verdict(campaign: Campaign, account: Account) -> str:
    if account.is_closed and campaign.finished_at:
        return "Closed: every letter has its end, and the states add up to the audience."
    if campaign.audience_size is None:
        return "Still open: the audience is not frozen yet, so there is nothing to count."
    return f"Still open: {account.pending} of {account.total} have no end yet; so far it adds up."


def _missing(account: Account) -> str:
    counted = account.settled + account.pending
    gap = account.total - counted
    what = f"{gap} are missing" if gap > 0 else f"{-gap} are too many"
    return f"This account does not add up: audience {account.total}, letters {counted}, so {what}."


def _as_json(
    campaign: Campaign, account: Account, kept: Certificate | None, found: certificates.Comparison | None
) -> dict[str, Any]:
    return {
        "campaign": campaign.pk,
        "uuid": str(campaign.uuid),
        "name": campaign.name,
        "state": campaign.state,
        "is_open": campaign.finished_at is None,
        "audience": account.total,
        **{part: getattr(account, part) for part in PARTS},
        "in_hand": account.in_hand,
        "adds_up": account.adds_up,
        "counts": [
            {"state": state, "reason": reason, "letters": letters}
            for _part, state, reason, letters in selectors.ends(campaign)
        ],
        "certificate": kept.document if kept else None,
        "recount": {"is_same": found.is_same, "amended": found.amended, "differences": found.differences}
        if found
        else None,
    }
