"""The time table: every limit of a letter's way in one place (seconds), with the inequalities that keep it safe.

A test asserts every inequality for the real clock and for the short clock of the kill tests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class TaskLimit:
    """Hard and soft time limit of one task, in seconds."""

    hard: int
    soft: int


@dataclass(frozen=True, slots=True)
class Limits:
    """One consistent set of limits; all numbers are seconds unless the name says otherwise."""

    campaign: TaskLimit = TaskLimit(1800, 1500)
    batch: TaskLimit = TaskLimit(600, 480)
    single: TaskLimit = TaskLimit(300, 240)
    default: TaskLimit = TaskLimit(120, 90)
    chunk: TaskLimit = TaskLimit(300, 240)  # one chunk of an import
    export: TaskLimit = TaskLimit(1800, 1500)  # a whole file; it looks at the drain flag at every page

    offer: float = 100  # from the begin of an attempt to the marker, all stages together
    reserve: float = 10  # kept free before the soft limit to record the result
    dot_floor: float = 120  # the marker is set only while this much is left for the reply
    dot_cap: float = 600  # RFC 5321 4.5.3.2.6: DATA termination
    record_margin: float = 15  # a result waits for the database until the hard limit less this, then in the spool
    mark_to_dot: float = 5  # longer between marker and dot: the dot is not sent
    inline_begin_margin: float = 240  # inline: no letter begins later than soft - this
    inline_slice: int = 50  # inline: letters begun by one statement, at most
    inline_connections: int = 20  # inline: lines to one account in one process, at most; the account may say less
    inline_window: int = 1  # inline: letters of one line that are marked and unanswered, at most
    inline_rung_batches: int = 32  # inline: batches of one campaign that are rung and not done

    retry_scale: float = 1  # every wait before another attempt (`campaigns/retries.py`) is multiplied by this
    lease: float = 120
    heartbeat: float = 30
    deadline_margin: float = 30  # attempt_deadline = hard limit of the carrying task + this
    sweep: float = 5
    sweep_imports: float = 30
    catch_up: float = 30  # wishes kept while the database was away, and proofs of arrival
    measure: float = 15  # a campaign that is being sent is measured this often, a large one
    measure_large: float = 60  # of more than `large` people this often: it is one pass over its letters
    import_turn: float = 3  # an import gives the default queue back after this, so that the sweep is never late
    sweep_exports: float = 30
    export_beat: float = 10  # a worker says this often that it still makes a file,
    export_patience: float = 60  # and is taken for dead when it has not for so long
    import_patience: float = 60  # a running import without progress for this long is rung again
    pace: float = 0.1  # letters of accounts with limits are rung this often,
    pace_ahead: float = 0.2  # so long before their turn,
    pace_ahead_slow: float = 0.4  # those of a slow account up to so long; less than a letter in hand waits
    pace_rest: float = 0.5  # and this often it is looked whether there are any
    ring_patience_empty: float = 15  # a ring is lost when the broker says the queue is empty
    ring_patience: float = 300
    visibility: float = 3600
    stop: float = 330  # script stop of fan-out workers
    stop_inline: float = 630  # script stop of inline workers, TimeoutStopSec for all
    soft_shutdown: float = 30  # after SIGQUIT: what is in hand may still end, then SIGKILL
    late: float = 1800  # an appointed campaign found longer after its time asks instead of leaving
    stuck: float = 1800
    canary: float = 30
    check_stuck: float = 300
    cleanup_smtp: float = 600
    look_at_control: float = 10  # a housekeeper looks at the control numbers this often
    large: int = 50_000  # people
    max_rung: int = 1000  # letters of one batch rung and unsettled
    max_rung_batches: int = 4  # batches of one campaign with rung letters
    slice_size: int = 1000  # people judged per slice; the letters of a slice are one batch

    @property
    def single_deadline(self) -> float:
        """Seconds after the begin of an attempt when a fan-out letter's process is surely gone."""
        return self.single.hard + self.deadline_margin

    @property
    def batch_deadline(self) -> float:
        """Seconds after the begin of an attempt when an inline letter's process is surely gone."""
        return self.batch.hard + self.deadline_margin

    @property
    def inline_in_doubt(self) -> int:
        """Letters of one process that nobody can tell about when it is killed, at most."""
        return self.inline_connections * self.inline_window

    def stop_of(self, delivery: str) -> float:
        """Return how long a worker of a delivery mode may take to stop in order."""
        return self.stop_inline if delivery == "inline" else self.stop

    def inequalities(self) -> dict[str, bool]:
        """Return each rule of the table with whether it holds."""
        return {
            "offer + reserve + dot floor <= single soft - reserve": self.offer + self.reserve + self.dot_floor
            <= self.single.soft - self.reserve,
            "inline begin + offer + reserve + dot floor <= batch soft - reserve": (
                self.batch.soft - self.inline_begin_margin
            )
            + self.offer
            + self.reserve
            + self.dot_floor
            <= self.batch.soft - self.reserve,
            "attempt deadline > hard limit": self.single_deadline > self.single.hard and self.deadline_margin > 0,
            "inline attempt deadline > batch hard": self.batch_deadline > self.batch.hard,
            "inline stop >= batch hard + 30": self.stop_inline >= self.batch.hard + self.deadline_margin,
            "an inline letter begins within the batch's limits": 0 < self.inline_begin_margin < self.batch.soft,
            "a line holds at least one letter, and a slice too": min(self.inline_window, self.inline_slice) >= 1,
            "in doubt at a kill: at most 200 letters of a process": 1 <= self.inline_in_doubt <= 200,
            "visibility timeout >= 2 x the longest hard limit": self.visibility
            >= 2 * max(self.campaign.hard, self.batch.hard, self.single.hard, self.export.hard),
            "stop >= single hard + 30": self.stop >= self.single.hard + self.deadline_margin,
            "heartbeat x 3 <= lease": self.heartbeat * 3 <= self.lease,
            "stuck > batch hard": self.stuck > self.batch.hard,
            "soft < hard": all(
                task.soft < task.hard
                for task in (self.campaign, self.batch, self.single, self.default, self.chunk, self.export)
            ),
            "empty-queue patience < patience": self.ring_patience_empty < self.ring_patience,
        }


REAL = Limits()

# The same relations on a short clock, so that kills and soft limits can be tested for real.
SHORT = replace(
    REAL,
    campaign=TaskLimit(20, 15),
    batch=TaskLimit(20, 15),
    single=TaskLimit(12, 9),
    default=TaskLimit(20, 15),
    chunk=TaskLimit(20, 15),
    export=TaskLimit(20, 15),
    offer=3,
    reserve=1,
    dot_floor=2,
    dot_cap=6,
    record_margin=1,
    mark_to_dot=2,
    inline_begin_margin=7.5,
    retry_scale=1 / 300,
    lease=4,
    heartbeat=1,
    deadline_margin=2,
    sweep=0.5,
    sweep_imports=1,
    catch_up=1,
    measure=1,
    sweep_exports=1,
    export_beat=1,
    export_patience=3,
    import_turn=1,
    import_patience=3,
    ring_patience_empty=1,
    ring_patience=10,
    visibility=40,
    stop=14,
    stop_inline=22,
    soft_shutdown=3,
    stuck=21,
    canary=2,
    check_stuck=3,
    cleanup_smtp=3,
    look_at_control=0.5,
)
