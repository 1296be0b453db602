"""Carries the product's own letters (password resets) into the local inbox, where instance admins read them."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.translation import gettext as _

from apps.smtp.inbox import credentials
from core.errors import EspError


class SystemMailError(EspError):
    """The product cannot send its own mail now."""

    code = "system_mail"
    status = 503


class SystemMailBackend(BaseEmailBackend):
    """Django's e-mail backend of this product."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Hand the messages to the local inbox's SMTP server and return how many it took.

        Raises:
            SystemMailError: there is no local inbox, or it does not answer; not when `fail_silently`.
        """
        try:
            return self._deliver([message for message in email_messages if message.recipients()])
        except SystemMailError:
            if self.fail_silently:
                return 0
            raise

    def _deliver(self, messages: Sequence[EmailMessage]) -> int:
        if not messages:
            return 0
        if settings.INBOX_ADDRESS is None:
            raise SystemMailError(
                _("There is no local inbox for our own emails. An admin can run manage.py changepassword instead.")
            )
        host, port = settings.INBOX_ADDRESS
        try:
            with smtplib.SMTP(host, port, timeout=settings.EMAIL_TIMEOUT) as line:
                line.login(credentials.SYSTEM, credentials.inbox_password(credentials.SYSTEM))
                for message in messages:
                    wire = message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]  # Django's own argument
                    line.sendmail(message.from_email, message.recipients(), wire)
        except (OSError, smtplib.SMTPException) as error:
            raise SystemMailError(
                _("The local inbox does not answer, so this email was not sent. Try again in a minute.")
            ) from error
        return len(messages)
