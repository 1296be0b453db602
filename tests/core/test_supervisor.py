"""The supervisor with children that do nothing but fall, linger and note what they are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.installation import children, leftovers, supervisor
from core.installation.children import ChildSpec, StopStep
from core.installation.errors import InterruptedStartError, ServiceError
from core.installation.folders import ROOT
from core.installation.output import LogFile
from core.installation.supervisor import Supervisor

STAYS = """
    import pathlib, signal, sys, time
    name, notes, pause = sys.argv[1], pathlib.Path(sys.argv[2]), float(sys.argv[3])
    def leave(*_):
        time.sleep(pause)
        with notes.open("a") as stream:
            stream.write(name + " left\\n")
        sys.exit(0)
    signal.signal(signal.SIGTERM, leave)
    with notes.open("a") as stream:
        stream.write(name + " came\\n")
    while True:
        time.sleep(0.05)
"""
STUBBORN = """
    import pathlib, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pathlib.Path(sys.argv[2]).write_text("stubborn came\\n")
    time.sleep(600)
"""


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, tmp_path)
    yield made
    made._requests = 3
    made.stop()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def child(name: str, program: str, *arguments: object, rank: int = 0, stop: tuple[StopStep, ...] = ()) -> ChildSpec:
    return ChildSpec(
        name=name,
        command=(sys.executable, "-c", textwrap.dedent(program), name, *map(str, arguments)),
        folder=Path("/"),
        environment={"PATH": os.defpath},
        stop=stop or children.POLITE,
        stop_rank=rank,
    )


def turn_until(keeper: Supervisor, condition: Callable[[], bool], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        keeper._tick()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_starts_a_fallen_child_again(keeper, notes, monkeypatch, capfd):
    monkeypatch.setattr(supervisor, "FIRST_DELAY_SECONDS", 0.05)
    falls_once = """
        import os, pathlib, sys, time
        notes = pathlib.Path(sys.argv[2])
        is_first = not notes.exists()
        with notes.open("a") as stream:
            stream.write(f"{os.getpid()}\\n")
        if is_first:
            sys.exit(7)
        time.sleep(600)
    """

    keeper.start(child("faller", falls_once, notes))
    turn_until(keeper, lambda: len(lines(notes)) == 2)

    first, second = lines(notes)
    assert first != second
    assert keeper.named("faller").process.pid == int(second)
    assert "faller ended with status 7; it starts again in" in capfd.readouterr().out


def test_waits_longer_after_each_fall_up_to_a_limit(keeper, monkeypatch):
    monkeypatch.setattr(supervisor, "LONGEST_DELAY_SECONDS", 0.4)
    keeper.start(child("faller", "raise SystemExit(1)"))
    managed = keeper.named("faller")
    managed.delay = 0.05
    seen = []

    def noted() -> bool:
        if managed.delay not in seen:
            seen.append(managed.delay)
        return len(seen) == 4

    turn_until(keeper, noted)

    assert seen == [0.05, 0.1, 0.2, 0.4]
    turn_until(keeper, lambda: not managed.restart_at)
    turn_until(keeper, lambda: bool(managed.restart_at))
    assert managed.delay == 0.4


def test_stops_each_rank_before_it_tells_the_next(keeper, notes):
    keeper.start(
        child("database", STAYS, notes, 0, rank=5),
        child("worker", STAYS, notes, 0.3, rank=2),
        child("web", STAYS, notes, 0.3, rank=0),
    )
    turn_until(keeper, lambda: len(lines(notes)) == 3)

    keeper.stop()

    assert lines(notes)[3:] == ["web left", "worker left", "database left"]


def test_tells_the_main_process_alone_to_stop(keeper, notes):
    forks = """
        import os, pathlib, signal, sys, time
        notes = pathlib.Path(sys.argv[2])
        def note(text):
            with notes.open("a") as stream:
                stream.write(text + "\\n")
        pool = os.fork()
        def told(*_):
            note("pool told" if not pool else "main told")
            if pool:
                os.kill(pool, signal.SIGKILL)
                os.waitpid(pool, 0)
            sys.exit(0)
        signal.signal(signal.SIGTERM, told)
        note("pool came" if not pool else "main came")
        while True:
            time.sleep(0.05)
    """
    keeper.start(child("worker", forks, notes))
    turn_until(keeper, lambda: len(lines(notes)) == 2)

    keeper.stop()

    assert lines(notes)[2:] == ["main told"]


def test_a_child_has_a_session_of_its_own(keeper, notes):
    keeper.start(child("web", STAYS, notes, 0))

    pid = keeper.named("web").process.pid

    assert os.getsid(pid) == pid != os.getsid(0)


def test_goes_from_asking_to_killing(keeper, notes):
    steps = (StopStep(signal.SIGTERM, 0.2), children.KILL)
    keeper.start(child("stubborn", STUBBORN, notes, stop=steps))
    managed = keeper.named("stubborn")
    turn_until(keeper, lambda: lines(notes) == ["stubborn came"])

    keeper.stop()

    assert managed.process.returncode == -signal.SIGKILL


def test_a_second_request_explains_and_a_third_hurries(keeper, notes, capfd):
    steps = (StopStep(signal.SIGTERM, 600), children.KILL)
    keeper.start(child("stubborn", STUBBORN, notes, stop=steps))
    turn_until(keeper, lambda: lines(notes) == ["stubborn came"])
    managed = keeper.named("stubborn")

    with keeper.listening():
        os.kill(os.getpid(), signal.SIGINT)
        keeper.watch()
        timers = [threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT)) for after in (0.3, 1.0)]
        for timer in timers:
            timer.start()
        keeper.stop()
        for timer in timers:
            timer.join()

    told = capfd.readouterr().out
    assert "Waiting for stubborn to finish the work in hand (at most 600 s)" in told
    assert "Hurrying stubborn" in told
    assert managed.process.returncode == -signal.SIGKILL


def test_names_children_in_the_terminal_and_keeps_their_words_in_files(keeper, tmp_path, capfd):
    speaks = "import sys; print('one'); print('two', file=sys.stderr); print('unfinished', end='')"

    assert keeper.run_once(child("speaker", speaks)) == 0

    shown = capfd.readouterr().out.splitlines()
    assert sorted(shown) == ["speaker  | one", "speaker  | two", "speaker  | unfinished"] or (
        # standard error is unbuffered and may come between
        {"speaker  | two"} <= set(shown)
    )
    assert sorted((tmp_path / "speaker.log").read_text().split()) == ["one", "two", "unfinished"]


def test_a_quiet_child_speaks_to_its_file_alone(keeper, tmp_path, capfd):
    quiet = ChildSpec(
        name="quiet",
        command=(sys.executable, "-c", "print('hush')"),
        folder=Path("/"),
        environment={},
        is_quiet=True,
    )

    keeper.run_once(quiet)

    assert capfd.readouterr().out == ""
    assert (tmp_path / "quiet.log").read_text() == "hush\n"


def test_runs_a_command_to_its_end_and_gives_its_status(keeper):
    assert keeper.run_once(child("command", "raise SystemExit(5)")) == 5


def test_shows_the_last_words_of_a_child_that_does_not_start(keeper):
    keeper.start(child("broken", "raise SystemExit('the port is taken')"))

    with pytest.raises(ServiceError, match=r"broken did not start .*the port is taken"):
        keeper.wait_ready("broken", lambda: False)


def test_a_stop_during_the_start_interrupts_it(keeper, notes):
    keeper.start(child("web", STAYS, notes, 0))
    managed = keeper.named("web")

    def never() -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return False

    with keeper.listening(), pytest.raises(InterruptedStartError):
        keeper.wait_ready("web", never)
    keeper.stop()

    assert not managed.is_alive


def test_children_do_not_outlive_a_killed_supervisor(tmp_path):
    program = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(ROOT)!r})
        from core.installation.supervisor import Supervisor
        from tests.core.test_supervisor import STAYS, child
        folder = Path(sys.argv[1])
        keeper = Supervisor(folder, folder)
        keeper.start(child("web", STAYS, folder / "notes", 0))
        keeper.watch()
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    boss = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], env=environment)
    deadline = time.monotonic() + 60
    while not lines(tmp_path / "notes") and time.monotonic() < deadline:
        time.sleep(0.05)

    boss.kill()
    boss.wait()

    while "web left" not in lines(tmp_path / "notes") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert lines(tmp_path / "notes") == ["web came", "web left"]


def test_the_next_start_ends_what_a_killed_one_left(tmp_path, notes):
    left = subprocess.Popen(child("left", STUBBORN, notes).command)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    while not lines(notes):
        time.sleep(0.05)
    leftovers.remember(tmp_path, pids=[left.pid, stranger.pid], sockets=[sockets])
    noted = tmp_path / leftovers.CHILDREN_FILE
    # The stranger has the number of a child of ours that ended long ago.
    told = json.loads(noted.read_text())
    told["children"][str(stranger.pid)] = "earlier"
    noted.write_text(json.dumps(told))
    try:
        found = leftovers.end_children(tmp_path, patience=0.3)

        assert found == 1
        assert left.wait(10) in (-signal.SIGQUIT, -signal.SIGKILL)
        assert stranger.poll() is None
        assert not sockets.exists()
        assert not noted.exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_a_log_that_has_grown_is_set_aside(tmp_path):
    log = LogFile(tmp_path / "web.log", file_bytes=100)

    for number in range(80):
        log.write(f"line {number:02}".encode())
    log.close()

    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["web.log", *(f"web.log.{number}" for number in range(1, 6))]
    assert all(path.stat().st_size <= 110 for path in tmp_path.iterdir())
    assert (tmp_path / "web.log.1").read_text().splitlines()[-1] >= "line 70"
