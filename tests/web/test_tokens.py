"""The contrast of every pair of tokens, recomputed from the stylesheet that ships (WCAG 2.2, relative luminance)."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

TEXT, SHAPE = 4.5, 3.0
ON_GROUNDS = ["ink", "ink-2", "ink-3"]
GROUNDS = ["canvas", "surface", "sunken"]
STATES = ["sent", "waiting", "failed", "skipped", "unconfirmed"]


def tokens(name: str) -> dict[str, str]:
    css = (settings.BASE_DIR / "frontend/src/css/tokens.css").read_text(encoding="utf-8")
    day, night = css[: css.index("@theme")].split("@variant night")
    source = {"light": day, "dark": night}[name]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", source))


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


PAIRS = [
    *[(text, ground, TEXT) for text in ON_GROUNDS for ground in GROUNDS],
    *[(f"{state}-t", f"{state}-s", TEXT) for state in STATES],
    *[(f"{state}-t", ground, TEXT) for state in STATES for ground in ["surface", "canvas"]],
    *[("ink", f"{state}-s", TEXT) for state in STATES],
    ("queued-t", "surface", TEXT),
    ("accent", "surface", TEXT),
    ("accent", "canvas", TEXT),
    ("accent-hover", "surface", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-hover", TEXT),
    ("ink", "accent-soft", TEXT),
    ("surface", "failed-t", TEXT),
    ("canvas", "ink", TEXT),
    ("cmd-ink", "cmd", TEXT),
    ("line-2", "surface", SHAPE),
    ("line-2", "canvas", SHAPE),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "ground", "least"), PAIRS)
def test_contrast_is_enough(theme: str, front: str, ground: str, least: float) -> None:
    palette = tokens(theme)

    assert contrast(palette[front], palette[ground]) >= least


def test_both_themes_name_the_same_tokens() -> None:
    assert tokens("light").keys() - tokens("dark").keys() == set()
    # Nothing but the outline of a command is see-through by day.
    assert tokens("dark").keys() - tokens("light").keys() == {"cmd-line"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_lowest_text_pair_is_the_one_the_design_names(theme: str) -> None:
    palette = tokens(theme)
    text = [contrast(palette[front], palette[ground]) for front, ground, least in PAIRS if least == TEXT]

    assert min(text) >= 4.8
