"""The way of content: freeze a source once, then compose each letter of the version from memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from apps.campaigns.rendering import assertions, headers, links, message, quoted_printable, sandbox
from apps.campaigns.rendering.compiled import Compiled, compile_part
from apps.campaigns.rendering.placeholders import split
from apps.campaigns.rendering.types import Frozen, Letter, Rendered, Source
from apps.campaigns.rendering.values import clean_fields, clean_line
from apps.smtp.envelope import Envelope

MAX_CACHED_VERSIONS = 32


@dataclass(frozen=True, slots=True)
class _Version:
    subject: Compiled | str
    html: Compiled
    encoded_html: Compiled | None  # None where base64 is shorter, and static text cannot be encoded beforehand
    text: Compiled
    sender: bytes
    slots: tuple[str, ...]
    encoded_slots: tuple[str, ...]  # the same and the picture's, for where they are written


_versions: OrderedDict[str, _Version] = OrderedDict()
_lock = Lock()


def freeze(source: Source, *, samples: Sequence[Mapping[str, object]] = ()) -> Frozen:
    """Return the version of a source after trying it on the samples and on unusual contacts of our own.

    Raises:
        ContentError: with the part, the line and what to do.
    """
    return sandbox.build(source, samples).frozen


def compose(frozen: Frozen, letter: Letter) -> Envelope:
    """Return one letter, ready for a transport; the same bytes on every attempt.

    Raises:
        RenderError: this letter cannot be built, or would break a rule of the wire; others are not touched.
    """
    version = _version_of(frozen)
    clicks = letter.click_urls(len(frozen.links))
    values: dict[str, object] = dict(clean_fields(letter.fields))
    values.update(zip(version.slots, clicks, strict=True))
    values["_open"] = letter.open_url
    values.update(
        zip(version.encoded_slots, map(quoted_printable.encode_value, (*clicks, letter.open_url)), strict=True)
    )
    values["unsubscribe_url"] = letter.unsubscribe_url
    values["view_url"] = letter.view_url
    values["preferences_url"] = letter.preferences_url

    message_id = headers.bracketed(letter.message_id)
    lines = headers.letter_lines(letter, _subject(version, values), version.sender)
    text, html = message.encode_part(_text(version, values)), _html_part(version, values)
    wire = message.assemble(lines, text=text, html=html, message_id=message_id)
    own_urls = (letter.unsubscribe_url, letter.view_url, letter.preferences_url, letter.open_url, *clicks)
    assertions.check(
        wire,
        assertions.Expected(
            message_id=message_id,
            is_bulk=letter.is_bulk,
            allow_http_loopback=letter.allow_http_loopback,
            unsubscribe_url=letter.unsubscribe_url,
            own_urls=own_urls,
        ),
    )
    rcpt_to = headers.ascii_address(letter.to_email)
    mail_from = headers.ascii_address(letter.mail_from) if letter.mail_from else ""
    return Envelope.of_checked(wire, mail_from=mail_from, rcpt_to=rcpt_to, message_id=letter.message_id)


def preview(frozen: Frozen, fields: Mapping[str, object], *, urls: Mapping[str, str] | None = None) -> Rendered:
    """Return what a reader with these fields would see; links lead to where they were written to lead.

    Args:
        frozen: a version, which has passed the child process; here it is filled under the budgets of a letter.
        fields: the contact's fields.
        urls: `unsubscribe_url`, `view_url`, `preferences_url`; "#" where one is left out.

    Raises:
        RenderError: the version cannot be filled with these fields.
    """
    version = _version_of(frozen)
    values: dict[str, object] = dict(clean_fields(fields))
    values.update(zip(version.slots, frozen.links, strict=True))
    values["_open"] = ""
    for name in links.PRODUCT_URLS:
        values[name] = (urls or {}).get(name, "#")
    html = _one_newline(version.html.render(values))
    return Rendered(clean_line(_subject(version, values)), html, _text(version, values))


def _subject(version: _Version, values: dict[str, object]) -> str:
    return version.subject if isinstance(version.subject, str) else version.subject.render(values)


def _text(version: _Version, values: dict[str, object]) -> str:
    text = _one_newline(version.text.render(values))
    while "\n\n\n" in text:  # a condition that wrote nothing leaves its line
        text = text.replace("\n\n\n", "\n\n")
    return text


def _html_part(version: _Version, values: dict[str, object]) -> message.Part:
    if version.encoded_html is None:
        return message.encode_part(_one_newline(version.html.render(values)))
    return message.Part(message.QUOTED_PRINTABLE, version.encoded_html.render(values).encode("ascii"))


def _one_newline(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _version_of(frozen: Frozen) -> _Version:
    """Return the compiled version, from this process's memory where it is there."""
    with _lock:
        version = _versions.get(frozen.content_hash)
        if version is not None:
            _versions.move_to_end(frozen.content_hash)
            return version
    version = _compile(frozen)
    with _lock:
        _versions[frozen.content_hash] = version
        while len(_versions) > MAX_CACHED_VERSIONS:
            _versions.popitem(last=False)
    return version


def _compile(frozen: Frozen) -> _Version:
    def compiled(part: str, source: str, *, is_encoded: bool = False) -> Compiled:
        return compile_part(source, part=part, is_html=part == "html", is_strict=False, is_encoded=is_encoded)

    has_placeholders = any(is_placeholder for is_placeholder, _text in split(frozen.subject))
    slots = tuple(f"_c{number}" for number in range(len(frozen.links)))
    is_base64 = message.prefers_base64(frozen.html, len(frozen.html.encode()))
    return _Version(
        subject=compiled("subject", frozen.subject) if has_placeholders else frozen.subject,
        html=compiled("html", frozen.html),
        encoded_html=None if is_base64 else compiled("html", frozen.html, is_encoded=True),
        text=compiled("text", frozen.text),
        sender=headers.sender_lines(frozen.from_name, frozen.from_email, frozen.reply_to),
        slots=slots,
        encoded_slots=tuple(map(quoted_printable.encoded_slot, (*slots, "_open"))),
    )
