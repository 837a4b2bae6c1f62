"""The monitor's increments per fill and per mark, and one pass of the risk worker over five hundred positions."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import Final

import numpy as np

from core import events as e
from core.engine import Engine
from core.units import NANO
from daemon.bench.orders import MARKET, Seesaw, quiet_collector
from daemon.bench.samples import Line, Samples, judged
from daemon.bench.world import config_of, opened, tables_of
from risk.measure import Book, History, Holding, RiskModel, Rules

POSITIONS: Final = 500
DAYS: Final = 252
CALLS: Final = 2_000
PASSES: Final = 20


def monitor(*, rounds: int = 10, each: int = CALLS) -> Iterator[Line]:
    """P&L, gross, net, buckets and books after one instrument's mark, and the same with the position's limits and the
    cost of trading after a fill.
    """
    with TemporaryDirectory() as folder:
        config = config_of(MARKET, Path(folder))
        with opened(config, tables_of(config), Path(folder)) as world:
            seesaw = Seesaw(world)
            engine = world.runner.engine
            fill = _held(engine, seesaw)
            taken = {"mark": Samples(), "fill": Samples()}
            with quiet_collector():
                for _ in range(rounds):
                    for name, increment in _increments(engine, fill).items():
                        taken[name].begin_round()
                        for number in range(each):
                            before = perf_counter_ns()
                            increment(number)
                            taken[name].add(perf_counter_ns() - before)
    for name, samples in taken.items():
        line = {"name": f"monitor.{name}", "increments": len(samples.kept), **samples.times}
        yield judged(line, p50_us=1)


def _held(engine: Engine, seesaw: Seesaw) -> e.OrderFilled:
    """A position of a schedule's child, and the fill that made it."""
    seesaw.order_ns()
    order = next(iter(engine.money.live_orders.values()))
    fill = e.OrderFilled(
        order_id=order.order_id, exec_id="bench.1", side=order.side, qty_nanos=order.remaining_nanos,
        px_nanos=order.limit_px_nanos, inst=order.inst,
    )  # fmt: skip
    seesaw.world.runner.step(fill, seesaw.ts_ns)
    return fill


def _increments(engine: Engine, fill: e.OrderFilled) -> dict[str, Callable[[int], object]]:
    exposure, ledger, on_fact, ts_ns = engine.exposure, engine.money.ledger, engine.monitor.on_fact, engine.ts_ns
    px, inst = fill.px_nanos, fill.inst
    return {
        "mark": lambda number: exposure.mark(inst, px + (number & 1) * 1_000, ledger),
        "fill": lambda number: on_fact(fill, ts_ns),
    }


def worker() -> Iterator[Line]:
    """The line `risk_worker`: a book of five hundred names with a year of history each, every number of it."""
    rng = np.random.default_rng(7)
    market = rng.normal(0.0, 0.01, DAYS)
    dates = tuple(range(20250101, 20250101 + DAYS + 1))
    histories = []
    for inst in range(POSITIONS):
        moves = rng.uniform(0.5, 1.5) * market + rng.normal(0.0, 0.015, DAYS)
        closes = 50.0 * np.cumprod(np.concatenate(([1.0], 1.0 + moves)))
        histories.append(History(inst=inst, dates=dates, closes_nanos=tuple(int(close * NANO) for close in closes)))
    rules = Rules(
        sectors=tuple(f"sector {inst % 11}" for inst in range(POSITIONS)), market_inst=-1, participation_bp=1_000,
        cluster_correlation_bp=8_000, assumed_volatility_bp=400,
    )  # fmt: skip
    began = perf_counter_ns()
    model = RiskModel(rules, histories)
    made_ms = (perf_counter_ns() - began) / 1e6
    book = Book(
        as_of_ns=1, equity_nanos=10_000_000 * NANO, gross_nanos=5_000_000 * NANO,
        holdings=tuple(
            Holding(inst=inst, value_nanos=(1 if inst % 3 else -1) * 10_000 * NANO, qty_nanos=200 * NANO,
                    adv_nanos=1_000_000 * NANO)
            for inst in range(POSITIONS)
        ),
    )  # fmt: skip
    passes = []
    for _ in range(PASSES):
        began = perf_counter_ns()
        model.measure(book)
        passes.append((perf_counter_ns() - began) / 1e6)
    worst = max(passes)
    goal = {"goal": "a pass of 500 positions at most 200 ms", "met": worst <= 200.0}
    yield {
        "name": "risk_worker", "positions": POSITIONS, "p50_ms": sorted(passes)[PASSES // 2], "max_ms": worst,
        "histories_ms": made_ms, **goal,
    }  # fmt: skip
