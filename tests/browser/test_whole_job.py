"""The whole job as a marketer does it, on the real system: from the set-up link to a report that adds up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from playwright.sync_api import Error as BrowserError

from tests.browser import installation, marketer, sheet
from tests.browser.installation import RunningInstallation
from tests.browser.marketer import Desk

pytestmark = [pytest.mark.browser, pytest.mark.serial, pytest.mark.timeout(900)]

EMAIL, PASSWORD = "ines@northlight.example", "four quiet words of coffee"
LIST, CAMPAIGN = "Autumn readers", "November roast"
READER, READER_NAME = "reader7@orchard.example", "Юлия"
SOON, LATER = 20_000, 120_000  # milliseconds a page may take


@dataclass
class Job:
    """What the steps hand on."""

    real: RunningInstallation
    browser: Browser
    desk: Desk
    page: Page
    shop: str
    asked: list[str]
    list_file: sheet.Sheet
    workspace: str = ""
    campaign: int = 0
    walked: set[str] = field(default_factory=set)

    @property
    def home(self) -> str:
        return f"{self.real.url}/w/{self.workspace}"

    def go(self, place: str) -> None:
        self.page.get_by_role("navigation", name="Main").get_by_role("link", name=place, exact=True).click()


@pytest.fixture(scope="module")
def real_browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium_path, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield opened
        opened.close()


@pytest.fixture
def job(real_browser: Browser, tmp_path: Path) -> Iterator[Job]:
    with installation.started(tmp_path) as real, marketer.shop() as (shop, asked):
        desk = Desk.at(real_browser, real.url, shop)
        page = desk.context.new_page()
        yield Job(real, real_browser, desk, page, shop, asked, sheet.make())
        desk.keep_picture(page, "last")
        desk.context.close()


def test_the_whole_job(job: Job) -> None:
    set_up(job)
    sign_out_and_in(job)
    import_people(job)
    compose(job)
    send_a_test(job)
    walk_through_on_a_phone(job)
    send_and_watch(job)
    read_the_report(job, opened=0, clicked=0, unsubscribed=0)
    read_a_letter_and_follow_its_link(job)
    leave_come_back_and_leave(job)
    read_the_report(job, opened=1, clicked=1, unsubscribed=1)
    look_at_everyone(job)
    import_again_revives_nobody(job)
    walk_through_on_a_phone(job)


def set_up(job: Job) -> None:
    link = job.real.setup_link()
    page = job.page
    page.goto(job.real.first_link)
    expect(page.locator("body")).to_contain_text("This set-up link does not work")
    assert [line for line in job.desk.complaints if "404" not in line] == []
    job.desk.complaints.clear()  # the refusal above is a 404, as it should be

    page.goto(link)
    job.desk.look(page, "set-up", heading="Welcome")
    page.get_by_label("Workspace").fill("Northlight Coffee")
    page.get_by_label("Your name").fill("Ines Marlow")
    page.get_by_label("Email address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Set up and sign in").click()
    page.wait_for_url("**/w/*/")

    found = re.search(r"/w/([\w-]+)/$", page.url)
    assert found
    job.workspace = found[1]
    job.desk.look(page, "first-run")
    users = job.real.rows("SELECT email, is_instance_admin FROM accounts_user")
    assert users == [{"email": EMAIL, "is_instance_admin": True}]


def sign_out_and_in(job: Job) -> None:
    page = job.page
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out").click()
    job.desk.look(page, "sign-in", heading="Sign in")
    page.goto(f"{job.home}/contacts/")
    assert "/accounts/login/" in page.url
    page.get_by_label("Email address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{job.home}/contacts/")
    job.desk.look(page, "contacts-empty", heading="Contacts")


def import_people(job: Job) -> None:
    page, real = job.page, job.real
    job.go("Imports")
    job.desk.look(page, "imports-empty", heading="Imports")
    page.get_by_role("link", name="Import a CSV").first.click()
    job.desk.look(page, "import-new", heading="Bring your people")
    page.get_by_label("CSV file").set_input_files(
        {"name": "читатели осень.csv", "mimeType": "text/csv", "buffer": job.list_file.data}
    )
    page.get_by_role("button", name="Look at the columns").click()

    expect(page.get_by_label("“Эл. почта” becomes")).to_have_value("email")
    expect(page.get_by_label("“Имя” becomes")).to_have_value("first_name")
    expect(page.get_by_label("“Фамилия” becomes")).to_have_value("last_name")
    expect(page.get_by_label("Character set")).to_have_value("windows-1251")
    expect(page.get_by_label("Columns are parted by")).to_have_value(";")
    assert real.number("SELECT count(*) FROM contacts_contact") == 0, "nothing changes before it is wanted"
    page.get_by_label("“Город” becomes").select_option("attr:город")
    page.get_by_label("“Заметка” becomes").select_option("")
    page.get_by_label("Add them to").select_option(label="A new list…")
    page.get_by_label("Name of the new list").fill(LIST)
    page.get_by_label("How they agreed").fill("Signed cards at our stand in Leith")
    page.get_by_label("These people agreed").check()
    job.desk.look(page, "import-columns")
    page.get_by_role("button", name="See what would change").click()

    go = page.get_by_role("button", name="Import 480 people")
    expect(go).to_be_visible(timeout=LATER)
    job.desk.look(page, "import-dry-run")
    assert real.number("SELECT count(*) FROM contacts_contact") == 0, "a dry run writes nobody"
    go.click()

    expect(page.get_by_role("heading", name="What changed")).to_be_visible(timeout=LATER)
    expect(page.get_by_role("heading", name="20 rows we cannot take")).to_be_visible()
    job.desk.look(page, "import-result")
    told = {row.locator("td").first.inner_text(): row.inner_text() for row in page.locator("#rows tr").all()}
    for line, reason in job.list_file.refused.items():
        assert reason in told[str(line)], (line, told)
    assert len(told) == 20
    sums = " ".join(page.locator(".fall").inner_text().split())
    assert re.search(r"New people 480 Updated 0 Unchanged 0 Left out 8 of them doubles 20 Rows in the file 500", sums)

    assert real.number("SELECT count(*) FROM contacts_contact") == 480
    assert real.number("SELECT count(*) FROM contacts_subscription WHERE state = 'confirmed'") == 480
    assert {
        (row["email"], row["first_name"]) for row in real.rows("SELECT email, first_name FROM contacts_contact")
    } == {*job.list_file.good}
    page.get_by_role("link", name="See the people").click()
    expect(page.locator("#rows-foot")).to_contain_text("of 480")
    page.get_by_role("searchbox").fill("ЮЛИЯ")
    page.keyboard.press("Enter")
    expect(page.locator("#rows")).to_contain_text(READER_NAME)
    job.desk.look(page, "contacts-found")


def compose(job: Job) -> None:
    page = job.page
    job.go("Campaigns")
    job.desk.look(page, "campaigns-empty", heading="Campaigns")
    page.get_by_role("link", name="New campaign").first.click()
    job.desk.look(page, "composer-new", heading="New campaign")
    page.get_by_label("Name", exact=True).fill(CAMPAIGN)
    page.get_by_label("Subject", exact=True).fill('{{ first_name or "Hello" }}, the Kenyan is in')
    page.get_by_label("Line after the subject").fill("Blackcurrant, lime, a little smoke")
    page.get_by_label("From", exact=True).fill("Northlight Coffee")
    page.get_by_label("From address").fill("hello@northlight.example")
    expect(page.locator("#step")).to_contain_text("Local inbox: nobody outside receives this")
    page.get_by_role("button", name="Next: audience").click()

    page.wait_for_url("**/audience/")
    chosen = page.get_by_role("group", name="Who gets it")
    chosen.get_by_role("checkbox", name=re.compile(f"^{LIST}")).check()
    expect(page.locator("#subtraction .sum")).to_contain_text("480", timeout=SOON)
    job.desk.look(page, "composer-audience")
    page.get_by_role("button", name="Next: content").click()

    page.wait_for_url("**/content/")
    job.desk.look(page, "composer-content-empty")
    page.get_by_role("button", name="Start from the sample email").first.click()
    source, kept = page.get_by_role("textbox", name="HTML source"), page.locator("textarea[name=html]")
    expect(kept).to_have_value(re.compile("Good to meet you"))
    html = kept.input_value()
    site = re.search(r'href="(https?://[^"/]+)/start"', html)
    assert site, html
    with page.expect_response(lambda reply: reply.request.method == "POST"):  # saved by itself
        source.click()
        page.keyboard.press("ControlOrMeta+A")
        page.keyboard.insert_text(html.replace(site[1], job.shop).replace("Good to meet you", "The Kenyan is in"))
    letter = page.frame_locator("#reader iframe")
    expect(letter.locator("h1")).to_contain_text("The Kenyan is in, ", timeout=SOON)
    first = letter.locator("h1").inner_text()
    page.get_by_role("link", name="Next person").click()
    expect(letter.locator("h1")).not_to_have_text(first, timeout=SOON)
    page.get_by_role("link", name="Previous person").click()
    expect(letter.locator("h1")).to_have_text(first, timeout=SOON)
    job.desk.look(page, "composer-content")
    page.keyboard.press("ControlOrMeta+Home")
    source.blur()
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("button", name="Next: review").click()

    page.wait_for_url("**/review/")
    found = re.search(r"/campaigns/(\d+)/", page.url)
    assert found
    job.campaign = int(found[1])
    job.desk.look(page, "composer-review-first")
    address = page.get_by_label("Postal address")
    if address.count():
        expect(page.get_by_role("button", name=re.compile("Send to"))).to_be_disabled()
        address.fill("1 Harbour Road, Leith")
        page.get_by_role("button", name="Keep and put it in").click()
    expect(page.get_by_role("button", name="Send to 480 people")).to_be_enabled(timeout=SOON)
    job.desk.look(page, "composer-review")


def send_a_test(job: Job) -> None:
    page = job.page
    tests = page.locator("#test-letters")
    expect(tests).to_contain_text("No test was sent yet")
    page.get_by_label("Filled in for").fill(READER)
    page.get_by_role("button", name="Send the test").click()
    expect(tests.locator(".chip")).to_contain_text("Sent", timeout=LATER)
    expect(tests).to_contain_text("Accepted by the receiving server")
    expect(tests).to_contain_text("250")
    expect(tests).not_to_contain_text("delivered")
    job.desk.look(page, "composer-tested")

    sent = job.real.rows("SELECT kind, state, email, message_id FROM campaigns_delivery")
    assert [(row["kind"], row["state"], row["email"]) for row in sent] == [("test", "sent", EMAIL)]
    kept = job.real.rows("SELECT recipient, message_id FROM smtp_inboxletter WHERE workspace_id IS NOT NULL")
    assert kept == [{"recipient": EMAIL, "message_id": sent[0]["message_id"]}]


def send_and_watch(job: Job) -> None:
    page = job.page
    page.get_by_role("button", name="Send to 480 people").click()
    page.wait_for_url(f"**/campaigns/{job.campaign}/")
    job.desk.look(page, "live-begun", heading=CAMPAIGN)
    seen: list[int] = []
    is_half_seen = False
    while page.locator("#live").count():
        try:
            account = marketer.reckoning(page)
        except BrowserError as error:  # it has just become the report
            assert "navigation" in str(error) or "destroyed" in str(error), error
            continue
        if account:
            parts = sum(value for word, value in account.items() if word != "audience")
            assert parts == account["audience"], "the account adds up at every moment"
            seen.append(account["sent"])
            if not is_half_seen and 0 < account["sent"] < account["audience"]:
                is_half_seen = True
                job.desk.keep_picture(page, "live-half")
        page.wait_for_timeout(200)
        assert len(seen) < 900, "the campaign did not finish"
    expect(page.locator("h1")).to_have_text(CAMPAIGN, timeout=SOON)
    assert seen == sorted(seen), "nothing that was sent is taken back"


def read_the_report(job: Job, *, opened: int, clicked: int, unsubscribed: int) -> None:
    page, real = job.page, job.real
    job.go("Campaigns")
    page.get_by_role("link", name=CAMPAIGN, exact=True).click()
    expect(page.locator(".chip").first).to_contain_text("Finished", timeout=LATER)
    expect(page.locator("#statistics .stats")).to_contain_text("Opened by people", timeout=SOON)
    account = marketer.reckoning(page)
    states = {
        row["state"]: row["n"]
        for row in real.rows(
            """SELECT state, count(*) AS n FROM campaigns_delivery
               WHERE campaign_id = %s AND kind = 'campaign' GROUP BY 1""",
            job.campaign,
        )
    }
    assert states == {"sent": 480}
    assert account == {
        "audience": 480, "sent": 480, "skipped": 0, "failed": 0, "unconfirmed": 0, "waiting": 0, "queued": 0,
    }  # fmt: skip
    # Who has it: what was promised to whom is what arrived, once, under the Message-ID of its row.
    matched = real.number(
        """SELECT count(*) FROM campaigns_delivery d JOIN smtp_inboxletter i
           ON i.message_id = d.message_id AND i.recipient = d.email AND i.workspace_id = d.workspace_id
           WHERE d.campaign_id = %s AND d.kind = 'campaign'""",
        job.campaign,
    )
    assert (matched, real.number("SELECT count(DISTINCT message_id) FROM smtp_inboxletter")) == (480, 481)
    assert real.number("SELECT count(*) FROM smtp_inboxletter") == 481

    assert "480 of 480 in the audience" in marketer.stat(page, "Accepted")
    for label, expected in (("Opened by people", opened), ("Clicked by people", clicked)):
        assert f"{expected} of 480 accepted" in marketer.stat(page, label)
    assert f"{unsubscribed} of 480 accepted" in marketer.stat(page, "Unsubscribed")
    job.desk.look(page, f"report-{clicked}")
    if clicked:
        expect(page.locator("tr").filter(has_text=f"{job.shop}/start")).to_contain_text("1")


def read_a_letter_and_follow_its_link(job: Job) -> None:
    page, real = job.page, job.real
    job.go("Local inbox")
    expect(page.locator(".sub").first).to_contain_text("481 emails caught here")
    expect(page.locator("main")).to_contain_text("Local inbox: nobody outside receives this")
    expect(page.locator("main")).to_contain_text("none is doubled")
    job.desk.look(page, "inbox")
    page.get_by_role("searchbox").fill(READER)
    page.keyboard.press("Enter")
    expect(page.locator("#rows > li")).to_have_count(1)
    page.locator("#rows a").click()
    letter = page.frame_locator("#letter iframe")
    expect(letter.locator("h1")).to_have_text(f"The Kenyan is in, {READER_NAME}")
    expect(page.locator("#letter h2")).to_have_text(f"{READER_NAME}, the Kenyan is in")
    opens = "SELECT count(*) FROM tracking_event WHERE kind = 'open' AND NOT is_machine AND campaign_id = %s"
    assert real.wait_for(opens, 1, job.campaign) == 1, "looking at it loads its picture"
    job.desk.look(page, "inbox-letter")
    for part in ("Text", "Headers", "Source"):
        page.get_by_role("navigation", name="Parts of the email").get_by_role("link", name=part).click()
        expect(page.locator("#letter")).to_contain_text(
            {"Text": READER_NAME, "Headers": "List-Unsubscribe-Post", "Source": "Message-ID:"}[part]
        )
        job.desk.look(page, f"inbox-{part.lower()}")
    page.get_by_role("link", name="As seen").click()
    expect(letter.locator("h1")).to_be_visible()

    with page.expect_popup() as opened:
        letter.get_by_role("link", name="Send your own letter").click()
    opened.value.wait_for_url(f"{job.shop}/start")
    assert job.asked == ["/start"]
    opened.value.close()
    clicks = "SELECT count(*) FROM tracking_event WHERE kind = 'click' AND NOT is_machine AND campaign_id = %s"
    assert real.wait_for(clicks, 1, job.campaign) == 1
    assert job.desk.complaints == []


def leave_come_back_and_leave(job: Job) -> None:
    page, real = job.page, job.real
    standing = """SELECT s.state FROM contacts_subscription s JOIN contacts_contact c ON c.id = s.contact_id
                  WHERE c.email = %s"""
    before = real.state()
    with page.expect_popup() as opened:
        page.frame_locator("#letter iframe").get_by_role("link", name="Unsubscribe").click()
    popup = opened.value
    expect(popup.get_by_role("heading", name="Stop getting these emails?")).to_be_visible()
    job.desk.look(popup, "unsubscribe")
    url = popup.url
    popup.close()
    assert real.state() == before, "a visit changes nothing: scanners follow every link"

    recipient = Desk.at(job.browser, real.url, script=False)  # their own browser: not signed in, no script
    theirs = recipient.context.new_page()
    theirs.goto(url)
    expect(theirs.locator("body")).to_contain_text(LIST)
    assert READER not in theirs.content(), "the address is masked"
    assert real.state() == before
    theirs.get_by_role("button", name=f"Unsubscribe from {LIST}").click()
    expect(theirs.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    assert real.rows(standing, READER) == [{"state": "unsubscribed"}]
    theirs.get_by_role("button", name="Undo").click()
    expect(theirs.get_by_role("heading", name="Stop getting these emails?")).to_be_visible()
    assert real.rows(standing, READER) == [{"state": "confirmed"}]
    theirs.get_by_role("button", name=f"Unsubscribe from {LIST}").click()
    expect(theirs.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    assert real.rows(standing, READER) == [{"state": "unsubscribed"}]
    assert recipient.context.cookies() == []
    assert recipient.complaints == []
    recipient.context.close()
    others = "SELECT count(*) FROM contacts_subscription WHERE state <> 'confirmed'"
    assert real.number(others) == 1, "nobody else left"


def look_at_everyone(job: Job) -> None:
    page = job.page
    page.get_by_role("searchbox").fill(READER)
    page.keyboard.press("Enter")
    expect(page.locator("#rows tr")).to_have_count(1)
    page.locator("#rows a").first.click()
    expect(page.locator("h1")).to_contain_text("Did Юлия Читатель-7 get it?")
    expect(page.locator("main")).to_contain_text("250")
    job.desk.look(page, "person")
    job.go("Home")
    job.desk.look(page, "home", heading="Home")
    job.go("Contacts")
    page.get_by_role("searchbox").fill(READER)
    page.keyboard.press("Enter")
    page.locator("#rows a").first.click()
    expect(page.locator("tr").filter(has_text=LIST).first).to_contain_text("Left")
    job.desk.look(page, "contact")
    job.go("Lists")
    job.desk.look(page, "lists", heading="Lists")
    job.go("Suppressed")
    job.desk.look(page, "suppressed", heading="Suppressed")


def import_again_revives_nobody(job: Job) -> None:
    page, real = job.page, job.real
    job.go("Imports")
    page.get_by_role("link", name="Import a CSV").first.click()
    again = {"name": "again.csv", "mimeType": "text/csv", "buffer": f"email\r\n{READER.upper()}\r\n".encode()}
    page.get_by_label("CSV file").set_input_files(again)
    page.get_by_role("button", name="Look at the columns").click()
    page.get_by_label("Add them to").select_option(label=LIST)
    page.get_by_label("How they agreed").fill("They say so")
    page.get_by_label("These people agreed").check()
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("button", name="Import 1 person").click(timeout=LATER)
    expect(page.get_by_role("heading", name="What changed")).to_be_visible(timeout=LATER)
    expect(page.locator("main")).to_contain_text("1 left this list before")
    job.desk.look(page, "import-again")
    assert real.number("SELECT count(*) FROM contacts_subscription WHERE state = 'unsubscribed'") == 1


def walk_through_on_a_phone(job: Job) -> None:
    """Open on a phone every page that was looked at since the last walk."""
    kept = str(job.real.data.parent / "signed-in.json")
    job.desk.context.storage_state(path=kept)
    phone = Desk.at(job.browser, job.real.url, job.shop, width=390, state=kept)
    page = phone.context.new_page()
    pages = [url for url in job.desk.visited if url not in job.walked and "/setup/" not in url]
    assert len(pages) > 10
    for url in pages:
        page.goto(url)
        phone.look(page, re.sub(r"\W+", "-", url.removeprefix(job.real.url)).strip("-")[:60])
    job.walked.update(pages)
    phone.context.close()
