"""Registers the tracking app."""

from django.apps import AppConfig


class TrackingConfig(AppConfig):
    """The tracking floor."""

    name = "apps.tracking"
    label = "tracking"

    def ready(self) -> None:
        """Tell letters' trails what came back."""
        from apps.campaigns import trail
        from apps.tracking import events

        trail.add_source(events.steps)
