"""Registers the smtp app."""

from django.apps import AppConfig


class SmtpConfig(AppConfig):
    """The smtp floor."""

    name = "apps.smtp"
    label = "smtp"

    def ready(self) -> None:
        """Give every new workspace its local inbox, and say what goes wrong with accounts."""
        from apps.accounts.services import workspaces
        from apps.smtp import watches  # noqa: F401 - importing is registering
        from apps.smtp.services import accounts

        workspaces.on_created(accounts.ensure_local_inbox)
