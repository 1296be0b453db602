"""The one family of errors we raise on purpose: a code for machines, a sentence for people."""

from __future__ import annotations


class EspError(Exception):
    """Something a person can act on; the message says what happened and what to do.

    Args:
        message: one or two plain sentences, translated.
        code: stable identifier; the class's default when empty.
    """

    code = "error"
    status = 400

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.message = str(message)
        if code:
            self.code = code


class NotFoundError(EspError):
    """The object does not exist within the caller's workspace."""

    code = "not_found"
    status = 404


class InvalidTransitionError(EspError):
    """The object is no longer in the state the request expected."""

    code = "invalid_transition"
    status = 409
