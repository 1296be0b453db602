"""The two ways in which a letter's content goes wrong: the version cannot be used, or one letter cannot be built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from apps.campaigns.rendering import messages
from core.errors import EspError

Params = Mapping[str, str | int]


class RenderingError(EspError):
    """Content that cannot become a letter; `params` fill the sentence that belongs to the code."""

    code = "rendering"
    params: Params = {}

    @classmethod
    def of(cls, code: str, **params: str | int) -> Self:
        """Return the error whose sentence stands in `messages` under this code."""
        error = cls(messages.sentence(code, params), code=code)
        error.params = params
        return error


class ContentError(RenderingError):
    """The version cannot be frozen; the message says where and what to do."""

    code = "content"


class RenderError(RenderingError):
    """One letter cannot be built; the others of its campaign are not touched."""

    code = "render"
