"""Every page of the product, light and dark, wide and narrow: within reach of everybody, and asking nobody else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client, override_settings
from playwright.sync_api import Browser, BrowserContext, Page

from apps.accounts.models import User, Workspace
from tests.browser import axe, lived_in
from tests.browser.walk import Stop, stops
from tests.console import is_wrong
from tests.test_routes import world

__all__ = ["world"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
STICKS_OUT = """() => [...document.querySelectorAll('main *')]
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.outerHTML.slice(0, 140))[0] ?? ''"""
DARK = "document.documentElement.dataset.theme = 'vash-dark'"
LIGHT = "document.documentElement.dataset.theme = 'vash'"
# Every so many-th page is looked at in one test, so that they can run side by side.
PARTS = 4
# (page, rule) that somebody is mending now; the list is empty when the product is whole.
KNOWN: frozenset[tuple[str, str]] = frozenset()


@pytest.fixture
def lived_in_world(world: Workspace, owner: User) -> Workspace:
    lived_in.furnish(world, owner)
    return world


class Walker:
    """A browser window that goes from page to page and remembers what is wrong with each."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base, self.page = base, context.new_page()
        self.wrong: list[str] = []
        self.here = ""
        self._is_refusal = False
        context.on("request", lambda request: self._judge(request.url))
        self.page.on("console", lambda said: self._hear(said.type, said.text, said.location.get("url", "")))
        self.page.on("pageerror", lambda error: self.note(f"script error: {error}"))

    def note(self, what: str) -> None:
        if (self.here, what.split(": ")[0].rpartition(" ")[2]) not in KNOWN:
            self.wrong.append(f"{self.here}: {what}")

    def _judge(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "about:", "blob:")):
            self.note(f"asks another host: {url}")

    def _hear(self, kind: str, text: str, url: str) -> None:
        # Chromium calls a 404 an error: the page's own, and a picture of which this world has only the row.
        is_known = "404" in text and (self._is_refusal or "/i/" in url)
        if kind == "error" and is_wrong(text) and not is_known:
            self.note(f"console: {text}")

    def go(self, stop: Stop) -> Page:
        """Open a page; look whether it is one, and fits a narrow window."""
        self.here, self._is_refusal = stop.name, True
        answer = self.page.goto(self.base + stop.path)
        self._is_refusal = answer is not None and answer.status == 404
        if answer is None or (answer.status != 200 and not self._is_refusal):
            self.note(f"answers {answer.status if answer else 'nothing'}")
        return self.page

    def look(self, name: str) -> None:
        """Look at the page as it is now: it fits, and has one heading."""
        if self.page.evaluate(SIDEWAYS) > 0:
            self.note(f"scrolls sideways at {name}: {self.page.evaluate(STICKS_OUT)}")
        if (headings := self.page.locator("h1:visible").count()) != 1:
            self.note(f"has {headings} main headings at {name}")
        wanted = "var/screens" if os.environ.get("VASHSENDER_PICTURES") == "1" else ""
        if folder := os.environ.get("VASHSENDER_SCREENS", wanted):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{self.here}-{name}.png", full_page=True)

    def hear(self, name: str, *rules: str) -> None:
        """Ask axe about the page as it is now."""
        for finding in axe.grave(self.page, *rules):
            self.note(f"{finding} at {name}")


def walker(browser: Browser, base: str, user: User | None) -> Walker:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce", locale="en-GB")
    axe.bring(context)
    if user is not None:
        client = Client()
        client.force_login(user)
        name = django_settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": base}])
    return Walker(context, base)


@pytest.fixture
def walkers(browser: Browser, live_server: object, owner: User) -> Iterator[dict[bool, Walker]]:
    both = {is_in: walker(browser, str(live_server), owner if is_in else None) for is_in in (True, False)}
    yield both
    for one in both.values():
        one.page.context.close()


@override_settings(SHOW_COMPONENTS=True)
def test_the_walk_finds_the_pages_there_are(owner: User, lived_in_world: Workspace) -> None:
    found = stops(lived_in_world, owner)
    parts = [stops(lived_in_world, owner, part=part, parts=PARTS) for part in range(PARTS)]

    assert len(found) > 60
    assert sorted(stop.name for part in parts for stop in part) == sorted(stop.name for stop in found)


@pytest.mark.parametrize("part", range(PARTS))
@override_settings(SHOW_COMPONENTS=True)
def test_every_page_is_within_reach_of_everybody(
    walkers: dict[bool, Walker], owner: User, lived_in_world: Workspace, part: int
) -> None:
    wanted = re.compile(os.environ.get("VASHSENDER_PAGES", ""))
    pages = stops(lived_in_world, owner, part=part, parts=PARTS)
    pages = [stop for stop in pages if wanted.search(stop.name)]

    for stop in pages:
        one = walkers[stop.user is not None]
        page = one.go(stop)
        one.hear("1280 light")
        one.look("light")
        page.evaluate(DARK)
        one.hear("1280 dark", "color-contrast")
        one.look("dark")
        page.set_viewport_size({"width": 390, "height": 800})
        one.hear("390 dark", "color-contrast")
        page.evaluate(LIGHT)
        one.hear("390 light")
        one.look("390")
        page.set_viewport_size({"width": 320, "height": 800})
        one.look("320")
        page.set_viewport_size({"width": 1280, "height": 800})

    wrong = [line for one in walkers.values() for line in one.wrong]
    assert not wrong, "\n".join(["", *wrong])
