"""A real browser for the tests that look at pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from apps.accounts.models import User
from tests.console import is_wrong

# Milliseconds until something expected of a page counts as missing: a busy machine is slow, and that is no finding.
PATIENCE = 30_000
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# What a page must never do: ask another host, break the policy, throw.
Complaints = list[str]
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    expect.set_options(timeout=PATIENCE)
    given = os.environ.get("VASHSENDER_CHROMIUM")
    path = given or next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("No Chromium on PATH; CI needs one.")
        pytest.skip("No Chromium on PATH: tests that look at pages are left out.")
    return path


@pytest.fixture(scope="module")
def browser(chromium_path: str, django_db_setup: None) -> Iterator[Browser]:
    """One for all tests of a file, each of which opens windows of its own in it."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in this thread, which Django takes for an async caller.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(
            executable_path=chromium_path, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()
        # Within its loop Django keeps a connection of its own, which nobody else would close.
        connections.close_all()


@pytest.fixture
def complaints() -> Complaints:
    return []


@pytest.fixture
def open_page(browser: Browser, live_server: object, complaints: Complaints) -> Iterator[OpenPage]:
    """Open a path as somebody, in a theme, at a width; what the browser complains about is collected."""
    contexts: list[BrowserContext] = []
    base = str(live_server)

    def hear(text: str) -> None:
        if is_wrong(text):
            complaints.append(text)

    def listen(page: Page) -> None:
        page.on("console", lambda said: hear(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith((base, "data:")) else complaints.append(request.url),
        )

    def open_(
        path: str, *, user: User | None = None, width: int = 1280, theme: str = "light", script: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            reduced_motion="reduce",
            java_script_enabled=script,
            locale="en-GB",
        )
        contexts.append(context)
        cookies = {"theme": theme}
        if user is not None:
            client = Client()
            client.force_login(user)
            cookies[settings.SESSION_COOKIE_NAME] = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": name, "value": value, "url": base} for name, value in cookies.items()])
        page = context.new_page()
        listen(page)
        page.goto(base + path)
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def take_picture(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Keep a picture of a page beside the design's, where VASHSENDER_SCREENS names a folder."""
    folder = os.environ.get("VASHSENDER_SCREENS")

    def take(page: Page, name: str) -> None:
        if folder:
            page.evaluate("document.fonts.ready")
            page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    return take
