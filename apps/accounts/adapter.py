"""How allauth behaves here: nobody signs up by themselves."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Sign-in and passwords for people who were invited or set the instance up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: accounts come from the set-up link and from invitations only."""
        return False
