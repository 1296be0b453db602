"""What the broker holds."""

from __future__ import annotations

from core.jobs import BROKER_ERRORS


def depth(queue: str) -> int | None:
    """Return how many messages wait in a queue, or None when the broker cannot say."""
    from core.celery import app

    try:
        with app.connection_for_read() as line:
            line.ensure_connection(max_retries=1, timeout=2)
            return int(line.default_channel.queue_declare(queue=queue, passive=True).message_count)
    except BROKER_ERRORS:
        return None
    except line.channel_errors:
        return 0
