"""Registers the core app."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """The ground floor."""

    name = "core"
    label = "core"

    def ready(self) -> None:
        """Register the ground floor's health checks, and what it sees go wrong."""
        import core.checks
        import core.incidents  # noqa: F401 - importing is registering
