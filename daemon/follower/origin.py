"""Where re-stepping begins: a machine out of a snapshot or at a journal's first record, built from the config that the
journal holds. Raises ConfigError and JournalError; compares nothing.
"""

from pathlib import Path

from core import records as r
from core.errors import JournalError
from core.reference import CodeVersion, ConfigResolved, Reference
from daemon.build import Restored, build_machine
from daemon.config import config_from_json
from daemon.journal import JournalReader, Snapshot, find_snapshot, snapshot_seqs
from daemon.journal.layout import list_segments
from daemon.recovery import digests, reference_of_record, restore_runner
from daemon.reference.tables import ReferenceTables, from_records
from daemon.rerun import Rerun
from daemon.status.build import Tally


def tables_at(directory: Path, seq: int) -> ReferenceTables:
    """The tables in force at a seq: of the newest run that began before it. Looks from the newest segment backwards.

    Raises JournalError when there are none.
    """
    end_seq = seq + 1
    for file in reversed(list_segments(directory)):
        if file.first_seq >= end_seq:
            continue
        found: list[Reference] = []
        for record in JournalReader(directory, from_seq=file.first_seq).records():
            if record.seq >= end_seq:
                break
            if record.kind == r.REFERENCE:
                message = reference_of_record(record)
                if type(message) is ConfigResolved:
                    found = []  # the first record of a run
                found.append(message)
        if found:
            return from_records(found)
        end_seq = file.first_seq
    raise JournalError(f"no reference records at or before seq {seq}: the journal's first segment is missing")


def other_code(tables: ReferenceTables, code: CodeVersion) -> str:
    """Which digests of a run's program differ from this one's, comma separated; its config does not count: it is in
    the journal.
    """
    theirs = tables.code
    pairs = {
        "code": theirs.source_digest == code.source_digest,
        "kernels": theirs.kernel_digest == code.kernel_digest,
        "platform": theirs.platform == code.platform,
    }
    return ",".join(name for name, same in pairs.items() if not same)


def first_machine(tables: ReferenceTables) -> Rerun:
    """Before the first input of a journal."""
    return _rerun(tables, None)


def from_snapshot(tables: ReferenceTables, snapshot: Snapshot) -> Rerun:
    """As the snapshot left it."""
    parts = snapshot.parts
    restored = Restored(money=parts["money"], opinion=parts, exchange=parts.get("exchange"))
    rerun = _rerun(tables, restored)
    restore_runner(rerun, rerun.tally, parts["runner"])
    rerun.running = rerun.ended == "crash"
    rerun.engine.seq = snapshot.seq
    return rerun


def start_cold(rerun: Rerun, tables: ReferenceTables) -> None:
    """A run begins under a changed config: money state and venue go on, opinion starts anew, as in the trader."""
    seq, ts_ns = rerun.engine.seq, rerun.engine.ts_ns
    config = config_from_json(tables.config.json)
    exchange = None if rerun.machine.exchange is None else rerun.machine.exchange.snapshot()
    restored = Restored(money=rerun.engine.dump()["money"], exchange=exchange)
    rerun.go_on_with(lambda: build_machine(config, tables, with_venue=True, restored=restored))
    rerun.engine.seq, rerun.engine.ts_ns = seq, ts_ns
    rerun.tally.symbols = config.symbols


def usable_snapshot(directory: Path, code: CodeVersion, *, above_seq: int, at_most_seq: int | None) -> Snapshot | None:
    """The newest good snapshot of this program within the bounds."""
    limit = at_most_seq
    while True:
        snapshot = find_snapshot(directory, at_most_seq=limit).snapshot
        if snapshot is None or snapshot.seq <= above_seq:
            return None
        tables = tables_at(directory, snapshot.seq)
        if not other_code(tables, code) and snapshot.digests == digests(tables):
            return snapshot
        limit = snapshot.seq - 1


def oldest_usable_snapshot(directory: Path, code: CodeVersion, *, above_seq: int) -> Snapshot | None:
    """The oldest good snapshot of this program above a seq."""
    for seq in snapshot_seqs(directory):
        if seq > above_seq and (found := usable_snapshot(directory, code, above_seq=seq - 1, at_most_seq=seq)):
            return found
    return None


def _rerun(tables: ReferenceTables, restored: Restored | None) -> Rerun:
    config = config_from_json(tables.config.json)
    machine = build_machine(config, tables, with_venue=True, restored=restored)
    return Rerun(machine, Tally(config.symbols), opinion=True)


def snapshot_every(tables: ReferenceTables) -> int:
    """Records between two snapshots, by the run's own config."""
    return config_from_json(tables.config.json).journal.snapshot_every
