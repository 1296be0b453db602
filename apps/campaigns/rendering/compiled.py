"""Templates compiled once and filled many times, each filling within its budget and with errors that say where."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError, TemplateAssertionError
from jinja2.runtime import Context

from apps.campaigns.rendering import budget, quoted_printable
from apps.campaigns.rendering.budget import MAX_SOURCE_CHARS, Budget, BudgetError, Limits, LoopError
from apps.campaigns.rendering.environment import ForbiddenError, LetterEnvironment, engine
from apps.campaigns.rendering.errors import ContentError, RenderError

_FAULTS = (
    TemplateError,
    ArithmeticError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    RecursionError,
    MemoryError,
)


class Compiled:
    """One compiled part of a letter ("Subject", "HTML", "Text"), ready to be filled many times."""

    __slots__ = ("_globals", "_part", "_template")

    def __init__(self, template: Template, part: str) -> None:
        self._template = template
        self._part = part
        self._globals = dict(template.globals)

    def render(self, values: dict[str, Any], limits: Limits = budget.DEFAULT_LIMITS) -> str:
        """Return the part filled with the values.

        Raises:
            RenderError: the template failed on these values or went over its budget.
        """
        spending = budget.current.set(Budget(limits))
        template = self._template
        try:
            return "".join(template.root_render_func(self._context(values)))
        except LoopError as error:
            raise RenderError.of("loop_too_long", part=self._part, line=self._line(error)) from None
        except BudgetError as error:
            raise RenderError.of("budget", detail=str(error)) from None
        except SecurityError as error:
            raise RenderError.of("unsafe", part=self._part, line=self._line(error), detail=str(error)) from None
        except _FAULTS as error:
            detail = str(error)[:200] or type(error).__name__
            raise RenderError.of("template", part=self._part, line=self._line(error), detail=detail) from None
        finally:
            budget.current.reset(spending)

    def _context(self, values: dict[str, Any]) -> Context:
        """Return what `Template.new_context` would, without its chain of maps: a letter has no use for blocks."""
        environment = self._template.environment
        return environment.context_class(environment, {**self._globals, **values}, self._template.name, {})

    def _line(self, error: BaseException) -> int:
        line = 0
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "<template>":
                line = self._template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return line


def compile_part(source: str, *, part: str, is_html: bool, is_strict: bool, is_encoded: bool = False) -> Compiled:
    """Compile one part; strict for a marketer's source, not strict for a frozen one.

    Args:
        source: the template.
        part: its name in messages.
        is_html: whether values are escaped.
        is_strict: whether the slots that freezing puts in are refused.
        is_encoded: whether it is to give quoted-printable ASCII with CRLF line ends.

    Raises:
        ContentError: with the line and what is wrong there.
    """
    if len(source) > MAX_SOURCE_CHARS:
        raise ContentError.of("source_too_large", part=part, limit=MAX_SOURCE_CHARS // 1024)
    try:
        environment = engine(is_html=is_html, is_strict=is_strict)
        return Compiled(_encoded(environment, source) if is_encoded else environment.from_string(source), part)
    except ForbiddenError as error:
        raise ContentError.of("not_allowed", part=part, line=error.lineno, detail=error.message or "") from None
    except TemplateAssertionError as error:
        raise ContentError.of("unknown_filter", part=part, line=error.lineno, detail=error.message or "") from None
    except TemplateSyntaxError as error:
        raise ContentError.of("syntax", part=part, line=error.lineno, detail=error.message or "") from None
    except (SyntaxError, RecursionError, MemoryError) as error:  # Python's own limits on nesting
        raise ContentError.of("too_complex", part=part, line=getattr(error, "lineno", 0) or 0) from None
    except (ValueError, OverflowError) as error:  # a number of thousands of digits
        raise ContentError.of("syntax", part=part, line=0, detail=str(error)[:80]) from None


def _encoded(environment: LetterEnvironment, source: str) -> Template:
    tree = quoted_printable.encoded_tree(environment.parse(source))
    code = environment.compile(tree)
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


def names_in(source: str) -> frozenset[str]:
    """Return the fields a source asks for."""
    tree = engine(is_html=True, is_strict=True).parse(source)
    stored = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
    asked = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "load"}
    return frozenset(asked - stored - {"range", "loop"})
