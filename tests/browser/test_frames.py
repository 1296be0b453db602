"""What strangers write is shown and can do nothing: in the preview and the inbox, in a frame and in a tab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Dialog, Page, Response
from playwright.sync_api import Error as BrowserError

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign
from apps.contacts.models import Contact, ContactList
from apps.smtp.models import InboxLetter, Transport
from tests.web.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ATTACK = "alert(1);parent.document.title='owned';fetch('/stolen?'+document.cookie)"
QUOTED = ATTACK.replace("'", "&#39;")
PAYLOADS = {
    "script": f"<script>{ATTACK}</script>",
    "image error": f'<img src="data:," onerror="{QUOTED}">',
    "svg load": f'<svg onload="{QUOTED}"></svg>',
    "svg script": f"<svg><script>{ATTACK}</script></svg>",
    "body load": f'<body onload="{QUOTED}">x</body>',
    "autofocus": f'<input autofocus onfocus="{QUOTED}">',
    "details": f'<details open ontoggle="{QUOTED}"><summary>x</summary>y</details>',
    "srcdoc": f'<iframe srcdoc="<script>{QUOTED}</script>"></iframe>',
    "script url in a frame": f'<iframe src="javascript:{QUOTED}"></iframe>',
    "data url in a frame": '<iframe src="data:text/html,<script>parent.postMessage(1);alert(1)</script>"></iframe>',
    "frame of our own": '<iframe src="/stolen"></iframe>',
    "object": '<object data="/stolen" type="text/html"></object>',
    "embed": '<embed src="/stolen" type="text/html">',
    "script file": '<script src="/stolen"></script>',
    "module file": '<script type="module" src="/stolen"></script>',
    "style file": '<link rel="stylesheet" href="/stolen"><style>@import "/stolen";</style>',
    "refresh": '<meta http-equiv="refresh" content="0;url=/stolen">',
    "animation": f'<style>@keyframes a{{}}b{{animation:a 1s}}</style><b onanimationstart="{QUOTED}">x</b>',
    "media": f'<video src="/stolen" onerror="{QUOTED}"></video><audio autoplay src="/stolen"></audio>',
    "mutation": f'<noscript><p title="</noscript><img src=data:, onerror={QUOTED}>"></noscript>',
    "math": f'<math><mtext><table><mglyph><style><img src="data:," onerror="{QUOTED}"></style></mglyph></table></math>',
    "base": '<base href="/stolen/"><script src="x"></script>',
}
# These change how the rest of a page is read, so each has a letter of its own; the others share one.
ALONE = ("body load", "refresh", "mutation", "math", "base")
LETTERS = {name: PAYLOADS[name] for name in ALONE} | {
    "all others": "<hr>".join(payload for name, payload in PAYLOADS.items() if name not in ALONE)
}
CLICKS = {
    "script url": f'<a id="go" href="javascript:{QUOTED}">Read more</a>',
    "data url": '<a id="go" href="data:text/html,<script>alert(1)</script>">Read more</a>',
    "form": '<form action="/stolen" method="get"><button id="go">Read more</button></form>',
    "form action": f'<form><button id="go" formaction="javascript:{QUOTED}">Read more</button></form>',
    "top": '<a id="go" href="/stolen" target="_top">Read more</a>',
    "handler": f'<p id="go" onclick="{QUOTED}">Read more</p>',
}


@dataclass
class Watch:
    """What a page did that a letter must not be able to do."""

    deeds: list[str] = field(default_factory=list)

    def over(self, page: Page) -> Page:
        page.on("dialog", self._dialog)
        page.on("response", self._response)
        return page

    def _dialog(self, dialog: Dialog) -> None:
        self.deeds.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _response(self, response: Response) -> None:
        if "/stolen" in response.url:
            self.deeds.append(f"request {response.url}")


Places = Callable[[str], list[str]]


@pytest.fixture
def campaign(workspace: Workspace, contact_list: ContactList, transport: Transport, make_contact: object) -> Campaign:
    assert callable(make_contact)
    reader = make_contact("marta@orchard.example", first_name="Marta")
    assert isinstance(reader, Contact)
    campaign = Campaign.objects.create(
        workspace=workspace,
        name="November roast",
        subject="The Kenyan is in",
        from_name="Northlight",
        from_email="hello@northlight.example",
        transport=transport,
    )
    campaign.lists.add(contact_list)
    return campaign


@pytest.fixture
def places(workspace: Workspace, campaign: Campaign) -> Places:
    """Put HTML where a person may meet it, and say at which addresses that is."""

    def put(html: str) -> list[str]:
        Campaign.objects.filter(pk=campaign.pk).update(html=f"<html><body>{html}<p>end</p></body></html>")
        data = f"Subject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}<p>end</p>".encode()
        letter = InboxLetter.objects.create(
            workspace=workspace, recipient="marta@orchard.example", subject=html[:900], size=len(data), data=data
        )
        own = f"/w/{workspace.slug}"
        return [
            f"{own}/inbox/{letter.pk}/",
            f"{own}/inbox/{letter.pk}/html/",
            f"{own}/inbox/{letter.pk}/source/",
            f"{own}/inbox/{letter.pk}/?part=source",
            f"{own}/campaigns/{campaign.pk}/content/",
            f"{own}/campaigns/{campaign.pk}/preview/",
        ]

    return put


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def page(open_page: OpenPage, owner: User, watch: Watch) -> Iterator[Page]:
    yield watch.over(open_page("/w/northlight/inbox/", user=owner))


def test_a_letter_runs_nothing_wherever_it_is_shown(
    page: Page, places: Places, watch: Watch, live_server: object
) -> None:
    for name, html in LETTERS.items():
        for path in places(html):
            page.goto(f"{live_server}{path}", wait_until="load")
            page.wait_for_timeout(150)

            assert watch.deeds == [], (name, path)
            assert page.url == f"{live_server}{path}"
            assert page.title() != "owned"


def test_a_click_in_a_letter_runs_nothing_either(page: Page, places: Places, watch: Watch, live_server: object) -> None:
    page.context.on("page", watch.over)
    clicked = 0
    for name, html in CLICKS.items():
        for path in places(html):
            page.goto(f"{live_server}{path}", wait_until="load")
            title = page.title()
            for frame in page.frames:
                for target in frame.locator("#go").all():
                    target.click(timeout=3000, no_wait_after=True)
                    clicked += 1
            page.wait_for_timeout(150)

            # In a tab of its own a link to our site is followed, as any link would be.
            is_link_followed = name == "top" and path.endswith(("/html/", "/preview/"))
            if not is_link_followed:
                assert watch.deeds == [], (name, path)
                assert page.url == f"{live_server}{path}"
                assert page.title() == title
            watch.deeds.clear()

    assert clicked >= 18, "the letters were not on the page"


def test_the_same_letters_would_act_without_the_policy(browser: Browser, live_server: object) -> None:
    acted = set()
    for name, payload in {**PAYLOADS, **CLICKS}.items():
        watch = Watch()
        page = watch.over(browser.new_page())
        page.route("**/bare", lambda route, _, html=payload: route.fulfill(body=f"<p>{html}", content_type="text/html"))
        page.route("**/stolen*", lambda route: route.fulfill(body="", content_type="text/html"))
        try:
            page.goto(f"{live_server}/bare")
            for target in page.locator("#go").all():
                target.click(timeout=3000, no_wait_after=True)
            for _moment in range(30):
                if watch.deeds:
                    break
                page.wait_for_timeout(50)
        except BrowserError as error:  # it has gone elsewhere meanwhile
            assert "navigat" in str(error) or "destroyed" in str(error)
        if watch.deeds:
            acted.add(name)
        page.close()

    assert len(acted) >= 22, {*PAYLOADS, *CLICKS} - acted


def test_the_parent_cannot_be_reached_from_the_frame(page: Page, places: Places, live_server: object) -> None:
    framed = 0
    for path in places("<p>hello</p>"):
        page.goto(f"{live_server}{path}", wait_until="load")
        shared = page.evaluate("[...document.querySelectorAll('iframe')].map(f => f.contentDocument !== null)")
        framed += len(shared)

        assert not any(shared), f"{path} shares our origin with a letter"

    assert framed == 2, "one frame in the inbox, one in the composer"


def test_a_link_opens_a_tab_of_its_own_that_is_no_longer_in_the_sandbox(
    page: Page, places: Places, live_server: object
) -> None:
    path = places(f'<a id="go" href="{live_server}/accounts/login/">Shop</a>')[0]
    page.goto(f"{live_server}{path}", wait_until="load")

    with page.expect_popup() as opened:
        page.frame_locator("iframe").locator("#go").click()
    opened.value.wait_for_load_state()

    assert opened.value.evaluate("window.origin") == str(live_server)
    assert opened.value.evaluate("window.opener") is None
    assert page.url == f"{live_server}{path}"
