"""Every template of every app: nothing inline, nothing from another host, only icons that exist, all of it compiles."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import get_template

ROOT: Path = settings.BASE_DIR
TEMPLATES = sorted((ROOT / "apps").glob("*/templates/**/*.html"))
NAMES = [str(path.relative_to(ROOT / "apps")) for path in TEMPLATES]

# Shown within a letter's sandbox, whose own policy allows styles and nothing else.
SANDBOXED = {"preview_error.html"}


@pytest.fixture(scope="module")
def icon_names() -> set[str]:
    return set(json.loads((ROOT / "frontend/dist/icons.json").read_text(encoding="utf-8")))


def test_there_are_templates() -> None:
    assert len(TEMPLATES) > 30


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_nothing_is_inline_and_nothing_foreign(path: Path) -> None:
    html = path.read_text(encoding="utf-8")

    assert path.name in SANDBOXED or not re.search(r"<style\b|\sstyle\s*=", html), "inline style"
    assert not re.search(r"<script\b", html), "script: the base template brings the only one"
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']|\shx-on|javascript:|hx-vals\s*=\s*[\"']js:", html), "inline handler"
    assert not re.search(r"(?:src|href|action|srcset|hx-[a-z]+)\s*=\s*[\"'](?:https?:)?//", html), "foreign host"


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_it_names_only_icons_that_exist(path: Path, icon_names: set[str]) -> None:
    used = set(re.findall(r"{% icon [\"']([\w-]+)[\"']", path.read_text(encoding="utf-8")))

    assert used - icon_names == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_it_compiles(path: Path) -> None:
    name = path.relative_to(next(parent for parent in path.parents if parent.name == "templates"))

    assert get_template(str(name)) is not None


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_a_post_form_carries_its_token(path: Path) -> None:
    html = path.read_text(encoding="utf-8")
    # Recipients have no session to protect, and one-click posts carry nothing.
    forms = (
        [] if '{% extends "public.html" %}' in html else re.findall(r'<form\b[^>]*method="post".*?</form>', html, re.S)
    )
    for form in forms:
        assert "{% csrf_token %}" in form


@pytest.mark.parametrize("path", sorted((ROOT / "frontend/src").rglob("*.*")), ids=lambda path: path.name)
def test_the_front_end_asks_no_other_host(path: Path) -> None:
    assert not re.search(r"(?:https?:)?//[\w-]+\.[\w.-]+/", path.read_text(encoding="utf-8"))


def test_the_lock_of_the_front_end_names_no_host() -> None:
    lock = (ROOT / "frontend/package-lock.json").read_text(encoding="utf-8")

    assert "://" not in lock
    assert lock.count('"integrity"') > 20
