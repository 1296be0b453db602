"""Which character set a file is in: certain where it says so, else the one whose words read like words."""

from __future__ import annotations

import codecs
import re

# Our own judge and not charset-normalizer: a list is a few short words among ASCII addresses. On two such rows that
# library takes cp1251 and cp1252 for cp1250, and cp1250 for cp1252, also when told to choose among these five only.

SAMPLE_BYTES = 64 * 1024
UTF8_BOM = codecs.BOM_UTF8

# What a person may choose, and the names they know it by.
CHOICES: dict[str, str] = {
    "utf-8": "UTF-8",
    "windows-1251": "Windows-1251",
    "koi8-u": "KOI8-R / KOI8-U",
    "cp866": "DOS (866)",
    "windows-1252": "Windows-1252",
    "windows-1250": "Windows-1250",
    "utf-16": "UTF-16",
}

# How often letters come in Russian and Ukrainian text, in permille, roughly; only the order of size matters.
_CYRILLIC = dict(zip("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфіїєґўё", (
    110, 85, 80, 73, 67, 63, 55, 47, 45, 44, 35, 32, 30, 28, 26, 20, 19, 17, 17, 16, 16, 14, 12, 10, 9, 7, 6, 5, 4, 3,
    3, 50, 6, 6, 2, 2, 3,
), strict=True))  # fmt: skip
_WESTERN = set("àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿšžœß")
_CENTRAL = set("ąćęłńóśźżčďěňřšťůžáéíýúäöüőűôľĺŕăâîşţđëçß")
_WORDS = re.compile(rb"[A-Za-z]?[\x80-\xff]+[A-Za-z\x80-\xff]*")


def sample_words(chunk: bytes) -> bytes:
    """Return the words of a piece of a file that tell character sets apart: those with bytes above 127."""
    return b" ".join(found.group()[:64] for found in _WORDS.finditer(chunk))[:SAMPLE_BYTES]


def from_first_bytes(start: bytes) -> str:
    """Return the character set that a file's first bytes prove, or nothing."""
    if start.startswith(UTF8_BOM):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = start[:4096]
    if len(head) >= 4 and head.count(0) > len(head) // 4:
        if head[1::2].count(0) > head[::2].count(0):
            return "utf-16-le"
        return "utf-16-be"
    return ""


def guess(sample: bytes) -> str:
    """Return the single-byte character set in which the sample's words read best; windows-1252 for no words."""
    words = sample[:SAMPLE_BYTES].split()
    scores = {
        name: sum(score(word.decode(name, errors="replace")) for word in words)
        for name in ("windows-1252", "windows-1250", "windows-1251", "koi8-u", "cp866")
    }
    return max(scores, key=lambda name: scores[name])


def score(word: str) -> float:
    """Return how much a decoded word reads like one: below zero for a mixture that no language has."""
    if not word.isalpha() or not _has_natural_case(word):
        return -1.0
    lower = word.lower()
    foreign = [letter for letter in lower if letter > "\x7f"]
    if all(letter in _CYRILLIC for letter in foreign):
        if len(foreign) < len(lower):
            return -1.0
        return 0.5 + sum(_CYRILLIC[letter] for letter in foreign) / len(foreign) / 100
    table = _WESTERN if all(letter in _WESTERN for letter in foreign) else _CENTRAL
    if not all(letter in table for letter in foreign) or re.search(r"[^\x00-\x7f]{3}", lower):
        return -1.0
    return (1.0 if table is _WESTERN else 0.9) * (1 - len(foreign) / len(lower)) + 0.1


def _has_natural_case(word: str) -> bool:
    return word.islower() or word.isupper() or (word[0].isupper() and word[1:].islower())
