"""What people set about themselves."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _

from apps.accounts.models import User
from core.errors import EspError


class UnknownLanguageError(EspError):
    """We do not speak it."""

    code = "unknown_language"


def change(user: User, *, name: str, language: str) -> None:
    """Write a person's name and language; an empty language follows the browser.

    Raises:
        UnknownLanguageError: nothing was written.
    """
    if language and language not in dict(settings.LANGUAGES):
        raise UnknownLanguageError(_("There is no such language."))
    user.name, user.language = " ".join(name.split())[:150], language
    user.save(update_fields=["name", "language"])
