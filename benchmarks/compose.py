"""Prints what one letter costs: rendering, signed links, MIME and the wire assertions, in µs of CPU per letter.

Run: .venv/bin/python -m benchmarks.compose [LETTERS]
"""

from __future__ import annotations

import datetime as dt
import os
import statistics
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.development")
django.setup()

from apps.campaigns.rendering import Letter, compose, freeze, sample_source  # noqa: E402  after Django is set up
from core import tokens  # noqa: E402

BASE = "https://mail.example.com"


def letter(number: int) -> Letter:
    """Return the letter of one delivery."""
    return Letter(
        message_id=f"<{number}@example.com>",
        mail_from=tokens.return_path(number, "bounce.example.com"),
        to_email=f"user{number}@example.net",
        to_name="Ann Lee",
        fields={"email": f"user{number}@example.net", "first_name": "Ann", "last_name": "Lee", "city": "Oslo"},
        click_urls=lambda link: f"{BASE}/c/{tokens.seal('click', number, link)}",
        open_url=f"{BASE}/o/{tokens.seal('open', number)}.gif",
        unsubscribe_url=f"{BASE}/u/{tokens.seal('unsubscribe', number)}",
        view_url=f"{BASE}/v/{tokens.seal('view', number)}",
        preferences_url=f"{BASE}/p/{tokens.seal('unsubscribe', number)}",
        list_id="news.example.com",
        list_name="News",
        feedback_id="1:2:campaign:vashsender",
        date=dt.datetime.now(dt.UTC),
    )


def main() -> None:
    """Measure three rounds and print their median."""
    letters = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    frozen = freeze(sample_source())
    size_bytes = len(compose(frozen, letter(0)).data)
    rounds = []
    for _round in range(3):
        start = time.process_time()
        for number in range(letters):
            compose(frozen, letter(number))
        rounds.append((time.process_time() - start) / letters * 1e6)
    print(f"{size_bytes} bytes, {len(frozen.links)} counted links: {statistics.median(rounds):.0f} µs CPU per letter")


if __name__ == "__main__":
    main()
