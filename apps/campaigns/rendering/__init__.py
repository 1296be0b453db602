"""Content on its way to a letter: freeze a source once, compose each letter, look at it before."""

from apps.campaigns.rendering.errors import ContentError, RenderError
from apps.campaigns.rendering.footer import with_footer
from apps.campaigns.rendering.preflight import findings
from apps.campaigns.rendering.sample import sample_source
from apps.campaigns.rendering.types import Finding, Frozen, Letter, Rendered, Source
from apps.campaigns.rendering.version import compose, freeze, preview

__all__ = [
    "ContentError",
    "Finding",
    "Frozen",
    "Letter",
    "RenderError",
    "Rendered",
    "Source",
    "compose",
    "findings",
    "freeze",
    "preview",
    "sample_source",
    "with_footer",
]
