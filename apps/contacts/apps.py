"""Registers the contacts app."""

from django.apps import AppConfig


class ContactsConfig(AppConfig):
    """The contacts floor."""

    name = "apps.contacts"
    label = "contacts"

    def ready(self) -> None:
        """Give every new workspace its first list."""
        from apps.accounts.services import workspaces
        from apps.contacts.services import lists

        workspaces.on_created(lists.create_first)
