"""Recovery is replay: newest good snapshot plus the journal's tail, stepped through the same machine. Also the proof
that it works: `verify_replay` steps a whole journal and compares every record.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from core import records as r
from core.errors import ConfigError, JournalError
from core.events import AnyEvent, TraderStarted
from core.reference import CodeVersion, ConfigResolved, ModelLoaded, Reference
from daemon.build import Restored, build_machine
from daemon.command_digest import command_digest
from daemon.config import Config, config_from_json
from daemon.digests import digest
from daemon.journal import JournalReader, Record, latest_snapshot, write_snapshot
from daemon.machine import Machine
from daemon.reference.tables import ReferenceTables, from_records
from daemon.rerun import Divergence, Rerun, is_poisoned
from daemon.status.build import Tally
from daemon.vocabulary import check_vocabulary


class RunnerState(msgspec.Struct, frozen=True, kw_only=True):
    """What the runner adds to a snapshot."""

    rows: int
    counts: dict[str, int]
    refusals: dict[str, int]
    ended: str
    epoch: int
    feed_ended: bool
    failures: list[tuple[int, str]]
    controls: list[tuple[int, AnyEvent]] = []  # of the feed, after the last row


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """A machine as the journal left it, and what the start needs to know."""

    machine: Machine
    tally: Tally
    rows: int
    controls: list[tuple[int, Any]]
    ended: str  # new | clean | crash
    epoch: int
    changed: str
    safe: bool
    feed_ended: bool
    last_seq: int
    failures: list[tuple[int, str]]


FAILURES_KEPT: Final = 8
_COUNTS: Final = ("events", "rows", "decisions", "parents", "children", "fills", "alerts")


def recover(
    directory: Path, config: Config, tables: ReferenceTables, *, alive: Callable[[], None] = lambda: None
) -> Recovered:
    """Rebuild the state of a journal under this config and code; says `alive` as it gets on. Raises JournalError,
    Divergence.
    """
    wanted = digests(tables)
    snapshot = latest_snapshot(directory)
    from_seq = 0 if snapshot is None else snapshot.seq + 1
    changed = _changed(directory, from_seq, wanted, {} if snapshot is None else snapshot.digests)
    opinion = not changed
    restored = None
    if snapshot is not None:
        parts = snapshot.parts
        _same_venue(config, in_process="exchange" in parts)
        restored = Restored(money=parts["money"], opinion=parts if opinion else None, exchange=parts.get("exchange"))
    machine = build_machine(config, tables, with_venue=True, restored=restored)
    tally = Tally(config.symbols)
    rerun = Rerun(machine, tally, opinion=opinion)
    if snapshot is not None:
        restore_runner(rerun, tally, snapshot.parts["runner"])
        machine.engine.seq = snapshot.seq
    try:
        for frame in JournalReader(directory, from_seq=from_seq).frames():
            rerun.frame(frame)
            alive()
    except Divergence as fault:
        if opinion:
            raise
        raise ConfigError(
            f"state_dir: the simulated venue of this journal cannot be recovered under the changed {changed} "
            f"({fault}); finish it with the version and config that began it, or use a fresh state_dir"
        ) from fault
    if rerun.venue_in_process is not None:
        _same_venue(config, in_process=rerun.venue_in_process)
    if not opinion:
        _start_cold(machine)
    if changed:
        machine = _cold(config, tables, machine)
    return Recovered(
        machine=machine,
        tally=tally,
        rows=rerun.rows,
        controls=rerun.controls_here,
        ended=rerun.ended or "new",
        epoch=rerun.epoch,
        changed=changed,
        safe=bool(rerun.unfoldable_seq)
        or (is_poisoned(rerun.failures) and not changed),  # what changed is armed by hand anyway
        feed_ended=rerun.feed_ended,
        last_seq=machine.engine.seq,
        failures=rerun.failures,
    )


def refuse_later(directory: Path) -> None:
    """Before the journal is opened for writing: ConfigError where a release that says more has gone on in it. What is
    damaged is the opening's to say.
    """
    with suppress(JournalError):
        snapshot = latest_snapshot(directory)
        from_seq = 0 if snapshot is None else snapshot.seq + 1
        for record in JournalReader(directory, from_seq=from_seq).references():
            check_vocabulary(record)


def _same_venue(config: Config, *, in_process: bool) -> None:
    """Orders of one venue are no orders of another, and neither is what they bought."""
    if in_process != config.venue_in_process:
        was = "the simulated venue" if in_process else "a broker"
        raise ConfigError(f"state_dir: its journal traded with {was}; use a fresh state_dir for the other")


def _start_cold(machine: Machine) -> None:
    """Opinion of other code is worth nothing: market and features warm up again, strategies stand on their targets.

    The schedules themselves are money state: the first input of the run wakes them.
    """
    for strategy in machine.engine.strategies.values():
        strategy.adopt()


def _cold(config: Config, tables: ReferenceTables, warm: Machine) -> Machine:
    """Money state and venue go on, opinion starts anew: what the tail taught the kernels is of another program."""
    exchange = None if warm.exchange is None else warm.exchange.snapshot()
    restored = Restored(money=warm.engine.dump()["money"], exchange=exchange)
    machine = build_machine(config, tables, with_venue=True, restored=restored)
    machine.engine.seq, machine.engine.ts_ns = warm.engine.seq, warm.engine.ts_ns
    return machine


def take_snapshot(directory: Path, machine: Machine, tally: Tally, tables: ReferenceTables, state: RunnerState) -> Path:
    """Write the whole state at the machine's present seq; nothing may be pending."""
    parts = machine.engine.dump()
    if machine.exchange is not None:
        parts["exchange"] = machine.exchange.snapshot()
    parts["runner"] = msgspec.msgpack.encode(state)
    return write_snapshot(directory, machine.engine.seq, parts, digests(tables))


