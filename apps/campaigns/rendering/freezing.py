"""Turns a marketer's source into a version: checked, inlined, links numbered, tried on unusual contacts.

This runs in the child process of `sandbox`: until it has passed here, a source may be hostile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from apps.campaigns.rendering import headers, links, plain_text, styles
from apps.campaigns.rendering.compiled import Compiled, compile_part, names_in
from apps.campaigns.rendering.errors import ContentError, RenderError
from apps.campaigns.rendering.types import Frozen, Source
from apps.campaigns.rendering.urls import domain_to_ascii
from apps.campaigns.rendering.values import Plain, clean_fields, clean_line, clean_text

PARTS = ("subject", "preheader", "html", "text")
_NAME_255 = "Ma\u0308rta-\u0645\u062d\u0645\u062f " * 24
EDGE_FIELDS: tuple[Mapping[str, object], ...] = (
    {},
    {"email": "a@example.com", "first_name": "", "last_name": "", "name": ""},
    {
        "email": "b@example.com",
        "first_name": "\u0645\u062d\u0645\u062f",
        "last_name": "\u05d3\u05d5\u05d3",
        "name": "\u0645",
    },
    {"email": "c@example.com", "first_name": "\U0001f469\u200d\U0001f680", "last_name": "{{ 7*7 }}", "name": "<b>&\"'"},
    {"email": "d@example.com", "first_name": _NAME_255, "last_name": "\x0b\x00\x85", "name": "a\r\nBcc: x@example.com"},
)


@dataclass(frozen=True, slots=True)
class Build:
    """A frozen version, and the fields each of its parts asks for."""

    frozen: Frozen
    names: Mapping[str, Sequence[str]]


def build(source: Source, samples: Sequence[Mapping[str, object]]) -> Build:
    """Return the version.

    Raises:
        ContentError: with the part, the line and what to do.
    """
    source = _cleaned(source)
    _check_sender(source)
    if not source.html.strip():
        raise ContentError.of("empty_body")
    fields = [clean_fields(sample) for sample in (*EDGE_FIELDS, *samples)]
    _try_out(_compiled(source, is_strict=True), fields)  # first as written, so that the lines are the author's
    frozen = _frozen(source)
    _try_out(_compiled(frozen, is_strict=False), fields)
    return Build(frozen, {part: sorted(names_in(getattr(source, part))) for part in PARTS})


def _cleaned(source: Source) -> Source:
    lines = {name: clean_line(getattr(source, name)) for name in ("subject", "preheader")}
    lines |= {name: clean_line(getattr(source, name)) for name in ("from_name", "from_email", "reply_to")}
    texts = {name: clean_text(getattr(source, name)) for name in ("html", "text", "postal_address")}
    return Source(**lines, **texts, track_opens=source.track_opens, track_clicks=source.track_clicks)


# A Message-ID is "<36 letters and digits of ours@domain>", and 255 are kept of it.
LONGEST_DOMAIN = 255 - len("<>@") - 36


def _check_sender(source: Source) -> None:
    if any(
        mark in text for mark in ("{{", "{%", "{#") for text in (source.from_name, source.from_email, source.reply_to)
    ):
        raise ContentError.of("placeholder_in_sender")
    if len(domain_to_ascii(source.from_email.rpartition("@")[2])) > LONGEST_DOMAIN:
        raise ContentError.of("bad_sender", detail=source.from_email[:80])
    for address in filter(None, (source.from_email or "?", source.reply_to)):
        try:
            headers.ascii_address(address)
        except RenderError:
            raise ContentError.of("bad_sender", detail=address[:80]) from None


def _compiled(content: Source | Frozen, *, is_strict: bool) -> dict[str, Compiled]:
    return {
        part: compile_part(
            getattr(content, part), part=part, is_html=part in ("html", "preheader"), is_strict=is_strict
        )
        for part in PARTS
    }


def _try_out(parts: Mapping[str, Compiled], samples: Sequence[dict[str, Plain]]) -> None:
    for fields in samples:
        for part, compiled in parts.items():
            try:
                compiled.render({**fields, **dict.fromkeys(links.PRODUCT_URLS, "https://example.com/u/")})
            except RenderError as error:
                if error.code == "loop_too_long":
                    raise ContentError.of(error.code, **error.params) from None
                if error.code == "budget":  # spent by the part as a whole, on no line of its own
                    raise ContentError.of("too_heavy") from None
                line, detail = error.params.get("line", 0), str(error.params.get("detail", ""))
                raise ContentError.of("sample_failed", part=part, line=line, detail=detail[:200]) from None


def _frozen(source: Source) -> Frozen:
    links.check_text(source.text)
    hidden, placeholders = styles.inline(source.html)
    hidden, counted = links.rewrite(hidden, placeholders, is_tracked=source.track_clicks)
    html = placeholders.restore(links.with_preheader(hidden, source.preheader, placeholders))
    if source.track_opens:
        html = links.with_pixel(html)
    frozen = Frozen(
        subject=source.subject,
        preheader=source.preheader,
        html=html,
        text=source.text if source.text.strip() else _text_from_html(source.html),
        links=counted,
        content_hash="",
        from_name=source.from_name,
        from_email=source.from_email,
        reply_to=source.reply_to,
    )
    return replace(frozen, content_hash=_hash(frozen))


def _text_from_html(html: str) -> str:
    text = plain_text.derive(html)
    try:
        compile_part(text, part="text", is_html=False, is_strict=True)
    except ContentError:
        raise ContentError.of("text_not_made") from None
    return text


def _hash(frozen: Frozen) -> str:
    return hashlib.sha256("\0".join(_values(frozen)).encode("utf-8", "replace")).hexdigest()


def _values(frozen: Frozen) -> Iterator[str]:
    for name, value in sorted(asdict(frozen).items()):
        yield json.dumps([name, value], ensure_ascii=False)
