"""The fan-out tier beside a nodemailer pool of 20: the same letters to the same sink, in turns.

python -m benchmarks.fan_out --letters 10000 --runs 3
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import pstats
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import crew as crews
from benchmarks import gauge, place, rivals, sink, spy
from settings.tiers import TIERS

MILESTONES = (0.1, 0.5, 1.0)


@dataclass(slots=True)
class Pair:
    """One run of ours and one of the rival's, next to each other in time."""

    ours: float
    theirs: float = 0.0
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    memory: list[dict[int, float]] = field(default_factory=list)
    rival_memory: tuple[float, ...] = ()
    rival_cpu: dict[str, float] = field(default_factory=dict)
    bytes_ours: float = 0.0
    bytes_theirs: float = 0.0
    busy_elsewhere: float = 0.0
    shares: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Ours by theirs."""
        return self.ours / self.theirs if self.theirs else 0.0


class Bench:
    """Everything one benchmark holds open."""

    def __init__(
        self, options: argparse.Namespace, where: place.Place, crew: crews.Crew, end: sink.Sink | None
    ) -> None:
        from benchmarks import letters

        self.options, self.where, self.crew, self.end = options, where, crew, end
        self.host, self.port = ("127.0.0.1", end.port) if end else options.smtp
        self.letters = letters
        self.world = letters.make_world(options.letters, host=self.host, port=self.port)
        self.has_rival = not options.alone and rivals.fetch_nodemailer()

    def pair(self, number: int) -> Pair:
        """Run both once, the rival first in every second pair."""
        if number == 0:
            self._warm_up()
        pair = Pair(0.0)
        steps = [self._ours, self._theirs] if number % 2 == 0 else [self._theirs, self._ours]
        for step in steps:
            step(pair, f"run {number + 1}")
        return pair

    def _warm_up(self) -> None:
        """Wait for the workers, and freeze the letter that both sides send."""
        campaign = self.letters.make_campaign(self.world, "warm-up", to=self.world.a_few)
        self.letters.send(campaign, self.world, watch=lambda _settled: None)
        self.files = self.letters.for_nodemailer(campaign, self.where.folder, self.options.letters)

    def _ours(self, pair: Pair, name: str) -> None:
        campaign = self.letters.make_campaign(self.world, name, to=self.world.everybody)
        self._reset()
        sink_before = gauge.own_cpu(self.end.pid) if self.end else 0.0
        before, machine = self.crew.cpu(), gauge.machine()
        with self._spied(pair):
            outcome = self.letters.send(campaign, self.world, watch=self._watch(pair))
        spent = {part: seconds - before[part] for part, seconds in self.crew.cpu().items()}
        pair.cpu = spent
        if self.end:
            pair.cpu["sink"] = gauge.own_cpu(self.end.pid) - sink_before
        busy = gauge.machine()
        pair.busy_elsewhere = max(0.0, busy[0] - machine[0] - sum(pair.cpu.values())) / (busy[1] - machine[1])
        pair.ours, pair.seconds = outcome.per_second, outcome.seconds
        pair.bytes_ours = self._check(outcome.sent)
        print(
            f"{name}: ours {outcome.per_second:.0f}/s ({outcome.seconds:.1f} s, prepared in "
            f"{outcome.preparing_seconds:.2f} s): audience {outcome.total} = sent {outcome.sent} {outcome.other or ''}"
        )
        if outcome.sent != self.options.letters:
            raise SystemExit(f"The account does not hold: {outcome}")

    @contextmanager
    def _spied(self, pair: Pair) -> Iterator[None]:
        if not self.options.spy:
            yield
            return
        pids = {"main": self.crew.pid("mail"), "child": max(self.crew.mail_children())}
        with spy.watching(self.options.spy, pids, self.where.folder) as files:
            yield
        pair.shares = {"main": spy.shares(files["main"], spy.MAIN), "child": spy.shares(files["child"], spy.CHILD)}
        if self.options.logs:
            self.options.logs.mkdir(parents=True, exist_ok=True)
            for name, stacks in files.items():
                (self.options.logs / f"{name}.stacks").write_bytes(stacks.read_bytes())

    def _watch(self, pair: Pair):  # type: ignore[no-untyped-def]
        wanted = [self.options.letters * share for share in MILESTONES]

        def look(settled: int) -> None:
            while wanted and settled >= wanted[0]:
                wanted.pop(0)
                pids = [self.crew.pid("mail"), *self.crew.mail_children()]
                pair.memory.append({pid: gauge.resident_mib(pid) for pid in pids})

        return look

    def _theirs(self, pair: Pair, name: str) -> None:
        if not self.has_rival:
            return
        self._reset()
        letter, recipients = self.files
        before, sink_before = gauge.waited_for_cpu(), gauge.own_cpu(self.end.pid) if self.end else 0.0
        run = rivals.nodemailer(
            self.host, self.port, connections=self.options.connections, letter=letter, recipients=recipients
        )
        pair.theirs, pair.rival_memory = run.per_second, run.memory_mib
        pair.rival_cpu = {"nodemailer": gauge.waited_for_cpu() - before}
        if self.end:
            pair.rival_cpu["sink under nodemailer"] = gauge.own_cpu(self.end.pid) - sink_before
        pair.bytes_theirs = self._check(run.sent)
        print(f"{name}: nodemailer {run.per_second:.0f}/s ({run.seconds:.1f} s), sent {run.sent}, failed {run.failed}")

    def _reset(self) -> None:
        if self.end:
            self.end.reset()

    def _check(self, sent: int) -> float:
        """Compare what was said to be sent with what arrived; return the bytes of a letter."""
        if not self.end:
            return 0.0
        seen, by_recipient = self.end.report(), self.end.recipients()
        doubled = sum(1 for count in by_recipient.values() if count > 1)
        if seen.letters != sent or len(by_recipient) != self.options.letters or doubled:
            raise SystemExit(f"{sent} sent, the sink took {seen.letters} for {len(by_recipient)}; {doubled} doubled")
        return seen.bytes / seen.letters


def report(options: argparse.Namespace, pairs: list[Pair], crew_options: crews.Options, sink_kind: str) -> None:
    """Print everything as Markdown."""
    print(f"\n{dt.date.today()} · {gauge.commit()} · {gauge.model()} · sink: {sink_kind}")
    kept = "replaced as the tier says" if crew_options.recycles else "kept"
    sizes = [f"{size / 1024:.1f} KB" for size in (pairs[0].bytes_ours, pairs[0].bytes_theirs)]
    print(
        f"{options.letters} letters of {sizes[0]} (nodemailer's {sizes[1]}), {crew_options.children} children, {kept}, "
        f"nodemailer with {options.connections} connections\n"
    )
    print("| run | fan-out /s | nodemailer /s | ratio | rest of the machine busy |\n|---|---|---|---|---|")
    for number, pair in enumerate(pairs, 1):
        print(f"| {number} | {pair.ours:.0f} | {pair.theirs:.0f} | {pair.ratio:.3f} | {pair.busy_elsewhere:.0%} |")
    middle = [gauge.median(getattr(pair, name) for pair in pairs) for name in ("ours", "theirs", "ratio")]
    print(f"| **median** | **{middle[0]:.0f}** | **{middle[1]:.0f}** | **{middle[2]:.3f}** | |\n")
    print("| CPU per letter, µs | " + " | ".join(f"run {n}" for n in range(1, len(pairs) + 1)) + " | median |")
    print("|---|" + "---|" * (len(pairs) + 1))
    rows = {part: [pair.cpu[part] for pair in pairs] for part in pairs[0].cpu}
    rows["**all of ours**"] = [sum(pair.cpu.values()) for pair in pairs]
    rows |= {part: [pair.rival_cpu[part] for pair in pairs] for part in pairs[0].rival_cpu}
    for part, seconds in rows.items():
        costs = [spent / options.letters * 1e6 for spent in seconds]
        print(f"| {part} | " + " | ".join(f"{cost:.0f}" for cost in [*costs, gauge.median(costs)]) + " |")
    print()
    print("| memory of a process, MiB | at 10 % | 50 % | 100 % |\n|---|---|---|---|")
    for number, pair in enumerate(pairs, 1):
        for pid in pair.memory[-1]:
            sizes = [f"{look[pid]:.1f}" if pid in look else "–" for look in pair.memory]
            print(f"| run {number}, {'main' if pid == min(pair.memory[-1]) else 'child'} {pid} | {' | '.join(sizes)} |")
        if pair.rival_memory:
            print(f"| run {number}, nodemailer | " + " | ".join(f"{size:.1f}" for size in pair.rival_memory) + " |")
    show_shares(options, pairs)


def show_shares(options: argparse.Namespace, pairs: list[Pair]) -> None:
    """Print what py-spy saw of the worker's processes, as CPU time per letter."""
    for name, part in (("main", "worker, main process"), ("child", "worker, children")):
        seen = sum((pair.shares.get(name, Counter()) for pair in pairs), Counter[str]())
        cost = gauge.median(pair.cpu[part] for pair in pairs) / options.letters * 1e6
        if seen:
            print(f"\n| {part} | share | µs per letter |\n|---|---|---|")
        for what, samples in seen.most_common():
            share = samples / seen.total()
            print(f"| {what} | {share:.0%} | {share * cost:.0f} |")


