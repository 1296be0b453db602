"""Registers the smtp app."""

from django.apps import AppConfig


class SmtpConfig(AppConfig):
    """The smtp floor."""

    name = "apps.smtp"
    label = "smtp"

    def ready(self) -> None:
        """Give new workspaces a local inbox, say what goes wrong with accounts, read one's own rules of refusals."""
        from django.conf import settings

        from apps.accounts.services import workspaces
        from apps.smtp import bounces, checks, watches  # noqa: F401 - importing is registering
        from apps.smtp.services import accounts

        workspaces.on_created(accounts.ensure_local_inbox)
        if settings.REFUSALS_FILE.is_file():
            bounces.extend(settings.REFUSALS_FILE)
