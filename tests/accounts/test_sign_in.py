"""Signing in and out, and new passwords: no way in for anybody who was not let in."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, get_hashers, make_password
from django.core import mail
from django.core.cache import cache
from django.test import Client, override_settings
from django.urls import reverse

from apps.accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture(autouse=True)
def forget_rate_limits() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def sign_in(client: Client, user: User, password: str = PASSWORD) -> Any:
    return client.post(reverse("account_login"), {"login": user.email, "password": password})


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def posted() -> None:
    """Wait for the letters that are sent behind the answer."""
    for thread in threading.enumerate():
        if thread.name == "system-mail":
            thread.join(timeout=20)


def test_signs_in_with_any_case_of_the_address(client: Client, owner: User) -> None:
    answer = client.post(reverse("account_login"), {"login": owner.email.upper(), "password": PASSWORD})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert is_in(client)


def test_refuses_a_wrong_password_with_our_sentence(client: Client, owner: User) -> None:
    answer = sign_in(client, owner, "wrong horse battery staple")

    assert not is_in(client)
    assert "Email and password do not match." in answer.content.decode()


def test_pauses_after_five_wrong_passwords(client: Client, owner: User) -> None:
    for _ in range(5):
        sign_in(client, owner, "wrong horse battery staple")

    answer = sign_in(client, owner)

    assert not is_in(client)
    assert "Too many tries" in answer.content.decode()


def test_a_get_signs_nobody_out(owner_client: Client) -> None:
    owner_client.get(reverse("account_logout"))
    assert is_in(owner_client)

    owner_client.post(reverse("account_logout"))
    assert not is_in(owner_client)


@pytest.mark.parametrize("name", ["account_signup", "account_email", "account_set_password"])
def test_doors_that_stay_closed(owner_client: Client, client: Client, name: str) -> None:
    for who in (owner_client, client):
        assert who.get(reverse(name)).status_code == 404
        assert who.post(reverse(name), {"email": "x@x.example", "password1": PASSWORD}).status_code == 404
    assert User.objects.count() == 1


def test_a_new_password_ends_every_other_session(owner: User) -> None:
    here, there = Client(), Client()
    sign_in(here, owner)
    sign_in(there, owner)
    new = "another quiet harbour"

    here.post(reverse("account_change_password"), {"oldpassword": PASSWORD, "password1": new, "password2": new})

    owner.refresh_from_db()
    assert owner.check_password(new)
    assert here.get("/accounts/password/change/").status_code == 200
    assert there.get("/accounts/password/change/").status_code == 302


@override_settings(EMAIL_BACKEND=LOCMEM, PUBLIC_URL="https://mail.northlight.example")
def test_a_reset_link_stands_at_the_public_address_and_works_once(client: Client, owner: User) -> None:
    client.post(reverse("account_reset_password"), {"email": owner.email}, headers={"host": "localhost"})
    posted()
    found = re.search(r"https://mail\.northlight\.example(/accounts/password/reset/key/\S+)", str(mail.outbox[0].body))
    assert found
    new = "another quiet harbour"

    form = client.get(found[1], follow=True)
    client.post(form.request["PATH_INFO"], {"password1": new, "password2": new})

    owner.refresh_from_db()
    assert owner.check_password(new)
    assert client.get(found[1]).context["token_fail"]


@override_settings(EMAIL_BACKEND=LOCMEM)
def test_a_stranger_learns_nothing_and_gets_no_mail(client: Client, owner: User) -> None:
    known = client.post(reverse("account_reset_password"), {"email": owner.email})
    unknown = client.post(reverse("account_reset_password"), {"email": "nobody@x.example"})

    assert (known.status_code, known.headers["Location"]) == (unknown.status_code, unknown.headers["Location"])
    posted()
    assert [letter.to for letter in mail.outbox] == [[owner.email]]


@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.Argon2PasswordHasher"])
def test_passwords_are_kept_with_argon2() -> None:
    assert make_password(PASSWORD).startswith("argon2$argon2id$")
    assert not isinstance(get_hashers()[0], PBKDF2PasswordHasher)


def test_redirects_only_within_this_site(client: Client, owner: User) -> None:
    answer = client.post(
        reverse("account_login"), {"login": owner.email, "password": PASSWORD, "next": "https://evil.example/"}
    )

    assert answer.headers["Location"] == "/"
