"""Which addresses a sending account's host name may lead to: resolved once, checked, and then dialled as checked."""

from __future__ import annotations

import ipaddress
import queue
import re
import signal
import socket
import threading
from collections.abc import Callable, Collection
from typing import Final

from apps.smtp.budget import now
from apps.smtp.replies import BrokenLineError

ALLOWED_PORTS: Final = frozenset({25, 465, 587, 2525})
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_.])?|[0-9A-Fa-f:.]{2,45}")
_NUMBER = re.compile(r"\d+|0[xX][0-9A-Fa-f]*")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Lookup = Callable[[str, int], list[str]]


def system_lookup(host: str, port: int) -> list[str]:
    """Return the addresses the system's resolver knows for the host.

    Raises:
        OSError: the resolver has no answer.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Return whether the address lies on the public internet, seen through every known disguise."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            found = found.ipv4_mapped
        elif found.sixtofour or found.teredo or found in _NAT64 or found.is_site_local:
            return False
    return found.is_global and not found.is_multicast


def is_host_name(text: str) -> bool:
    """Return whether this can be a host name or an address, written in full, at all."""
    if _HOST.fullmatch(text) is None:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.removesuffix(".").split(".")
        # No name ends in a number: resolvers read those as addresses in short, 127.1 or 0x7f000001.
        return all(0 < len(label) <= 63 for label in labels) and not _NUMBER.fullmatch(labels[-1]) and ":" not in text
    return True


def is_this_machine(host: str) -> bool:
    """Return whether the name always means the machine itself."""
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def is_listed(host: str, private_hosts: Collection[str]) -> bool:
    """Return whether the instance's settings let this host be a private one."""
    return host.rstrip(".").lower() in {listed.rstrip(".").lower() for listed in private_hosts}


def addresses(
    host: str, port: int, until: float, *, private_hosts: Collection[str], lookup: Lookup = system_lookup
) -> list[str]:
    """Return the addresses that may be dialled for the host.

    A host that the instance's settings list as private may be anything; every other one must lead to public addresses
    only, on a port of mail.

    Raises:
        BrokenLineError: address_refused, dns or timeout.
    """
    may_be_private = is_listed(host, private_hosts)
    if not is_host_name(host) or not (may_be_private or port in ALLOWED_PORTS):
        raise BrokenLineError("address_refused")
    found = look_up(host, port, until, lookup)
    if not found:
        raise BrokenLineError("dns")
    if not may_be_private and not all(is_public(address) for address in found):
        raise BrokenLineError("address_refused")
    return found


def look_up(host: str, port: int, until: float, lookup: Lookup = system_lookup) -> list[str]:
    """Return the addresses of the host, whatever they are; one written as a number is its own.

    Raises:
        BrokenLineError: dns or timeout.
    """
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    # The system's resolver knows no deadline, so it works in a thread that is left behind when it takes too long.
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look() -> None:
        # A signal to the process lands in any thread that lets it through; the main thread may be holding it back.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            answers.put(lookup(host, port))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    threading.Thread(target=look, name="smtp-resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, until - now()))
    except queue.Empty:
        raise BrokenLineError("timeout") from None
    if isinstance(answer, OSError):
        raise BrokenLineError("dns")
    return answer
