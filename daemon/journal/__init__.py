"""The append-only journal: segments, frames, snapshots, retention. It knows bytes, record kinds and market rows, never
the engine.

A frame is the atomic unit: everything one engine step produced. An input and the commands it caused are in the journal
together or not at all, so recovery never meets half a step; nothing is dispatched before its frame is committed.
docs/journal.md shows the bytes.
"""

from daemon.journal.describe import describe, plain
from daemon.journal.epoch import next_epoch
from daemon.journal.layout import JournalFull
from daemon.journal.opening import TornTail
from daemon.journal.reader import JournalReader, Record, RowBlock
from daemon.journal.retain import retain
from daemon.journal.snapshot import Snapshot, latest_snapshot, oldest_snapshot_seq, write_snapshot
from daemon.journal.verify import VerifyReport, verify
from daemon.journal.writer import JournalWriter

__all__ = [
    "JournalFull",
    "JournalReader",
    "JournalWriter",
    "Record",
    "RowBlock",
    "Snapshot",
    "TornTail",
    "VerifyReport",
    "describe",
    "latest_snapshot",
    "next_epoch",
    "oldest_snapshot_seq",
    "plain",
    "retain",
    "verify",
    "write_snapshot",
]
