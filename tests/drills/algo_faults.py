"""The drill `algo_faults`: every algorithm trades for a strategy of its own in one trader, at a paper gateway over TCP,
while one of the two processes or both are killed with kill -9; in between a schedule is paused and resumed by its
number. And in process: every algorithm times every trouble (tests/simulation) on another market.
"""

import tempfile
import traceback
from pathlib import Path
from typing import Any, Final

from core.money.state import Money
from tests.drills.gateway_crash import go_on, run_kills
from tests.fakes.live_pair import Pair
from tests.simulation.one_schedule import PLANS
from tests.simulation.troubles import TROUBLES

KILLS: Final = 2
SPEED: Final = 10  # eleven strategies decide at once
TRADED_S: Final = 240.0  # on the wall, until each has traded
SEED: Final = 1_400  # of the first part; one a part
MARKET: Final = 11  # the tape of the first part; one a part

# Short, so that each trades often between two kills; times in the gateway's clock.
SHORT: Final[dict[str, str]] = {
    "immediate": "duration_s = 20",
    "twap": "duration_s = 30, slices = 3, jitter = 0.3",
    "vwap": "duration_s = 30, slices = 3",
    "pov": "duration_s = 60, interval_s = 5, participation = 0.3",
    "is": "duration_s = 30, slices = 4, volatility_bp = 200",
    "iceberg": "duration_s = 30, display_lots = 40, jitter = 0.2",
    "adaptive": 'duration_s = 30, slices = 3, urgency = "urgent"',
    "close": "duration_s = 23_400, slices = 390",
    "resting": "duration_s = 60, limit_bp = 1",
    "auto": "duration_s = 60, volatility_bp = 200",
    "ib_adaptive": 'duration_s = 30, limit_bp = 20, tags = { adaptivePriority = "Urgent" }',
    "ib_vwap": "duration_s = 30, limit_bp = 20, tags = { maxPctVol = 0.3 }",
}
_STRATEGY: Final = """
[strategies.{name}]
kind = "meanrev"
symbols = ["BAC", "IBM"]

[strategies.{name}.params]
half_life_s = 5
warm_up_s = 20
enter_z = 0.8
leave_z = 0.2
position_dollars = 12_000

[strategies.{name}.execution]
algo = "{algo}"
params = {{ {params} }}
edge_policy = "off"
"""
_LIMITS: Final = """
[limits.account]
order_notional_max = 60_000
gross_max = 400_000
net_max = 400_000
"""


def strategies() -> str:
    """One for each, all of one mind: nobody trades against another."""
    return "".join(_STRATEGY.format(name=f"by_{algo}", algo=algo, params=SHORT[algo]) for algo in PLANS) + _LIMITS


def run_part(number: int) -> dict[str, Any]:
    """Kills over TCP, and the matrix on one more market."""
    found = run_over_tcp(SEED + number, kills=KILLS)
    runs, failures = run_matrix(MARKET + number)
    found["counts"]["runs in process"] = runs
    found["failures"] += failures
    return found


def run_over_tcp(seed: int, *, kills: int) -> dict[str, Any]:
    """Orders by algorithm are in the counts."""
    return run_kills(
        seed,
        kills=kills,
        strategy=strategies(),
        speed=SPEED,
        faults="",
        together=False,
        meanwhile=at_work,
        look=by_algo,
    )


def by_algo(money: Money) -> dict[str, int]:
    """Orders with a fill by strategy, which bears the name of its algorithm. A total that is wrong raises."""
    counts = {f"fills of {name}": 0 for name in PLANS}
    filled: dict[int, int] = {}
    for order in money.orders.values():
        name = order.strategy.removeprefix("by_")
        if order.filled_nanos and name in PLANS:
            counts[f"fills of {name}"] += 1
        filled[order.parent_id] = filled.get(order.parent_id, 0) + order.filled_nanos
    for parent in money.parents.values():
        assert parent.filled_nanos <= parent.qty_nanos, f"parent {parent.parent_id} is over-filled: {parent}"
        assert parent.filled_nanos >= filled.get(parent.parent_id, 0), f"fills are lacking: {parent}"
    return counts


def at_work(pair: Pair) -> list[str]:
    """Until every algorithm has traded; then one of their schedules is paused and resumed."""

    def traded() -> bool:
        go_on(pair)
        counts = by_algo(pair.books().money)
        return all(counts.values())

    try:
        pair.wait(traded, "every algorithm has traded", running="trader", deadline_s=TRADED_S)
    except RuntimeError:
        counts = by_algo(pair.books().money)
        return [f"{what}: none within {TRADED_S:g} s" for what, count in counts.items() if not count]
    return pause_and_resume(pair)


def pause_and_resume(pair: Pair) -> list[str]:
    """A schedule that works is paused: its order goes, and nothing of it is sent until it is resumed."""
    chosen: list[int] = []

    def paused() -> bool:
        status = pair.status()
        for row in () if status is None else status.parents:
            if row.state != "ACTIVE":
                continue
            try:
                pair.command("parent-pause", parent_id=row.id, reason="drill")
            except Exception:  # edge: it ended before the word reached it; the next one is asked
                continue
            chosen.append(row.id)
            return True
        return False

    pair.wait(paused, "a schedule to pause", running="trader")
    (number,) = chosen
    pair.wait(
        lambda: _rows(pair, number) == ("PAUSED", 0), f"parent {number} paused without an order", running="trader"
    )
    pair.command("parent-resume", parent_id=number, reason="drill")
    pair.wait(lambda: _rows(pair, number)[0] != "PAUSED", f"parent {number} goes on", running="trader")
    return []


def _rows(pair: Pair, number: int) -> tuple[str, int]:
    status = pair.status()
    if status is None:
        return "", -1
    state = next((row.state for row in status.parents if row.id == number), "ENDED")
    return state, sum(row.parent == number for row in status.children)


def run_matrix(seed: int) -> tuple[int, list[str]]:
    """Every trouble for every algorithm on the tape of a seed."""
    failures = []
    for algo in PLANS:
        for trouble in TROUBLES:
            with tempfile.TemporaryDirectory(prefix="quantd-algo-faults-") as folder:
                try:
                    trouble(algo, Path(folder), seed)
                except AssertionError as fault:
                    place = traceback.extract_tb(fault.__traceback__)[-1]
                    failures.append(f"seed {seed}, {algo}, {trouble.__name__}: {place.line}: {fault}"[:600])
    return len(PLANS) * len(TROUBLES), failures
