"""Registers the campaigns app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CampaignsConfig(AppConfig):
    """The campaigns floor."""

    name = "apps.campaigns"
    label = "campaigns"

    def ready(self) -> None:
        """Listen to Celery's worker signals, register the health checks, and answer for letters to lower floors."""
        from apps.campaigns import checks, receivers, selectors  # noqa: F401 - importing connects
        from apps.campaigns.services import forgetting, lifecycle, restore_guard
        from apps.contacts import traces
        from apps.contacts.services import erasure
        from apps.smtp.services import accounts

        erasure.before_erasing(forgetting.forget)
        erasure.people_with_letters(forgetting.with_letters)
        traces.last_emails(selectors.last_emails)
        accounts.on_switched_on(lifecycle.wait_for_account)
        post_migrate.connect(restore_guard.make_row, sender=self)
