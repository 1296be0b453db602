"""Registers the campaigns app."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    """The campaigns floor."""

    name = "apps.campaigns"
    label = "campaigns"
