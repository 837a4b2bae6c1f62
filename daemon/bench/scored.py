"""Steps with features and a model of 100 trees: a quote that is scored and decides nothing, from a quote to the broker
port, and the recorded days with the model on every changed quote.

In the made-up market of `hot` and `paced` the price stands still and the displayed sizes lean to one side and to the
other with every quote, so each quote turns the score and makes an order. Both are warmed for 40 minutes of market time,
untimed, until every input is ready.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import Any, Final

from core.rows import PRINT, QUOTE
from core.units import NANO
from daemon.bench.child import in_child
from daemon.bench.model import with_model
from daemon.bench.orders import CENT, MARKET, MID, SHARES, SLEEP_S, STEP_NS, Seesaw, quiet_collector
from daemon.bench.samples import Line, Samples, judged
from daemon.bench.tape import Tape
from daemon.bench.world import PORT_SINK, PORT_VENUE, TimedVenue, World, config_of, opened, shipped_config, tables_of
from strategies.signal.pipeline import ScoredPipeline

WARM_NS: Final = 2_400 * NANO
WARM_STEP_NS: Final = 10 * NANO
NATURAL: Final[dict[str, Any]] = {"enter_bp": 3.5, "hold_s": 1800.0}  # about as many orders as the example's strategy


class ScoredSeesaw(Seesaw):
    """A world whose every quote makes a score, and an order."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._warm()

    def quote(self, offset: int) -> None:
        """A quote at one price; the sign of the offset says which side is heavy, 0 leaves them nearly even."""
        heavy, light = 19 * SHARES, SHARES
        # Never the same twice in a row, or it would be no news.
        even = SHARES + self.ts_ns // STEP_NS % 2 * NANO
        bid_qty, ask_qty = (heavy, light) if offset > 0 else (light, heavy) if offset < 0 else (even, SHARES)
        ts_ns = self.ts_ns
        self.world.runner.on_quote(ts_ns, ts_ns, 0, QUOTE, 0, MID - CENT, MID + CENT, bid_qty, ask_qty)

    def _warm(self) -> None:
        """Forty quiet minutes: quotes and prints until every input of the model is ready."""
        runner, until_ns = self.world.runner, self.ts_ns + WARM_NS
        while self.ts_ns < until_ns:
            self.ts_ns += WARM_STEP_NS
            runner.advance_to(self.ts_ns)
            self.quote(0)
            ts_ns = self.ts_ns
            px_nanos = MID + (ts_ns // WARM_STEP_NS % 7 - 3) * CENT  # bars that never move have no relative strength
            runner.on_quote(ts_ns, ts_ns, 0, PRINT, 0, px_nanos, 0, 100 * NANO, 0)

    def _next_session(self) -> None:
        super()._next_session()
        self._warm()


def tick_to_order(*, rounds: int = 12, hot: int = 450, paced: int = 150) -> Iterator[Line]:
    """The lines `tick_to_order_model.hot` and `.paced`."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        config = with_model(config_of(MARKET, folder), folder, enter_bp=1.0, position_dollars=100_000.0)
        with opened(config, tables_of(config), folder) as world:
            seesaw = ScoredSeesaw(world)
            taken = {"hot": Samples(), "paced": Samples(dropped=min(10, paced // 10))}
            with quiet_collector():
                for _ in range(rounds):
                    for samples in taken.values():
                        samples.begin_round()
                    for _ in range(hot):
                        taken["hot"].add(seesaw.order_ns())
                    for _ in range(paced):
                        taken["paced"].add(seesaw.order_ns(sleep_s=SLEEP_S))
    goals = {"hot": {"p50_us": 15, "p99_us": 40}, "paced": {"p50_us": 70}}
    for name, samples in taken.items():
        line = {"name": f"tick_to_order_model.{name}", "orders": len(samples.kept), **samples.times, "port": PORT_SINK}
        yield judged(line, **goals[name])


class _Scores:
    """How many scores a pipeline has made, read without touching an array."""

    def __init__(self, pipeline: Any) -> None:
        assert isinstance(pipeline, ScoredPipeline), "the bench's config has a model"
        reader = pipeline.signal_reader
        assert reader is not None
        self._ints = reader.ints
        self._places = [reader.field(inst, 0, "scores") for inst in range(len(pipeline.signals))]

    def __call__(self) -> int:
        return sum(self._ints[place] for place in self._places)


def natural(*, rows_max: int = 10**9) -> Iterator[Line]:
    """The lines `step_score` and `tick_to_order_model.natural`: one pass over the days, row by row."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        tape = Tape(folder, change=lambda config: with_model(config, folder, **NATURAL))
        with opened(tape.config, tape.tables, folder) as world, quiet_collector():
            quiet, woken, rows = _walk(world, tape.batches(), rows_max)
    shared = {"rows": rows, "port": PORT_VENUE, "data": f"{tape.source}, tbt"}
    line: Line = {"name": "step_score", "samples": len(quiet.kept), **quiet.times}
    yield judged(line | shared, p50_us=6)
    line = {"name": "tick_to_order_model.natural", "orders": len(woken.kept), **woken.times}
    yield judged(line | shared, p50_us=25, p99_us=80)


def _walk(world: World, batches: Iterator[Any], rows_max: int) -> tuple[Samples, Samples, int]:
    """Hand rows one by one to the runner as a live feed does. Scored rows without an order, orders that a row woke, and
    the number of rows.
    """
    runner, machine = world.runner, world.machine
    assert machine.exchange is not None
    port = TimedVenue(machine.exchange)
    world.into(port)
    scores, quiet, woken, rows = _Scores(runner.pipeline), Samples(), Samples(dropped=0), 0
    for batch in batches:
        for row in batch.tolist():
            ts_ns = row[0]
            if not rows:
                world.begin(ts_ns)
            runner.advance_to(ts_ns - 1)
            before, scored = port.orders, scores()
            began = perf_counter_ns()
            runner.on_quote(*row)
            ended = perf_counter_ns()
            rows += 1
            if port.orders != before:
                woken.add(port.placed_at - began)
            elif scores() != scored:
                quiet.add(ended - began)
        quiet.begin_round()
        if rows >= rows_max:
            break
    return quiet, woken, rows


def replay() -> Line:
    """The trader itself with the model on every changed quote, decoding included, in a process of its own."""
    with TemporaryDirectory() as name:
        _, source = shipped_config(Path(name))
        found = in_child("replay_model", name)
    line: Line = {"name": "replay_model", "data": f"{source}, tbt"} | found
    return judged(line, per_s=250_000)
