"""What the editor says about content: what stops it first, where it stands, and what puts it right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.accounts.models import Workspace
from apps.campaigns import merge_fields, rendering
from apps.campaigns.services import remarks
from apps.contacts.models import Contact
from core import addresses

GOOD = '<p>1 Harbour Road, Leith. <a href="{{ unsubscribe_url }}">Leave</a></p>'
SOURCE = rendering.Source(
    subject="",
    preheader="",
    html=GOOD,
    text="",
    from_name="",
    from_email="hello@northlight.example",
    reply_to="",
    postal_address="1 Harbour Road, Leith",
)


def of(html: str) -> list[remarks.Remark]:
    return remarks.of(replace(SOURCE, html=html))


def test_there_is_nothing_to_say_about_good_or_absent_content() -> None:
    assert of(GOOD) == []
    assert of(" ") == []


def test_a_missing_footer_is_one_remark_with_one_button() -> None:
    found = of("<p>Hello</p>")

    assert [(each.level, each.step) for each in found] == [("bad", "footer")]


def test_a_mistake_names_its_line() -> None:
    found = of(f"{GOOD}\n<p>\n{{% if %}}</p>")

    assert [(each.level, each.line, each.step) for each in found] == [("bad", 3, "")]


def test_a_field_without_a_fallback_is_shown_with_one() -> None:
    found = of(f"{GOOD}\n<p>Your {{{{ box_date }}}}, {{{{ city or 'town' }}}}, {{{{ email }}}}</p>")

    assert len(found) == 1
    assert (found[0].level, found[0].line, found[0].step) == ("warn", 2, "fallback")
    assert (found[0].written, found[0].better) == ("{{ box_date }}", '{{ box_date or "…" }}')


def test_what_stops_it_stands_first() -> None:
    found = of("<p>Your {{ box_date }}</p>")

    assert [each.level for each in found] == ["bad", "warn"]


@pytest.mark.django_db
def test_the_menu_offers_what_was_imported_and_nothing_unwritable(workspace: Workspace) -> None:
    for number, attributes in enumerate(({"city": "Porto", "box date": "x"}, {"plan": "", "_c0": "", "города": "1"})):
        address = addresses.parse(f"p{number}@example.com")
        Contact.objects.create(
            workspace=workspace,
            email=address.email,
            email_normalised=address.normalised,
            email_hash=addresses.fingerprint(address.normalised),
            attributes=attributes,
        )
    other = Workspace.objects.create(name="Elsewhere", slug="elsewhere")

    assert merge_fields.own_names(workspace) == ["city", "plan", "города"]
    assert merge_fields.own_names(other) == []
    codes = [insert.text for insert in merge_fields.of_people(workspace)]
    assert codes[:2] == ['{{ first_name or "there" }}', "{{ last_name }}"]
    assert '{{ city or "…" }}' in codes


def test_everything_the_menu_offers_can_be_sent(workspace: Workspace) -> None:
    offered = [*merge_fields.of_people(workspace), *merge_fields.of_letter()]
    written = replace(
        SOURCE,
        html=GOOD + "".join(f"<p>{each.html}</p>" for each in offered),
        text="\n".join(each.text for each in offered),
    )

    assert [finding for finding in rendering.findings(written) if finding.level == "blocks"] == [
        finding for finding in rendering.findings(SOURCE) if finding.level == "blocks"
    ]
