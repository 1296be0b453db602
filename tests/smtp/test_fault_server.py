"""The fault server is a witness: what it counts must be true, also as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from apps.smtp.outcome import Accepted, Rejected, Unknown
from apps.smtp.pool import Pool
from apps.smtp.services import post_office
from tests.fault_server import Fault, FaultServer
from tests.smtp.conftest import PATIENT, budget, letter, to, yes


def send(server: FaultServer, pool: Pool, recipient: str, **changes: object) -> object:
    return post_office.carry(
        to(server, **changes), letter(recipient), budget=budget(), mark=yes, caps=PATIENT, pool=pool
    )


def test_faults_strike_by_recipient_count_and_share(pool: Pool) -> None:
    script = [
        Fault("rcpt", "550 5.1.1 No such user", recipient="gone@example.com"),
        Fault("dot", "accept_then_drop", nth=3),
        Fault("rcpt", "450 4.2.1 Busy", recipient="half@example.com", share=0.5),
    ]
    with FaultServer(script, seed=7) as server:
        assert isinstance(send(server, pool, "gone@example.com"), Rejected)
        fine = [send(server, pool, f"{number}@example.com") for number in range(4)]
        halves = [isinstance(send(server, pool, "half@example.com"), Accepted) for _ in range(30)]

        assert [type(outcome) for outcome in fine] == [Accepted, Accepted, Unknown, Accepted]
        assert server.recipients()[:4] == [f"{number}@example.com" for number in range(4)]
        assert 3 < sum(halves) < 27
        pool.close_all()


def test_as_a_process_it_writes_a_line_before_it_says_250(pool: Pool, tmp_path: Path) -> None:
    letters = tmp_path / "letters.jsonl"
    command = [sys.executable, "-m", "apps.smtp.faults", "--port", "0", "--letters", str(letters)]
    script = json.dumps([{"stage": "rcpt", "action": "550 5.1.1 No", "recipient": "gone@example.com"}])
    process = subprocess.Popen([*command, "--script", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        server = FaultServer()  # only to borrow its configuration
        server._listener.close()

        refused = send(server, pool, "gone@example.com", port=port)
        accepted = send(server, pool, "ann@example.com", port=port)

        assert (type(refused), type(accepted)) == (Rejected, Accepted)
        no, yes_ = [json.loads(line) for line in letters.read_text().splitlines()]
        assert no == {"what": "refused", "recipient": "gone@example.com", "reply": "550 5.1.1 No"}
        assert (yes_["what"], yes_["recipient"], yes_["message_id"]) == ("accepted", "ann@example.com", "<1@vash.test>")
    finally:
        pool.close_all()
        process.terminate()
        assert process.wait(10) == 0
        if process.stdout:
            process.stdout.close()
