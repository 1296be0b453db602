"""E-mail addresses: one normal form, one hash, and a mask for screens that strangers may see."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from django.utils.translation import gettext as _
from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from core.errors import EspError

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")

# An address about which the library could only say yes, if its domain is one; anything else it judges itself.
_ATOM = r"[A-Za-z0-9_!#$%&'*+\-/=?^`{|}~]+"
_PLAIN = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@([A-Za-z0-9.-]+)")
_PLAIN_LOCAL, _PLAIN_LENGTH = 64, 254
_FOLDED = frozenset(name.lower() for name in CASE_INSENSITIVE_MAILBOX_NAMES)


class InvalidAddressError(EspError):
    """The text is not an address we could write to."""

    code = "invalid_address"


@dataclass(frozen=True, slots=True)
class Address:
    """An address as given (`email`) and in the form that identifies a person (`normalised`)."""

    email: str
    normalised: str

    @property
    def domain(self) -> str:
        """The part after the @, lower case."""
        return self.normalised.rpartition("@")[2]


def parse(text: str) -> Address:
    """Return the address; no DNS is asked.

    The normal form folds case in both parts and spells the domain in A-labels: two contacts who differ only by
    case are one person to every provider we know of.

    Raises:
        InvalidAddressError: with a sentence that says what is wrong.
    """
    cleaned = CONTROLS.sub("", text).strip().strip("<>").strip()
    if not cleaned:
        raise InvalidAddressError(_("There is no address."))
    return _plain(cleaned) or _judged(cleaned)


def _plain(text: str) -> Address | None:
    """Return an everyday address whose domain was seen before; a list of a million has a few thousand domains."""
    if len(text) > _PLAIN_LENGTH or not (found := _PLAIN.fullmatch(text)):
        return None
    local, domain = found[1], found[2].lower()
    if len(local) > _PLAIN_LOCAL or local.lower() in _FOLDED or not _is_plain_domain(domain):
        return None
    return Address(f"{local}@{domain}", f"{local}@{domain}".casefold())


@lru_cache(maxsize=20_000)
def _is_plain_domain(domain: str) -> bool:
    """Return whether the library takes a domain exactly as it is written; punycode it would spell in two ways."""
    try:
        found = validate_email(f"a@{domain}", check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return found.domain == found.ascii_domain == domain


def _judged(cleaned: str) -> Address:
    try:
        found = validate_email(cleaned, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise InvalidAddressError(_("Not an email address: %(reason)s") % {"reason": error}) from None
    domain = found.ascii_domain or found.domain
    return Address(f"{found.local_part}@{domain}", f"{found.local_part}@{domain}".casefold())


def fingerprint(normalised: str) -> bytes:
    """Return the 32-byte hash by which suppressions find an address."""
    return hashlib.sha256(normalised.encode()).digest()


def mask(email: str) -> str:
    """Return the address with most of its local part hidden: `a…e@example.com`."""
    local, _at, domain = email.rpartition("@")
    if len(local) < 3:
        return f"{local[:1]}…@{domain}"
    return f"{local[0]}…{local[-1]}@{domain}"
