"""What a trader needs elsewhere beside its journal: its small state files, and the newest snapshots. Knows which, and
in which order they may be shipped.

At once goes what makes a start safer: the epoch, latches, a KILL. Only together with the journal up to that moment goes
what would not be true of an older one: the head of the audit trail, and that a latch is gone.
"""

from pathlib import Path
from typing import Final

from core.errors import JournalError
from daemon.authority.trail import HEAD_FILE
from daemon.journal.segment import sync_directory, write_durably
from daemon.journal.snapshot import KEEP, read_snapshot, snapshot_name, snapshot_seqs
from daemon.killer.latch import LATCH_FILE
from daemon.ship.files import copy_file

EPOCH_FILE: Final = "epoch"
KILL_FILE: Final = "KILL"
AT_ONCE: Final = (EPOCH_FILE, LATCH_FILE, KILL_FILE)
WITH_JOURNAL: Final = (HEAD_FILE, "alerts.json")
FILES: Final = AT_ONCE + WITH_JOURNAL
FILE_BYTES_MAX: Final = 1 << 20

Contents = dict[str, bytes | None]  # None = there is no such file


def read_beside(state: Path) -> Contents:
    """The files as they are now; taken before the journal is read up to its end. Raises OSError."""
    found: Contents = {}
    for name in FILES:
        try:
            with (state / name).open("rb") as file:
                found[name] = file.read(FILE_BYTES_MAX)
        except FileNotFoundError:
            found[name] = None
    return found


class Beside:
    """The copy's folder of small files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._there = read_beside(folder)

    def ship(self, contents: Contents, *, with_journal: bool) -> None:
        """Bring the copy to these contents, as far as the journal allows. Raises OSError."""
        for name, content in contents.items():
            if content == self._there[name]:
                continue
            if content is None and with_journal:
                (self._folder / name).unlink(missing_ok=True)
                sync_directory(self._folder)
            elif content is not None and (with_journal or name in AT_ONCE):
                write_durably(self._folder / name, content)
            else:
                continue
            self._there[name] = content


def ship_snapshots(journal: Path, target: Path, *, up_to_seq: int) -> int:
    """Copy good snapshots of what is shipped, and keep as many as the journal does; the newest seq there."""
    there = snapshot_seqs(target)
    for seq in snapshot_seqs(journal)[-KEEP:]:
        if seq > up_to_seq or seq in there:
            continue
        path = journal / snapshot_name(seq)
        try:
            read_snapshot(path)
            copy_file(path, target / path.name)
        except (JournalError, FileNotFoundError):
            continue  # a bad one helps nobody; trader and follower both prune
        there.append(seq)
    there.sort()
    for seq in there[:-KEEP]:
        (target / snapshot_name(seq)).unlink(missing_ok=True)
    return there[-1] if there else 0
