"""The hardened template engine: plain values in, bounded text out, and nothing of Python within reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache, partial
from typing import Any

from jinja2 import ChainableUndefined, TemplateSyntaxError, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, TemplateAssertionError
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from apps.campaigns.rendering import budget, filters, quoted_printable, urls

_LOOP_ATTRIBUTES = frozenset((
    "index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0",
    "previtem", "nextitem", "cycle", "changed",
))  # fmt: skip
_DATE_ATTRIBUTES = frozenset(["year", "month", "day", "hour", "minute", "second"])
_SLOT_CHARS = 300  # what the address in a slot counts for within a loop


class ForbiddenError(TemplateSyntaxError):
    """The template uses something that has no place in a letter."""


class _Guard(NodeTransformer):
    """Refuses what a letter does not need and puts a counter into everything that can grow."""

    FORBIDDEN = (
        nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block, nodes.Macro, nodes.CallBlock,
        nodes.EvalContextModifier, nodes.NSRef, nodes.ExprStmt, nodes.OverlayScope,
    )  # fmt: skip

    def __init__(self, environment: LetterEnvironment) -> None:
        self._environment = environment

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        if isinstance(node, self.FORBIDDEN):
            self._refuse(node, f"“{type(node).__name__.lower()}”")
        return super().generic_visit(node, *args, **kwargs)

    def _refuse(self, node: nodes.Node, what: str) -> None:
        raise ForbiddenError(what, node.lineno)

    def _counted(self, node: nodes.Expr, name: str, *args: nodes.Expr) -> nodes.Filter:
        return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802  named by Jinja
        self.generic_visit(node)
        node.nodes = [
            part if isinstance(part, nodes.TemplateData) else self._counted(part, "_out") for part in node.nodes
        ]
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        if node.recursive:
            self._refuse(node, "“recursive”")
        static_chars = nodes.Const(_static_chars(node.body))
        self.generic_visit(node)
        assert isinstance(node.iter, nodes.Expr)
        node.iter = self._counted(node.iter, "_rounds", static_chars)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return self._counted(nodes.List(node.nodes, lineno=node.lineno), "_concat")

    def _literal(self, node: nodes.List | nodes.Tuple | nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node, nodes.Tuple) and node.ctx != "load":
            return node
        return self._counted(node, "_flat")

    visit_List = visit_Tuple = visit_Dict = _literal  # noqa: N815  named by Jinja

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802
        is_ours = node.ctx == "load" and not self._environment.is_strict and quoted_printable.SLOT.match(node.name)
        if node.name == "self" or (node.name.startswith("_") and not is_ours):
            self._refuse(node, f"“{node.name}”")
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        self._known(node, node.name, self._environment.filters)
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        self._known(node, node.name, self._environment.tests)
        return self.generic_visit(node)

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> nodes.Node:  # noqa: N802
        if self._environment.is_strict or node.filter.name != urls.GUARD_FILTER or node.filter.node is not None:
            self._refuse(node, "“filter”")
        node.body = [self.visit(part) for part in node.body]
        return node

    def _known(self, node: nodes.Node, name: str, known: Mapping[str, object]) -> None:
        if name.startswith("_") or name not in known:
            raise TemplateAssertionError(name, node.lineno)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        called = node.node
        is_range = isinstance(called, nodes.Name) and called.name == "range"
        is_loop = (
            isinstance(called, nodes.Getattr)
            and isinstance(called.node, nodes.Name)
            and called.node.name == "loop"
            and called.attr in ("cycle", "changed")
        )
        if not (is_range or is_loop) or node.dyn_args or node.dyn_kwargs:
            self._refuse(node, "“(…)”")
        return self.generic_visit(node)


def _static_chars(body: Iterable[nodes.Node]) -> int:
    """Count the static text one round of a loop writes, without that of inner loops, which count for themselves."""
    chars = 0
    for node in body:
        if isinstance(node, nodes.TemplateData):
            chars += len(node.data)
        elif isinstance(node, nodes.Name):
            chars += _SLOT_CHARS if quoted_printable.SLOT.match(node.name) else 0
        elif not isinstance(node, nodes.For):
            chars += _static_chars(node.iter_child_nodes())
    return chars


@pass_context  # a filter that wants the context is never evaluated by the compiler
def _out(_context: Context, value: object) -> str:
    text = filters.text_of(value)
    budget.current.get().spend_output(len(text))
    return text


@pass_context
def _out_encoded(_context: Context, value: object) -> str:
    text = value if type(value) is str else filters.text_of(value)
    budget.current.get().spend_output(len(text))
    return quoted_printable.encode_value(text)


def _rounds(items: Iterable[object], static_chars: int) -> Iterator[object]:
    if isinstance(items, Undefined):
        return
    spend = budget.current.get().spend_round
    for item in items:
        spend(static_chars)
        yield item


def _flat(literal: Any) -> Any:
    for item in literal.values() if isinstance(literal, dict) else literal:
        if isinstance(item, list | tuple | dict):  # lists of lists double with every line
            raise SecurityError("a list within a list")
    return filters.weighed(literal)


class _Generator(CodeGenerator):
    """Writes out what our filter has already escaped and encoded as it is."""

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        if not _is_encoded(node):
            super()._output_child_pre(node, frame, finalize)

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        if not _is_encoded(node):
            super()._output_child_post(node, frame, finalize)


def _is_encoded(node: nodes.Expr) -> bool:
    if isinstance(node, nodes.Filter):
        return node.name == quoted_printable.FILTER
    return isinstance(node, nodes.Name) and quoted_printable.is_encoded_slot(node.name)


class LetterEnvironment(ImmutableSandboxedEnvironment):
    """Jinja2 with allow-lists for filters, tests, attributes and calls; strict for what marketers write."""

    # naming the operators here also switches off Jinja's folding of constants while it compiles
    code_generator_class = _Generator
    intercepted_binops = frozenset(["*", "**", "+", "-", "%", "/", "//"])

    def __init__(self, *, is_html: bool, is_strict: bool) -> None:
        super().__init__(
            autoescape=is_html, undefined=ChainableUndefined, optimized=False, cache_size=0, keep_trailing_newline=True
        )
        self.is_strict = is_strict
        self.globals = {"range": filters.safe_range}
        self.tests = filters.allowed_tests()
        self.filters = filters.allowed_filters() | {
            "_out": _out,
            quoted_printable.FILTER: _out_encoded,
            "_rounds": _rounds,
            "_flat": _flat,
            "_concat": partial(filters.join_texts, autoescape=is_html),
            urls.GUARD_FILTER: urls.safe_url,
        }

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        guarded = _Guard(self).visit(tree)
        assert isinstance(guarded, nodes.Template)
        return guarded

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate with numbers; join texts and lists within bounds; repeat and format nothing."""
        if operator == "**" or (operator in "*%" and not _are_numbers(left, right)):
            if isinstance(left, Undefined) or isinstance(right, Undefined):
                return super().call_binop(context, operator, left, right)  # raises, and names the field
            raise SecurityError(f"“{operator}”")
        return filters.weighed(super().call_binop(context, operator, left, right))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a key of a mapping, or one of the few attributes that dates and loops have."""
        if isinstance(obj, dict):
            return self.getitem(obj, attribute)
        allowed: frozenset[str] = frozenset()
        if isinstance(obj, LoopContext):
            allowed = _LOOP_ATTRIBUTES
        elif isinstance(obj, date):
            allowed = _DATE_ATTRIBUTES
        if attribute in allowed and hasattr(obj, attribute):
            return getattr(obj, attribute)
        return self._nothing(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item of a mapping, list or text; what is not there is empty."""
        if isinstance(obj, dict | list | tuple | str):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        return self._nothing(obj, str(argument)[:50])

    def _nothing(self, obj: object, name: str) -> Undefined:
        if name.startswith("_"):
            raise SecurityError(f"“{name}”")
        return self.undefined(obj=obj, name=name)


def _are_numbers(*values: object) -> bool:
    return all(isinstance(value, int | float) for value in values)


@lru_cache(maxsize=4)
def engine(*, is_html: bool, is_strict: bool) -> LetterEnvironment:
    """Return this process's engine for HTML or text; strict refuses what only freezing may write."""
    return LetterEnvironment(is_html=is_html, is_strict=is_strict)
