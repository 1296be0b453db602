"""Which receiving provider an address belongs to, as far as its domain tells; pure."""

from __future__ import annotations

from typing import Final

EVERYONE_ELSE: Final = ""

NAMES: Final[dict[str, str]] = {
    "google": "Google",
    "microsoft": "Microsoft",
    "yahoo": "Yahoo",
    "icloud": "iCloud",
    "gmx": "GMX and WEB.DE",
    "proton": "Proton",
    "mailru": "mail.ru",
    "yandex": "Yandex",
    "ukrnet": "ukr.net",
}

_DOMAINS: Final[dict[str, str]] = {
    "google": "gmail.com googlemail.com",
    "microsoft": (
        "outlook.com hotmail.com live.com msn.com outlook.de outlook.fr outlook.es outlook.it hotmail.co.uk hotmail.fr "
        "hotmail.de hotmail.it hotmail.es live.co.uk live.fr live.nl live.de windowslive.com"
    ),
    "yahoo": (
        "yahoo.com ymail.com rocketmail.com aol.com yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.ca yahoo.in "
        "yahoo.com.br yahoo.com.au yahoo.co.in myyahoo.com"
    ),
    "icloud": "icloud.com me.com mac.com",
    "gmx": "gmx.de gmx.net gmx.com gmx.at gmx.ch web.de mail.com",
    "proton": "proton.me protonmail.com pm.me",
    "mailru": "mail.ru bk.ru inbox.ru list.ru internet.ru",
    "yandex": "yandex.ru ya.ru yandex.com yandex.ua yandex.kz yandex.by",
    "ukrnet": "ukr.net",
}

BY_DOMAIN: Final[dict[str, str]] = {domain: group for group, text in _DOMAINS.items() for domain in text.split()}


def of(email: str) -> str:
    """Return the group that an address belongs to; empty for everyone else."""
    return BY_DOMAIN.get(email.rpartition("@")[2].lower(), EVERYONE_ELSE)
