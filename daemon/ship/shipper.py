"""Watches one journal being shipped: once a second how far the copy is, in a file and, when it is too old, as an alert.
Reads the journal itself for that, not what the copying says of it: a copy that hangs is exactly what must be told.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from core.errors import JournalError
from daemon.alerts.desk import Alert
from daemon.alerts.left import leave
from daemon.follower.lag import Lag
from daemon.journal import JournalReader, journal_identity
from daemon.journal.layout import list_segments
from daemon.ship.copy import Place
from daemon.ship.worker import Worker
from daemon.status.footprint import footprint
from daemon.status.ship import ShipPicture, write_ship

BEHIND: Final = "JOURNAL_SHIP_BEHIND"
STATUS_SECONDS: Final = 1.0
STOP_LOOK_SECONDS: Final = 0.05
STOP_SECONDS_MAX: Final = 20.0  # for what is left to be shipped at the end; a disk that hangs holds up no stop
AGAIN_SECONDS: Final = 60.0  # an alert that goes on being true is left again
TEXT_MAX: Final = 400


class Head:
    """The journal's own end."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._reader: JournalReader | None = None
        self.identity = 0
        self.seq = 0

    def look(self) -> None:
        """Read on to the live end; from the beginning of the newest segment when another journal is there now."""
        try:
            identity = journal_identity(self._journal) if self._journal.is_dir() else 0
            if identity != self.identity or self._reader is None:
                self.identity, self.seq, self._reader = identity, 0, None
                if not identity:
                    return
                files = list_segments(self._journal)
                self._reader = JournalReader(self._journal, from_seq=files[-1].first_seq)
            for record in self._reader.records():
                self.seq = record.last_seq
        except (JournalError, FileNotFoundError):
            self._reader = None  # put aside under our hands, or broken: whoever copies it says so

    def bytes_from(self, place: Place) -> int:
        """Bytes between a place and the end."""
        if self._reader is None:
            return 0
        if place.journal != self.identity:
            place = Place()  # nothing of this journal yet
        name, offset = self._reader.position
        files = list_segments(self._journal)
        between = [file for file in files if place.segment <= file.path.name < name]
        return max(0, sum(file.path.stat().st_size for file in between) + offset - place.offset)


class Shipper:
    """Of one state directory. `run` returns after `stop`: when the copy is all of the journal, or after a while."""

    def __init__(self, state_dir: Path, worker: Worker, log: Any, *, journal: Path, to: Path, behind_s_max: float):
        self._state_dir = state_dir
        self._worker = worker
        self._log = log
        self._to = to
        self._behind_s_max = behind_s_max
        self._head = Head(journal)
        self._lag = Lag()
        self._stops = 0
        self._wake = threading.Event()
        self._told = ("", "")
        self._again_s = 0.0
        self._late = False

    def stop(self) -> None:
        """Ask for the end: first with all of the journal, the second time at once. Callable from a signal handler."""
        self._stops += 1
        self._worker.finish()
        self._wake.set()

    def run(self, turned: Callable[[ShipPicture], None] = lambda _: None) -> ShipPicture:
        """Watch until the end, and say so after each look; how it stands then."""
        self._worker.start()
        deadline_s = 0.0
        while self._worker.running and self._stops < 2:
            now_s = time.monotonic()
            if self._stops and not deadline_s:
                deadline_s = now_s + STOP_SECONDS_MAX
            if deadline_s and now_s > deadline_s:
                break
            turned(self.look(now_s))
            self._wake.wait(STOP_LOOK_SECONDS if self._stops else STATUS_SECONDS)
            if not self._stops:
                self._wake.clear()
        return self.look(time.monotonic())

    def look(self, now_s: float) -> ShipPicture:
        """Once: how it stands, written down and told."""
        worker, head = self._worker, self._head
        head.look()
        place = worker.place
        seq = place.seq if place.journal == head.identity else 0
        picture = ShipPicture(
            pid=os.getpid(),
            wall_ns=time.time_ns(),
            to=str(self._to),
            journal=head.identity,
            head_seq=head.seq,
            part=self._lag.part(seq, head_seq=head.seq, now_s=now_s),
            behind_bytes=head.bytes_from(place),
            behind_s_max=self._behind_s_max,
            snapshot_seq=worker.snapshot_seq,
            shipped_bytes=worker.shipped_bytes,
            fault=worker.fault[:TEXT_MAX],
            remark=worker.remark[:TEXT_MAX],
            footprint=footprint(),
        )
        write_ship(self._state_dir, picture)
        self._tell(picture, now_s)
        return picture

    def _tell(self, picture: ShipPicture, now_s: float) -> None:
        told = (picture.fault, picture.remark)
        if told != self._told:
            self._told = told
            self._log.warning("ship", fault=picture.fault, remark=picture.remark, seq=picture.part.seq)
        late = picture.part.lag_s > self._behind_s_max
        if (late or self._worker.broken) and now_s >= self._again_s:
            self._again_s = now_s + AGAIN_SECONDS
            self._late = True
            self._alert("critical" if self._worker.broken else "warning", _text(picture))
        elif self._late and not late and not self._worker.broken:
            self._late, self._again_s = False, 0.0
            self._alert("info", f"the copy in {picture.to} keeps up again", over=True)

    def _alert(self, severity: str, text: str, *, over: bool = False) -> None:
        """Or its end; for whoever delivers, as the follower's. While nobody does it is in the log."""
        alert = Alert(code=BEHIND, severity=severity, text=text, source="ship", ts_ns=time.time_ns(), over=over)
        left = leave(self._state_dir, alert)
        getattr(self._log, severity)("alert", code=BEHIND, text=text, left_for_guard=left)


def _text(picture: ShipPicture) -> str:
    part = picture.part
    behind = f"the copy in {picture.to} is {part.lag_s:.0f} s, {part.lag_records:,} records behind"
    return f"{behind}: {picture.fault or 'the disk there is too slow, or does not answer'}"[:TEXT_MAX]
