"""From nothing to a signed-in line: dial, banner, EHLO, STARTTLS, AUTH, each within its time."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from apps.smtp import bounces
from apps.smtp.budget import StageCaps
from apps.smtp.config import TransportConfig
from apps.smtp.line import Line
from apps.smtp.outcome import Deferred, Rejected, Stage
from apps.smtp.replies import BrokenLineError, parse
from core.errors import EspError

Resolve = Callable[[str, int, float], Sequence[str]]
"""(host, port, until) → the addresses that may be dialled; raises BrokenLineError."""

_NOT_UNDERSTOOD = range(500, 505)
_EHLO_NAME = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


class ConnectionFailedError(EspError):
    """No usable connection; `outcome` says why, and that nothing was sent."""

    code = "connection_failed"

    def __init__(self, outcome: Deferred) -> None:
        super().__init__(f"No connection to the sending account: {outcome.stage}.")
        self.outcome = outcome


def as_given(host: str, _port: int, _until: float) -> list[str]:
    """Dial the host itself, unchecked: for addresses that no person typed in."""
    return [host]


def establish(
    config: TransportConfig, *, offer_until: float, caps: StageCaps, resolve: Resolve
) -> tuple[Line, dict[str, str]]:
    """Return a signed-in line and the extensions that the server offers on it.

    Raises:
        ConnectionFailedError: at any stage; the line is closed.
    """
    stage = Stage.CONNECT
    try:
        addresses = list(resolve(config.host, config.port, caps.until(stage, offer_until)))
        line = Line.dial(addresses, config.port, until=caps.until(stage, offer_until))
    except BrokenLineError as broken:
        raise ConnectionFailedError(bounces.interrupted(stage, broken.code)) from None
    try:
        return line, _greet(line, config, offer_until, caps)
    except BrokenLineError as broken:
        line.close()
        raise ConnectionFailedError(bounces.interrupted(line.stage, broken.code)) from None
    except BaseException:
        line.close()
        raise


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of a greeting: say the command, if there is one, and hear the reply; or encrypt the line.

    Args:
        then_encrypt: there is nothing to say and nothing to hear: TLS begins.
    """

    stage: Stage
    command: bytes = b""
    then_encrypt: bool = False


Greeting = Generator[Turn, list[bytes], dict[str, str]]
"""Asks for one turn after another and is sent the lines of each reply (none for TLS); returns the extensions."""


def greeting(config: TransportConfig) -> Greeting:
    """Greet, encrypt and sign in, whoever moves the bytes.

    Raises:
        ConnectionFailedError: the server said no, or does not offer what is required.
    """
    if config.tls == "tls":
        yield Turn(Stage.STARTTLS, then_encrypt=True)
    _want(Stage.BANNER, (yield Turn(Stage.BANNER)), 220)
    extensions = yield from _ehlo(config)
    if config.tls == "starttls":
        if "STARTTLS" not in extensions:
            raise ConnectionFailedError(bounces.interrupted(Stage.STARTTLS, "starttls_not_offered"))
        _want(Stage.STARTTLS, (yield Turn(Stage.STARTTLS, b"STARTTLS\r\n")), 220)
        yield Turn(Stage.STARTTLS, then_encrypt=True)
        extensions = yield from _ehlo(config)  # what was offered in the clear may have been forged (RFC 3207 4.2)
    if config.username:
        yield from _sign_in(config, extensions.get("AUTH", "").upper().split())
    return extensions


def _ehlo(config: TransportConfig) -> Greeting:
    name = config.ehlo_name if _EHLO_NAME.fullmatch(config.ehlo_name) else "localhost"
    lines = yield Turn(Stage.EHLO, f"EHLO {name}\r\n".encode("ascii"))
    if int(lines[0][:3]) in _NOT_UNDERSTOOD:
        _want(Stage.EHLO, (yield Turn(Stage.EHLO, f"HELO {name}\r\n".encode("ascii"))), 250)
        return {}
    _want(Stage.EHLO, lines, 250)
    return _extensions(lines[1:])


def _sign_in(config: TransportConfig, mechanisms: list[str]) -> Generator[Turn, list[bytes], None]:
    user, password = config.username.encode(), config.password.reveal().encode()
    if "PLAIN" in mechanisms:
        secret = base64.b64encode(b"\0" + user + b"\0" + password)
        lines = yield Turn(Stage.AUTH, b"AUTH PLAIN " + secret + b"\r\n")
    elif "LOGIN" in mechanisms:
        _want(Stage.AUTH, (yield Turn(Stage.AUTH, b"AUTH LOGIN\r\n")), 334)
        _want(Stage.AUTH, (yield Turn(Stage.AUTH, base64.b64encode(user) + b"\r\n")), 334)
        lines = yield Turn(Stage.AUTH, base64.b64encode(password) + b"\r\n")
    else:
        raise ConnectionFailedError(bounces.interrupted(Stage.AUTH, "auth_not_offered"))
    _want(Stage.AUTH, lines, 235)


def _want(stage: Stage, lines: list[bytes], code: int) -> None:
    reply = parse(lines)
    if reply.code == code:
        return
    outcome = bounces.refused(stage, reply)
    if isinstance(outcome, Rejected):  # no letter was offered, so none can be refused
        outcome = Deferred(stage, reply, outcome.failure, counted=False)
    raise ConnectionFailedError(outcome)


def _greet(line: Line, config: TransportConfig, offer_until: float, caps: StageCaps) -> dict[str, str]:
    steps = greeting(config)
    try:
        turn = next(steps)
        while True:
            turn = steps.send(_taken(line, turn, config, caps.until(turn.stage, offer_until)))
    except StopIteration as done:
        extensions: dict[str, str] = done.value
        return extensions


def _taken(line: Line, turn: Turn, config: TransportConfig, until: float) -> list[bytes]:
    line.stage = turn.stage
    if turn.then_encrypt:
        line.start_tls(config.host, verify=config.verify_tls, until=until)
        return []
    if turn.command:
        line.say(turn.stage, turn.command, until=until)
    return line.hear_lines(until)


def _extensions(lines: list[bytes]) -> dict[str, str]:
    offered: dict[str, str] = {}
    for line in lines:
        # "AUTH=PLAIN" is how some old servers spell it
        keyword, _, parameters = line[4:].decode("ascii", "replace").strip().replace("=", " ", 1).partition(" ")
        offered[keyword.upper()] = f"{offered.get(keyword.upper(), '')} {parameters.strip()}".strip()
    return offered
