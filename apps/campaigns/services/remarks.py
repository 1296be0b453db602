"""What the editor says about the content while it is written: what stops it, and sentences that would have holes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.utils.translation import gettext as _

from apps.campaigns import rendering
from apps.campaigns.rendering import sandbox
from apps.campaigns.services import preflight

# Said elsewhere: by the settings step, by the review, or in place of the preview.
_ELSEWHERE = frozenset(
    ["empty_subject", "subject_too_long", "no_preheader", "no_sender_name", "bad_sender", "placeholder_in_sender",
     "no_postal_address", "empty_body"]
)  # fmt: skip
_ALWAYS_THERE = {"email"}
_FOOTER = frozenset(["missing_unsubscribe", "missing_postal_address"])
_SHOWN = re.compile(r"\{\{-?\s*([^{}]*?)\s*-?\}\}")
MAX_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing about the content: the fact, where it stands, and what puts it right."""

    level: Literal["bad", "warn"]
    title: str
    detail: str = ""
    line: int = 0
    step: Literal["footer", "fallback", ""] = ""
    # What is written now and what would stand there with a fallback, for `step="fallback"`.
    written: str = ""
    better: str = ""


def of(source: rendering.Source) -> list[Remark]:
    """Return what there is to say, what stops the letter first; nothing about content that is not there yet."""
    if not source.html.strip():
        return []
    found = [*_of_findings(source), *_of_fields(source)]
    return sorted(found, key=lambda remark: remark.level != "bad")


def _of_findings(source: rendering.Source) -> Iterator[Remark]:
    is_footer_said = False
    for finding in rendering.findings(source):
        if finding.code in _ELSEWHERE or (finding.code in _FOOTER and is_footer_said):
            continue
        title, _dot, detail = finding.message.partition(". ")
        title = title if detail else title.removesuffix(".")
        level: Literal["bad", "warn"] = "bad" if finding.level == "blocks" else "warn"
        if finding.code in _FOOTER:
            is_footer_said = True
            yield Remark(level, title, step="footer")
        else:
            yield Remark(level, title, detail, _line_of(source, finding.code))


def _line_of(source: rendering.Source, code: str) -> int:
    """Return the line of the HTML that keeps it from being built; nought where it is no line's fault."""
    try:
        sandbox.build(source)
    except rendering.ContentError as error:
        line = error.params.get("line", 0)
        if error.code == code and error.params.get("part") == "html" and isinstance(line, int):
            return line
    return 0


def _of_fields(source: rendering.Source) -> Iterator[Remark]:
    try:
        names = {name for part in sandbox.build(source).names.values() for name in part} - _ALWAYS_THERE
    except rendering.ContentError:
        return
    for name in preflight.without_fallback(source, names):
        title = _("%(field)s has no fallback: who lacks it reads a hole") % {"field": name}
        line, written = _place(source.html, name)
        if line:
            yield Remark("warn", title, "", line, "fallback", written, f'{{{{ {name} or "…" }}}}')
        else:
            yield Remark("warn", title)


def _place(html: str, name: str) -> tuple[int, str]:
    for shown in _SHOWN.finditer(html):
        if shown[1] == name:
            return html.count("\n", 0, shown.start()) + 1, shown[0]
    return 0, ""
