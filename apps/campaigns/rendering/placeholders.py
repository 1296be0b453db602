"""Hides `{{ }}`, `{% %}` and `{# #}` from HTML and CSS parsers behind words they leave alone, and puts them back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from apps.campaigns.rendering.environment import engine
from apps.campaigns.rendering.errors import ContentError

_OPENING = re.compile(r"<!--|<(/?)([a-zA-Z][\w:-]*)")
_IN_TAG = re.compile(r"[\"'>]")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_ATTRIBUTE_NAME = re.compile(r"[\s\"']([\w:-]+)(?=\s*=)")
_RAW_ELEMENTS = frozenset(["title", "style", "script", "textarea"])
_LONE = ("raw_begin", "raw_end")


def split(source: str) -> Iterator[tuple[bool, str]]:
    """Yield (is a placeholder, text) in order, with Jinja's own reading of where a placeholder ends."""
    pending: list[str] = []
    for _line, kind, text in engine(is_html=True, is_strict=True).lexer.tokeniter(source, None):
        if kind == "data":
            yield False, text
        elif kind in _LONE:
            yield True, text
        else:
            pending.append(text)
            if kind in ("variable_end", "block_end", "comment_end"):
                yield True, "".join(pending)
                pending.clear()


class Placeholders:
    """The placeholders of one source, each behind a word of lower-case letters and digits.

    Such a word survives lower-cased attribute names, escaped URLs and CSS identifiers alike.
    """

    def __init__(self, source: str) -> None:
        self.texts: list[str] = []
        seed = source.encode("utf-8", "replace")
        self.key = "jz" + hashlib.sha256(seed).hexdigest()[:8]
        while self.key in source.lower():
            seed = self.key.encode()
            self.key = "jz" + hashlib.sha256(seed).hexdigest()[:8]
        self._word = re.compile(rf"{self.key}(\d+)z")
        self._restored = re.compile(rf"<!--{self.key}(\d+)z-->|\s?{self.key}(\d+)z=\"\"|{self.key}(\d+)z")

    def hide(self, text: str) -> str:
        """Return the word that stands for a placeholder."""
        self.texts.append(text)
        return f"{self.key}{len(self.texts) - 1}z"

    def hidden_in(self, text: str) -> list[str]:
        """Return the placeholders whose words stand in the text, in order."""
        return [self.texts[int(number)] for number in self._word.findall(text)]

    def restore(self, text: str) -> str:
        """Return the text with every word turned back into its placeholder."""

        def original(found: re.Match[str]) -> str:
            in_text, as_attribute, plain = found.groups()
            number = int(in_text or as_attribute or plain)
            return (" " if as_attribute else "") + self.texts[number]

        return self._restored.sub(original, text)

    def restore_words(self, text: str) -> str:
        """Return plain text with every word turned back; nothing in it is markup."""
        return self._word.sub(lambda found: self.texts[int(found[1])], text)


class _Protector:
    """Walks through HTML just closely enough to know what kind of place a placeholder stands in."""

    def __init__(self, placeholders: Placeholders) -> None:
        self._placeholders = placeholders
        self._out: list[str] = []
        self._place = "text"
        self._ending = ""  # the quote, or the element, that ends the present place
        self._tag: list[str] = []
        self._tag_name = ""
        self._raw = ""

    def protect(self, source: str) -> str:
        for is_placeholder, text in split(source):
            if is_placeholder:
                self._placeholder(text)
            else:
                self._markup(text)
        return "".join(self._out)

    def _emit(self, text: str) -> None:
        self._out.append(text)
        if self._place in ("tag", "attribute"):
            self._tag.append(text)

    def _placeholder(self, text: str) -> None:
        word = self._placeholders.hide(text)
        if self._place == "text":
            self._emit(f"<!--{word}-->")
        elif self._place == "tag":
            is_value = "".join(self._tag[-2:]).rstrip().endswith("=")
            if text.startswith("{{") is not is_value:
                raise ContentError.of("placeholder_place", detail=text[:80])
            self._emit(word if is_value else f" {word} ")
        else:
            self._emit(word)

    def _markup(self, text: str) -> None:
        position = 0
        while position < len(text):
            position = getattr(self, f"_in_{self._place}")(text, position)

    def _in_text(self, text: str, position: int) -> int:
        found = _OPENING.search(text, position)
        if found is None:
            self._emit(text[position:])
            return len(text)
        self._emit(text[position : found.start()])
        if found[0] == "<!--":
            self._emit("<!--")
            self._place = "comment"
            return found.end()
        self._tag_name = found[2].lower()
        self._raw = self._tag_name if not found[1] and self._tag_name in _RAW_ELEMENTS else ""
        self._place, self._tag = "tag", []
        self._emit(found[0])
        return found.end()

    def _until(self, text: str, position: int, ending: str, place: str) -> int:
        end = text.find(ending, position)
        if end < 0:
            self._emit(text[position:])
            return len(text)
        self._emit(text[position : end + len(ending)])
        self._place = place
        return end + len(ending)

    def _in_comment(self, text: str, position: int) -> int:
        return self._until(text, position, "-->", "text")

    def _in_attribute(self, text: str, position: int) -> int:
        return self._until(text, position, self._ending, "tag")

    def _in_raw(self, text: str, position: int) -> int:
        end = text.lower().find(self._ending, position)
        if end < 0:
            self._emit(text[position:])
            return len(text)
        self._emit(text[position:end])
        self._place, self._tag, self._raw = "tag", [], ""
        self._emit(text[end : end + len(self._ending)])
        return end + len(self._ending)

    def _in_tag(self, text: str, position: int) -> int:
        found = _IN_TAG.search(text, position)
        if found is None:
            self._emit(text[position:])
            return len(text)
        self._emit(text[position : found.end()])
        if found[0] != ">":
            self._place, self._ending = "attribute", found[0]
            return found.end()
        self._end_tag()
        self._place, self._ending = ("raw", f"</{self._raw}") if self._raw else ("text", "")
        return found.end()

    def _end_tag(self) -> None:
        bare = _QUOTED.sub('""', "".join(self._tag))
        if not self._placeholders.hidden_in(bare):
            return
        names = [name.lower() for name in _ATTRIBUTE_NAME.findall(bare)]
        if len(set(names)) < len(names):  # a parser would keep only the first, and drop a branch in silence
            raise ContentError.of("placeholder_attributes", detail=self._tag_name)


def protect(source: str) -> tuple[str, Placeholders]:
    """Return the HTML with its placeholders hidden, and the placeholders.

    Raises:
        ContentError: a placeholder stands where no parser could keep it.
    """
    placeholders = Placeholders(source)
    return _Protector(placeholders).protect(source), placeholders
