"""Times as people read them: in the workspace's zone and the reader's language, with UTC one hover away."""

from __future__ import annotations

import datetime as dt

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import clock

HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


def _clock_time(local: dt.datetime, *, seconds: bool = False) -> str:
    return local.strftime("%H:%M:%S" if seconds else "%H:%M")


def _day(local: dt.datetime, today: dt.date) -> str:
    if local.date() == today:
        return _("today")
    if local.date() == today - dt.timedelta(days=1):
        return _("yesterday")
    # Translators: a date format of Django: day and short month; with the year; change the order, not the letters.
    return formats.date_format(local, _("j M") if local.year == today.year else _("j M Y"))


def words(value: dt.datetime, style: str = "smart") -> str:
    """Return a moment as text; style is smart, near (today by its time alone), time, seconds, date, trail or full."""
    local = timezone.localtime(value)
    today = timezone.localtime(clock.now()).date()
    match style:
        case "near" if local.date() == today:
            return _clock_time(local)
        case "time":
            return _clock_time(local)
        case "seconds":
            return _clock_time(local, seconds=True)
        case "date":
            return _day(local, today)
        case "trail":  # to the second today, the day before
            return words(value, "seconds" if local.date() == today else "smart")
        case "full":
            return f"{formats.date_format(local, _('j M Y'))}, {_clock_time(local, seconds=True)}"
        case _:
            return f"{_day(local, today)}, {_clock_time(local)}"


def ago(value: dt.datetime) -> str:
    """Return how long ago a moment was when that is under an hour, else the moment itself."""
    age = clock.now() - value
    if age < dt.timedelta(0) or age >= HOUR:
        return words(value)
    if age < MINUTE:
        seconds = int(age.total_seconds())
        return ngettext("%(n)s second ago", "%(n)s seconds ago", seconds) % {"n": seconds}
    minutes = int(age / MINUTE)
    return ngettext("%(n)s minute ago", "%(n)s minutes ago", minutes) % {"n": minutes}


def span(start: dt.datetime, end: dt.datetime | None) -> SafeString:
    """Return from when to when: the day once where it is the same, and one moment where the minute is the same."""
    first = element(start, words(start))
    if end is None or words(start) == words(end):
        return first
    is_one_day = timezone.localtime(start).date() == timezone.localtime(end).date()
    last = element(end, words(end, "time" if is_one_day else "smart"))
    return format_html(_("{start} to {end}"), start=first, end=last)


def length(seconds: float | None) -> str:
    """Return a length of time in its largest unit; a dash for none."""
    if seconds is None:
        return "–"
    if seconds < 100:
        return _("%(n)s s") % {"n": round(seconds)}
    if seconds < 100 * 60:
        return _("%(n)s min") % {"n": round(seconds / 60)}
    if seconds < 72 * 3600:
        return _("%(n)s h") % {"n": round(seconds / 3600)}
    return _("%(n)s days") % {"n": round(seconds / 86400)}


def length_ago(seconds: float | None) -> str:
    """Return how long ago something was; a dash for never."""
    return "–" if seconds is None else _("%(length)s ago") % {"length": length(seconds)}


def element(value: dt.datetime | None, text: str) -> SafeString:
    """Return a <time> element whose title holds UTC; a dash for no moment."""
    if value is None:
        return format_html('<span class="muted">{}</span>', "–")
    utc = value.astimezone(dt.UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        utc.strftime("%Y-%m-%d %H:%M:%S"),
        text,
    )
