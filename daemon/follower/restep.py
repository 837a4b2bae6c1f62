"""The live replay check: a machine of our own (engine and venue) steps every journalled input again, as the journal
grows, and every record it makes must be the recorded one, byte for byte. Takes the snapshots of a machine that agrees.

A difference is reported once; stepping then begins again at the next snapshot of the trader. Another program than ours
is not compared at all. Trading is never touched.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from core import records as r
from core.errors import ConfigError, JournalError, QuantdError
from core.reference import CodeVersion
from daemon.follower import origin
from daemon.journal import JournalReader, Record, Snapshot, latest_snapshot, snapshot_seqs
from daemon.journal.layout import list_segments
from daemon.recovery import RunnerState, go_on_with_tables, runner_state, starts_cold, tables_of, take_snapshot
from daemon.reference.tables import ReferenceTables
from daemon.rerun import Divergence, Rerun

WAITING: Final = "waiting"  # no record yet
FOLLOWING: Final = "following"
DIVERGED: Final = "diverged"  # until the next snapshot of the trader
NOT_COMPARABLE: Final = "not comparable"  # the same
SEARCH_SECONDS: Final = 1.0  # between two looks for a snapshot to begin again from
FRAMES_PER_LOOK: Final = 64  # between two looks at the time
FRAMES_MAX: Final = 1 << 62


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One frame that came out differently."""

    seq: int  # first seq of the frame
    ts_ns: int
    text: str


