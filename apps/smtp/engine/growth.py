"""How many connections the engine keeps: few at first, more while it waits for servers and has work, none in vain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST: Final = 4
"""So many are opened as soon as the first one stands: it has shown that name, password and encryption are good."""

_WAITING_SHARE: Final = 0.3
_LOOK_FOR: Final = 0.02
_LONGEST_REST: Final = 16.0
_CAPPED_FOR: Final = 30.0
TRIES: Final = 6
"""After so many failures in a row there is nothing to be had here."""


@dataclass(slots=True)
class Growth:
    """Decides when to open how many connections.

    Args:
        ceiling: the most there may be.
    """

    ceiling: int
    failures: int = 0
    _waited: float = 0.0
    _since: float = 0.0
    _not_before: float = 0.0
    _cap: int = 0
    _capped_until: float = 0.0

    def waited(self, seconds: float) -> None:
        """Take note that the engine had nothing to do but wait for servers."""
        self._waited += seconds

    def failed(self, moment: float) -> None:
        """Take note that a connection could not be opened, or brought no letter anywhere."""
        self.failures += 1
        if self.failures > 1:  # once is no pattern
            self._not_before = moment + min(_LONGEST_REST, 0.25 * 2**self.failures)

    def is_full(self, moment: float, standing: int) -> None:
        """Take note that the server takes no more connections than stand; it is asked again after a while."""
        self._cap, self._capped_until = max(1, standing), moment + _CAPPED_FOR

    def succeeded(self) -> None:
        """Take note that a server answered to a letter."""
        self.failures = 0

    @property
    def is_hopeless(self) -> bool:
        """True after too many failures in a row."""
        return self.failures >= TRIES

    def more(self, moment: float, *, standing: int, opening: int) -> int:
        """Return how many connections to open now, while all that stand are busy and more work waits."""
        ceiling = min(self.ceiling, self._cap) if moment < self._capped_until else self.ceiling
        if opening or moment < self._not_before or standing >= ceiling:
            self._since, self._waited = moment, 0.0
            return 0
        if not standing:
            return 1
        wanted = FIRST - standing
        if wanted <= 0:
            spent = moment - self._since
            if spent < _LOOK_FOR:
                return 0
            wanted = standing if self._waited > spent * _WAITING_SHARE else 0
            self._since, self._waited = moment, 0.0
        return min(wanted, ceiling - standing)
