"""`manage.py retry_failed CAMPAIGN`: gives the failed letters of a campaign, or its unconfirmed ones, a second try."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.campaigns.models import Campaign
from apps.campaigns.services import second_tries
from core.errors import EspError


class Command(BaseCommand):
    """Prints how many went back to the queue, and who was left out and why."""

    help = "Try the failed emails of a campaign again, all or a class, or send its unconfirmed ones again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the campaign and which letters."""
        parser.add_argument("campaign", type=int, metavar="CAMPAIGN", help="the campaign's number")
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--class",
            dest="classes",
            action="append",
            choices=sorted(second_tries.CLASSES),
            metavar="CLASS",
            help=f"only emails that failed for this; can be repeated: {', '.join(sorted(second_tries.CLASSES))}",
        )
        which.add_argument(
            "--unconfirmed",
            action="store_true",
            help="send the unconfirmed emails again instead: nearly all of them have arrived, so people get it twice",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Put them back."""
        campaign = Campaign.objects.filter(pk=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['campaign']}.")
        before = second_tries.countable(campaign)
        try:
            if options["unconfirmed"]:
                letters = second_tries.resend_unconfirmed(campaign, by=None)
                left_out = before.unconfirmed_left_out
            else:
                letters = second_tries.retry_failed(campaign, by=None, classes=options["classes"])
                left_out = before.failed_left_out
        except EspError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{letters} back in the queue of campaign {campaign.pk}, which is {campaign.state}")
        for reason, count in sorted(left_out.items()):
            self.stdout.write(f"left out: {count} {reason}")
