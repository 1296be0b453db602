"""Every state has its section in the operators' page, and the pages lead to one another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.campaigns.states import CampaignState, DeliveryState

PAGES = Path(__file__).resolve().parents[2] / "docs" / "operations"
TEXT = (PAGES / "states.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("state", DeliveryState)
def test_every_state_of_an_email_says_what_to_do(state: DeliveryState) -> None:
    assert "**Do:**" in SECTIONS[f"Email: {state.value}"]


@pytest.mark.parametrize("state", [*CampaignState, "stuck", "paused (restored)"])
def test_every_state_of_a_campaign_says_what_to_do(state: str) -> None:
    assert "**Do:**" in SECTIONS[f"Campaign: {state}"]


def test_there_is_no_section_for_a_state_that_is_gone() -> None:
    known = {f"Email: {state.value}" for state in DeliveryState}
    known |= {f"Campaign: {state}" for state in [*CampaignState, "stuck", "paused (restored)"]}

    assert SECTIONS.keys() == known


@pytest.mark.parametrize("page", ["states.md", "drill.md"])
def test_the_page_is_found_and_its_links_lead_somewhere(page: str) -> None:
    assert f"]({page})" in (PAGES / "README.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([\w-]+\.md)\)", (PAGES / page).read_text(encoding="utf-8")):
        assert (PAGES / link).exists(), link
