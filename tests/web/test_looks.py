"""Every colour a workspace may choose is readable by day and by night, recomputed from the stylesheet that ships."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

from apps.accounts.services import look
from tests.web.test_tokens import TEXT, contrast, tokens

PAIRS = [
    ("accent", "surface"),
    ("accent", "canvas"),
    ("accent-hover", "surface"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
    ("ink", "accent-soft"),
]


def drawn(colour: str) -> dict[str, dict[str, str]]:
    css = (settings.BASE_DIR / "frontend/src/css/looks.css").read_text(encoding="utf-8")
    (block,) = re.findall(rf':root\[data-look="{colour}"\] {{(.*?)\n}}', css, re.DOTALL)
    day, night = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part)) for part in block.split("@variant night"))
    assert day.keys() == night.keys() == {"accent", "accent-hover", "accent-soft", "on-accent"}
    return {"light": {**tokens("light"), **day}, "dark": {**tokens("dark"), **night}}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("colour", [name for name in look.COLOURS if name != "pine"])
def test_contrast_is_enough(colour: str, theme: str) -> None:
    palette = drawn(colour)[theme]

    assert {pair: contrast(palette[pair[0]], palette[pair[1]]) >= TEXT for pair in PAIRS} == dict.fromkeys(PAIRS, True)


def test_every_colour_has_its_dot() -> None:
    css = (settings.BASE_DIR / "frontend/src/css/looks.css").read_text(encoding="utf-8")

    assert set(re.findall(r"\.look-dot\.(\w+)", css)) == set(look.COLOURS)