class Restep:
    """One journal's machine. `confirmed_seq`: what an earlier process of ours had come to, 0 = nothing known;
    `told_seq`: the difference it told last, which is not told again.
    """

    def __init__(self, directory: Path, code: CodeVersion, *, confirmed_seq: int = 0, told_seq: int = 0) -> None:
        self.state = WAITING
        self.why = ""
        self.seq = 0  # the newest record compared, or passed over while there is no machine
        self.ts_ns = 0
        self.skipped_seq = 0  # records up to here were passed over at the last beginning
        self.snapshots = 0
        self.snapshot_seq = 0
        self.snapshot_fault = ""
        self.found: list[Difference] = []  # for the caller to take
        self._directory = directory
        self._code = code
        self._confirmed_seq = confirmed_seq
        self._told_seq = told_seq
        self._rerun: Rerun | None = None
        self._tables: ReferenceTables | None = None
        self._reader = JournalReader(directory)
        self._frames: Iterator[list[Record]] = iter(())
        self._snapshot_due_seq = 0
        self._every = 0  # records between two snapshots, by the run's config
        self._run_begins = False
        self._lost_seq = 0
        self._search_s = 0.0
        self._useless_seq = 0
        self._synced: str = ""  # name of the newest segment we put on the device

    # ---- stepping ----------------------------------------------------------------------------------------------
    def run(self, *, seconds: float, frames_max: int = FRAMES_MAX) -> int:
        """Step what is there, for about so long; returns the number of frames."""
        try:
            return self._run(seconds, frames_max)
        except (QuantdError, msgspec.DecodeError) as fault:
            self._lose(NOT_COMPARABLE, " ".join(str(fault).split()), self.seq + 1)
            return 0

    def _run(self, seconds: float, frames_max: int) -> int:
        if self.state == WAITING and not self._begin():
            return 0
        if self._rerun is None:
            self._search()
        end_s = time.monotonic() + seconds
        frames = 0
        while frames < frames_max:
            frame = self._next_frame()
            if frame is None:
                break
            self._take(frame)
            frames += 1
            if frames % FRAMES_PER_LOOK == 0 and time.monotonic() >= end_s:
                break
        return frames

    @property
    def compares(self) -> bool:
        """Whether there is a machine that has agreed so far."""
        return self._rerun is not None

    @property
    def rerun(self) -> Rerun:
        """The machine, its counts and history. Only while `compares`."""
        assert self._rerun is not None, "asked for a machine that is not there"
        return self._rerun

    def _next_frame(self) -> list[Record] | None:
        frame = next(self._frames, None)
        if frame is None:
            self._frames = self._reader.frames()  # goes on where the last one came to the live end
            frame = next(self._frames, None)
        return frame

    def _take(self, frame: list[Record]) -> None:
        last = frame[-1]
        if frame[0].kind == r.REFERENCE:
            self._begin_run(frame)
        elif self._rerun is not None:
            self._step(self._rerun, frame)
        self.seq, self.ts_ns = last.last_seq, last.ts_ns
        if self._rerun is not None and self._snapshot_is_due(self._rerun):
            self._take_snapshot(self._rerun)

    def _step(self, rerun: Rerun, frame: list[Record]) -> None:
        try:
            if self._run_begins and starts_cold(frame[0]):
                assert self._tables is not None
                origin.start_cold(rerun, self._tables)
            self._run_begins = False
            rerun.frame(frame)
        except Divergence as fault:
            self._differ(frame, str(fault))
        except (ConfigError, JournalError) as fault:
            self._lose(NOT_COMPARABLE, str(fault), frame[0].seq)
        except Exception as fault:  # edge: our engine raised where the trader's went on, which is a difference too
            self._differ(frame, f"the re-step raised {type(fault).__name__}: {fault}")

    def _differ(self, frame: list[Record], text: str) -> None:
        text = " ".join(text.split())
        if frame[0].seq != self._told_seq:
            self.found.append(Difference(seq=frame[0].seq, ts_ns=frame[-1].ts_ns, text=text))
        self._lose(DIVERGED, text, frame[0].seq)

    def _lose(self, state: str, why: str, seq: int) -> None:
        self.state, self.why = state, why
        self._rerun = None
        self._lost_seq = seq

    # ---- where it begins ---------------------------------------------------------------------------------------
    def _begin(self) -> bool:
        """From the newest snapshot that leaves out nothing that was not compared before, else from the start."""
        directory = self._directory
        files = list_segments(directory)
        if not files:
            return False
        confirmed_seq = self._confirmed_seq
        snapshot = origin.usable_snapshot(directory, self._code, above_seq=0, at_most_seq=confirmed_seq or None)
        if snapshot is None and confirmed_seq:
            snapshot = origin.oldest_usable_snapshot(directory, self._code, above_seq=confirmed_seq)
        self.state, self.why = FOLLOWING, ""
        if snapshot is not None:
            self._begin_at(snapshot)
        return True

    def _begin_at(self, snapshot: Snapshot) -> None:
        directory = self._directory
        tables = origin.tables_at(directory, snapshot.seq)
        self._use(tables)
        self._rerun = origin.from_snapshot(tables, snapshot)
        self._reader = JournalReader(directory, from_seq=snapshot.seq + 1)
        self._frames = iter(())
        self.skipped_seq = snapshot.seq if snapshot.seq > max(self.seq, self._confirmed_seq) else 0
        self.seq, self.ts_ns = snapshot.seq, self._rerun.engine.ts_ns
        self._snapshot_taken(snapshot.seq)
        self.state, self.why = FOLLOWING, ""

    def _begin_run(self, frame: list[Record]) -> None:
        """A start of the trader: the same machine goes on, unless the program is another."""
        before, tables = self._tables, tables_of(frame)
        first = before is None
        self._use(tables)
        self._run_begins = True
        other = origin.other_code(tables, self._code)
        if other:
            self._lose(NOT_COMPARABLE, other, frame[0].seq)
        elif self._rerun is not None:
            if before is not None:
                go_on_with_tables(self._rerun, before, tables)
            self._rerun.engine.seq = frame[-1].seq
        elif first:
            self._rerun = origin.first_machine(tables)
            self._rerun.engine.seq = frame[-1].seq
            self._snapshot_due_seq = self._every // 2
            self.state, self.why = FOLLOWING, ""

    def _use(self, tables: ReferenceTables) -> None:
        self._tables = tables
        self._every = origin.snapshot_every(tables)

    def _search(self) -> None:
        """Without a machine: begin again at a snapshot the trader took after we lost it."""
        now_s = time.monotonic()
        if now_s < self._search_s or not self._lost_seq:
            return
        self._search_s = now_s + SEARCH_SECONDS
        newest = max(snapshot_seqs(self._directory), default=0)
        if newest <= max(self._lost_seq, self._useless_seq):
            return
        snapshot = origin.usable_snapshot(self._directory, self._code, above_seq=self._lost_seq, at_most_seq=None)
        if snapshot is not None:
            self._begin_at(snapshot)
        else:
            self._useless_seq = newest  # of another program: not looked at again

    # ---- snapshots ---------------------------------------------------------------------------------------------
    def _snapshot_is_due(self, rerun: Rerun) -> bool:
        """Half as many records as the trader waits for, so that it never has to stop for one itself."""
        return (
            rerun.engine.seq >= self._snapshot_due_seq
            and rerun.running  # a stop takes its own, and a failure must be met by the next start
            and rerun.settled
            and not self._run_begins  # the tables are the new run's, the machine is not yet
        )

    def _take_snapshot(self, rerun: Rerun) -> None:
        seq = rerun.engine.seq
        newest = latest_snapshot(self._directory)
        if newest is not None and seq - newest.seq < self._every // 2:
            self._snapshot_taken(newest.seq)  # the trader's, or one we took before a restart
            return
        assert self._tables is not None
        try:
            self._sync_journal()
            take_snapshot(self._directory, rerun.machine, rerun.tally, self._tables, restepped_state(rerun))
        except OSError as fault:  # no room: the trader's orders are held back by its own reserve, we only try later
            self.snapshot_fault = f"no snapshot at seq {seq}: {fault.strerror or fault}"
            self._snapshot_due_seq = seq + max(1, self._every // 20)
            return
        self.snapshots += 1
        self.snapshot_fault = ""
        self._snapshot_taken(seq)

    def _snapshot_taken(self, seq: int) -> None:
        self.snapshot_seq = seq
        self._snapshot_due_seq = seq + self._every // 2

    def _sync_journal(self) -> None:
        """A snapshot must never be newer than the journal that a power cut leaves."""
        for file in list_segments(self._directory):
            if file.path.name >= self._synced and file.first_seq <= self.seq:
                fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fdatasync(fd)
                finally:
                    os.close(fd)
                self._synced = file.path.name


def restepped_state(rerun: Rerun) -> RunnerState:
    """The runner's part of a snapshot, as the trader's own runner would write it here."""
    return runner_state(
        rerun.tally,
        rows=rerun.rows,
        ended=rerun.ended,
        epoch=rerun.epoch,
        feed_ended=rerun.feed_ended,
        controls=list(rerun.controls_here),
        failures=rerun.failures,
    )
