"""Registers the core app."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """The ground floor."""

    name = "core"
    label = "core"
