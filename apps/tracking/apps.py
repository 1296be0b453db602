"""Registers the tracking app."""

from django.apps import AppConfig


class TrackingConfig(AppConfig):
    """The tracking floor."""

    name = "apps.tracking"
    label = "tracking"
