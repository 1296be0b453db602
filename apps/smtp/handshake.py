"""From nothing to a signed-in line: dial, banner, EHLO, STARTTLS, AUTH, each within its time."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence

from apps.smtp import bounces
from apps.smtp.budget import StageCaps
from apps.smtp.config import TransportConfig
from apps.smtp.line import Line
from apps.smtp.outcome import Deferred, Rejected, Reply, Stage
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
        return line, _Greeting(line, config, offer_until, caps).run()
    except BrokenLineError as broken:
        line.close()
        raise ConnectionFailedError(bounces.interrupted(line.stage, broken.code)) from None
    except BaseException:
        line.close()
        raise


class _Greeting:
    def __init__(self, line: Line, config: TransportConfig, offer_until: float, caps: StageCaps) -> None:
        self._line = line
        self._config = config
        self._offer_until = offer_until
        self._caps = caps

    def run(self) -> dict[str, str]:
        if self._config.tls == "tls":
            self._encrypt()
        self._banner()
        extensions = self._ehlo()
        if self._config.tls == "starttls":
            extensions = self._starttls(extensions)
        if self._config.username:
            self._sign_in(extensions.get("AUTH", "").upper().split())
        return extensions

    def _until(self, stage: Stage) -> float:
        return self._caps.until(stage, self._offer_until)

    def _ask(self, stage: Stage, command: bytes) -> Reply:
        return self._line.ask(stage, command, until=self._until(stage))

    def _encrypt(self) -> None:
        self._line.stage = Stage.STARTTLS
        until = self._until(Stage.STARTTLS)
        self._line.start_tls(self._config.host, verify=self._config.verify_tls, until=until)

    def _banner(self) -> None:
        self._line.stage = Stage.BANNER
        self._want(Stage.BANNER, self._line.hear(self._until(Stage.BANNER)), 220)

    def _ehlo(self) -> dict[str, str]:
        name = self._config.ehlo_name if _EHLO_NAME.fullmatch(self._config.ehlo_name) else "localhost"
        self._line.stage = Stage.EHLO
        until = self._until(Stage.EHLO)
        self._line.say(Stage.EHLO, f"EHLO {name}\r\n".encode("ascii"), until=until)
        lines = self._line.hear_lines(until)
        if int(lines[0][:3]) in _NOT_UNDERSTOOD:
            self._want(Stage.EHLO, self._ask(Stage.EHLO, f"HELO {name}\r\n".encode("ascii")), 250)
            return {}
        self._want(Stage.EHLO, parse(lines), 250)
        return _extensions(lines[1:])

    def _starttls(self, extensions: dict[str, str]) -> dict[str, str]:
        if "STARTTLS" not in extensions:
            raise self._broken("starttls_not_offered", Stage.STARTTLS)
        self._want(Stage.STARTTLS, self._ask(Stage.STARTTLS, b"STARTTLS\r\n"), 220)
        self._encrypt()
        return self._ehlo()  # what was offered in the clear may have been forged (RFC 3207 4.2)

    def _sign_in(self, mechanisms: list[str]) -> None:
        user, password = self._config.username.encode(), self._config.password.reveal().encode()
        if "PLAIN" in mechanisms:
            secret = base64.b64encode(b"\0" + user + b"\0" + password)
            reply = self._ask(Stage.AUTH, b"AUTH PLAIN " + secret + b"\r\n")
        elif "LOGIN" in mechanisms:
            self._want(Stage.AUTH, self._ask(Stage.AUTH, b"AUTH LOGIN\r\n"), 334)
            self._want(Stage.AUTH, self._ask(Stage.AUTH, base64.b64encode(user) + b"\r\n"), 334)
            reply = self._ask(Stage.AUTH, base64.b64encode(password) + b"\r\n")
        else:
            raise self._broken("auth_not_offered", Stage.AUTH)
        self._want(Stage.AUTH, reply, 235)

    def _want(self, stage: Stage, reply: Reply, code: int) -> None:
        if reply.code == code:
            return
        outcome = bounces.refused(stage, reply)
        if isinstance(outcome, Rejected):  # no letter was offered, so none can be refused
            outcome = Deferred(stage, reply, outcome.failure, counted=False)
        raise ConnectionFailedError(outcome)

    def _broken(self, reason: str, stage: Stage) -> BrokenLineError:
        self._line.stage = stage
        return BrokenLineError(reason)


def _extensions(lines: list[bytes]) -> dict[str, str]:
    offered: dict[str, str] = {}
    for line in lines:
        # "AUTH=PLAIN" is how some old servers spell it
        keyword, _, parameters = line[4:].decode("ascii", "replace").strip().replace("=", " ", 1).partition(" ")
        offered[keyword.upper()] = f"{offered.get(keyword.upper(), '')} {parameters.strip()}".strip()
    return offered
