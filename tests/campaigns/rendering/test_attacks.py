"""No template reaches Python, and none costs more than one letter may."""

from __future__ import annotations

import os
import resource
from typing import Any

import pytest

from apps.campaigns.rendering import ContentError, RenderError, sandbox
from apps.campaigns.rendering.budget import DEFAULT_LIMITS, Limits
from apps.campaigns.rendering.compiled import compile_part
from tests.campaigns.rendering.conftest import BODY, make_source

ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ first_name.__class__.__base__.__subclasses__() }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{0.__class__.__init__.__globals__}'.format_map({'0': 1}) }}",
    "{{ '%s'.__mod__ }}",
    "{{ '%s'|format(first_name) }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ joiner.__init__.__globals__['os'] }}",
    "{{ namespace.__init__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ loop.__class__ }}",
    "{% for x in [1] %}{{ loop._iterable }}{% endfor %}",
    "{% for x in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{{ range.__class__ }}",
    "{{ range }}",
    "{{ config }}{{ config.items() }}",
    "{{ request.application.__globals__ }}",
    "{{ settings.SECRET_KEY.upper() }}",
    "{{ contact.workspace.owner.password.strip() }}",
    "{{ contact.delete() }}",
    "{{ first_name.upper() }}",
    "{{ first_name.encode().decode() }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__.os }}",
    "{{ dict(__class__=1) }}",
    "{% import 'os' as os %}",
    "{% from 'os' import path %}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% block a %}{% endblock %}",
    "{% macro m() %}{{ m.__globals__ }}{% endmacro %}{{ m() }}",
    "{% call x() %}{% endcall %}",
    "{% autoescape false %}{{ first_name }}{% endautoescape %}",
    "{% filter upper %}x{% endfilter %}",
    "{% set ns = namespace(x=1) %}{% set ns.x = 2 %}",
    "{% set x.y = 1 %}",
    "{% do x.append(1) %}",
    "{{ first_name|safe }}",
    "{{ first_name|map('upper') }}",
    "{{ [first_name]|map(attribute='__class__')|list }}",
    "{{ [{'a': 1}]|groupby('__class__') }}",
    "{{ [first_name]|join(attribute='__class__') }}{{ [first_name]|nosuch }}",
    "{{ [first_name]|sum(attribute='__class__') }}",
    "{{ [first_name]|sort(attribute='__class__')|first.__class__ }}",
    "{{ first_name is filter('attr') }}",
    "{{ first_name is callable }}",
    "{{ first_name|tojson }}",
    "{{ first_name|pprint }}",
    "{{ {'a': 1}|xmlattr }}",
    "{{ _c0 }}",
    "{{ _open }}",
    "{% set _c0 = 1 %}",
    "{{ x|_out }}",
    "{{ x|_url }}",
    "{% filter _url %}javascript:1{% endfilter %}",
    "{{ [].append(1) }}",
    "{% set l = [1] %}{% for i in l %}{% if l.append(1) %}{% endif %}{% endfor %}",
    "{{ birthday.strftime('%s') }}",
    "{{ birthday.__reduce__ }}",
    "{{ birthday|date('%1000000000d') }}",
    "{{ (1).__class__ }}{{ true.__class__ }}",
    "{{ range(*[1, 2]) }}",
    "{{ caller() }}{{ varargs }}",
]
BOMBS = {
    "range": "{% for i in range(10**12) %}{% endfor %}",
    "range, plain number": "{% for i in range(1000000000000) %}{% endfor %}",
    "nested loops": "{% for i in range(999) %}{% for j in range(999) %}{% endfor %}{% endfor %}",
    "deep loops": "{% for i in range(999) %}" * 12 + "x" + "{% endfor %}" * 12,
    "loops that write": "{% for i in range(999) %}{% for j in range(19) %}" + "x" * 9999 + "{% endfor %}{% endfor %}",
    "recursive loop": "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "repeated text": "{{ 'a'*10**10 }}",
    "repeated text, plain number": "{{ 'a' * 9999999999 }}",
    "repeated list": "{{ ([0]*9999999999)|length }}",
    "power": "{{ 9**9**9 }}",
    "products": "{% set x = 99999999999999999999 %}" + "{% set x = x*x %}" * 60 + "{{ x }}",
    "long number": "{{ " + "9" * 6000 + " }}",
    "hexadecimal": "{{ ('f'|replace('f', 'f' ~ 'ffffffff'))|int(0, 16) }}{{ ('" + "f" * 90_000 + "')|int(0, 16) }}",
    "center filter": "{{ 'x'|center(9999999999) }}",
    "center method": "{{ 'x'.center(9999999999) }}",
    "ljust method": "{{ 'x'.ljust(9999999999) }}",
    "format width": "{{ '%10000000000d'|format(1) }}",
    "percent width": "{{ '%10000000000d' % 1 }}",
    "braces width": "{{ '{:>10000000000}'.format(1) }}",
    "indent": "{{ ('x\\n'*100000)|indent(100000) }}",
    "namespace doubling": "{% set ns=namespace(s='x') %}{% for i in range(30) %}{% set ns.s=ns.s~ns.s %}{% endfor %}",
    "doubling": "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 40 + "{{ a|length }}",
    "plus doubling": "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a + a %}" * 40 + "{{ a|length }}",
    "list doubling": "{% set a = [1] %}" + "{% set a = a + a %}" * 40 + "{{ a|length }}",
    "block doubling": "{% set a %}xxxxxxxx{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 60,
    "block tenfold": "{% set a %}xxxxxxxx{% endset %}" + ("{% set a %}" + "{{ a }}" * 1000 + "{% endset %}") * 4,
    "join": "{{ range(999)|join('x' ~ 'y'|replace('y', '" + "z" * 9999 + "')) }}",
    "replace": "{% set a = '" + "a" * 9999 + "' %}{{ a|replace('a', a) }}",
    "replace nothing": "{{ first_name|replace('', 'xxxxxxxxxx') }}",
    "nested lists": "{% set a = ['x'] %}" + "{% set a = [a, a] %}" * 40 + "{{ a|string }}",
    "nested dicts": "{% set a = {'x': 1} %}" + "{% set a = {'a': a, 'b': a} %}" * 40 + "{{ a }}",
    "nested comparison": "{% set a = [1] %}{% set b = [1] %}" + "{% set a = [a, a] %}{% set b = [b, b] %}" * 40,
    "sum of lists": "{{ [[1], [2]]|sum(start=[]) }}",
    "round": "{{ 1.5|round(1000000000, 'ceil') }}",
    "truncate": "{{ 'x'|truncate(5, true, 'y' * 999999999) }}",
    "lipsum": "{{ lipsum(n=1000000) }}",
    "wordwrap": "{{ 'a a a'|wordwrap(1) }}",
    "urlize": "{{ ('a@'*200000)|urlize }}",
    "batch": "{{ range(999)|batch(1)|list|length }}",
    "slice": "{{ range(999)|slice(1)|list|length }}",
    "tojson": "{{ [1,2]|tojson }}",
    "macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "deep brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep lists": "{{ " + "[" * 3000 + "]" * 3000 + " }}",
    "deep conditions": "{% if x %}" * 3000 + "{% endif %}" * 3000,
    "deep not": "{{ " + "not " * 20_000 + "1 }}",
    "long chain": "{{ x" + ".a" * 20_000 + " }}",
    "work without output": "{% set a = '" + "b" * 100_000 + "' %}" + "{% if a|upper == 'x' %}{% endif %}" * 2_000,
    "work in a loop": "{% set a = '" + "b" * 100_000 + "' %}{% for i in range(999) %}{% set b = a|upper %}{% endfor %}",
    "many outputs": "{% set a = '" + "b" * 100_000 + "' %}" + "{{ a }}" * 5_000,
    "too large": "x" * (600 * 1024),
}  # fmt: skip
SECRETS = [
    "uid=",
    "root:",
    "__main__",
    "<class",
    "<module",
    "<built-in",
    "<function",
    "SECRET",
    "argon2",
    "object at 0x",
]
FIELDS: dict[str, Any] = {"first_name": "Ann", "x": "y"}


