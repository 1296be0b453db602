"""The connections of one process: kept per sending account, reused while they are good, closed when idle or old."""

from __future__ import annotations

import os
import threading
import time
import weakref
from dataclasses import dataclass, field, replace

from apps.smtp import bounces
from apps.smtp.budget import DEFAULT_CAPS, StageCaps, now
from apps.smtp.config import TransportConfig
from apps.smtp.handshake import ConnectionFailedError, Resolve, as_given
from apps.smtp.outcome import Stage
from apps.smtp.wire import Connection

_LOOK_AGAIN = 0.02


@dataclass(frozen=True, slots=True)
class Counters:
    """What the pool did since its process began, and what it holds now."""

    opened: int = 0
    reused: int = 0
    closed: int = 0
    letters: int = 0
    idle: int = 0
    in_use: int = 0


@dataclass(slots=True)
class _Account:
    config: TransportConfig
    idle: list[Connection] = field(default_factory=list)
    # Weak, so that a connection lost to a signal gives its place back by itself.
    in_use: weakref.WeakSet[Connection] = field(default_factory=weakref.WeakSet)


class Pool:
    """Keeps connections; safe to use from several threads, empty after a fork.

    The lock is a plain one and nothing waits on the network under it: a soft time limit may strike anywhere, and must
    find neither a lock held for ever nor a letter waiting for someone else's QUIT.
    """

    def __init__(self) -> None:
        self._start_empty()
        _pools.add(self)

    def _start_empty(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[int | str, _Account] = {}
        self._counters = Counters()

    def checkout(
        self,
        config: TransportConfig,
        *,
        offer_until: float,
        caps: StageCaps = DEFAULT_CAPS,
        resolve: Resolve = as_given,
        fresh: bool = False,
    ) -> Connection:
        """Return a connection for one letter; give it back with `checkin`, whatever happened to it.

        A reused one has `letters` or `was_idle` set. Waits for a place when the account has all its connections out.

        Raises:
            ConnectionFailedError: with the outcome to record.
        """
        while True:
            unfit: list[Connection] = []
            with self._lock:
                connection = self._take(config, unfit, fresh=fresh)
            self._part(unfit)
            if connection:
                break
            if now() + _LOOK_AGAIN >= offer_until:
                raise ConnectionFailedError(bounces.interrupted(Stage.CONNECT, "pool_full"))
            time.sleep(_LOOK_AGAIN)
        if not connection.is_open:
            self._establish(connection, offer_until, caps, resolve)
        return connection

    def checkin(self, connection: Connection) -> None:
        """Take a connection back; it is kept only while it is clean, young and not worn out."""
        with self._lock:
            account = self._accounts.get(connection.config.id)
            keep = account is not None and account.config == connection.config and _is_fit(connection)
            if account:
                account.in_use.discard(connection)
            if keep and account:
                connection.was_idle = True
                account.idle.append(connection)
            else:
                self._count(closed=1)
        if not keep:
            connection.quit()

    def letter_accepted(self) -> None:
        """Count one letter that a server took."""
        with self._lock:
            self._count(letters=1)

    def close_idle(self, *, all_idle: bool = False) -> int:
        """Close what has been idle or alive for too long, or everything idle; what is in use is left alone.

        Returns:
            How many connections were closed.
        """
        unfit: list[Connection] = []
        with self._lock:
            for key, account in list(self._accounts.items()):
                kept = [] if all_idle else [one for one in account.idle if _is_fit(one)]
                unfit += [one for one in account.idle if one not in kept]
                account.idle = kept
                if not kept and not account.in_use:
                    del self._accounts[key]
        self._part(unfit)
        return len(unfit)

    def close_all(self) -> None:
        """Close everything idle now; what is in use is closed when it comes back."""
        with self._lock:
            unfit = [one for account in self._accounts.values() for one in account.idle]
            self._accounts.clear()
        self._part(unfit)

    @property
    def counters(self) -> Counters:
        """What the pool did and holds."""
        with self._lock:
            idle = sum(len(account.idle) for account in self._accounts.values())
            in_use = sum(len(account.in_use) for account in self._accounts.values())
            return replace(self._counters, idle=idle, in_use=in_use)

    def by_account(self) -> dict[int | str, tuple[int, int]]:
        """Return for each account how many connections are in use and how many idle."""
        with self._lock:
            return {key: (len(one.in_use), len(one.idle)) for key, one in self._accounts.items()}

    def _take(self, config: TransportConfig, unfit: list[Connection], *, fresh: bool) -> Connection | None:
        account = self._accounts.get(config.id)
        if account is None or account.config != config:  # a changed password or host opens new connections
            unfit += account.idle if account else []
            account = self._accounts[config.id] = _Account(config)
        if fresh:
            unfit += account.idle
            account.idle = []
        while account.idle:
            connection = account.idle.pop()
            if _is_fit(connection) and connection.is_live:
                account.in_use.add(connection)
                self._count(reused=1)
                return connection
            unfit.append(connection)
        if len(account.in_use) >= config.max_connections:
            return None
        connection = Connection(config)
        account.in_use.add(connection)
        return connection

    def _establish(self, connection: Connection, offer_until: float, caps: StageCaps, resolve: Resolve) -> None:
        try:
            connection.establish(offer_until=offer_until, caps=caps, resolve=resolve)
        except BaseException:
            connection.close()
            with self._lock:
                if account := self._accounts.get(connection.config.id):
                    account.in_use.discard(connection)
            raise
        with self._lock:
            self._count(opened=1)

    def _part(self, connections: list[Connection]) -> None:
        if not connections:
            return
        with self._lock:
            self._count(closed=len(connections))
        for connection in connections:
            connection.quit()

    def _count(self, *, opened: int = 0, reused: int = 0, closed: int = 0, letters: int = 0) -> None:
        was = self._counters
        self._counters = Counters(was.opened + opened, was.reused + reused, was.closed + closed, was.letters + letters)

    def _forget_parent(self) -> None:
        """In a child after a fork: the sockets belong to the parent, so they are let go without a word."""
        held = [one for account in self._accounts.values() for one in (*account.idle, *list(account.in_use))]
        self._start_empty()
        for connection in held:
            connection.close()


def _is_fit(connection: Connection) -> bool:
    config, moment = connection.config, now()
    return (
        connection.is_open
        and connection.letters < config.max_letters_per_connection
        and moment - connection.opened_at < config.max_age.total_seconds()
        and moment - connection.last_used < config.idle.total_seconds()
    )


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool._forget_parent()


os.register_at_fork(after_in_child=_after_fork)

connections = Pool()
"""The pool of this process."""
