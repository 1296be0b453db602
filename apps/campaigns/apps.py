"""Registers the campaigns app."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    """The campaigns floor."""

    name = "apps.campaigns"
    label = "campaigns"

    def ready(self) -> None:
        """Listen to Celery's worker signals."""
        from apps.campaigns import receivers  # noqa: F401 - importing connects
