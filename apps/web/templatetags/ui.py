"""The components of the interface as template tags; one template each under `components/`."""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.contrib.messages.storage.base import Message
from django.forms import BaseForm, BoundField
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.web import bars, fields, icons, moments, numbers, rows, states
from core import toasts

register = template.Library()
logger = logging.getLogger(__name__)

register.filter("num", numbers.whole)
register.filter("filesize_words", numbers.size)


@register.filter
def kib_words(value: int) -> str:
    """Return a size in KiB as people read sizes."""
    return numbers.size(value * 1024)


@register.filter
def initials(name: str) -> str:
    """Return up to two capitals for an avatar."""
    words = [word for word in str(name).replace("@", " ").replace(".", " ").split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "?"


@register.filter
def place(zone: str) -> str:
    """Return the town that a time zone is named after."""
    return str(zone).rpartition("/")[2].replace("_", " ")


@register.filter
def undo(message: Message) -> dict[str, object] | None:
    """Return where a message's Undo posts, if the deed can be undone."""
    return toasts.undo_of(message.extra_tags or "")


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """Return one of Lucide's icons inline."""
    return icons.svg(name, classes)


@register.simple_tag
def num(value: int | None) -> str:
    """Return a count in the reader's language."""
    return numbers.whole(value)


@register.simple_tag
def pct(part: int | None, of: int | None) -> str:
    """Return a share in percent; always show beside it of how many."""
    return numbers.share(part, of)


@register.simple_tag
def moment(value: dt.datetime | None, style: str = "smart") -> SafeString:
    """Return a moment in the workspace's zone: smart, time, seconds, date or full."""
    return moments.element(value, moments.words(value, style) if value else "")


@register.simple_tag
def span(start: dt.datetime | None, end: dt.datetime | None = None) -> SafeString:
    """Return from when to when, the day and the minute said once where they are the same."""
    return moments.span(start, end) if start else moments.element(None, "")


@register.simple_tag
def ago(value: dt.datetime | None) -> SafeString:
    """Return how long ago a moment was, or the moment where that is an hour or more."""
    return moments.element(value, moments.ago(value) if value else "")


@register.simple_tag
def seconds(value: float | None) -> str:
    """Return a length of time in words: seconds, minutes, hours; a dash for none."""
    return moments.length(value)


@register.simple_tag
def seconds_ago(value: float | None) -> str:
    """Return how long ago something was, from its age in seconds; a dash for never."""
    return moments.length_ago(value)


@register.inclusion_tag("components/chip.html")
def chip(state: str, word: str = "", of: str = "") -> dict[str, Any]:
    """Show a state as icon and word on its soft colour."""
    look = states.look(state, of=of)
    return {"style": look.style, "icon": look.icon, "word": word or look.word}


@register.inclusion_tag("components/swatch.html")
def swatch(state: str) -> dict[str, Any]:
    """Show a state's colour and texture, beside its word."""
    return {"state": state}


@register.inclusion_tag("components/meter.html")
def meter(value: float, of: float = 100, kind: str = "") -> dict[str, Any]:
    """Show a share as a thin bar; kind is hot, human or machine; the figure stands beside it."""
    share = 0.0 if not of else max(0.0, min(100.0, value / of * 100))
    return {"width": f"{share:.1f}%", "kind": kind}


def _counts_from(source: Any, given: Mapping[str, int | None]) -> dict[str, int | None]:
    """Return the states' counts from a mapping, an object or the tag's own arguments."""
    counts: dict[str, int | None] = {}
    for state in bars.ORDER:
        if isinstance(source, Mapping):
            counts[state] = source.get(state)
        else:
            counts[state] = getattr(source, state, None)
        if given.get(state) is not None:
            counts[state] = given[state]
    return counts


def _sentence(account: bars.Account, *, is_closed: bool) -> str:
    parts = [f"{numbers.whole(count)} {str(states.look(state).word).lower()}" for state, count in account.parts]
    words = {"total": numbers.whole(account.total), "parts": ", ".join(parts) or _("nobody")}
    if is_closed:
        return _("Audience %(total)s: %(parts)s. Closed, it adds up.") % words
    return _("Audience %(total)s: %(parts)s.") % words


@register.inclusion_tag("components/account.html")
def account(
    source: Any = None,
    *,
    total: int | None = None,
    size: str = "md",
    reckon: bool = False,
    open: bool = False,
    say: str = "",
    name: str = "",
    **given: int | None,
) -> dict[str, Any]:
    """Draw an account, or refuse: a bar whose numbers do not add up is never shown.

    Args:
        source: a mapping or object with sent, skipped, failed, unconfirmed, waiting, queued and total.
        total: the audience, where the source does not carry it.
        size: sm (rows), md (sidebar, trail) or lg (live, report).
        reckon: show the sum in figures underneath.
        open: true while the total itself may change, so that no double rule is drawn.
        say: a sentence for screen readers instead of the usual one.
        name: a stable name, so that segments ease from poll to poll.
    """
    if unknown := set(given) - set(bars.ORDER):
        raise template.TemplateSyntaxError(f"account: unknown state {sorted(unknown)}")
    if total is None:
        total = source["total"] if isinstance(source, Mapping) else source.total
    drawn = bars.Account.of(_counts_from(source, given), total)
    if not drawn.adds_up:
        logger.error("account does not add up", extra={"missing": drawn.missing, "total": drawn.total})
        return {"refused": True, "missing": drawn.missing, "surplus": -drawn.missing, "size": size}
    is_closed = drawn.is_settled and not open and drawn.total > 0
    return {
        "bars": bars.draw(drawn, size),
        "size": size,
        "closed": is_closed,
        "say": say or _sentence(drawn, is_closed=is_closed),
        "total": drawn.total,
        "rows": [(state, states.look(state).word, count) for state, count in drawn.counts] if reckon else [],
        "id": name or f"acc-{secrets.token_hex(4)}",
    }


@register.simple_tag
def field(bound: BoundField, **options: Any) -> SafeString:
    """Render one form field with label, help and error; other options become attributes of the control."""
    return fields.render(bound, **options)


@register.inclusion_tag("components/form_errors.html")
def form_errors(form: BaseForm) -> dict[str, Any]:
    """Say what concerns the whole form, and list the fields to correct when there is more than one."""
    wrong = [form[name] for name in form.errors if name in form.fields]
    return {"general": form.non_field_errors(), "wrong": wrong if len(wrong) > 1 else []}


@register.inclusion_tag("components/stat.html")
def stat(label: str, value: Any, of: str = "") -> dict[str, Any]:
    """One cell of a stat row: label, figure, and its denominator in words."""
    return {"label": label, "value": value, "of": of}


@register.inclusion_tag("components/command.html")
def command(line: str) -> dict[str, Any]:
    """Show a command that can be copied."""
    return {"line": line}


@register.inclusion_tag("components/search.html")
def search(name: str = "q", value: str | None = "", label: str = "", **hidden: Any) -> dict[str, Any]:
    """A search field as a GET form, reached with `/`; other arguments are kept as hidden fields."""
    return {"name": name, "value": value or "", "label": label or _("Find"), "hidden": hidden}


@register.simple_tag(takes_context=True)
def dense(context: Context, table: str) -> str:
    """Return the class of a table whose rows stand close, as its switch was left."""
    return "dense" if rows.of(context.get("request"), table).is_dense else ""


@register.inclusion_tag("components/row_height.html", takes_context=True)
def row_height(context: Context, table: str) -> dict[str, Any]:
    """The switch between comfortable and dense rows of a table."""
    request = context.get("request")
    back = request.get_full_path() if request else ""
    return {"now": rows.of(request, table), "back": back, "csrf_token": context.get("csrf_token")}


@register.inclusion_tag("components/stepper.html")
def stepper(steps: Sequence[tuple[str, str]], at: int) -> dict[str, Any]:
    """Show where one is in a sequence; steps are (word, address), the address empty where one cannot go yet."""
    shown = [
        {"number": number, "word": word, "url": url, "done": number < at, "now": number == at}
        for number, (word, url) in enumerate(steps, start=1)
    ]
    return {"rows": shown}


@register.inclusion_tag("components/show_more.html")
def show_more(
    shown: int, total: int | None = None, url: str = "", rows: str = "rows", words: str = ""
) -> dict[str, Any]:
    """The foot of a table: how many are shown, and a link that adds the next page's rows to `#rows`."""
    return {"shown": shown, "total": total, "url": url, "rows": rows, "words": words}


@register.simple_block_tag(takes_context=True, end_name="endbanner")
def banner(context: Context, content: str, kind: str = "calm", title: str = "", **options: Any) -> str:
    """A banner: bad, warn, ok, unc or calm; title with the fact, content with the consequence."""
    standard = {"bad": "octagon-alert", "warn": "triangle-alert", "ok": "check", "unc": "circle-question-mark"}
    values = {"icon": standard.get(kind, "info"), **options, "kind": kind, "title": title, "content": content}
    return render_to_string("components/banner.html", values)


@register.simple_block_tag(takes_context=True, end_name="endempty_state")
def empty_state(context: Context, content: str, title: str, text: str = "") -> str:
    """An empty state: what this is, why it is empty; the content holds its one button."""
    return render_to_string("components/empty.html", {"title": title, "text": text, "content": content})


@register.simple_block_tag(takes_context=True, end_name="enddialog")
def dialog(context: Context, content: str, id: str, title: str, wide: bool = False) -> str:
    """A native dialog, opened by any control with `data-dialog="id"`."""
    return render_to_string("components/dialog.html", {"id": id, "title": title, "wide": wide, "content": content})


@register.simple_block_tag(takes_context=True, end_name="endtrail_step")
def trail_step(context: Context, content: str, state: str, what: str, **options: Any) -> str:
    """One step of a trail: options are when, icon, reply (the server's words, verbatim) and expected."""
    values = {"icon": states.look(state, of="delivery").icon or "circle-dashed", **options}
    return render_to_string("components/trail_step.html", {**values, "state": state, "what": what, "content": content})
