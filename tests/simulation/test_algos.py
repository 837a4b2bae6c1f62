"""Every algo in mid-schedule: a trading halt, a lost link, a crash and a kill, against the whole trader and its venue;
checkers.py says what must hold.
"""

from pathlib import Path

import msgspec
import pytest

from core import commands as c
from core.latches import STRATEGY
from core.orders import State
from core.reference import SessionsLoaded
from core.units import NANO
from tests.simulation.rig import Rig
from tests.simulation.run import report
from tests.simulation.schedule import RESTEPPED, SHARED, Act, Schedule
from tests.simulation.shrink import failure_in
from tests.simulation.world import PLANS, START_NS, tables


def trouble(algo: str) -> Schedule:
    """One of each, with time to trade in between."""
    return Schedule(
        seed=7,
        algo=algo,
        venue=SHARED,
        links=((17_000, 2_500, "lost", True),),
        acts=(
            Act(at_ms=8_000, kind="trading halt", choice=4),
            Act(at_ms=11_000, kind="trade on"),
            Act(at_ms=28_000, kind="crash", point="before dispatch", opinion=RESTEPPED, down_ms=900),
            Act(at_ms=33_000, kind="crash", point="within dispatch", opinion=RESTEPPED, down_ms=900),
            Act(at_ms=45_000, kind="kill", level=STRATEGY, scope="alpha"),
            Act(at_ms=52_000, kind="resume", level=STRATEGY, scope="alpha"),
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("algo", PLANS)
def test_every_algo_survives_trouble_in_mid_schedule(algo: str) -> None:
    """Books, limits and totals hold, nothing over-fills, and the algo did trade."""
    schedule = trouble(algo)
    failure, watch = failure_in(schedule)
    assert failure is None, report(schedule, failure)
    assert watch is not None
    assert watch.counts["crashes"] == 2
    assert watch.counts[f"children of {algo}"] > 5


@pytest.mark.slow
def test_the_rest_is_traded_in_the_closing_auction(tmp_path: Path) -> None:
    """A day that closes two minutes into the tape: on-close orders pass the gate before the cut-off, the venue fills
    them at the close, and the broker's books are ours.
    """
    (loaded,) = tables().sessions
    first = msgspec.structs.replace(
        loaded.table.sessions[0], close_ns=START_NS + 130 * NANO, moc_cutoff_ns=START_NS + 100 * NANO
    )
    table = msgspec.structs.replace(loaded.table, sessions=(first, *loaded.table.sessions[1:]))
    short = msgspec.structs.replace(tables(), sessions=(SessionsLoaded(table=table),))
    rig = Rig(Schedule(seed=7, algo="close"), tmp_path / "journal", reference=short)
    rig._start(ended="new", ts_ns=START_NS)
    rig._run_to(START_NS + 160 * NANO)
    orders = [order for order in rig.money.orders.values() if order.order_type == c.MOC]
    rig.runner.journal.close()
    assert orders
    assert all(order.state is State.FILLED for order in orders)
    assert all(first.moc_cutoff_ns - 6 * NANO <= order.sent_ts_ns <= first.moc_cutoff_ns for order in orders)
