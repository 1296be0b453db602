"""The api app."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """Reads; every route is a program's, none a browser's."""

    name = "apps.api"
