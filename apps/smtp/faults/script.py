"""What a fault server does instead of behaving, as data: which stage, what, for whom and how often."""

from __future__ import annotations

import dataclasses
import json
import re

from core.errors import EspError

STAGES = (
    *("connect", "banner", "ehlo", "starttls", "handshake", "auth", "mail", "rcpt", "data", "body", "dot"),
    *("rset", "quit"),
)
ACTIONS = ("drop", "rst", "hang", "trickle", "flood", "garbage", "slow", "accept_then_drop")
_REPLY = re.compile(r"[2-5]\d\d( |$)")


class ScriptError(EspError):
    """A script says something that the fault server does not understand."""

    code = "fault_script"


@dataclasses.dataclass(frozen=True)
class Fault:
    """What to do at a stage instead of behaving.

    Args:
        stage: one of STAGES.
        action: one of ACTIONS, or the reply to give ("451 4.7.1 Try later"). `slow` waits `seconds`, then behaves;
            `accept_then_drop` (at dot) keeps the letter and hangs up without a word.
        recipient: only for this recipient; None is every one. Known from RCPT on.
        nth: only the n-th time (from 1) that the stage is reached; None is every time.
        times: at most so often; None is always.
        share: only with this probability.
    """

    stage: str
    action: str
    recipient: str | None = None
    nth: int | None = None
    times: int | None = None
    share: float = 1.0
    seconds: float = 0.2

    @property
    def reply(self) -> str:
        """The reply it gives; empty when it does something else."""
        return "" if self.action in ACTIONS else self.action


def parse(text: str) -> tuple[Fault, ...]:
    """Read a script: a JSON list of faults, or a number, the share of letters taken without an answer.

    Raises:
        ScriptError: it is neither, or names a stage or an action that does not exist.
    """
    if not text.strip():
        return ()
    try:
        given = json.loads(text)
    except ValueError:
        raise ScriptError("The script is neither JSON nor a number between 0 and 1.") from None
    if isinstance(given, int | float) and not isinstance(given, bool):
        if not 0 <= given <= 1:
            raise ScriptError("A share of letters taken without an answer lies between 0 and 1.")
        return (Fault("dot", "accept_then_drop", share=float(given)),) if given else ()
    if not isinstance(given, list):
        raise ScriptError("A script is a list of faults, such as " + '[{"stage": "dot", "action": "drop"}].')
    return tuple(_fault(one) for one in given)


def _fault(given: object) -> Fault:
    try:
        fault = Fault(**given)  # type: ignore[arg-type]  # checked below and by the call itself
    except TypeError:
        known = ", ".join(field.name for field in dataclasses.fields(Fault))
        raise ScriptError(f"A fault has a stage and an action, and knows: {known}.") from None
    if fault.stage not in STAGES:
        raise ScriptError(f"There is no stage {fault.stage!r}. There are: {', '.join(STAGES)}.")
    if not isinstance(fault.action, str) or (fault.action not in ACTIONS and not _REPLY.match(fault.action)):
        raise ScriptError(f"An action is a reply such as '451 4.7.1 Later', or one of: {', '.join(ACTIONS)}.")
    return fault


def dump(faults: tuple[Fault, ...]) -> str:
    """Return the script as the text that `parse` reads."""
    return json.dumps([dataclasses.asdict(fault) for fault in faults])
