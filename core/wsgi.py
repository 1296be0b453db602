"""The web server's entry point."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from settings.env import default_settings_module

os.environ.setdefault("DJANGO_SETTINGS_MODULE", default_settings_module())

_django = get_wsgi_application()

from core import database, patience  # noqa: E402 - they need Django's settings


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request over a database connection that is still one, and without waiting for ever."""
    is_reading = environ.get("REQUEST_METHOD") in ("GET", "HEAD")
    with patience.at_most(patience.READING_SECONDS if is_reading else patience.WRITING_SECONDS):
        database.replace_unfit()
        return _django(environ, start_response)
