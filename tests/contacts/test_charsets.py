"""Character sets are guessed from words, and only from those a file may be in."""

import pytest

from apps.contacts.csv import charsets

RUSSIAN = ["Надежда", "Орлова", "Пётр", "Шаповалов", "Юлия", "Жукова", "ИВАНОВ", "Екатеринбург"]
UKRAINIAN = ["Ірина", "Бондар", "Їжакевич", "Дмитро", "Шевченко", "Київ", "Запоріжжя"]
WESTERN = ["José", "Müller", "François", "Weiß", "Åse", "Muñoz", "Zoë"]
CENTRAL = ["Łukasz", "Wiśniewski", "Dvořák", "Šárka", "Żółć", "Jiří", "Kovács"]


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        (RUSSIAN, "windows-1251"),
        (RUSSIAN, "koi8-u"),
        (RUSSIAN, "cp866"),
        (UKRAINIAN, "windows-1251"),
        (UKRAINIAN, "koi8-u"),
        (WESTERN, "windows-1252"),
        (CENTRAL, "windows-1250"),
        (["Надежда"], "windows-1251"),
        (["Надежда"], "koi8-u"),
        (["НАДЕЖДА", "ИВАНОВА"], "windows-1251"),
        (["НАДЕЖДА", "ИВАНОВА"], "koi8-u"),
        (["Müller"], "windows-1252"),
    ],
)
def test_guesses_the_set_in_which_the_words_are_words(words: list[str], encoding: str) -> None:
    text = "\n".join(f"{n};{word};{word.lower()}@x.example" for n, word in enumerate(words))

    assert charsets.guess(charsets.sample_words(text.encode(encoding, errors="replace"))) == encoding


def test_takes_windows_1252_when_nothing_tells() -> None:
    assert charsets.guess(b"") == "windows-1252"


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("\ufeffemail".encode(), "utf-8-sig"),
        ("email;name".encode("utf-16"), "utf-16"),
        ("email;name".encode("utf-16-le"), "utf-16-le"),
        ("email;name".encode("utf-16-be"), "utf-16-be"),
        (b"email;name", ""),
        (b"", ""),
    ],
)
def test_believes_first_bytes(start: bytes, expected: str) -> None:
    assert charsets.from_first_bytes(start) == expected
