"""Runs the local inbox's SMTP server until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from apps.smtp.inbox.server import InboxServer
from apps.smtp.inbox.store import database_parameters


class Command(BaseCommand):
    """`manage.py run_local_inbox`: listens where VASHSENDER_INBOX_ADDRESS says."""

    help = "Run the local inbox: a mail server on this machine that keeps every letter and relays none."

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGTERM or SIGINT."""
        if not settings.INBOX_ADDRESS:
            raise CommandError(_("The local inbox has no address: set VASHSENDER_INBOX_ADDRESS to host:port."))
        host, port = settings.INBOX_ADDRESS
        try:
            asyncio.run(self._serve(host, port))
        except OSError as error:
            place = {"host": host, "port": port, "reason": error.strerror}
            raise CommandError(_("The local inbox cannot listen on %(host)s:%(port)s: %(reason)s.") % place) from None

    async def _serve(self, host: str, port: int) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = InboxServer(host, port, database=database_parameters())
        await server.start()
        place = {"host": host, "port": server.port}
        self.stdout.write(_("The local inbox listens on %(host)s:%(port)s.") % place)
        self.stdout.flush()
        await stop.wait()
        await server.stop()