def show_profile(folder: Path, letters: int) -> None:
    """Print where the children's time went, per letter."""
    files = sorted(map(str, folder.glob("*.prof")))
    if not files:
        return
    stats = pstats.Stats(*files)
    print(f"\nProfile of {len(files)} children (divide the seconds by {letters} letters):")
    stats.sort_stats("cumulative").print_stats(70)
    stats.sort_stats("tottime").print_stats(40)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fan_out", description=__doc__)
    parser.add_argument("--letters", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3, help="pairs of runs")
    parser.add_argument(
        "--smtp", type=place.address, metavar="HOST:PORT", help="another sink, whose count is not checked"
    )
    parser.add_argument("--delay", type=float, default=0, help="milliseconds our sink waits before each reply")
    parser.add_argument("--tier", choices=list(TIERS), default="medium")
    parser.add_argument("--concurrency", type=int, default=0, help="children; the tier's own unless given")
    parser.add_argument("--connections", type=int, default=20, help="nodemailer's connections")
    parser.add_argument("--keep-children", action="store_true", help="do not replace children after so many letters")
    parser.add_argument("--alone", action="store_true", help="without nodemailer")
    parser.add_argument("--profile", action="store_true", help="note where the children's time goes (slows them down)")
    parser.add_argument("--spy", type=Path, metavar="PY_SPY", help="sample the worker with this py-spy (as root)")
    parser.add_argument("--scratch", type=Path, help="a folder on the disk to measure on")
    parser.add_argument("--logs", type=Path, help="keep the processes' logs in this folder")
    return parser.parse_args(arguments)