def runner_state(
    tally: Tally,
    *,
    rows: int,
    ended: str,
    epoch: int,
    feed_ended: bool,
    controls: list[tuple[int, AnyEvent]],
    failures: list[tuple[int, str]],
) -> RunnerState:
    """The runner's part of a snapshot."""
    return RunnerState(
        rows=rows,
        counts={name: getattr(tally, name) for name in _COUNTS},
        refusals=tally.refusals,
        ended=ended,
        epoch=epoch,
        feed_ended=feed_ended,
        controls=controls,
        failures=[] if ended == "clean" and is_poisoned(failures) else failures[-FAILURES_KEPT:],
    )


def digests(tables: ReferenceTables) -> dict[str, str]:
    """What a snapshot of opinion state depends on."""
    found = {
        "config": tables.config.digest,
        "code": tables.code.source_digest,
        "kernels": tables.code.kernel_digest,
        "platform": tables.code.platform,
    }
    return found | {"models": _models_digest(tables.models)} if tables.models else found


def _models_digest(models: Iterable[ModelLoaded]) -> str:
    return digest(f"{model.name} {model.digest}".encode() for model in models)


def deploy_digest(tables: ReferenceTables) -> str:
    """One digest over all of them: what `quantd arm` confirms."""
    return digest(f"{name} {value}".encode() for name, value in sorted(digests(tables).items()))


def restore_runner(rerun: Rerun, tally: Tally, state: bytes) -> None:
    """Counts and history of a snapshot's runner."""
    kept = msgspec.msgpack.decode(state, type=RunnerState)
    rerun.rows = kept.rows
    rerun.ended, rerun.epoch, rerun.feed_ended = kept.ended, kept.epoch, kept.feed_ended
    rerun.failures = list(kept.failures)
    rerun.controls_here = list(kept.controls)
    for name, count in kept.counts.items():
        setattr(tally, name, count)
    tally.refusals = dict(kept.refusals)


