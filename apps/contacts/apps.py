"""Registers the contacts app."""

from django.apps import AppConfig


class ContactsConfig(AppConfig):
    """The contacts floor."""

    name = "apps.contacts"
    label = "contacts"
