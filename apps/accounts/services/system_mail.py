"""The product's own letters: sent now and told, or sent behind an answer that must not depend on them."""

from __future__ import annotations

import logging
import threading

from django.core.mail import EmailMessage

from core.errors import EspError

log = logging.getLogger(__name__)


def post(letter: EmailMessage) -> bool:
    """Send a letter and return whether it was taken; the reason why not is logged, without the address."""
    try:
        letter.send()
    except EspError as error:
        log.warning("A letter of our own was not sent: %s", error.code)
        return False
    return True


def post_later(letter: EmailMessage) -> None:
    """Send a letter while the answer is on its way already; it must be complete, as no request stands behind it."""
    threading.Thread(target=post, args=[letter], name="system-mail", daemon=True).start()
