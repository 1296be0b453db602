"""Registers the accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The accounts floor."""

    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Listen to the sign-in library."""
        from apps.accounts import receivers  # noqa: F401 - importing connects
