"""From the first run to the first report with a real sending account: by mouse, on a phone, and by keyboard alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.installation import record
from tests.browser import front, installation
from tests.browser.hands import Keyboard, Mouse, Phone
from tests.browser.installation import RunningInstallation
from tests.browser.marketer import Desk, reckoning
from tests.browser.test_whole_job import real_browser
from tests.fault_server import FaultServer, certificate

__all__ = ["real_browser"]
pytestmark = [pytest.mark.browser, pytest.mark.serial, pytest.mark.timeout(600)]

EMAIL, PASSWORD = "ines@northlight.example", "four quiet words of coffee"
USER, SECRET = "northlight", "a relay's secret"
PEOPLE = {"claire@orchard.example": "Claire", "rui@orchard.example": "Rui"}
LATER = 60_000


@dataclass
class Job:
    """One person's way to the first report."""

    real: RunningInstallation
    relay: FaultServer
    desk: Desk
    page: Page
    hands: Mouse

    def look(self, name: str, heading: str = "") -> None:
        """Take the page in."""
        self.desk.look(self.page, f"{self.hands.name}-{name}", heading=heading)

    def button(self, name: str | re.Pattern[str]) -> None:
        """Push a button of the page."""
        self.hands.press(self.page.locator("main").get_by_role("button", name=name))

    def link(self, name: str) -> None:
        """Follow a link of the page."""
        self.hands.press(self.page.locator("main").get_by_role("link", name=name).first)

    def write(self, label: str, text: str, *, exact: bool = False) -> None:
        """Write into a field of the page."""
        self.hands.write(self.page.locator("main").get_by_label(label, exact=exact), text)


def test_first_run_to_first_report(real_browser: Browser, tmp_path: Path) -> None:
    with front.https() as https, FaultServer(accounts={USER: SECRET}, starttls=True) as relay:
        trusted = {"SSL_CERT_FILE": str(certificate()), "VASHSENDER_PRIVATE_SMTP_HOSTS": "localhost"}
        with installation.started(tmp_path, PUBLIC_URL=https.url, **trusted) as real:
            found = record.find(real.data)
            assert found
            https.lead_to(found.web_port)
            for number, kind in enumerate((Mouse, Phone, Keyboard)):
                desk = Desk.at(real_browser, real.url, width=kind.width)
                page = desk.context.new_page()
                job = Job(real, relay, desk, page, kind(page))
                _set_up(job) if number == 0 else _begin_another(job)
                _make_ready(job)
                _bring_people(job)
                _send(job)
                _read(job, letters=2 * (number + 1))
                desk.context.close()


def _set_up(job: Job) -> None:
    job.page.goto(job.real.first_link)
    for label, text in {
        "Workspace": "Northlight Coffee", "Your name": "Ines Marlow", "Email address": EMAIL, "Password": PASSWORD,
    }.items():  # fmt: skip
        job.write(label, text)
    job.button("Set up and sign in")
    expect(job.page.locator("h1")).to_contain_text("Your first email")
    job.look("first-run")


def _begin_another(job: Job) -> None:
    """Sign in and make a workspace of one's own: first run again."""
    job.page.goto(f"{job.real.url}/accounts/login/")
    job.write("Email address", EMAIL)
    job.write("Password", PASSWORD)
    job.button("Sign in")
    job.page.wait_for_url("**/w/*/")
    job.hands.open_menu()
    job.hands.press(job.page.locator("summary.side-ws"))
    job.hands.press(job.page.get_by_role("link", name="New workspace"))
    job.write("Name", f"Orchard {job.hands.name}")
    job.button("Make the workspace")
    expect(job.page.locator("h1")).to_contain_text("Your first email")
    job.look("first-run")


def _make_ready(job: Job) -> None:
    """Do what the home page says is left before real mail."""
    page = job.page
    expect(page.locator("main")).to_contain_text("1 of 3 done")  # the address is https already
    job.link("Write it down")
    job.write("Postal address", "1 Harbour Road, Leith")
    job.button("Save")
    job.hands.go("Home")
    expect(page.locator("main")).to_contain_text("2 of 3 done")
    job.link("Add an account")
    job.look("accounts")
    job.link("Add an account")
    job.write("Name", "Own relay", exact=True)
    for label, text in {"Server": "localhost", "Port": str(job.relay.port)}.items():
        job.write(label, text, exact=True)
    job.write("User name", USER)
    job.write("Password", SECRET)
    job.button("Save and test")
    expect(page.locator("main")).to_contain_text("answered in", timeout=LATER)
    job.look("account")
    job.hands.go("Home")
    expect(page.locator("main")).not_to_contain_text("Before real mail")


def _bring_people(job: Job) -> None:
    job.hands.go("Lists")
    job.link("Add a list")
    job.write("Name", "Readers", exact=True)
    job.button("Add")
    expect(job.page.locator("main table")).to_contain_text("Readers")
    for email, name in PEOPLE.items():
        job.hands.go("Home")
        job.link("Add one by hand")
        job.write("Email address", email)
        job.write("First name", name)
        job.hands.tick(job.page.get_by_label("Readers"))
        job.button("Add")
        expect(job.page.locator("main")).to_contain_text(email)


def _send(job: Job) -> None:
    page = job.page
    job.hands.go("Home")
    job.link("New campaign")
    job.write("Name", "Hello", exact=True)
    job.write("Subject", "{{ first_name }}, good to meet you", exact=True)
    job.write("From", "Northlight Coffee", exact=True)
    job.write("From address", "hello@northlight.example")
    job.hands.tick(page.get_by_role("radio", name="Own relay"))
    job.look("settings")
    job.button("Next: audience")
    page.wait_for_url("**/audience/")
    job.hands.tick(page.get_by_role("checkbox", name="Readers").first)
    expect(page.locator("#subtraction .sum")).to_contain_text("2", timeout=LATER)
    job.look("audience")
    job.button("Next: content")
    page.wait_for_url("**/content/")
    job.hands.press(page.get_by_role("button", name="Start from the sample email").first)
    expect(page.frame_locator("#reader iframe").locator("h1")).to_be_visible(timeout=LATER)
    job.look("content")
    job.button("Next: review")
    page.wait_for_url("**/review/")
    expect(page.get_by_role("button", name="Send to 2 people")).to_be_enabled(timeout=LATER)
    job.look("review")
    job.button("Send to 2 people")
    expect(page.locator(".chip").first).to_contain_text("Finished", timeout=LATER)


def _read(job: Job, *, letters: int) -> None:
    account = reckoning(job.page)
    assert (account["audience"], account["sent"]) == (2, 2)
    expect(job.page.locator("main")).to_contain_text("2 of 2 in the audience", timeout=LATER)
    job.look("report")
    kept = job.relay.letters
    assert len(kept) == letters
    assert {letter.recipient for letter in kept[-2:]} == set(PEOPLE)
    assert {letter.username for letter in kept} == {USER}
    assert job.relay.commands.count("STARTTLS") >= 1
    job.hands.go("Home")
    expect(job.page.locator("main")).to_contain_text("Hello")
    job.look("home", heading="Home")