def outcome(source: str, *, is_html: bool, limits: Limits = DEFAULT_LIMITS) -> str:
    """Return what the template wrote, or "refused"."""
    try:
        return compile_part(source, part="html", is_html=is_html, is_strict=True).render(dict(FIELDS), limits)
    except (ContentError, RenderError):
        return "refused"


@pytest.mark.parametrize("is_html", [True, False])
@pytest.mark.parametrize("payload", ESCAPES)
def test_reaches_nothing_of_python(payload: str, is_html: bool) -> None:
    written = outcome(payload, is_html=is_html)

    assert not [secret for secret in SECRETS if secret in written]
    assert written == "refused" or len(written) < 20


@pytest.mark.parametrize("payload", ESCAPES)
def test_leaks_nothing_of_the_environment(payload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "canary-4711")

    assert "canary-4711" not in outcome(payload, is_html=True)


@pytest.mark.parametrize("name", BOMBS)
def test_refuses_what_costs_too_much(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)

    written = outcome(BOMBS[name], is_html=True)

    after = resource.getrusage(resource.RUSAGE_SELF)
    assert written == "refused"
    assert after.ru_maxrss - before.ru_maxrss < 100 * 1024, "KB of memory"


def test_counts_the_static_text_of_loops_within_a_kept_block() -> None:
    source = "{% set a %}{% for i in range(999) %}" + "x" * 9_000 + "{% endfor %}{% endset %}"

    with pytest.raises(RenderError) as refused:
        compile_part(source, part="html", is_html=True, is_strict=True).render({})

    assert refused.value.code == "budget"


