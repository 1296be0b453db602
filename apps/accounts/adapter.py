"""How allauth behaves here: nobody signs up by themselves, and links never follow the Host header."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.accounts.services import setup, system_mail


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Sign-in and passwords for people who were invited or set the instance up."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _("Email and password do not match."),
        "too_many_login_attempts": _("Too many tries. Wait five minutes, or get a link by email."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: accounts come from the set-up link and from invitations only."""
        return False

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the reset link at our public address: a forged Host header must not get a token sent elsewhere."""
        uidb36, _dash, token = key.partition("-")
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": uidb36, "key": token})
        return f"{settings.PUBLIC_URL or setup.LOCAL_URL}{path}"

    def format_email_subject(self, subject: str) -> str:
        """Return the subject as it stands; our templates name the product."""
        return subject

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a letter behind the answer's back: neither its failure nor its time tells whether an account exists."""
        letter = self.render_mail(template_prefix, email, {"email": email, **context})
        if template_prefix != "account/email/unknown_account":  # a stranger gets no letter, only the same answer
            system_mail.post_later(letter)
