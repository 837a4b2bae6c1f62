"""Has the daily cost report written when a trading day is over: `quantd tca --daily` as a process of its own, one at a
time, at low priority. The follower neither waits for it nor fails with it.
"""

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from core.errors import JournalError
from core.events import DayRolled
from core.records import INPUT
from daemon.journal import JournalReader

DAY_ROLLED_TAG: Final = DayRolled.__struct_config__.tag  # second byte of its record
LOOK_SECONDS: Final = 1.0
RUN_SECONDS_MAX: Final = 1_800.0
_INPUTS: Final = frozenset({INPUT})


class Reporter:
    """Of one state directory. `look` is called often and returns at once."""

    def __init__(self, state_dir: Path, log: Any) -> None:
        self._state_dir = state_dir
        self._log = log
        self._reader: JournalReader | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._began_s = 0.0
        self._next_s = 0.0
        self.due = True  # once at the start: days that ended while nobody followed

    def follow(self, journal: Path, from_seq: int) -> None:
        """A journal begins, or another one."""
        self._reader = JournalReader(journal, from_seq=from_seq)

    def look(self) -> None:
        """Whether a day has ended since, and whether the last report is done."""
        now_s = time.monotonic()
        if now_s < self._next_s or self._reader is None:
            return
        self._next_s = now_s + LOOK_SECONDS
        with contextlib.suppress(JournalError):
            for record in self._reader.records(_INPUTS):
                self.due = self.due or record.payload[1] == DAY_ROLLED_TAG
        if self._process is None and self.due:
            self.due = False
            self._start(now_s)
        elif self._process is not None:
            self._poll(self._process, now_s)

    def close(self) -> None:
        """End the one that runs: it writes whole files, and the next one does what it left."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self, now_s: float) -> None:
        command = [sys.executable, "-m", "daemon.cli", "tca", "--daily", "--state", str(self._state_dir)]
        try:
            self._process = subprocess.Popen(
                ["nice", "-n", "15", *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        except OSError as fault:
            self._log.warning("daily report", fault=str(fault))
        self._began_s = now_s

    def _poll(self, process: subprocess.Popen[bytes], now_s: float) -> None:
        code = process.poll()
        if code is None and now_s - self._began_s > RUN_SECONDS_MAX:
            process.kill()
            return
        if code is not None:
            self._process = None
            if code:
                self._log.warning("daily report", fault=f"exit code {code}; it is tried again when the next day ends")
