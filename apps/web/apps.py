"""The web app: pages for people."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Holds the base templates, the components and the pages that belong to no other app."""

    name = "apps.web"
    label = "web"
