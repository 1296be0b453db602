"""Asks the system's name server for TXT records."""

from __future__ import annotations

import dns.exception
import dns.rdatatype
import dns.resolver

SECONDS = 5.0
MAX_RECORDS = 20


class NoAnswerError(Exception):
    """Nothing is known: there is no name server, or it did not answer in time."""


def texts(name: str) -> list[str]:
    """Return the TXT records at a name, none where there are none; changed ones are seen once the old ones expire.

    Raises:
        NoAnswerError: nobody could say.
    """
    try:
        answer = dns.resolver.Resolver().resolve(name, dns.rdatatype.TXT, lifetime=SECONDS, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise NoAnswerError from error
    # A long record is kept in pieces of 255 bytes, which are read as one (RFC 6376 3.6.2.2).
    return [b"".join(record.strings).decode("ascii", "replace") for record in list(answer)[:MAX_RECORDS]]
