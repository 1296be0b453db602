"""Queues one personalised letter for each recipient in django-post_office, then times how it sends its queue.

Runs in an environment of its own: post_office.py HOST PORT LETTER.json RECIPIENTS.json DATABASE_URL
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import django
from django.conf import settings

_SLOT = re.compile(r"@@(\w+)@@")
_CHUNK = 500


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    host = unquote(parts.hostname or parse_qs(parts.query).get("host", [""])[0])
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": parts.port or "",
        "OPTIONS": {"options": "-c search_path=post_office"},
    }


def _set_up(host: str, port: str, database_url: str) -> None:
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={"default": _database(database_url)},
        POST_OFFICE={"BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"}, "BATCH_SIZE": 5000},
        EMAIL_HOST=host,
        EMAIL_PORT=int(port),
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS post_office CASCADE")
        cursor.execute("CREATE SCHEMA post_office")
    call_command("migrate", verbosity=0)


def _queue(letter: dict[str, object], recipients: list[dict[str, object]]) -> None:
    from post_office import mail

    def filled(text: object, values: dict[str, str]) -> str:
        return _SLOT.sub(lambda found: values[found[1]], str(text))

    for start in range(0, len(recipients), _CHUNK):
        several = []
        for one in recipients[start : start + _CHUNK]:
            token = str(one["number"]).zfill(int(str(letter["token_length"])))
            values = {"first_name": str(one["first_name"]), "token": token}
            headers = letter["headers"]
            assert isinstance(headers, dict)
            several.append(
                {
                    "sender": letter["from"],
                    "recipients": [one["email"]],
                    "subject": filled(letter["subject"], values),
                    "message": filled(letter["text"], values),
                    "html_message": filled(letter["html"], values),
                    "headers": {name: filled(value, values) for name, value in headers.items()},
                }
            )
        mail.send_many(several)


def main() -> None:
    """Queue, send, and print one line of JSON."""
    host, port, letter_file, recipients_file, database_url = sys.argv[1:]
    _set_up(host, port, database_url)
    from post_office import mail
    from post_office.models import STATUS, Email

    _queue(json.loads(Path(letter_file).read_text()), json.loads(Path(recipients_file).read_text()))
    begun = time.monotonic()
    mail.send_queued_mail_until_done(processes=1, log_level=0)
    seconds = time.monotonic() - begun
    sent, failed = (Email.objects.filter(status=status).count() for status in (STATUS.sent, STATUS.failed))
    print(json.dumps({"sent": sent, "failed": failed, "seconds": seconds}))


if __name__ == "__main__":
    main()
