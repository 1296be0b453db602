"""`manage.py why CAMPAIGN ADDRESS`: did this person get it, and what decided so, in plain words."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.campaigns import trail
from apps.campaigns.services import lookups
from apps.campaigns.trail import Step, Trail
from core.addresses import InvalidAddressError
from core.errors import EspError

NO_SUCH_CAMPAIGN = 2


class Command(BaseCommand):
    """The exit status is 0 when there is an answer, also where it is no; 2 without such a campaign."""

    help = "Say whether a person got a campaign and what decided so: lists, exclusions, suppression, tries, replies."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the campaign and the person."""
        parser.add_argument("campaign", metavar="CAMPAIGN", help="its number, as in its page's address, or its uuid")
        parser.add_argument("address", metavar="ADDRESS", help="the person's e-mail address")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of sentences")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the trail."""
        try:
            campaign = lookups.campaign(options["campaign"])
            asked = trail.ask_address(campaign, options["address"])
        except InvalidAddressError as error:
            raise CommandError(error.message) from error
        except EspError as error:
            raise CommandError(error.message, returncode=NO_SUCH_CAMPAIGN) from error
        told = trail.tell(asked)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(told), ensure_ascii=False))
            return
        self.stdout.write(f"{campaign.name}: {asked.name}")
        self.stdout.write(f"{told.verdict.answer} {told.sentence}")
        for step in told.steps:
            self._print(step)

    def _print(self, step: Step) -> None:
        when = timezone.localtime(step.at).strftime("%Y-%m-%d %H:%M:%S %Z") if step.at else "-"
        mark = "  (expected) " if step.is_expected else "  "
        self.stdout.write(f"{mark}{when}  {step.what}")
        for line in (step.how, step.reply):
            if line:
                self.stdout.write(f"      {line}")


def _as_json(told: Trail) -> dict[str, Any]:
    return {
        "answer": str(told.verdict.answer),
        "sentence": told.sentence,
        "steps": [
            {
                "at": step.at.isoformat() if step.at else None,
                "what": step.what,
                "how": step.how,
                "reply": step.reply,
                "is_expected": step.is_expected,
            }
            for step in told.steps
        ],
    }
