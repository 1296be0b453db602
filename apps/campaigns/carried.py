"""What a sending account carried lately, and what of it was refused: for its page, which stands a floor below."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from apps.smtp.models import Transport


@dataclass(frozen=True, slots=True)
class Week:
    """The letters of the last seven days.

    Args:
        sent: what a server or provider took.
        failed: what was refused for good, letters that could not be made left out.
        last_minute: of the sent ones, those of the last sixty seconds.
    """

    sent: int = 0
    failed: int = 0
    last_minute: int = 0

    @property
    def offered(self) -> int:
        """What was taken or refused."""
        return self.sent + self.failed


def week(transport: Transport) -> Week:
    """Count the account's letters of the last seven days, by the campaigns that were at work then."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FILTER (WHERE d.state = 'sent'),
                      count(*) FILTER (WHERE d.state = 'failed' AND d.failure <> 'render'),
                      count(*) FILTER (WHERE d.state = 'sent' AND d.sent_at > now() - interval '1 minute')
               FROM campaigns_campaign k JOIN campaigns_delivery d ON d.campaign_id = k.id
               WHERE k.transport_id = %s AND (k.finished_at IS NULL OR k.finished_at > now() - interval '7 days')
                 AND k.state NOT IN ('draft', 'scheduled')
                 AND d.state IN ('sent', 'failed') AND d.moved_at > now() - interval '7 days'""",
            [transport.pk],
        )
        return Week(*cursor.fetchone())
