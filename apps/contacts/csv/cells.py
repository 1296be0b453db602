"""Cells that no spreadsheet takes for a formula, and the way back; pure."""

from __future__ import annotations

import re

# OWASP: CSV injection. A quotation mark in front counts too, so that what we put there can be told from what was there.
_RISKY = re.compile(r"'* *[=+\-@\t\r\n|%]")


def as_text(cell: str) -> str:
    """Return a cell that is read as text, whatever it begins with."""
    return f"'{cell}" if _RISKY.match(cell) else cell


def as_meant(cell: str) -> str:
    """Return what a cell said before `as_text`; any other cell as it is."""
    return cell[1:] if cell.startswith("'") and _RISKY.match(cell[1:]) else cell
