"""The thread that copies. All that can hang on a disk that does not answer happens here, so that whoever watches the
lag goes on telling it.
"""

import os
import threading
from pathlib import Path
from typing import Final

from core.errors import JournalError, QuantdError
from daemon.journal import JournalFolder
from daemon.lock import hold_lock
from daemon.ship.beside import Beside, read_beside, ship_snapshots
from daemon.ship.card import BESIDE, JOURNAL, LOCK, check_card
from daemon.ship.copy import JournalCopy, Place
from daemon.state_dir import StateDirectory

BACKOFF_S_MIN: Final = 0.5
BACKOFF_S_MAX: Final = 10.0
PIECES_MAX: Final = 8  # of one round: the small files are looked at in between


class Worker:
    """Ships until told to finish. What it says of itself is read from another thread, each word whole."""

    def __init__(self, state: StateDirectory, to: Path, *, account: str, tag: str, every_s: float) -> None:
        self.place = Place()
        self.snapshot_seq = 0
        self.shipped_bytes = 0
        self.fault = ""
        self.broken = False  # the fault is of the journal or its copy, not of a disk that is away
        self.remark = ""
        self._state = state
        self._to = to
        self._whose = {"account": account, "tag": tag}
        self._every_s = every_s
        self._lock = -1
        self._folder: JournalFolder | None = None
        self._copy: JournalCopy | None = None
        self._beside: Beside | None = None
        self._finish = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ship", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """End once the copy is all of the journal, or at the first fault."""
        self._finish.set()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    # ---- in the thread -----------------------------------------------------------------------------------------
    def _run(self) -> None:
        wait_s = BACKOFF_S_MIN
        while True:
            last = self._finish.is_set()  # asked first: what comes after it is not waited for
            try:
                busy = self._round()
                self.fault, self.broken, wait_s = "", False, BACKOFF_S_MIN
            except (QuantdError, OSError) as fault:
                busy = False
                self._failed(fault)
            except Exception as fault:  # edge: whatever breaks shipping is told and tried again
                busy = False
                self._failed(fault)
            if last and not busy:
                break
            if not busy:
                self._finish.wait(wait_s if self.fault else self._every_s)
                wait_s = min(BACKOFF_S_MAX, 2 * wait_s) if self.fault else BACKOFF_S_MIN
        self._let_go()

    def _failed(self, fault: Exception) -> None:
        told = f"{type(fault).__name__}: {fault}" if not isinstance(fault, QuantdError) else str(fault)
        self.fault, self.broken = " ".join(told.split()), isinstance(fault, JournalError)
        self._let_go()

    def _let_go(self) -> None:
        if self._copy is not None:
            self._copy.close()
        if self._folder is not None:
            self._folder.close()
        if self._lock >= 0:
            os.close(self._lock)
        self._copy = self._folder = self._beside = None
        self._lock = -1

    def _round(self) -> bool:
        """One look; whether there may be more at once."""
        if self._copy is None and not self._open():
            return False
        folder, copy, beside = self._folder, self._copy, self._beside
        assert folder is not None
        assert copy is not None
        assert beside is not None
        contents = read_beside(self._state.path)
        replaced = folder.replaced  # asked first: what is read after a yes is all there will ever be
        moved = self._ship_pieces(copy)
        beside.ship(contents, with_journal=moved == 0)
        if moved:
            return True
        self.snapshot_seq = ship_snapshots(folder.path, self._to / JOURNAL, up_to_seq=self.place.seq)
        if replaced:
            self._let_go()
        return replaced

    def _ship_pieces(self, copy: JournalCopy) -> int:
        for pieces in range(PIECES_MAX):
            moved = copy.advance()
            self.place = copy.place
            if not moved:
                return pieces
            self.shipped_bytes += moved
        return PIECES_MAX

    def _open(self) -> bool:
        """Take the copy up where it stands; False while there is no journal."""
        if self._lock < 0:
            check_card(self._to, **self._whose)
            self._lock = hold_lock(self._to / LOCK, f"{self._to}: another process (pid {{pid}}) ships there")
        try:
            self._folder = JournalFolder(self._state.journal)
        except FileNotFoundError:
            return False
        if not any(self._folder.path.glob("segment-*.qj")):
            self._folder.close()
            self._folder = None
            return False
        self._copy = JournalCopy(self._folder.path, self._to / JOURNAL)
        self._beside = Beside(self._to / BESIDE)
        self.place = self._copy.place
        self.remark = self._copy.lost or self.remark
        return True
