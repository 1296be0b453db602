"""The domains a workspace writes from: those of its senders and those it has keys for, and whether each is signed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from apps.accounts.models import Workspace
from apps.campaigns.models import SenderIdentity
from apps.smtp.models import SigningKey
from apps.smtp.services import signing_keys


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain, how many senders write from it, and its keys, the newest of each state first."""

    name: str
    senders: int
    keys: tuple[SigningKey, ...]

    @property
    def active(self) -> list[SigningKey]:
        """The keys that sign."""
        return [key for key in self.keys if key.state == SigningKey.State.ACTIVE]

    @property
    def is_doubtful(self) -> bool:
        """Whether keys sign, and the record of none of them was found."""
        return bool(self.active) and all(key.is_doubtful for key in self.active)

    @property
    def is_unused(self) -> bool:
        """Whether no letter can have come from it yet: no sender writes from it, and no key has signed."""
        return not self.senders and all(key.state == SigningKey.State.MADE for key in self.keys)


def of(workspace: Workspace) -> list[Domain]:
    """Return a workspace's domains by name."""
    senders: dict[str, int] = defaultdict(int)
    for email in SenderIdentity.objects.filter(workspace=workspace).values_list("email", flat=True):
        if name := signing_keys.domain_of(email):
            senders[name] += 1
    keys: dict[str, list[SigningKey]] = defaultdict(list)
    for key in signing_keys.of(workspace):
        keys[key.domain].append(key)
    return [Domain(name, senders[name], tuple(keys[name])) for name in sorted({*senders, *keys})]
