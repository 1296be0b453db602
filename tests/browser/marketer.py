"""A person at a browser: opens pages, notices everything wrong with them, and may keep pictures."""

from __future__ import annotations

import http.server
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.console import is_wrong

# Not the browser's own name: it says that nobody sits before it, and such opens are counted as a machine's.
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Desk:
    """One browser window of one person; whatever a page does wrong is remembered."""

    context: BrowserContext
    hosts: frozenset[str]
    complaints: list[str] = field(default_factory=list)
    visited: list[str] = field(default_factory=list)
    pictures: int = 0

    @classmethod
    def at(cls, browser: Browser, *urls: str, width: int = 1280, script: bool = True, state: str = "") -> Desk:
        """Return a new window which may talk to these addresses and nobody else."""
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            user_agent=PERSON,
            locale="en-GB",
            reduced_motion="reduce",
            java_script_enabled=script,
            storage_state=state or None,
            ignore_https_errors=True,  # the tests' own front has made its certificate itself
        )
        context.set_default_timeout(20_000)
        desk = cls(context, frozenset(urlsplit(url).netloc for url in urls))
        context.on("page", desk._watch)
        context.on("request", lambda request: desk._judge_request(request.url))
        return desk

    def _watch(self, page: Page) -> None:
        page.on("console", lambda said: self._hear(page, said))
        page.on("pageerror", lambda error: self._note(page, str(error)))
        page.on("dialog", lambda dialog: (self._note(page, f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "response", lambda reply: self._note(page, f"{reply.status} {reply.url}") if reply.status >= 400 else None
        )

    def _judge_request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "about", "blob") and parts.netloc not in self.hosts:
            self.complaints.append(f"a request to another host: {url}")

    def _hear(self, page: Page, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning") and is_wrong(said.text):
            self._note(page, said.text)

    def _note(self, page: Page, what: str) -> None:
        self.complaints.append(f"{urlsplit(page.url).path}: {what}")

    def look(self, page: Page, name: str, *, heading: str = "") -> None:
        """Take in a page: it fits, it says nothing wrong, and a picture of it is kept where one is wanted."""
        expect(page.locator("h1:visible")).to_contain_text(heading)
        page.wait_for_load_state()
        assert page.evaluate(SIDEWAYS) <= 0, f"{page.url} scrolls sideways"
        assert page.locator("h1:visible").count() == 1, page.url
        assert self.complaints == [], repr(self.complaints)
        if page.url not in self.visited:
            self.visited.append(page.url)
        self.keep_picture(page, name)

    def keep_picture(self, page: Page, name: str) -> None:
        """Keep a picture of the page in the folder that VASHSENDER_SCREENSHOTS names, if any."""
        if folder := os.environ.get("VASHSENDER_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.pictures += 1
            page.evaluate("document.fonts.ready")
            width = (page.viewport_size or {}).get("width")
            page.screenshot(path=str(Path(folder) / f"{self.pictures:02}-{name}-{width}.png"), full_page=True)


def reckoning(page: Page) -> dict[str, int]:
    """Return the account's sum as the page writes it."""
    read = "lists => lists.flatMap(l => [...l.children].map(c => ['dt', 'dd'].map(n => c.querySelector(n).innerText)))"
    return {word.strip().lower(): number(figure) for word, figure in page.locator("dl.reckon").evaluate_all(read)}


def number(text: str) -> int:
    """Return the whole number in a figure as pages write it."""
    digits = re.sub(r"[^\d]", "", text)
    assert digits, text
    return int(digits)


def stat(page: Page, label: str) -> str:
    """Return the denominator line of one figure of a stat row: "1 of 480 accepted"."""
    cell = page.locator(".stats > div").filter(has_text=re.compile(rf"^\s*{label}"))
    expect(cell).to_have_count(1)
    return " ".join(cell.inner_text().split())


@contextmanager
def shop() -> Iterator[tuple[str, list[str]]]:
    """Run a small site for links to lead to, on this machine; gives its address and the paths people asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/favicon.ico":
                asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<!doctype html><link rel=icon href='data:,'><title>Shop</title><h1>Fresh coffee</h1>")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
