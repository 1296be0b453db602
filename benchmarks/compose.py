"""Prints what one letter costs: rendering, signed links, MIME and the wire assertions, in µs of CPU per letter.

Beside it in the same run: the same letter built piece by piece, and as an e-mail object of the standard library.

Run: .venv/bin/python -m benchmarks.compose [--letters N] [--links N] [--runs N]
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.development")
django.setup()

from apps.campaigns.rendering import Frozen, Letter, compose, freeze, sample_source  # noqa: E402  after Django is set up
from benchmarks import plain_builder  # noqa: E402
from core import tokens  # noqa: E402

BASE = "https://mail.example.com"
SAMPLE_LINKS = 7
Seal = Callable[[str, int, range], list[str]]


def letter(number: int, seal_each: Seal = tokens.seal_each) -> Letter:
    """Return the letter of one delivery."""

    def one(purpose: str) -> str:
        return seal_each(purpose, number, range(1))[0]

    return Letter(
        message_id=f"<{number}@example.com>",
        mail_from=tokens.return_path(number, "bounce.example.com"),
        to_email=f"user{number}@example.net",
        to_name="Ann Lee",
        fields={"email": f"user{number}@example.net", "first_name": "Ann", "last_name": "Lee", "city": "Oslo"},
        click_urls=lambda links: [f"{BASE}/c/{token}" for token in seal_each("click", number, range(links))],
        open_url=f"{BASE}/o/{one('open')}.gif",
        unsubscribe_url=f"{BASE}/u/{one('unsubscribe')}",
        view_url=f"{BASE}/v/{one('view')}",
        preferences_url=f"{BASE}/p/{one('unsubscribe')}",
        list_id="news.example.com",
        list_name="News",
        feedback_id="1:2:campaign:vashsender",
        date=dt.datetime.now(dt.UTC),
    )


def _seal_plainly(purpose: str, delivery_id: int, parts: range) -> list[str]:
    return [plain_builder.sealed(purpose, delivery_id, part) for part in parts]


def version(links: int) -> Frozen:
    """Return the sample letter, with more counted links where more are wanted."""
    source = sample_source()
    more = "".join(
        f'<p><a href="https://example.com/more/{number}?utm_source=letter">More for {{{{ first_name }}}}</a></p>'
        for number in range(links - SAMPLE_LINKS)
    )
    return freeze(replace(source, html=source.html.replace("</body>", f"{more}</body>")))


def ways(frozen: Frozen) -> dict[str, Callable[[int], object]]:
    """Return the builders that are compared."""
    return {
        "ours": lambda number: compose(frozen, letter(number)),
        "piece by piece": lambda number: plain_builder.compose(frozen, letter(number, _seal_plainly)),
        "EmailMessage, without signed links": lambda number: plain_builder.with_email_message(frozen, letter(number)),
    }


def main() -> None:
    """Measure the builders in turns and print the medians and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--letters", type=int, default=1_000, help="letters of one turn (1000)")
    parser.add_argument("--links", type=int, default=17, help="counted links in the letter (17)")
    parser.add_argument("--runs", type=int, default=5, help="turns of each builder (5)")
    options = parser.parse_args()
    frozen = version(options.links)
    print(f"{len(compose(frozen, letter(0)).data)} bytes, {len(frozen.links)} counted links, µs of CPU per letter\n")
    costs: dict[str, list[float]] = {name: [] for name in ways(frozen)}
    for _run in range(options.runs):
        for name, build in ways(frozen).items():
            letters = options.letters if name == "ours" else max(1, options.letters // 4)
            start = time.process_time()
            for number in range(letters):
                build(number)
            costs[name].append((time.process_time() - start) / letters * 1e6)
    ours = statistics.median(costs["ours"])
    print("| builder | µs | times ours |\n|---|---|---|")
    for name, each in costs.items():
        print(f"| {name} | {statistics.median(each):.0f} | {statistics.median(each) / ours:.1f} |")


if __name__ == "__main__":
    main()
