"""The journals of one state directory in the order they were written: those that a finished tape left behind, then the
one that grows. Knows folders and segment headers, no database.
"""

from pathlib import Path

from core.records import REFERENCE, decode
from core.reference import ConfigResolved
from daemon.follower.database import Identity
from daemon.journal import JournalReader
from daemon.journal.folder import JournalFolder
from daemon.journal.layout import list_segments, unpack_header
from daemon.journal.opening import map_segment
from daemon.journal_fold import account_of


class Sources:
    """Which journal comes next. `finish` puts one behind us."""

    def __init__(self, journal: Path) -> None:
        self._journal = self.growing = journal
        self._done: set[Identity] = set()

    def next(self) -> tuple[JournalFolder, Identity] | None:
        """The oldest journal that is not finished; None while there is none with a record in it."""
        for path in (*self._left_behind(), self._journal):
            try:
                folder = JournalFolder(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            identity = identity_of(folder.path)
            if identity is not None and identity not in self._done:
                return folder, identity
            folder.close()
        return None

    def finish(self, identity: Identity) -> None:
        """Everything of it is recorded, and nobody writes to it any more."""
        self._done.add(identity)

    def _left_behind(self) -> list[Path]:
        """journal-<epoch>, oldest first."""
        prefix = f"{self._journal.name}-"
        if not self._journal.parent.is_dir():
            return []
        found = [path for path in self._journal.parent.iterdir() if path.name.startswith(prefix)]
        numbered = [(int(text), path) for path in found if (text := path.name.removeprefix(prefix)).isdecimal()]
        return [path for _, path in sorted(numbered)]


def identity_of(directory: Path) -> Identity | None:
    """Who a journal is; None before its first frame. Raises JournalError on a header that is none."""
    files = list_segments(directory)
    if not files:
        return None
    header = unpack_header(map_segment(files[0].path), name=files[0].path.name)
    frame = next(JournalReader(directory).frames(), None)
    if frame is None:
        return None
    account, tag = "", ""
    for record in frame:
        message = decode(REFERENCE, record.payload) if record.kind == REFERENCE else None
        if type(message) is ConfigResolved:
            account, tag = account_of(message)
    return Identity(header.created_ts_ns, header.first_seq, account, tag)
