"""The recorded days through the real runner: quiet quotes one by one, orders as they fall, the whole replay, recovery.

The rows are decoded in this process before anything is timed, except by `replay`, which is the trader itself with its
feed process. Where the recordings are absent a made-up market takes their place, and the field `data` says so.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, perf_counter_ns
from typing import Any, Final

import msgspec

from core.rows import ROW_BYTES
from daemon.bench.child import AROUND, in_child
from daemon.bench.orders import quiet_collector
from daemon.bench.samples import Line, Samples, judged
from daemon.bench.world import PORT_VENUE, TimedVenue, World, opened, shipped_config, tables_of
from daemon.config import Config
from daemon.config.feed_spec import replay_spec, synthetic_spec
from daemon.recovery import recover
from daemon.reference.tables import ReferenceTables
from daemon.warm import KeepWarm

DAYS_MADE_UP: Final = 3  # of the synthetic market: about as many rows as the recordings
BLOCK: Final = 8192
BEAT_ROWS: Final = 50  # rows between two beats of a shadow: one order a hundred rows


class Tape:
    """The market all benches here run on."""

    def __init__(self, folder: Path, *, change: Callable[[Config], Config] | None = None) -> None:
        config, self.source = shipped_config(folder)
        if change is not None:
            config = change(config)
        if config.feed.kind == "synthetic":
            made = msgspec.structs.replace(config.feed.synthetic, days=DAYS_MADE_UP)
            config = msgspec.structs.replace(config, feed=msgspec.structs.replace(config.feed, synthetic=made))
        self.config: Config = config
        if config.feed.kind == "replay":
            from broker.feeds.replay import ReplayFeed

            header = ReplayFeed(replay_spec(config)).header
            self.tables: ReferenceTables = tables_of(config, first_ns=header.first_ns, last_ns=header.last_ns)
        else:
            self.tables = tables_of(config)

    def batches(self) -> Iterator[Any]:
        """Market rows, decoded in this process."""
        if self.config.feed.kind == "replay":
            from broker.feeds import replay

            yield from replay.read_rows(replay_spec(self.config))
        else:
            from broker.feeds import synthetic

            table = self.tables.session_table(self.config.instruments[0].calendar)
            contracts = self.tables.contracts
            yield from synthetic.read_rows(synthetic_spec(self.config.feed, instruments=contracts, sessions=table))


class Falls:
    """Times of one pass, by what happened: quiet rows, orders a row woke, orders a timer placed."""

    def __init__(self) -> None:
        self.quiet = Samples()
        self.woken = Samples(dropped=0)
        self.timed = Samples(dropped=0)
        self.rows = 0


def walk(world: World, batches: Iterator[Any], *, rows_max: int, warm: KeepWarm | None = None) -> Falls:
    """Hand rows one by one to the runner as a live feed does; deadlines are stepped when they are due, and a shadow
    beats every BEAT_ROWS rows.
    """
    runner, machine = world.runner, world.machine
    assert machine.exchange is not None
    port = TimedVenue(machine.exchange)
    world.into(port)
    falls = Falls()
    begun = False
    for batch in batches:
        for row in batch.tolist():
            ts_ns = row[0]
            if not begun:
                world.begin(ts_ns)
                begun = True
            if warm is not None and falls.rows % BEAT_ROWS == 0:
                warm.beat()
            while runner.next_ns <= ts_ns:
                _advance(runner, port, falls)
            before, seq = port.orders, runner.engine.seq
            began = perf_counter_ns()
            runner.on_quote(*row)
            ended = perf_counter_ns()
            if port.orders != before:
                falls.woken.add(port.placed_at - began)
            elif seq == runner.engine.seq or runner.engine.seq - seq <= 64:
                falls.quiet.add(ended - began)
            falls.rows += 1
        falls.quiet.begin_round()
        if falls.rows >= rows_max:
            break
    return falls


def _advance(runner: Any, port: TimedVenue, falls: Falls) -> None:
    """Step the next deadline or answer of the venue, alone."""
    before = port.orders
    began = perf_counter_ns()
    runner.advance_to(max(runner.next_ns, runner.engine.ts_ns))  # what was due in the past is served now
    if port.orders != before:
        falls.timed.add(port.placed_at - began)


def natural(*, rows_max: int = 10**9) -> Iterator[Line]:
    """The lines `step_quote`, `tick_to_order.natural` and `.timer`: one pass over the days, row by row. Then the orders
    of the same pass with the path kept warm.
    """
    with TemporaryDirectory() as name, TemporaryDirectory() as other:
        tape = Tape(Path(name))
        with opened(tape.config, tape.tables, Path(name)) as world, quiet_collector():
            falls = walk(world, tape.batches(), rows_max=rows_max)
        with opened(tape.config, tape.tables, Path(other)) as world:
            warm = KeepWarm(tape.config, tape.tables)
            assert not warm.fault, warm.fault
            with quiet_collector():
                kept = walk(world, tape.batches(), rows_max=rows_max, warm=warm)
    shared = {"rows": falls.rows, "port": PORT_VENUE, "data": tape.source}
    quiet: Line = {"name": "step_quote", "samples": len(falls.quiet.kept), **falls.quiet.times}
    yield judged(quiet | shared, p50_us=2)
    woken: Line = {"name": "tick_to_order.natural", "orders": len(falls.woken.kept), **falls.woken.times}
    yield judged(woken | shared, p50_us=20, p99_us=60)
    timed: Line = {"name": "tick_to_order.timer", "orders": len(falls.timed.kept), **falls.timed.times}
    yield timed | shared
    woken = {"name": "tick_to_order.natural_warm", "orders": len(kept.woken.kept), **kept.woken.times}
    yield judged(woken | shared, p50_us=20, p99_us=60)
    yield {"name": "tick_to_order.timer_warm", "orders": len(kept.timed.kept), **kept.timed.times} | shared


def replay() -> Line:
    """The trader itself, decoding included, in a process of its own."""
    with TemporaryDirectory() as name:
        config, source = shipped_config(Path(name))
        found = in_child("replay", config.state_dir)
    line: Line = {"name": "replay", "data": source} | found
    return judged(line, per_s=300_000)


def recover_lines(*, events: int = 1_000_000) -> Iterator[Line]:
    """The lines `recover.snapshot` (taken half way) and `recover.cold`."""
    with TemporaryDirectory() as name:
        tape = Tape(Path(name))
        world = World(tape.config, tape.tables, Path(name))
        with quiet_collector():
            fill(world, tape, events)
        world.close()
        counts = {"events": world.runner.tally.events, "orders": world.runner.tally.children}
        last_seq = world.runner.engine.seq
        for kind, goal in (("snapshot", 1), ("cold", 3)):
            if kind == "cold":
                for path in world.directory.glob("snapshot*"):
                    shutil.move(path, Path(name) / path.name)
            began = perf_counter()
            recovered = recover(world.directory, tape.config, tape.tables)
            spent = perf_counter() - began
            assert recovered.last_seq == last_seq, "recovery stopped early"
            line: Line = {"name": f"recover.{kind}", **counts, "s": round(spent, 3), "data": tape.source}
            yield judged(line, s=goal)


def fill(world: World, tape: Tape, events: int) -> None:
    """A journal of that many events, with a snapshot half way."""
    runner, halfway = world.runner, False
    for batch in tape.batches():
        if not runner.rows_done:
            world.begin(int(batch[0]["ts_ns"]))
        for lo in range(0, len(batch), BLOCK):
            runner.run_batch(batch, lo, min(lo + BLOCK, len(batch)))
        if runner.tally.events >= events // 2 and not halfway:
            halfway = True
            world.snapshot()
        if runner.tally.events >= events:
            return


def memory(*, first: int = 1_000_000, last: int = 3_000_000) -> Line:
    """The trader's memory, fed the days over and over; the rows are written to a file first, so that the measured
    process never decodes.
    """
    with TemporaryDirectory() as name:
        tape = Tape(Path(name))
        rows = Path(name) / "rows"
        with rows.open("wb") as file:
            for batch in tape.batches():
                batch.tofile(file)
                if file.tell() >= last * (1 + AROUND) * ROW_BYTES:
                    break  # no more is fed
        found = in_child("memory", name, str(rows), str(first), str(last))
    line: Line = {"name": "memory", "data": tape.source} | found
    return judged(line, mb=230, growth_mb=5)
