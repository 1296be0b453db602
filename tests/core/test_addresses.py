"""Addresses: the short way and the library's say the same, whatever is typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import addresses

LOCALS = st.text(alphabet="aZ09_!#$%&'*+-/=?^`{|}~.\"\\ ()<>@,;:é", min_size=0, max_size=70)
DOMAINS = st.one_of(
    st.sampled_from(
        [
            "example.com",
            "EXAMPLE.Com",
            "x.example",
            "xn--e1afmkfd.example",
            "пример.example",
            "localhost",
            "a..b",
            "-a.com",
            "a-.com",
            "a.b-",
            "1.2.3.4",
            "[1.2.3.4]",
            "example",
            "a.test",
            "x" * 64 + ".com",
            "x.co_m",
            ".com",
            "com.",
            "",
        ]
    ),
    st.text(alphabet="aZ0.-_", max_size=30),
    st.lists(st.text(alphabet="ab", min_size=1, max_size=63), min_size=2, max_size=6).map(".".join),
)


def judged(text: str, judge: object) -> tuple[str, str] | str:
    try:
        found = judge(text)  # type: ignore[operator]
    except addresses.InvalidAddressError as error:
        return error.message
    return found.email, found.normalised


@given(LOCALS, DOMAINS)
def test_the_short_way_says_what_the_library_says(local: str, domain: str) -> None:
    text = f"{local}@{domain}".strip().strip("<>").strip()
    if not text:
        return

    assert judged(text, addresses.parse) == judged(text, addresses._judged)


@pytest.mark.parametrize(
    ("typed", "email"),
    [
        ("Ann@Example.COM", "Ann@example.com"),
        (" <ann@x.example> ", "ann@x.example"),
        ("Postmaster@x.example", "postmaster@x.example"),
        ("Ann@Пример.example", "Ann@xn--e1afmkfd.example"),
        ("Ann@xn--e1afmkfd.example", "Ann@xn--e1afmkfd.example"),
        ("a" * 64 + "@x.example", "a" * 64 + "@x.example"),
    ],
)
def test_an_address_has_one_form(typed: str, email: str) -> None:
    found = addresses.parse(typed)

    assert (found.email, found.normalised) == (email, email.casefold())


@pytest.mark.parametrize(
    "typed", ["", "ann", "ann@", "@x.example", "a..b@x.example", ".a@x.example", "a@localhost.", "a@x..example",
              f"a@{'x' * 64}.example", f"{'a' * 60}@{'.'.join(['x' * 60] * 4)}.example", "a@x.example\n.evil@y.example"],  # noqa: E501
)  # fmt: skip
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(addresses.InvalidAddressError):
        addresses.parse(typed)


def test_a_domain_is_judged_once() -> None:
    addresses._is_plain_domain.cache_clear()

    for number in range(50):
        addresses.parse(f"reader{number}@{'EXAMPLE' if number % 2 else 'example'}.com")

    assert addresses._is_plain_domain.cache_info().misses == 1
