"""The SQL part of the follower: a thread of its own, so that a slow or dead database holds up neither the comparing nor
the snapshots. Owns the retries; what is written and how is the recorder's.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from core.errors import ConfigError, QuantdError
from daemon.follower.fault import DatabaseFault
from daemon.follower.restep import Difference

RECORDS_PER_BATCH: Final = 20_000
IDLE_SECONDS: Final = 0.05
RETRY_SECONDS_MIN: Final = 0.5
RETRY_SECONDS_MAX: Final = 30.0
DIFFERENCES_MAX: Final = 256  # that wait for a database; the journal and the log have them all


class Recorder(Protocol):
    """What the thread drives; SqlFollower is one. Used by that thread alone."""

    @property
    def journal(self) -> int:
        """Identity (`journal_identity`) of the journal it is in; 0 = in none yet."""
        ...

    @property
    def position(self) -> tuple[int, int]:
        """(the database's number of that journal, seq of its newest record that is committed)."""
        ...

    @property
    def edition(self) -> str:
        """What kind of database it is."""
        ...

    @property
    def revision(self) -> str:
        """Revision of its schema."""
        ...

    def report_difference(self, *, journal: int, seq: int, ts_ns: int, text: str) -> None:
        """Commit one difference that the comparing part found; again changes nothing. Raises DatabaseFault."""
        ...

    def run_once(self, max_records: int) -> int:
        """Commit the next batch; returns the number of records. Raises DatabaseFault."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class Recording:
    """Runs a recorder until it is told to finish."""

    def __init__(self, connect: Callable[[], Recorder], tell: Callable[[str, str], None]) -> None:
        self.fault = ""
        self.retries = 0
        self.edition = ""
        self.revision = ""
        self._at = (0, 0)  # (identity of the journal, seq)
        self._differences: deque[tuple[int, Difference]] = deque(maxlen=DIFFERENCES_MAX)
        self._connect = connect
        self._tell = tell  # (severity, text); called from the thread
        self._recorder: Recorder | None = None
        self._finish = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)

    def seq_of(self, journal: int) -> int:
        """How far one journal is recorded, as far as this process knows; 0 while an earlier one is finished."""
        at = self._at
        return at[1] if at[0] == journal else 0

    def report(self, journal: int, difference: Difference) -> None:
        """Have a difference recorded, as soon as the database takes it."""
        self._differences.append((journal, difference))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """End at the journal's end, or at the first fault."""
        self._finish.set()

    def stop(self) -> None:
        """End after the batch in flight."""
        self._stop.set()
        self._finish.set()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        """Wait for the end."""
        self._thread.join(timeout_s)

    # ---- in the thread -----------------------------------------------------------------------------------------
    def _run(self) -> None:
        wait_s = RETRY_SECONDS_MIN
        while not self._stop.is_set():
            try:
                taken = self._batch()
            except (DatabaseFault, ConfigError, QuantdError) as fault:
                self._failed(str(fault))
            except Exception as fault:  # edge: whatever breaks recording is told and tried again; comparing goes on
                self._failed(f"{type(fault).__name__}: {fault}")
            else:
                self._recovered()
                wait_s = RETRY_SECONDS_MIN
                if not taken and self._finish.is_set():
                    break
                if not taken:
                    self._finish.wait(IDLE_SECONDS)
                continue
            if self._finish.is_set():
                break
            self._finish.wait(wait_s)
            wait_s = min(RETRY_SECONDS_MAX, 2 * wait_s)
        self._let_go()

    def _batch(self) -> int:
        recorder = self._recorder
        if recorder is None:
            self._recorder = recorder = self._connect()
            self.edition, self.revision = recorder.edition, recorder.revision
        taken = recorder.run_once(RECORDS_PER_BATCH)
        self._at = (recorder.journal, recorder.position[1])
        while self._differences:
            journal, one = self._differences[0]
            recorder.report_difference(journal=journal, seq=one.seq, ts_ns=one.ts_ns, text=one.text)
            self._differences.popleft()
        return taken

    def _failed(self, text: str) -> None:
        text = " ".join(text.split())
        if text != self.fault:
            self._tell("warning", f"recording waits: {text}")
        self.fault = text
        self.retries += 1
        self._let_go()

    def _recovered(self) -> None:
        if self.fault:
            self._tell("info", f"recording goes on after {self.retries} retries")
        self.fault, self.retries = "", 0

    def _let_go(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            recorder.close()
        except Exception as fault:  # edge: a connection that is already broken must not end the thread
            self._tell("info", f"closing the database: {type(fault).__name__}: {fault}")
