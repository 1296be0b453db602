"""Keeps addresses and secrets out of log lines."""

from __future__ import annotations

import logging
import re

# Any script, and what stands in quotation marks: what an address may not hold ends it, not what it may.
_ENDS = r"\s@<>()\[\],;:\"\\/=*"
_DOMAIN = rf"(?:[^{_ENDS}'.]+\.)+[^{_ENDS}'.]{{2,}}|\[[0-9A-Fa-fIPv:.]+\]"
# It begins behind such an end only, so that a long word without an address is read once.
_ADDRESS = re.compile(rf"(?<![^{_ENDS}])(['`.]*[^{_ENDS}'`.])[^{_ENDS}]*@({_DOMAIN})")
_QUOTED_ADDRESS = re.compile(rf'"(?:[^"\\\n]|\\.)+"@({_DOMAIN})')
_SECRET = re.compile(
    r"(?i)((?:password|passwd|secret|token|authorization|cookie|api[_-]?key)[\"']?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?(?:\"[^\"]*\"|'[^']*'|\S+)"
)
_URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]+@")
_API_KEY = re.compile(r"\b(vsk_[a-z2-7]{8})_[a-z2-7]+")
_PUBLIC_TOKEN = re.compile(r"/([ocpuv])/[A-Za-z0-9_-]{20,}")
# Links that let somebody in; they also stand, percent-encoded, behind ?next= of the sign-in page.
_ENTRANCE = re.compile(
    r"(?i)((?:/|%2F)(?:setup|invitation|password(?:/|%2F)reset(?:/|%2F)key)(?:/|%2F))(?!done/)[\w.-]{6,}"
)


def redact(text: str) -> str:
    """Return the text with addresses masked and secrets replaced."""
    text = _URL_PASSWORD.sub(r"\1***@", text)
    text = _API_KEY.sub(r"\1_***", text)
    text = _SECRET.sub(r"\1***", text)
    text = _PUBLIC_TOKEN.sub(r"/\1/***", text)
    text = _ENTRANCE.sub(r"\1***", text)
    if "@" not in text:
        return text
    return _ADDRESS.sub(r"\1…@\2", _QUOTED_ADDRESS.sub(r'"…"@\1', text))


class RedactingFilter(logging.Filter):
    """Masks the message of a record before any handler formats it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drops it."""
        record.msg = redact(record.getMessage())
        record.args = ()
        return True


class RefusedRequestFilter(logging.Filter):
    """Leaves one line of a request that was refused (4xx): its traceback leads to where we said no on purpose."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the traceback off the record in place; never drops it."""
        if 400 <= getattr(record, "status_code", 0) < 500:
            record.exc_info = record.exc_text = None
        return True


class RedactingFormatter(logging.Formatter):
    """Masks tracebacks too."""

    def formatException(self, ei: object) -> str:  # noqa: N802 - the name is logging's
        """Return the formatted traceback, masked."""
        return redact(super().formatException(ei))  # type: ignore[arg-type]  # logging's own union of tuples
