"""The components as templates use them."""

import datetime as dt
import re
from typing import Any

import pytest
import time_machine
from django import forms
from django.template import Context, Template, TemplateSyntaxError
from django.utils import timezone, translation

from apps.campaigns.states import CampaignState, DeliveryState
from apps.web import states
from apps.web.icons import UnknownIconError

NOON = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)


def render(source: str, **context: Any) -> str:
    return Template("{% load ui %}" + source).render(Context(context))


def test_an_open_account_has_one_rule_and_a_sentence() -> None:
    html = render("{% account counts size='md' %}", counts={"sent": 60, "queued": 40, "total": 100})

    assert html.count("bar-rule") == 1
    assert 'aria-label="Audience 100: 60 sent, 40 queued."' in html


def test_a_closed_account_has_a_double_rule_and_says_so() -> None:
    html = render("{% account sent=98 failed=2 total=100 size='md' %}")

    assert html.count("bar-rule") == 2
    assert "Closed, it adds up." in html


def test_a_total_that_can_still_change_gets_no_double_rule() -> None:
    assert render("{% account sent=98 skipped=2 total=100 open=True %}").count("bar-rule") == 1


@pytest.mark.parametrize(("total", "words"), [(46, "3 emails are missing"), (42, "1 email is counted too often")])
def test_an_account_refuses_numbers_that_do_not_add_up(total: int, words: str) -> None:
    html = render("{% account sent=40 failed=3 total=total %}", total=total)

    assert words in html
    assert "manage.py health_check" in html
    assert '<svg class="bar"' not in html


def test_a_small_account_refuses_with_a_chip() -> None:
    html = render("{% account sent=40 total=46 size='sm' %}")

    assert "Does not add up" in html
    assert "bar-rule" not in html


def test_an_account_reads_an_object_too() -> None:
    class Counts:
        sent, skipped, failed, unconfirmed, waiting, queued, total = 5, 0, 0, 0, 1, 4, 10

    assert "Audience 10: 5 sent, 1 waiting, 4 queued." in render("{% account counts %}", counts=Counts())


def test_an_account_knows_no_other_states() -> None:
    with pytest.raises(TemplateSyntaxError, match="delivered"):
        render("{% account delivered=1 total=1 %}")


def test_the_reckoning_keeps_its_zeros() -> None:
    html = render("{% account sent=1234 queued=0 total=1234 size='lg' reckon=True %}")

    assert html.count('class="zero"') == 5
    assert "1,234" in html
    assert "100.0\u00a0%" in html


def test_svg_lengths_keep_their_point_in_other_languages() -> None:
    with translation.override("ru"):
        html = render("{% account sent=31846 queued=15720 total=47566 size='lg' reckon=True %}")

    assert not re.search(r'(?:x|width|x1|x2)="\d+,\d', html)
    assert "47\u00a0566" in html


@pytest.mark.parametrize("state", [state.value for state in DeliveryState])
def test_every_delivery_state_has_a_word(state: str) -> None:
    assert state in states.DELIVERY


@pytest.mark.parametrize("state", [state.value for state in CampaignState])
def test_every_campaign_state_has_a_word(state: str) -> None:
    assert state in states.CAMPAIGN


def test_sending_means_another_thing_for_a_delivery() -> None:
    assert "Sending" in render("{% chip 'sending' %}")
    assert "In hand" in render("{% chip 'sending' of='delivery' %}")
    assert "In hand" in render("{% chip 'committing' of='delivery' %}")


def test_a_state_from_a_newer_release_takes_no_page_down() -> None:
    assert "Half done" in render("{% chip 'half_done' %}")


def test_a_chip_escapes_what_it_is_given() -> None:
    assert "<script>" not in render("{% chip 'ok' word=word %}", word="<script>alert(1)</script>")


def test_an_unknown_icon_is_an_error() -> None:
    with pytest.raises(UnknownIconError):
        render("{% icon 'no-such-drawing' %}")


@pytest.mark.parametrize(
    ("part", "of", "text"),
    [
        (17204, 45871, "37.5\u00a0%"),
        (96, 45871, "0.21\u00a0%"),
        (0, 10, "0.0\u00a0%"),
        (3, 0, "–"),
        (None, 5, "–"),
        (99999, 100000, "99.9\u00a0%"),
        (1, 100000, "&lt; 0.01\u00a0%"),
    ],
)
def test_a_share_has_one_decimal_and_two_under_one_percent(part: int | None, of: int, text: str) -> None:
    assert render("{% pct part of %}", part=part, of=of) == text


@time_machine.travel(NOON, tick=False)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NOON - dt.timedelta(hours=3), "today, 11:00"),
        (NOON - dt.timedelta(days=1), "yesterday, 14:00"),
        (dt.datetime(2026, 3, 4, 7, 5, tzinfo=dt.UTC), "4 Mar, 09:05"),
        (dt.datetime(2025, 3, 4, 7, 5, tzinfo=dt.UTC), "4 Mar 2025, 09:05"),
    ],
)
def test_a_moment_is_shown_in_the_active_zone_with_utc_as_title(value: dt.datetime, text: str) -> None:
    with timezone.override("Europe/Kyiv"):
        html = render("{% moment value %}", value=value)

    assert f">{text}</time>" in html
    assert f'title="{value:%Y-%m-%d %H:%M:%S} UTC"' in html


@time_machine.travel(NOON, tick=False)
def test_relative_time_ends_at_one_hour() -> None:
    ages = [dt.timedelta(seconds=1), dt.timedelta(seconds=59), dt.timedelta(minutes=59), dt.timedelta(hours=1)]
    texts = [re.sub(r"<[^>]+>", "", render("{% ago value %}", value=NOON - age)) for age in ages]

    assert texts == ["1 second ago", "59 seconds ago", "59 minutes ago", "today, 11:00"]


def test_no_moment_is_a_dash() -> None:
    assert "–" in render("{% moment value %}", value=None)


class SampleForm(forms.Form):
    address = forms.EmailField(label="Address", help_text="Where you read it.")
    note = forms.CharField(label="Note", required=False)
    agreed = forms.BooleanField(label="Agreed")


def test_a_field_says_what_is_wrong_where_screen_readers_look() -> None:
    html = render(
        "{% field form.address autocomplete='username' hx_get='/x' %}", form=SampleForm({"address": "nobody"})
    )

    assert 'aria-describedby="id_address_help id_address_error"' in html
    assert 'aria-invalid="true"' in html
    assert 'value="nobody"' in html
    assert 'autocomplete="username"' in html
    assert 'hx-get="/x"' in html
    assert 'id="id_address_error"' in html


def test_the_optional_is_marked_and_the_required_is_not() -> None:
    form = SampleForm()

    assert "(optional)" in render("{% field form.note %}", form=form)
    assert "(optional)" not in render("{% field form.address %}", form=form)


def test_errors_are_listed_on_top_only_when_there_are_several() -> None:
    several = SampleForm({"address": ""})
    one = SampleForm({"address": "", "agreed": "on"})

    assert 'href="#id_agreed"' in render("{% form_errors form %}", form=several)
    assert render("{% form_errors form %}", form=one).strip() == ""


def test_a_block_component_escapes_its_variables_once() -> None:
    html = render("{% banner 'bad' title=title %}{{ body }}{% endbanner %}", title="<b>", body="<i>")

    assert "&lt;b&gt;" in html
    assert "&lt;i&gt;" in html
    assert "&amp;lt;" not in html
