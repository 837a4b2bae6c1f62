"""The follower's loop: compares, lets the other part record, and says once a second how it is. Owns which journal is
followed and when it ends; decides nothing.
"""

import os
import threading
import time
from typing import Final

import structlog

from core.reference import CodeVersion
from daemon.alerts.catalogue import BY_CODE
from daemon.alerts.desk import Alert
from daemon.alerts.left import leave
from daemon.follower.lag import JournalHead, Lag
from daemon.follower.recording import Recording
from daemon.follower.reporter import Reporter
from daemon.follower.restep import NOT_COMPARABLE, WAITING, Restep
from daemon.journal import JournalFolder, journal_identity
from daemon.notify import Notifier
from daemon.state_dir import StateDirectory
from daemon.status.follower import DatabasePicture, FollowerPicture, LastDifference, Part, read_picture, write_picture
from daemon.status.footprint import footprint

POLL_SECONDS: Final = 0.05
STEP_SECONDS: Final = 0.2  # between two looks at signals and status
STATUS_SECONDS: Final = 1.0
ALERT_TEXT_MAX: Final = 400


class Follower:
    """All of one state directory. `run` returns after `stop`: at the journal's end, or at once when asked twice."""

    def __init__(
        self,
        state: StateDirectory,
        code: CodeVersion,
        recording: Recording,
        log: structlog.typing.FilteringBoundLogger,
        *,
        reporter: Reporter | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self.state = state
        self._code = code
        self._recording = recording
        self._log = log
        self._reporter = reporter
        self._notifier = notifier or Notifier()
        self._stops = 0
        self._wake = threading.Event()
        self._folder: JournalFolder | None = None
        self._journal = 0  # identity of the one that is followed
        self._head: JournalHead | None = None
        self._restep: Restep | None = None
        self._lags = (Lag(), Lag())  # comparing, recording
        self._parts = (Part(), Part())
        self._before = read_picture(state.path)
        self._differences = 0
        self._last_difference: LastDifference | None = None
        self._told = ("", "")
        self._next_status_s = 0.0

    def stop(self) -> None:
        """Ask for the end: first at the journal's end, the second time at once. Callable from a signal handler."""
        self._stops += 1
        self._wake.set()

    def run(self) -> None:
        """Follow until told to stop."""
        self._recording.start()
        try:
            while self._stops < 2:
                ending = self._stops > 0  # asked first: what comes after it is not waited for
                if ending:
                    self._notifier.stopping("reading the journal to its end")
                busy = self._step()
                self._report(force=False)
                self._notifier.ready(self._status())
                self._notifier.turn(self._status)
                if self._reporter is not None:
                    self._reporter.look()
                if ending and not busy and self._recorded():
                    break
                if not busy:
                    self._wake.wait(POLL_SECONDS)
                    self._wake.clear()
        finally:
            if self._reporter is not None:
                self._reporter.close()
            self._recording.stop()
            self._recording.join(STATUS_SECONDS)
            self._report(force=True)
            if self._folder is not None:
                self._folder.close()

    def _recorded(self) -> bool:
        """Whether the other part has come to its end too."""
        self._recording.finish()
        return not self._recording.running

    # ---- comparing ---------------------------------------------------------------------------------------------
    def _step(self) -> bool:
        """One look at the journal; whether there was something to do."""
        if self._folder is None and not self._open():
            return False
        folder, restep, head = self._folder, self._restep, self._head
        assert folder is not None
        assert restep is not None
        assert head is not None
        replaced = folder.replaced  # asked first: what is read after a yes is all there will ever be
        frames = restep.run(seconds=STEP_SECONDS)
        head_seq, now_s = head.advance(), time.monotonic()
        recorded_seq = self._recording.seq_of(self._journal)
        self._parts = (
            self._lags[0].part(restep.seq, head_seq=head_seq, now_s=now_s),
            self._lags[1].part(recorded_seq, head_seq=head_seq, now_s=now_s),
        )
        self._tell(restep)
        if not frames and replaced:
            self._log.info("journal replaced", seq=restep.seq)
            folder.close()
            self._folder = None
            return True
        return frames > 0

    def _open(self) -> bool:
        """Begin with the journal that is there now, where an earlier process of ours stood."""
        try:
            folder = JournalFolder(self.state.journal)
        except FileNotFoundError:
            return False
        identity = journal_identity(folder.path)
        if not identity:
            folder.close()
            return False
        self._folder, self._journal = folder, identity
        before, self._before = self._before, None
        known = before if before is not None and before.journal == identity else None
        self._differences = 0 if known is None else known.differences
        self._last_difference = None if known is None else known.last_difference
        self._head = JournalHead(folder.path)
        if self._reporter is not None:
            self._reporter.follow(folder.path, 0 if known is None else known.restep.seq)
        self._restep = Restep(
            folder.path,
            self._code,
            confirmed_seq=0 if known is None else known.restep.seq,
            told_seq=0 if self._last_difference is None else self._last_difference.seq,
        )
        self._lags = (Lag(), Lag())
        self._log.info("journal", path=str(self.state.journal), compared=0 if known is None else known.restep.seq)
        return True

    def _tell(self, restep: Restep) -> None:
        """Log what is new: differences first."""
        found, restep.found = restep.found, []
        for difference in found:
            self._differences += 1
            self._last_difference = LastDifference(
                seq=difference.seq, wall_ns=time.time_ns(), text=difference.text[:400]
            )
            self._log.critical(
                "alert", code="REPLAY_DIFFERS", seq=difference.seq, text=difference.text, tape_ns=difference.ts_ns
            )
            self._leave("REPLAY_DIFFERS", f"seq {difference.seq}: {difference.text}")
            self._recording.report(self._journal, difference)
            self._report(force=True)
        now = (restep.state, restep.why)
        if now == self._told:
            return
        self._told = now
        if restep.state == NOT_COMPARABLE:
            self._log.warning("alert", code="NOT_COMPARABLE", seq=restep.seq, text=restep.why)
            self._leave("NOT_COMPARABLE", restep.why)
        else:
            self._leave("NOT_COMPARABLE", "it compares again", over=True)
            self._log.info(restep.state, seq=restep.seq, skipped_to=restep.skipped_seq)

    def _leave(self, code: str, text: str, *, over: bool = False) -> None:
        """An alert, or its end, for whoever tells people."""
        severity = BY_CODE[code].severity
        text = text[:ALERT_TEXT_MAX]
        alert = Alert(code=code, severity=severity, text=text, source="follower", ts_ns=time.time_ns(), over=over)
        leave(self.state.path, alert)

    # ---- status ------------------------------------------------------------------------------------------------
    def _report(self, *, force: bool) -> None:
        now_s = time.monotonic()
        if not force and now_s < self._next_status_s:
            return
        self._next_status_s = now_s + STATUS_SECONDS
        write_picture(self.state.path, self._picture())

    def _status(self) -> str:
        """One line for the manager of the service."""
        restep, head = self._restep, self._head
        if restep is None or head is None:
            return "no journal yet"
        fault = self._recording.fault
        recorded = f"; database: {fault}" if fault else ""
        return f"{restep.state}; seq {restep.seq} of {head.seq}; {self._differences} differences{recorded}"

    def _picture(self) -> FollowerPicture:
        restep = self._restep
        return FollowerPicture(
            pid=os.getpid(),
            wall_ns=time.time_ns(),
            journal=self._journal,
            head_seq=0 if self._head is None else self._head.seq,
            state=WAITING if restep is None else restep.state,
            why="" if restep is None else restep.why[:400],
            restep=self._parts[0],
            differences=self._differences,
            last_difference=self._last_difference,
            snapshots=0 if restep is None else restep.snapshots,
            snapshot_seq=0 if restep is None else restep.snapshot_seq,
            snapshot_fault="" if restep is None else restep.snapshot_fault,
            database=self._database(),
            footprint=footprint(),
        )

    def _database(self) -> DatabasePicture:
        recording = self._recording
        return DatabasePicture(
            part=self._parts[1],
            edition=recording.edition,
            revision=recording.revision,
            fault=recording.fault,
            retries=recording.retries,
        )
