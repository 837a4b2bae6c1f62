"""The alerts of a growing journal, in their order, each once: also over a restart of whoever reads, and over the end of
a journal after which another begins.
"""

from pathlib import Path
from typing import Final

import msgspec

from core import commands as c
from core.errors import JournalError
from core.records import COMMAND, decode
from daemon.journal import JournalReader
from daemon.journal.layout import list_segments, unpack_header
from daemon.journal.opening import map_segment

READ_MAX: Final = 10_000  # records looked at in one go: whoever reads has other things to do
_KINDS: Final = frozenset({COMMAND})
_TAGS: Final = frozenset({6, 70})  # of the two messages below; tested against their types


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far it was read: a journal by its beginning, and the last seq in it."""

    journal_ns: int = 0
    seq: int = 0


class AlertTail:
    """Reads from `place` on; without one, from the end that the journal has now."""

    def __init__(self, directory: Path, place: Place | None) -> None:
        self._directory = directory
        self._place = place
        self._reader: JournalReader | None = None
        self.place = place or Place()

    def read(self) -> list[tuple[int, c.RaiseAlert | c.CloseAlerts]]:
        """(time, message) of everything new. Raises JournalError."""
        try:
            return self._read()
        except JournalError:
            self._reader, self._place = None, self.place  # put aside under our hands: look again, from here
            raise

    def _read(self) -> list[tuple[int, c.RaiseAlert | c.CloseAlerts]]:
        reader = self._reader or self._open()
        if reader is None:
            return []
        found: list[tuple[int, c.RaiseAlert | c.CloseAlerts]] = []
        for looked, record in enumerate(reader.records(_KINDS), 1):
            if record.payload[1] in _TAGS:
                message = decode(COMMAND, record.payload)
                if isinstance(message, c.RaiseAlert | c.CloseAlerts):
                    found.append((record.ts_ns, message))
            self.place = msgspec.structs.replace(self.place, seq=record.seq)
            if looked >= READ_MAX:
                break
        else:
            self._look_for_another()
        return found

    def _open(self) -> JournalReader | None:
        journal_ns = began_ns(self._directory)
        if not journal_ns:
            self._place = self._place or Place()  # the one that begins from now on is read from its first record
            return None
        before, self._place = self._place, Place()
        if before is None:  # never read before: what is in there was told, or is in the trader's status
            reader = JournalReader(self._directory)
            last = 0
            for record in reader.records(_KINDS):
                last = record.seq
            self.place = Place(journal_ns=journal_ns, seq=last)
        else:
            self.place = before if before.journal_ns == journal_ns else Place(journal_ns=journal_ns)
            reader = JournalReader(self._directory, from_seq=self.place.seq + 1)
        self._reader = reader
        return reader

    def _look_for_another(self) -> None:
        """At the live end: the journal may have been put aside and another begun in its place."""
        if began_ns(self._directory) not in (0, self.place.journal_ns):
            self._reader, self._place = None, self.place


def began_ns(directory: Path) -> int:
    """When the journal of a folder began; 0 = there is none, or not one whole header. Retention keeps every segment."""
    try:
        files = list_segments(directory)
        return unpack_header(map_segment(files[0].path), name=files[0].path.name).created_ts_ns if files else 0
    except (FileNotFoundError, NotADirectoryError, JournalError):
        return 0
