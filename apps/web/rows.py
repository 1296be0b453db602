"""How close the rows of each table stand; kept in a cookie, so that the first byte already knows it."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

COOKIE = "rows"
ROOMY, DENSE = "roomy", "dense"
WORDS: dict[str, str | Promise] = {ROOMY: _("Comfortable"), DENSE: _("Dense")}
# Each table that can be switched, and how it begins.
TABLES = {"campaigns": ROOMY, "people": DENSE, "suppressed": DENSE, "fates": ROOMY}


@dataclass(frozen=True, slots=True)
class Height:
    """How a table stands, and what its switch offers."""

    table: str
    height: str

    @property
    def is_dense(self) -> bool:
        """Whether its rows stand close."""
        return self.height == DENSE


def of(request: HttpRequest | None, table: str) -> Height:
    """Return how this browser wants a table's rows."""
    wanted = _chosen(request).get(table) if request else None
    return Height(table, wanted or TABLES[table])


def with_choice(request: HttpRequest, table: str, height: str) -> str:
    """Return the cookie with one more choice in it."""
    return "_".join(f"{name}.{kept}" for name, kept in sorted({**_chosen(request), table: height}.items()))


def _chosen(request: HttpRequest) -> dict[str, str]:
    pairs = (part.partition(".") for part in request.COOKIES.get(COOKIE, "")[:200].split("_"))
    return {table: height for table, _dot, height in pairs if table in TABLES and height in WORDS}
