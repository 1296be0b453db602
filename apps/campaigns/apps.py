"""Registers the campaigns app."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    """The campaigns floor."""

    name = "apps.campaigns"
    label = "campaigns"

    def ready(self) -> None:
        """Listen to Celery's worker signals, register the health checks, and say what contacts asks of letters."""
        from apps.campaigns import checks, receivers, selectors  # noqa: F401 - importing connects
        from apps.campaigns.services import forgetting
        from apps.contacts import traces
        from apps.contacts.services import erasure

        erasure.before_erasing(forgetting.forget)
        erasure.people_with_letters(forgetting.with_letters)
        traces.last_emails(selectors.last_emails)
