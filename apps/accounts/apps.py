"""Registers the accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The accounts floor."""

    name = "apps.accounts"
    label = "accounts"
