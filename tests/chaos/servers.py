"""A Valkey that belongs to one test, to be killed, filled and emptied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from apps.campaigns.drill.place import Service
from core.celery import app
from core.installation import children, embedded_valkey, folders
from tests.workers import ring_elsewhere


class OwnBroker:
    """One server on a socket that stays the same from life to life."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._server = embedded_valkey.prepare(folder)
        self._service = Service(self._server.spec(), self._server.is_ready, folder / "valkey.log")
        self.url = self._server.url()

    def start(self) -> None:
        self._service.start()

    def kill(self) -> None:
        """`kill -9`, and everything it held is gone."""
        self._service.end(children.KILL)
        shutil.rmtree(self._server.folder)
        self._server.folder.mkdir(mode=0o700)

    def client(self) -> Redis:
        return Redis(unix_socket_path=str(self._server.socket_path))

    def end(self) -> None:
        self._service.end()
        folders.remove_socket_folder(self._server.sockets)


@contextmanager
def own_broker(folder: Path) -> Iterator[OwnBroker]:
    """Run a server and let this process ring there too, as a web process would."""
    server = OwnBroker(folder)
    before = app.conf.broker_url
    try:
        server.start()
        app.conf.update(broker_url=server.url)
        ring_elsewhere()
        yield server
    finally:
        app.conf.update(broker_url=before)
        ring_elsewhere()
        server.end()
