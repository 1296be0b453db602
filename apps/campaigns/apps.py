"""Registers the campaigns app."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    """The campaigns floor."""

    name = "apps.campaigns"
    label = "campaigns"

    def ready(self) -> None:
        """Listen to Celery's worker signals, and register the health checks."""
        from apps.campaigns import checks, receivers  # noqa: F401 - importing connects