def test_waits_for_no_more_time_than_given() -> None:
    source = "{% for i in range(900) %}{{ i }}{% endfor %}"

    assert outcome(source, is_html=True, limits=Limits(seconds=0)) == "refused"
    assert outcome(source, is_html=True).startswith("012")


def test_a_machine_that_is_busy_fails_no_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.campaigns.rendering import budget

    moments = iter(range(0, 10_000_000, 5))
    monkeypatch.setattr(budget.time, "monotonic", lambda: next(moments))

    assert outcome("{% for i in range(9) %}{{ i }}{% endfor %}", is_html=True) == "012345678"


@pytest.mark.parametrize(
    "payload", ["{% for i in range(999) %}{% for j in range(999) %}{% endfor %}{% endfor %}", *ESCAPES[:2]]
)
def test_the_child_process_refuses_it_too(payload: str) -> None:
    with pytest.raises(ContentError):
        sandbox.build(make_source(html=BODY % payload))


@pytest.mark.parametrize("count", ["1001", "1000000000", "1" + "0" * 40])
def test_a_loop_that_is_too_long_is_called_so(count: str) -> None:
    with pytest.raises(ContentError) as refused:
        sandbox.build(make_source(html=BODY % ("\n\n{% for i in range(" + count + ") %}{% endfor %}")))

    line = (BODY.partition("%s")[0] + "\n\n").count("\n") + 1
    assert refused.value.message.startswith(f"HTML, line {line}: this loop is too long.")


def test_what_is_too_heavy_names_no_line() -> None:
    with pytest.raises(ContentError) as refused:
        sandbox.build(make_source(html=BODY % BOMBS["doubling"]))

    assert (refused.value.code, "line" in refused.value.message) == ("too_heavy", False)


def test_the_child_process_survives_nothing_it_should_not() -> None:
    styles = "".join(f".a{i} .b{i}{{color:red}}" for i in range(20_000))
    heavy = make_source(
        html=f"<html><head><style>{styles}</style></head><body>" + '<p class="a1">x</p>' * 9_000 + "</body>"
    )

    with pytest.raises(ContentError) as refused:
        sandbox.build(heavy)

    assert refused.value.code in ("too_heavy", "source_too_large")


def test_the_child_process_fetches_and_reads_nothing(tmp_path: Any) -> None:
    stylesheet = tmp_path / "local.css"
    stylesheet.write_text("p { color: #abc123 }")
    head = (
        f'<link rel="stylesheet" href="{stylesheet}"><link rel="stylesheet" href="file://{stylesheet}">'
        f'<style>@import url("{stylesheet}");@import "file://{stylesheet}"; p {{ margin: 1px }}</style>'
    )

    built = sandbox.build(make_source(html=f"<html><head>{head}</head><body><p>x</p></body></html>"))

    assert "abc123" not in built.frozen.html
    assert 'style="margin:1px"' in built.frozen.html


def test_the_child_process_has_an_empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    real = sandbox.subprocess.run

    def spy(*args: Any, **kwargs: Any) -> Any:
        seen.update(kwargs, args=args)
        return real(*args, **kwargs)

    monkeypatch.setattr(sandbox.subprocess, "run", spy)
    sandbox.build(make_source(subject=f"Once {os.getpid()}"))

    assert seen["env"] == {}
    assert "-I" in seen["args"][0]