@contextmanager
def _stage(options: argparse.Namespace, crew_options: crews.Options) -> Iterator[Bench]:
    host = options.smtp[0] if options.smtp else "127.0.0.1"
    with place.made(smtp_host=host, scratch=options.scratch) as where:
        try:
            with sink.running(where.folder, delay_milliseconds=options.delay) as end:
                with crews.running(where, crew_options) as crew:
                    yield Bench(options, where, crew, None if options.smtp else end)
                if crew_options.profiles:
                    show_profile(where.folder / "profile", options.letters * (options.runs + 1))
        finally:
            if options.logs:
                options.logs.mkdir(parents=True, exist_ok=True)
                for log in where.folder.glob("*.log"):
                    (options.logs / log.name).write_bytes(log.read_bytes())


def main() -> None:
    """Measure and print."""
    options = parse()
    os.environ["VASHSENDER_TIER"] = options.tier
    crew_options = crews.Options(
        tier=TIERS[options.tier],
        concurrency=options.concurrency,
        recycles=not options.keep_children,
        profiles=options.profile,
    )
    with _stage(options, crew_options) as bench:
        pairs = [bench.pair(number) for number in range(options.runs)]
        report(options, pairs, crew_options, bench.end.kind if bench.end else f"{bench.host}:{bench.port}")


if __name__ == "__main__":
    main()
