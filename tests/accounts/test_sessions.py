"""Where somebody is signed in: seen, ended one by one, and ended by a new password."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts import sessions
from apps.accounts.models import AuditEntry, Session, User
from core import clock
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
PROFILE = "/you/"


def browser(user: User, agent: str = "Firefox on Linux", ip: str = "203.0.113.7") -> Client:
    client = Client(HTTP_USER_AGENT=agent, REMOTE_ADDR=ip)
    client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
    assert client.get(PROFILE).status_code == 200
    return client


@pytest.fixture
def three_languages(settings: Any) -> None:
    settings.LANGUAGES = [("en", "English"), ("ru", "Russian"), ("uk", "Ukrainian")]


def is_in(client: Client) -> bool:
    return client.get(PROFILE).status_code == 200


def test_a_session_says_whose_it_is_and_from_where(owner: User) -> None:
    browser(owner)

    (found,) = sessions.of(owner)
    assert (found.ip, found.user_agent) == ("203.0.113.7", "Firefox on Linux")
    assert found.signed_in_at is not None and found.seen_at is not None


def test_the_page_shows_all_and_gives_no_key_away(owner: User) -> None:
    here = browser(owner)
    browser(owner, "Safari on iPhone", "198.51.100.4")

    page = here.get(PROFILE).content.decode()

    assert "This browser" in page and "Safari on iPhone" in page and "198.51.100.4" in page
    assert not any(key in page for key in Session.objects.values_list("session_key", flat=True))


def test_one_place_is_ended(owner: User) -> None:
    here, there, elsewhere = browser(owner), browser(owner, "Safari"), browser(owner, "Opera")
    name = next(one.name for one in sessions.of(owner) if one.user_agent == "Safari")

    here.post(reverse("accounts:end_session"), {"session": name})

    assert [is_in(one) for one in (here, there, elsewhere)] == [True, False, True]
    assert AuditEntry.objects.filter(action="sessions_ended", actor_id=owner.pk).count() == 1


def test_all_others_are_ended(owner: User) -> None:
    here, there, elsewhere = browser(owner), browser(owner), browser(owner)

    here.post(reverse("accounts:end_session"))

    assert [is_in(one) for one in (here, there, elsewhere)] == [True, False, False]


def test_nobody_ends_the_session_of_another(owner: User, stranger: User) -> None:
    theirs, mine = browser(stranger), browser(owner)
    (found,) = sessions.of(stranger)

    mine.post(reverse("accounts:end_session"), {"session": found.name})

    assert is_in(theirs)


def test_a_new_password_ends_every_other_session_and_its_row(owner: User) -> None:
    here, there = browser(owner), browser(owner)
    new = "another quiet harbour"

    here.post(reverse("account_change_password"), {"oldpassword": PASSWORD, "password1": new, "password2": new})

    assert (is_in(here), is_in(there)) == (True, False)
    assert Session.objects.filter(user=owner).count() == 1
    assert AuditEntry.objects.filter(action="password_changed").count() == 1


def test_an_active_session_lives_on_and_an_idle_one_ends(owner: User) -> None:
    client = browser(owner)
    session = client.session
    marks = session[sessions._MARKS]
    session[sessions._MARKS] = {**marks, "seen_at": (clock.now() - dt.timedelta(hours=1)).isoformat()}
    session.save()
    Session.objects.update(expire_date=clock.now() + dt.timedelta(minutes=1))

    client.get(PROFILE, headers={"HX-Request": "true"})  # a page that only polls
    assert Session.objects.get().expire_date < clock.now() + dt.timedelta(hours=1)

    client.get(PROFILE)
    assert Session.objects.get().expire_date > clock.now() + dt.timedelta(hours=11)

    Session.objects.update(expire_date=clock.now() - dt.timedelta(seconds=1))
    assert not is_in(client)


def test_a_click_within_minutes_writes_nothing(owner: User) -> None:
    client = browser(owner)
    before = Session.objects.values().get()

    client.get(PROFILE)

    assert Session.objects.values().get() == before


def test_signing_in_begins_a_new_session(owner: User) -> None:
    client = Client()
    client.get(reverse("account_login"))
    session = client.session
    session["fixed"] = "by somebody else"
    session.save()
    before = session.session_key

    client.post(reverse("account_login"), {"login": owner.email, "password": PASSWORD})

    assert client.session.session_key != before


@pytest.mark.parametrize(("language", "word"), [("", "Your account"), ("en", "Your account")])
def test_name_and_language_are_kept(owner: User, language: str, word: str) -> None:
    client = browser(owner)

    answer = client.post(PROFILE, {"name": "  Ines   M. ", "language": language}, follow=True)

    owner.refresh_from_db()
    assert (owner.name, owner.language) == ("Ines M.", language)
    assert word in answer.content.decode()


def test_the_chosen_language_wins_over_the_browsers(owner: User, three_languages: None) -> None:
    User.objects.filter(pk=owner.pk).update(language="uk")

    answer = browser(owner).get(PROFILE, headers={"Accept-Language": "en"})

    assert '<html lang="uk"' in answer.content.decode()


def test_a_language_without_a_catalogue_is_neither_offered_nor_taken(owner: User) -> None:
    client = browser(owner)

    assert "Ukrainian" not in client.get(PROFILE).content.decode()
    assert client.post(PROFILE, {"name": "I", "language": "uk"}).status_code == 422
    User.objects.filter(pk=owner.pk).update(language="uk")
    assert '<html lang="en"' in client.get(PROFILE).content.decode()


def test_an_unknown_language_is_refused(owner: User) -> None:
    client = browser(owner)

    assert client.post(PROFILE, {"name": "I", "language": "xx"}).status_code == 422
    owner.refresh_from_db()
    assert owner.language == ""
