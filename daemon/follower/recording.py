"""The SQL part of the follower: a thread of its own, so that a slow or dead database holds up neither the comparing nor
the snapshots. Owns the retries; what is written and how is SqlFollower's.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from core.errors import QuantdError
from daemon.follower.database import REVISION
from daemon.follower.fault import DatabaseFault
from daemon.follower.restep import Difference
from daemon.follower.sql_follower import Divergence, SqlFollower

IDLE_SECONDS: Final = 0.05
RETRY_SECONDS_MIN: Final = 0.5
RETRY_SECONDS_MAX: Final = 10.0
DIFFERENCES_MAX: Final = 256  # that wait for a database; the log has them all
SOURCE: Final = "restep"


class Recording:
    """Runs an SQL follower until it is told to finish. `tell` takes (severity, text) and is called from the thread."""

    def __init__(
        self, connect: Callable[[], SqlFollower], *, batch_records: int, tell: Callable[[str, str], None]
    ) -> None:
        self.fault = ""
        self.retries = 0
        self.edition = ""
        self.revision = ""
        self._at = (0, 0)  # (identity of the journal, seq)
        self._connect = connect
        self._batch_records = batch_records
        self._tell = tell
        self._sql: SqlFollower | None = None
        self._differences: deque[tuple[int, Difference]] = deque(maxlen=DIFFERENCES_MAX)
        self._finish = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)

    def seq_of(self, journal: int) -> int:
        """How far one journal is recorded, as far as this process knows; 0 while an earlier one is finished."""
        at = self._at
        return at[1] if at[0] == journal else 0

    def report(self, journal: int, difference: Difference) -> None:
        """Have a difference recorded beside its journal."""
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
            last = self._finish.is_set()  # asked first: what comes after it is not waited for
            taken = self._try()
            if taken is not None:
                wait_s = RETRY_SECONDS_MIN
                if taken:
                    continue
            if last:
                break
            self._finish.wait(IDLE_SECONDS if taken is not None else wait_s)
            if taken is None:
                wait_s = min(RETRY_SECONDS_MAX, 2 * wait_s)
        self._let_go()

    def _try(self) -> int | None:
        """One batch; the number of its records, None = it failed."""
        try:
            taken = self._batch()
        except DatabaseFault as fault:
            self._failed(str(fault))  # it connects anew by itself, and knows which batch was in flight
        except QuantdError as fault:
            self._failed(str(fault))
            self._let_go()
        except Exception as fault:  # edge: whatever breaks recording is told and tried again; comparing goes on
            self._failed(f"{type(fault).__name__}: {fault}")
            self._let_go()
        else:
            self._recovered()
            return taken
        return None

    def _batch(self) -> int:
        if self._sql is None:
            self._sql = self._connect()
        sql = self._sql
        self._hand_over(sql)
        taken = sql.run_once(self._batch_records)
        self.edition, self.revision = sql.edition or "", REVISION
        if sql.identity is not None:
            self._at = (sql.identity.created_ts_ns, sql.position[1])
        return taken

    def _hand_over(self, sql: SqlFollower) -> None:
        """Differences of the journal at hand; those of the next one wait until it is there."""
        waiting = self._differences
        while waiting and sql.identity is not None and waiting[0][0] == sql.identity.created_ts_ns:
            one = waiting.popleft()[1]
            sql.note(Divergence(seq=one.seq, ts_ns=one.ts_ns, source=SOURCE, text=one.text))

    def _failed(self, text: str) -> None:
        text = " ".join(text.split())
        if text != self.fault:
            self._tell("warning", f"recording waits: {text}")
        self.fault = text
        self.retries += 1

    def _recovered(self) -> None:
        if self.fault:
            self._tell("info", f"recording goes on after {self.retries} retries")
        self.fault, self.retries = "", 0

    def _let_go(self) -> None:
        sql, self._sql = self._sql, None
        if sql is not None:
            sql.close()
