"""Registers the tracking app."""

from django.apps import AppConfig


class TrackingConfig(AppConfig):
    """The tracking floor."""

    name = "apps.tracking"
    label = "tracking"

    def ready(self) -> None:
        """Tell letters' trails, and the list of people, what came back."""
        from apps.campaigns import trail
        from apps.contacts import traces
        from apps.tracking import events, selectors

        trail.add_source(events.steps)
        traces.last_opens(selectors.last_opens)
