"""Reads the table of refusals: from stage, code, enhanced status and text to a class, and what a class does; pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from apps.smtp.outcome import FailureClass, Reply, Stage
from core.errors import EspError

BUILT_IN: Final = Path(__file__).with_name("refusals.toml")
_CODES = re.compile(r"(?P<digit>[2-5])xx|(?P<first>-?\d{1,3})(?:-(?P<last>\d{1,3}))?")
_RULE_KEYS: Final = {"class", "codes", "stages", "enhanced", "text", "examples"}


class RefusalTableError(EspError):
    """The table cannot be read as it is; the sentence says which rule and why."""

    code = "bad_refusal_table"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: all given conditions must hold; patterns are regular expressions, empty matches all."""

    failure: FailureClass
    codes: tuple[Container[int], ...]
    stages: frozenset[Stage]
    enhanced: str
    text: str
    examples: tuple[tuple[Stage, str], ...]

    def matches(self, stage: Stage, reply: Reply) -> bool:
        """Return whether the reply at this stage is what the rule describes."""
        return (
            stage in self.stages
            and (not self.codes or any(reply.code in codes for codes in self.codes))
            and (not self.enhanced or re.fullmatch(self.enhanced, reply.enhanced) is not None)
            and (not self.text or re.search(self.text, reply.text, re.IGNORECASE) is not None)
        )


@dataclass(frozen=True, slots=True)
class Effect:
    """What a class does to the row, the contact, the lane, the account and the campaign; see the end of the table."""

    row: Literal["fail", "wait"]
    counted: bool
    contact: Literal["suppress", "soft", "never"]
    max_tries: int = 0
    lane: Literal["", "back_off", "slow_down", "stop"] = ""
    account: Literal["", "breaker"] = ""
    campaign: Literal["", "pause", "canary"] = ""

    @property
    def fails(self) -> bool:
        """True when a 5xx ends the row; otherwise it always goes back to the queue."""
        return self.row == "fail"

    @property
    def pauses_campaign(self) -> bool:
        """True when nothing of a campaign can get through until a person acts."""
        return self.campaign == "pause"


@dataclass(frozen=True, slots=True)
class Table:
    """The rules in their order, and what each class does."""

    rules: tuple[Rule, ...]
    effects: dict[FailureClass, Effect]

    def classify(self, stage: Stage, reply: Reply) -> FailureClass:
        """Return what a refusal is about: the class of the first rule that matches."""
        return next(rule.failure for rule in self.rules if rule.matches(stage, reply))

    def with_own(self, text: str) -> Table:
        """Return the table with somebody's own rules above the others; they may use the groups and texts of `BUILT_IN`.

        Raises:
            RefusalTableError: it is not such a table, or it says what classes do: that stays as it is.
        """
        own = _parsed(text)
        if "class" in own:
            raise RefusalTableError("A table of one's own holds rules only; what the classes do stays as it is.")
        shared = _parsed(BUILT_IN.read_text("utf-8"))
        stages, texts = {**shared["stages"], **own.get("stages", {})}, {**shared["texts"], **own.get("texts", {})}
        return replace(self, rules=(*_rules(own, stages=stages, texts=texts), *self.rules))


def built_in() -> Table:
    """Read the table that comes with the code."""
    data = _parsed(BUILT_IN.read_text("utf-8"))
    effects = {FailureClass(name): Effect(**said) for name, said in data["class"].items()}
    return Table(tuple(_rules(data, stages=data["stages"], texts=data["texts"])), effects)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RefusalTableError(f"It is no TOML: {error}") from error


def _rules(data: dict[str, Any], *, stages: dict[str, list[str]], texts: dict[str, list[str]]) -> list[Rule]:
    rules = []
    for number, said in enumerate(data.get("rule", []), start=1):
        try:
            rules.append(_rule(said, stages=stages, texts=texts))
        except (KeyError, ValueError, TypeError, AttributeError, re.error) as error:
            raise RefusalTableError(f"Rule {number} cannot be read: {error}") from error
    return rules


def _rule(said: dict[str, Any], *, stages: dict[str, list[str]], texts: dict[str, list[str]]) -> Rule:
    if unknown := sorted(set(said) - _RULE_KEYS):
        raise ValueError(f"unknown key {unknown[0]!r}")
    names = [name for given in said.get("stages", []) for name in stages.get(given, [given])]
    text, enhanced = str(said.get("text", "")), str(said.get("enhanced", ""))
    if text.startswith("@"):
        text = "|".join(pattern for name in text.split() for pattern in texts[name.removeprefix("@")])
    for pattern in (text, enhanced):
        re.compile(pattern)
    return Rule(
        failure=FailureClass(said["class"]),
        codes=tuple(_codes(str(given)) for given in said.get("codes", [])),
        stages=frozenset(Stage(name) for name in names) if names else frozenset(Stage),
        enhanced=enhanced,
        text=text,
        examples=tuple(_example(given) for given in said.get("examples", [])),
    )


def _codes(given: str) -> range:
    found = _CODES.fullmatch(given)
    if not found:
        raise ValueError(f"{given!r} is no code: write 550, 500-504 or 4xx")
    if found["digit"]:
        return range(int(found["digit"]) * 100, int(found["digit"]) * 100 + 100)
    first = int(found["first"])
    return range(first, int(found["last"] or first) + 1)


def _example(given: str) -> tuple[Stage, str]:
    stage, _, reply = given.partition(": ")
    return Stage(stage), reply


def names(effects: Sequence[Effect]) -> set[str]:
    """Return every word the effects use, for the documentation's test."""
    return {
        str(word) for one in effects for word in (one.row, one.contact, one.lane, one.account, one.campaign) if word
    }
