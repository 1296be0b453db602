"""A tier of ours beside nodemailer, `smtp-source` and django-post_office: the same letters, in turns, near and far.

python -m benchmarks.compare --letters 10000 --runs 3 --delays 0,20
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import crew as crews
from benchmarks import gauge, place, rivals, sink
from settings.tiers import TIERS

OURS = "ours"


@dataclass(slots=True)
class Server:
    """A server at the other end, and what was measured there: letters a second of each program, run by run."""

    host: str
    port: int
    delay: float
    end: sink.Sink | None
    transport: Any = None
    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu: list[dict[str, float]] = field(default_factory=list)
    connections: int = 0
    letter_bytes: int = 0

    @property
    def name(self) -> str:
        """How the table calls it."""
        return f"{self.delay:g} ms" if self.end else f"{self.host}:{self.port}"


class Comparison:
    """Everything one comparison holds open."""

    def __init__(
        self, options: argparse.Namespace, where: place.Place, crew: crews.Crew, servers: list[Server]
    ) -> None:
        from benchmarks import letters

        self.options, self.where, self.crew, self.servers, self.letters = options, where, crew, servers, letters
        first = servers[0]
        self.world = letters.make_world(options.letters, host=first.host, port=first.port)
        for server in servers:
            server.transport = self._transport_of(server)
        self.has_nodemailer = not options.alone and rivals.fetch_nodemailer()
        self.post_office = rivals.fetch_post_office(where.folder / "post_office") if options.post_office else None
        self._warm_up()

    def _transport_of(self, server: Server) -> Any:
        return type(self.world.transport).objects.create(
            workspace=self.world.workspace,
            name=f"Sink, {server.name}",
            kind="smtp",
            host=server.host,
            port=server.port,
            tls="none",
            max_connections=self.options.account_connections,
        )

    def _warm_up(self) -> None:
        for server in self.servers:
            world = replace(self.world, transport=server.transport)
            campaign = self.letters.make_campaign(world, f"warm-up {server.name}", to=self.world.a_few)
            self.letters.send(campaign, world, watch=lambda _settled: None)
        self.files = self.letters.for_nodemailer(campaign, self.where.folder, self.options.letters)

    def run(self, number: int) -> None:
        """Let every program send once to every server; the order turns from run to run."""
        for server in self.servers:
            ways = self._ways(server)
            names = list(ways) if number % 2 == 0 else list(reversed(ways))
            for name in names:
                if server.end:
                    server.end.reset()
                rate = ways[name]()
                if rate is not None:
                    server.rates.setdefault(name, []).append(rate)
                    print(f"run {number + 1}, {server.name}: {name} {rate:.0f}/s", flush=True)

    def _ways(self, server: Server) -> dict[str, Callable[[], float | None]]:
        ways: dict[str, Callable[[], float | None]] = {OURS: lambda: self._ours(server)}
        if self.has_nodemailer:
            for connections in sorted({20, self.options.connections}):
                ways[f"nodemailer, {connections} connections"] = lambda wide=connections: self._nodemailer(server, wide)
        if not self.options.alone:
            ways["smtp-source -d -s 16"] = lambda: self._smtp_source(server)
        if self.post_office:
            ways["django-post_office"] = lambda: self._post_office(server)
        return ways

    def _ours(self, server: Server) -> float:
        world = replace(self.world, transport=server.transport)
        campaign = self.letters.make_campaign(world, f"to {server.name}", to=self.world.everybody)
        before = self.crew.cpu() | self._sink_cpu(server)
        outcome = self.letters.send(campaign, world, watch=lambda _settled: None)
        after = self.crew.cpu() | self._sink_cpu(server)
        server.cpu.append({part: seconds - before[part] for part, seconds in after.items()})
        if outcome.sent != self.options.letters:
            raise SystemExit(f"The account does not hold: {outcome}")
        self._check(server, outcome.sent)
        if server.end:
            seen = server.end.report()
            server.connections = max(server.connections, seen.peak)
            server.letter_bytes = seen.bytes // max(1, seen.letters)
        return outcome.per_second

    def _sink_cpu(self, server: Server) -> dict[str, float]:
        return {"sink": gauge.own_cpu(server.end.pid)} if server.end else {}

    def _nodemailer(self, server: Server, connections: int) -> float:
        letter, recipients = self.files
        run = rivals.nodemailer(server.host, server.port, connections=connections, letter=letter, recipients=recipients)
        self._check(server, run.sent)
        return run.per_second

    def _smtp_source(self, server: Server) -> float | None:
        size = server.letter_bytes or 18_000
        run = rivals.smtp_source(server.host, server.port, letters=self.options.letters, size_bytes=size)
        return run.per_second if run else None

    def _post_office(self, server: Server) -> float | None:
        assert self.post_office
        letter, recipients = self.files
        url = self.where.environment["DATABASE_URL"]
        run = rivals.post_office(
            self.post_office, server.host, server.port, letter=letter, recipients=recipients, database_url=url
        )
        return run.per_second

    def _check(self, server: Server, sent: int) -> None:
        """Compare what was said to be sent with what arrived: one letter for each recipient, no more."""
        if not server.end:
            return
        seen, by_recipient = server.end.report(), server.end.recipients()
        doubled = sum(1 for count in by_recipient.values() if count > 1)
        if seen.letters != sent or len(by_recipient) != self.options.letters or doubled:
            raise SystemExit(f"{sent} sent, the sink took {seen.letters} for {len(by_recipient)}; {doubled} doubled")


def report(options: argparse.Namespace, comparison: Comparison) -> None:
    """Print everything as Markdown."""
    print(f"\n{dt.date.today()} · {gauge.commit()} · {gauge.model()} · load {os.getloadavg()[0]:.0f}")
    print(f"{options.letters} letters, tier {options.tier}, {options.concurrency} children, median of {options.runs}\n")
    print("| server | program | letters/s | ours / theirs |\n|---|---|---|---|")
    for server in comparison.servers:
        for name, rates in server.rates.items():
            pairs = zip(server.rates[OURS], rates, strict=False)
            ratio = gauge.median(ours / theirs for ours, theirs in pairs)
            wide = f", {server.connections} connections" if name == OURS and server.connections else ""
            ratio_text = "" if name == OURS else f"{ratio:.2f}"
            print(f"| {server.name} | {name}{wide} | {gauge.median(rates):.0f} | {ratio_text} |")
    if not any("smtp-source -d -s 16" in server.rates for server in comparison.servers):
        print("\n`smtp-source` (Postfix) is not installed here.")
    if options.post_office and not comparison.post_office:
        print("\ndjango-post_office could not be installed.")
    print("\n| CPU of ours per letter, µs | " + " | ".join(server.name for server in comparison.servers) + " |")
    print("|---|" + "---|" * len(comparison.servers))
    for part in comparison.servers[0].cpu[0]:
        costs = [gauge.median(run[part] for run in server.cpu) / options.letters * 1e6 for server in comparison.servers]
        print(f"| {part} | " + " | ".join(f"{cost:.0f}" for cost in costs) + " |")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--letters", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--smtp", type=place.address, metavar="HOST:PORT", help="another server instead of our sinks")
    parser.add_argument("--delays", default="0,20", help="milliseconds our sinks wait before each reply (0,20)")
    parser.add_argument("--tier", choices=list(TIERS), default="high")
    parser.add_argument("--concurrency", type=int, default=os.cpu_count() or 1, help="children that carry letters")
    parser.add_argument("--account-connections", type=int, default=20, help="what the account allows at once")
    parser.add_argument("--connections", type=int, default=20, help="nodemailer's, beside its run with 20")
    parser.add_argument("--post-office", action="store_true", help="with django-post_office, in a scratch environment")
    parser.add_argument("--alone", action="store_true", help="without nodemailer and smtp-source")
    parser.add_argument("--profile", action="store_true", help="note where the children's time goes (slows them down)")
    parser.add_argument("--scratch", type=Path, help="a folder on the disk to measure on")
    return parser.parse_args(arguments)


@contextmanager
def _stage(options: argparse.Namespace) -> Iterator[Comparison]:
    os.environ["VASHSENDER_TIER"] = options.tier
    crew_options = crews.Options(
        tier=TIERS[options.tier], concurrency=options.concurrency, recycles=False, profiles=options.profile
    )
    host = options.smtp[0] if options.smtp else "127.0.0.1"
    with place.made(smtp_host=host, scratch=options.scratch) as where, ExitStack() as sinks:
        servers = [Server(*options.smtp, 0, None)] if options.smtp else []
        for delay in [] if options.smtp else map(float, options.delays.split(",")):
            end = sinks.enter_context(sink.running(where.folder / f"sink-{delay:g}", delay_milliseconds=delay))
            servers.append(Server("127.0.0.1", end.port, delay, end))
        with crews.running(where, crew_options) as crew:
            yield Comparison(options, where, crew, servers)
        if options.profile:
            from benchmarks.fan_out import show_profile

            show_profile(where.folder / "profile", options.letters * options.runs * len(servers))


def main() -> None:
    """Measure and print."""
    options = parse()
    with _stage(options) as comparison:
        for number in range(options.runs):
            comparison.run(number)
        report(options, comparison)


if __name__ == "__main__":
    main()
