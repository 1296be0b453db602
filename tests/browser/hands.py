"""Ways to use a page: with a mouse, on a phone, or with nothing but the keyboard."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

FOCUSED = "element => element === document.activeElement"
MANY_TABS = 150


class Mouse:
    """Clicks what it sees, on a wide screen."""

    name, width = "mouse", 1280

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, target: Locator) -> None:
        """Push a button or follow a link."""
        target.click()

    def write(self, target: Locator, text: str) -> None:
        """Write into a field."""
        target.fill(text)

    def tick(self, target: Locator) -> None:
        """Tick a box, or choose one of several."""
        target.check()

    def open_menu(self) -> None:
        """Bring the sidebar into sight."""

    def go(self, place: str) -> None:
        """Go to a place of the sidebar."""
        self.open_menu()
        self.press(self.page.get_by_role("navigation", name="Main").get_by_role("link", name=place, exact=True))


class Phone(Mouse):
    """Taps; the sidebar is a drawer."""

    name, width = "phone", 390

    def open_menu(self) -> None:
        """Open the drawer."""
        self.page.get_by_role("button", name="Menu").click()


class Keyboard(Mouse):
    """Never touches the mouse: Tab reaches everything, Enter and Space do it, letters go to places."""

    name = "keyboard"
    letters = {"Home": "h", "Campaigns": "c", "Contacts": "p", "Lists": "l", "Sending accounts": "a"}

    def reach(self, target: Locator) -> None:
        """Press Tab until it has the focus."""
        target.wait_for()
        for _number in range(MANY_TABS):
            if target.evaluate(FOCUSED):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {target}")

    def press(self, target: Locator) -> None:
        """Reach it and press Enter."""
        self.reach(target)
        self.page.keyboard.press("Enter")

    def write(self, target: Locator, text: str) -> None:
        """Reach a field and type."""
        self.reach(target)
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.type(text)

    def tick(self, target: Locator) -> None:
        """Reach a box and press Space; among radio buttons Tab stops at the chosen one, and arrows choose."""
        if target.get_attribute("type") == "radio":
            name = target.get_attribute("name")
            self.reach(self.page.locator(f"input[type=radio][name={name}]:checked"))
            while not target.is_checked():
                self.page.keyboard.press("ArrowDown")
            return
        self.reach(target)
        if not target.is_checked():
            self.page.keyboard.press("Space")

    def go(self, place: str) -> None:
        """Press g and the place's letter, from outside any field."""
        self.page.locator("h1").first.wait_for()
        if self.page.evaluate("/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)"):
            self.page.evaluate("document.activeElement.blur()")
        self.page.keyboard.press("g")
        self.page.keyboard.press(self.letters[place])
