"""The filters and tests a template may use: each bounded in size, counted, and free of attribute tricks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import wraps
from itertools import islice
from typing import Any, cast

from jinja2 import Undefined, pass_eval_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.nodes import EvalContext
from jinja2.tests import TESTS
from markupsafe import Markup, escape

from apps.campaigns.rendering import budget
from apps.campaigns.rendering.budget import MAX_VALUE_CHARS, BudgetError, LoopError

Filter = Callable[..., Any]  # Jinja's own filters take and return anything; `weighed` looks at every result

_TEXT = ("capitalize", "escape", "e", "lower", "string", "title", "trim", "truncate", "upper", "urlencode", "wordcount")
_PLAIN = ("abs", "count", "dictsort", "first", "float", "int", "items", "last", "length", "list", "max")
_MORE = ("min", "reverse", "sort", "unique")
_TESTS = (
    "boolean", "defined", "false", "float", "in", "integer", "iterable", "lower", "mapping", "none", "number",
    "sequence", "string", "true", "undefined", "upper", "divisibleby", "even", "odd",
    "eq", "equalto", "ne", "ge", "gt", "greaterthan", "le", "lessthan", "lt", "==", "!=", "<", "<=", ">", ">=",
)  # fmt: skip
_DATE_FORMAT = re.compile(r"(?:[^%]|%[aAbBdHIjmMpSuUwWyY%-]|%-[dmHIMSj])*\Z")
MAX_RANGE = 1_000
MAX_BITS = 128


def text_of(value: object) -> str:
    """Return what stands in the letter for a value; lists are refused, because their text can explode."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, int | float | date):
        return str(value)
    raise SecurityError("a list or object cannot be printed; name one of its values")


def weighed(value: Any) -> Any:
    """Return the value after counting it; refuse what is too large."""
    if isinstance(value, Iterator):
        value = list(islice(value, MAX_VALUE_CHARS + 1))
    size = 0
    if isinstance(value, str | list | tuple | Mapping):
        size = len(value)
        if size > MAX_VALUE_CHARS:
            raise BudgetError("value size")
    elif isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise BudgetError("number size")
    budget.current.get().spend_work(size)
    return value


def _guarded(filter_: Filter, *, is_text: bool) -> Filter:
    first = 1 if hasattr(filter_, "jinja_pass_arg") else 0

    @wraps(filter_)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        if is_text and len(args) > first:
            args = (*args[:first], text_of(args[first]), *args[first + 1 :])
        return weighed(filter_(*args, **kwargs))

    return bounded


def join_texts(parts: Iterable[object], separator: object = "", *, autoescape: bool) -> str:
    """Join values as the `~` operator and the `join` filter do, counting before the text exists."""
    texts = [text_of(part) for part in islice(parts, MAX_VALUE_CHARS)]
    between = text_of(separator)
    if sum(map(len, texts)) + len(between) * max(0, len(texts) - 1) > MAX_VALUE_CHARS:
        raise BudgetError("value size")
    if autoescape and any(isinstance(text, Markup) for text in (between, *texts)):
        return cast(str, weighed(escape(between).join(texts)))
    return cast(str, weighed(between.join(texts)))


@pass_eval_context
def _join(context: EvalContext, value: Iterable[object], d: object = "", attribute: str | None = None) -> str:
    if attribute is not None:
        value = [item.get(attribute) if isinstance(item, dict) else None for item in value]
    return join_texts(value, d, autoescape=bool(context.autoescape))


@pass_eval_context
def _replace(context: EvalContext, s: object, old: object, new: object, count: int = -1) -> str:
    text, what, by = text_of(s), text_of(old), text_of(new)
    if not what:
        raise SecurityError("replace needs something to look for")
    if len(text) + text.count(what) * len(by) > MAX_VALUE_CHARS:
        raise BudgetError("value size")
    if context.autoescape and (isinstance(what, Markup) or isinstance(by, Markup)):
        text = escape(text)
    return cast(str, weighed(text.replace(what, by, count)))


def _round(value: object, precision: int = 0, method: str = "common") -> float:
    number = float(text_of(value) or 0)
    if not -15 <= precision <= 15:
        raise SecurityError("round takes a precision from -15 to 15")
    scale = 10.0**precision
    rounding = {"ceil": math.ceil, "floor": math.floor}.get(method)
    return rounding(number * scale) / scale if rounding else round(number, precision)


def _sum(values: Iterable[object], attribute: str | None = None, start: float = 0) -> float:
    total: float = start
    for item in islice(values, MAX_VALUE_CHARS):
        value = item.get(attribute) if attribute is not None and isinstance(item, dict) else item
        if not isinstance(value, int | float) or not isinstance(total, int | float):
            raise SecurityError("sum takes numbers")
        total += value
    return cast(float, weighed(total))


def _date(value: object, format: str = "%Y-%m-%d") -> str:
    if not isinstance(value, date):
        return text_of(value)
    # strftime pads to any width that stands between % and its letter, and so fills the memory
    if len(format) > 100 or not _DATE_FORMAT.match(format):
        raise SecurityError("this date format is unknown")
    return value.strftime(format)


def _default(value: object, default_value: object = "", boolean: bool = False) -> object:
    """Return what stands in for a field that is missing or empty: a contact's empty name is no name."""
    is_empty = value is None or isinstance(value, Undefined) or value == ""
    return weighed(default_value if is_empty or (boolean and not value) else value)


def allowed_filters() -> dict[str, Filter]:
    """Return the filters by name; everything else of Jinja's is left out on purpose."""
    filters = {name: _guarded(FILTERS[name], is_text=True) for name in _TEXT}
    filters.update({name: _guarded(FILTERS[name], is_text=False) for name in _PLAIN + _MORE})
    ours = {"default": _default, "d": _default}
    return filters | ours | {"join": _join, "replace": _replace, "round": _round, "sum": _sum, "date": _date}


def allowed_tests() -> dict[str, Any]:
    """Return the tests that look at a value and at nothing behind it."""
    return {name: TESTS[name] for name in _TESTS}


def safe_range(*bounds: object) -> range:
    """Return a range of at most a thousand numbers; an empty field counts as nought."""
    numbers = range(*(int(text_of(bound) or 0) for bound in bounds))
    if numbers[MAX_RANGE:]:  # len() itself fails where a range is longer than memory
        raise LoopError("range size")
    return numbers