def _changed(directory: Path, from_seq: int, wanted: dict[str, str], snapshot: dict[str, str]) -> str:
    """Which digests of the snapshot or of any run in its tail differ from ours, comma separated."""
    found: dict[str, None] = {name: None for name, digest in snapshot.items() if wanted.get(name) != digest}
    models: list[list[ModelLoaded]] = []  # of each run
    for record in JournalReader(directory, from_seq=from_seq).references():
        check_vocabulary(record)
        message = r.decode(r.REFERENCE, record.payload)
        if type(message) is ConfigResolved:
            models.append([])
            if message.digest != wanted["config"]:
                found["config"] = None
        elif type(message) is CodeVersion:
            theirs = {"code": message.source_digest, "kernels": message.kernel_digest, "platform": message.platform}
            found.update((name, None) for name, digest in theirs.items() if wanted[name] != digest)
        elif type(message) is ModelLoaded:
            models[-1].append(message)
    if any((_models_digest(run) if run else None) != wanted.get("models") for run in models):
        found["models"] = None
    return ",".join(found)


# ---- proof ------------------------------------------------------------------------------------------------------
class ReplayReport(msgspec.Struct, kw_only=True):
    """What `quantd replay verify` found."""

    journal: str
    frames: int = 0
    rows: int = 0
    commands: int = 0
    runs: int = 0
    equity_nanos: int = 0
    command_digest: str = ""
    difference: str = ""  # the first one; "" = none

    @property
    def ok(self) -> bool:
        """Every record was made again, byte for byte."""
        return not self.difference


def verify_replay(directory: Path) -> ReplayReport:
    """Step a whole journal from its first record and compare every note and command.

    A journal of other code cannot be verified by this one: that is reported as the difference.
    """
    report = ReplayReport(journal=str(directory))
    rerun: Rerun | None = None
    tables: ReferenceTables | None = None
    for frame in JournalReader(directory).frames():
        if frame[0].kind == r.REFERENCE:
            before, tables = tables, tables_of(frame)
            report.runs += 1
            report.frames += 1
            rerun = rerun or _machine_for(tables, None)
            if before is not None:
                go_on_with_tables(rerun, before, tables)
            rerun.engine.seq = frame[-1].seq
            continue
        if rerun is None or tables is None:
            raise JournalError(f"{directory.name}: the journal does not begin with its reference records")
        if starts_cold(frame[0]):
            rerun = _machine_for(tables, rerun)
        try:
            rerun.frame(frame)
        except Divergence as fault:
            report.difference = str(fault)
            break
        report.frames += 1
    report.command_digest = command_digest(directory)
    if rerun is not None:
        report.rows, report.commands = rerun.rows, rerun.commands
        report.equity_nanos = rerun.engine.money.equity_nanos
    return report


def go_on_with_tables(rerun: Rerun, before: ReferenceTables, tables: ReferenceTables) -> None:
    """A start of the same program with session tables of other days (a live trader's move on with the calendar): the
    same state, on these. Another program's start throws the opinion away anyway.
    """
    if tables.sessions == before.sessions or digests(tables) != digests(before):
        return
    parts = rerun.engine.dump()
    exchange = None if rerun.machine.exchange is None else rerun.machine.exchange.snapshot()
    restored = Restored(money=parts["money"], opinion=parts, exchange=exchange)
    config = config_from_json(tables.config.json)
    rerun.go_on_with(lambda: build_machine(config, tables, with_venue=exchange is not None, restored=restored))


def starts_cold(record: Record) -> bool:
    """Whether a run begins here that found another program's journal: it threw opinion state away."""
    if record.kind != r.INPUT:
        return False
    event = r.decode(r.INPUT, record.payload)
    return isinstance(event, TraderStarted) and bool(event.changed)


def _machine_for(tables: ReferenceTables, before: Rerun | None) -> Rerun:
    config = config_from_json(tables.config.json)
    restored = None if before is None else Restored(money=before.engine.dump()["money"])
    machine = build_machine(config, tables, with_venue=False, restored=restored)
    rerun = Rerun(machine, Tally(config.symbols), opinion=True)
    if before is not None:
        rerun.rows, rerun.commands = before.rows, before.commands
        machine.engine.seq, machine.engine.ts_ns = before.engine.seq, before.engine.ts_ns
    return rerun


def tables_of(frame: list[Record]) -> ReferenceTables:
    """The reference tables that a run wrote as its first frame."""
    return from_records(reference_of_record(record) for record in frame)


def reference_of_record(record: Record) -> Reference:
    """One reference record's message."""
    message = r.decode(r.REFERENCE, record.payload)
    assert isinstance(message, Reference)
    return message
