"""Prints what a DKIM signature costs beside the bare signature of its key, in turns within one run.

Run: .venv/bin/python -m benchmarks.dkim [--letters N] [--rounds N]
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import os
import statistics
import time
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.development")
django.setup()

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402  after Django is set up
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: E402
from cryptography.hazmat.primitives.hashes import SHA256  # noqa: E402

from apps.campaigns.rendering import compose, freeze, sample_source  # noqa: E402
from apps.smtp import dkim, dkim_keys  # noqa: E402
from benchmarks import compose as letters  # noqa: E402
from benchmarks import gauge  # noqa: E402

HEADERS = b"x" * 900  # as many bytes as the signed headers of a letter have
AT = 1_790_000_000


def bare(key: RSAPrivateKey | Ed25519PrivateKey) -> Callable[[], object]:
    """Return what `openssl speed` measures: the signature, and nothing of the letter."""
    if isinstance(key, RSAPrivateKey):
        return lambda: key.sign(HEADERS, PKCS1v15(), SHA256())
    hashed = hashlib.sha256(HEADERS).digest()
    return lambda: key.sign(hashed)


def cost(deed: Callable[[], object], times: int) -> float:
    """Return µs of CPU of one call."""
    begun = time.process_time()
    for _time in range(times):
        deed()
    return (time.process_time() - begun) / times * 1e6


def main() -> None:
    """Measure every deed once a round, and print the medians as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    letter = compose(freeze(sample_source()), letters.letter(0)).data
    rsa, ed25519 = (
        dkim.Signer("example.com", "s1", algorithm, dkim_keys.load(dkim_keys.make(algorithm).private))
        for algorithm in (dkim.RSA, dkim.ED25519)
    )
    deeds: dict[str, Callable[[], object]] = {
        "bare RSA-2048": bare(rsa.key),
        "bare Ed25519": bare(ed25519.key),
        "headers and body alone, without a signature": lambda: dkim.digest(letter),
        "a letter, RSA-2048": lambda: dkim.sign(letter, [rsa], at=AT),
        "a letter, Ed25519": lambda: dkim.sign(letter, [ed25519], at=AT),
        "a letter, both": lambda: dkim.sign(letter, [rsa, ed25519], at=AT),
    }
    costs: dict[str, list[float]] = {name: [] for name in deeds}
    for _round in range(options.rounds):
        for name, deed in deeds.items():
            costs[name].append(cost(deed, options.letters))
    print(
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, commit {gauge.commit()}; {gauge.model()}; {len(letter)} bytes a letter\n"
    )
    print("| signed | µs of CPU | a second and core | of the bare RSA-2048 signs |\n|---|---|---|---|")
    reference = statistics.median(costs["bare RSA-2048"])
    for name, rounds in costs.items():
        middle = statistics.median(rounds)
        share = statistics.median(one / other for one, other in zip(costs["bare RSA-2048"], rounds, strict=True))
        print(f"| {name} | {middle:.0f} | {1e6 / middle:,.0f} | {share:.2f} |")
    beside = statistics.median(costs["a letter, RSA-2048"]) - reference
    print(f"\nA letter costs {beside:.0f} µs beside its bare RSA signature.")


if __name__ == "__main__":
    main()
