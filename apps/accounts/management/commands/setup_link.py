"""Prints a one-time link with which the first owner sets the instance up."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from apps.accounts.services import setup


class Command(BaseCommand):
    """Make a set-up link, unless somebody owns the instance."""

    help = "Print a new set-up link for the first owner; it works once, for an hour."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the link, or say that there is an owner."""
        try:
            link = setup.create_link()
        except setup.AlreadySetUpError as error:
            self.stdout.write(error.message)
            return
        self.stdout.write(_("Open this link within an hour to choose your email and password. It works once:"))
        self.stdout.write(link)
