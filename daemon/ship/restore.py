"""A state directory out of a shipped copy: `quantd journal restore FROM DIR`. Verifies the whole copy, leaves a torn
tail out, and makes sure that the trader that starts there repeats no order reference and sends no order by itself.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from core import records as r
from core.errors import ConfigError, JournalError
from core.events import TraderStarted
from daemon.journal import JournalReader, verify
from daemon.journal.layout import list_segments
from daemon.journal.segment import sync_directory, write_durably
from daemon.journal.snapshot import read_snapshot, snapshot_name, snapshot_seqs
from daemon.killer.latch import LATCH_FILE, now_latch, read_latch, write_latch
from daemon.ship.beside import EPOCH_FILE, FILES
from daemon.ship.card import BESIDE, JOURNAL, ShippedCard, read_card
from daemon.ship.copy import whole_frames
from daemon.ship.files import copy_file
from daemon.state_dir import StateDirectory

# Starts of the lost trader that the copy may not know of: each took one epoch, and each order reference has one.
EPOCHS_SKIPPED: Final = 10_000
DRAFT: Final = "journal.restoring"
_INPUTS: Final = frozenset({r.INPUT})


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was put there."""

    card: ShippedCard
    segments: int
    last_seq: int
    last_ns: int  # of the newest record: what happened after it, only the broker knows
    torn_bytes: int
    snapshot_seq: int  # 0 = none: the start folds the whole journal
    epoch: int


def restore(source: Path, directory: Path) -> Restored:
    """Build `directory` from the copy in `source`. Raises ConfigError, JournalError; then nothing is there that a
    trader would take for a journal.
    """
    card = read_card(source)
    state = StateDirectory(directory.absolute())
    _refuse_used(state)
    _verify(source / JOURNAL)
    state.lock()
    try:
        for name in FILES:
            if (source / BESIDE / name).exists():
                copy_file(source / BESIDE / name, state.path / name)
        draft = state.path / DRAFT
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o750)
        torn_bytes = _copy_journal(source / JOURNAL, draft)
        _verify(draft)
        last_seq, last_ns, started = _end_of(draft)
        snapshot_seq = _copy_snapshots(source / JOURNAL, draft, up_to_seq=last_seq)
        epoch = _skip_epochs(state.path, started)
        told = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(last_ns // 1_000_000_000))
        _latch(
            state.path, f"restored from {source}: what came after record {last_seq} ({told} UTC) is not in its books"
        )
        draft.rename(state.journal)  # last: before it there is no journal here, after it all is as it must be
        sync_directory(state.path)
    finally:
        state.unlock()
    return Restored(
        card=card,
        segments=len(list_segments(state.journal)),
        last_seq=last_seq,
        last_ns=last_ns,
        torn_bytes=torn_bytes,
        snapshot_seq=snapshot_seq,
        epoch=epoch,
    )


def _refuse_used(state: StateDirectory) -> None:
    if state.journal.exists():
        raise ConfigError(f"{state.journal}: is there already: restore into a new folder, or move this one aside")
    if state.card_file.exists():
        raise ConfigError(f"{state.card_file}: a trader has run there: restore into a new folder")


def _verify(journal: Path) -> None:
    if not journal.is_dir():
        raise JournalError(f"{journal}: no journal was shipped yet")
    found = verify(journal)
    if found.problems:
        raise JournalError(f"{journal}: does not verify, nothing was restored: {'; '.join(found.problems[:3])}")


def _copy_journal(source: Path, target: Path) -> int:
    """Segments and archived rows; bytes of a torn tail that were left out."""
    for rows in sorted(source.glob("rows-*.parquet")):
        copy_file(rows, target / rows.name)
    for file in list_segments(source):
        copy_file(file.path, target / file.path.name)
    last = list_segments(target)[-1].path
    size, (end, _) = last.stat().st_size, whole_frames(last)
    os.truncate(last, end)
    return size - end


def _end_of(journal: Path) -> tuple[int, int, int]:
    """(last seq, its time, newest epoch) of a journal."""
    last_seq = last_ns = epoch = 0
    for record in JournalReader(journal, from_seq=list_segments(journal)[-1].first_seq).records():
        last_seq, last_ns = record.last_seq, max(last_ns, record.ts_ns)
    for started in _starts(journal):
        epoch = max(epoch, started.epoch)
    return last_seq, last_ns, epoch


def _starts(journal: Path) -> Iterator[TraderStarted]:
    """Those of the newest segment that has any: epochs only grow."""
    tag = TraderStarted.__struct_config__.tag
    end_seq = 0
    for file in reversed(list_segments(journal)):
        found = []
        for record in JournalReader(journal, from_seq=file.first_seq).records(_INPUTS):
            if end_seq and record.seq >= end_seq:
                break
            if record.payload[1] == tag:
                event = r.decode(r.INPUT, record.payload)
                found += [event] if isinstance(event, TraderStarted) else []
        if found:
            yield from found
            return
        end_seq = file.first_seq


def _copy_snapshots(source: Path, target: Path, *, up_to_seq: int) -> int:
    newest = 0
    for seq in snapshot_seqs(source):
        try:
            read_snapshot(source / snapshot_name(seq))
        except JournalError:
            continue  # without it the start folds more of the journal
        if seq <= up_to_seq:
            copy_file(source / snapshot_name(seq), target / snapshot_name(seq))
            newest = seq
    return newest


def _skip_epochs(state: Path, started: int) -> int:
    """Far above every epoch that the lost trader can have used."""
    path = state / EPOCH_FILE
    text = path.read_text(encoding="ascii", errors="replace").strip() if path.exists() else "0"
    epoch = max(started, int(text) if text.isascii() and text.isdigit() else 0) + EPOCHS_SKIPPED
    write_durably(path, f"{epoch}\n".encode())
    return epoch


def _latch(state: Path, reason: str) -> None:
    """The start is HALTED and journals why, as after the guard has fired; what the guard had left is said with it."""
    before = read_latch(state) if (state / LATCH_FILE).exists() else None
    latch = now_latch(by="restore", reason=reason if before is None else f"{reason}; before: {before.text}")
    write_latch(state, latch)
