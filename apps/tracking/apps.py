"""Registers the tracking app."""

from django.apps import AppConfig


class TrackingConfig(AppConfig):
    """The tracking floor."""

    name = "apps.tracking"
    label = "tracking"

    def ready(self) -> None:
        """Tell letters' trails, and the lists of campaigns and of people, what came back."""
        from apps.campaigns import came_back, trail
        from apps.contacts import traces
        from apps.tracking import events, selectors, summaries

        trail.add_source(events.steps)
        came_back.add_source(summaries.came_back)
        traces.last_opens(selectors.last_opens)
