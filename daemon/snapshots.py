"""The trader's own snapshots: when one is due and what the runner adds to it. A follower usually takes them instead."""

from pathlib import Path

from daemon.journal import latest_snapshot
from daemon.recovery import Recovered, digests, runner_state, take_snapshot
from daemon.reference.tables import ReferenceTables
from daemon.runner import Runner


class Snapshots:
    """Snapshots of one run, `every` so many records."""

    def __init__(
        self, directory: Path, runner: Runner, tables: ReferenceTables, recovered: Recovered, *, every: int
    ) -> None:
        self._directory = directory
        self._runner = runner
        self._tables = tables
        self._recovered = recovered
        self._every = every
        self._next_seq = runner.engine.seq + every

    def tend(self) -> None:
        """Take one when `every` records have come since the newest good one, whoever took it."""
        seq = self._runner.engine.seq
        if seq < self._next_seq:
            return
        newest = latest_snapshot(self._directory)
        if newest is not None and newest.digests == digests(self._tables) and seq - newest.seq < self._every:
            self._next_seq = newest.seq + self._every
            return
        self.take()
        self._next_seq = seq + self._every

    def take(self, *, ended: str = "crash", feed_ended: bool = False) -> None:
        """Write one now, whole and durable."""
        runner = self._runner
        state = runner_state(
            runner.tally,
            rows=runner.rows_done,
            ended=ended,
            epoch=runner.money.epoch,
            feed_ended=feed_ended,
            controls=runner.controls_here,
            failures=self._recovered.failures,
        )
        runner.journal.sync()
        take_snapshot(self._directory, runner.machine, runner.tally, self._tables, state)
