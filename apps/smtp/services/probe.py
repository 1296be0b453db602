"""What a test of a sending account found."""

from __future__ import annotations

from dataclasses import dataclass

from apps.smtp.outcome import Stage


@dataclass(frozen=True, slots=True)
class Probe:
    """What a test of a connection found.

    Args:
        stage: where it failed; None when it went through.
        words: what that means and what to do.
        reply: what the server said, word for word; empty when it said nothing.
        milliseconds: how long it took, the server's sign-in included.
        is_proof: False where nothing could be asked without sending a letter.
    """

    stage: Stage | None
    words: str
    reply: str = ""
    milliseconds: int = 0
    is_proof: bool = True

    @property
    def is_good(self) -> bool:
        """True when the account would carry an email now."""
        return self.stage is None
