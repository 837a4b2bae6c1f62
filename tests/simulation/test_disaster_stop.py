"""The disaster stop at the simulated venue: it rests there, and a print through it sells what is held."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from core import commands as c
from core import events as e
from core.latches import ACCOUNT, HALTED, SYMBOL
from core.orders import Order, State
from core.rows import PRINT, QUOTE, ROW
from core.units import NANO
from daemon.config import Config, parse_config
from daemon.journal import JournalWriter
from daemon.machine import SESSION_READY
from daemon.riskworker.asking import MeasuredHere
from daemon.runner import Rolls, Runner
from daemon.status.build import Tally
from tests.fakes.operators import ONE_PERSON
from tests.simulation.world import CENT, DATE, START_NS, SYMBOLS, base_config, new_machine, tables

HELD: Final = 100 * NANO
_CONFIG: Final = (
    """
[account]
id = "DU0000001"
tag = "sim"
start_cash = 1_000_000
[feed]
kind = "synthetic"
[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
[strategies.alpha]
kind = "meanrev"
symbols = ["AAA"]
params = { half_life_s = 60, enter_z = 0.5, leave_z = 0.1, position_shares = 100, cadence_s = 0.01, warm_up_s = 0, \
quotes_min = 2 }
execution = { algo = "immediate" }
"""
    + ONE_PERSON
    + """
[limits.account]
disaster_stop_bp = 500
day_loss_hard_bp = 9_000
day_loss_soft_bp = 9_000
"""
)


class Market:
    """A trader and its venue, shown one quote a second."""

    def __init__(self, folder: Path) -> None:
        config: Config = parse_config(_CONFIG, file="stop", folder=folder)
        config = msgspec.structs.replace(config, instruments=base_config().instruments)
        machine = new_machine(config)
        machine.measurer = MeasuredHere(config, tables())
        self.journal = JournalWriter(folder, now_ns=START_NS, segment_bytes=256 << 10, reserve_bytes=0)
        self.runner = Runner(machine, self.journal, Tally(SYMBOLS), roll=Rolls(()))
        self.money = machine.engine.money
        self.exchange: Any = machine.exchange
        self.ts_ns = START_NS
        started = e.TraderStarted(
            epoch=1, mode="replay", ended="new", after_crash="as_latched", guard_fired=False, changed="",
            venue_in_process=True,
        )  # fmt: skip
        for event in (started, e.DayRolled(date=DATE), e.LinkRestored(reason=SESSION_READY)):
            self.runner.step(event, START_NS)

    def show(self, cents: int, seconds: int = 1) -> None:
        """A quote and a print at its bid, and a second for what follows from them; so many times."""
        for _ in range(seconds):
            self.ts_ns += NANO
            rows = np.zeros(2, ROW)
            bid, size = cents * CENT, 10_000 * NANO
            rows[0] = (self.ts_ns, self.ts_ns, 0, QUOTE, 0, bid, bid + CENT, size, size)
            rows[1] = (self.ts_ns, self.ts_ns, 0, PRINT, 0, bid, 0, size, 0)
            self.runner.run_batch(rows, 0, 2)
            self.runner.advance_to(self.ts_ns + NANO - 1)

    def stops(self) -> list[Order]:
        """All that were sent."""
        return [order for order in self.money.orders.values() if order.purpose == c.INTENT_DISASTER]

    def resting(self) -> list[int]:
        """What the venue holds of ours."""
        return [order.order_id for order in self.exchange._venue.state.orders.values() if not order.done]

    def operate(self, event: Any) -> None:
        """An operator's command."""
        self.runner.step(event, self.ts_ns)


@contextmanager
def holding(folder: Path) -> Iterator[Market]:
    """A bought position and its stop at the venue."""
    market = Market(folder)
    market.show(2_000, 2)
    market.show(1_995, 4)
    assert market.money.ledger.holdings[0] == HELD
    (stop,) = market.stops()
    assert (stop.state, stop.reduce_only) == (State.WORKING, True)
    assert market.resting() == [stop.order_id]
    yield market
    market.runner.engine.assert_invariants()
    market.journal.close()


def test_a_print_through_it_sells_halts_and_is_told(tmp_path: Path) -> None:
    """It rests above the print, is filled below it; the symbol is halted, flat, with nothing left at the venue."""
    with holding(tmp_path) as market:
        (stop,) = market.stops()
        market.show(1_900)
        assert stop.state is State.WORKING
        market.show(1_800, 15)
        money = market.money
        assert (stop.state, money.ledger.holdings[0]) == (State.FILLED, 0)
        assert [(x.level, x.scope, x.code, x.state) for x in money.latches.held()] == [
            (SYMBOL, "AAA", "DISASTER_STOP", HALTED)
        ]
        assert money.alerts["DISASTER_STOP"].severity == "critical"
        assert len(market.stops()) == 1
        assert not market.resting()


def test_a_kill_empties_the_venue_and_a_resume_protects_again(tmp_path: Path) -> None:
    """Verified at the venue with the stop gone; the next one stands after the resume."""
    with holding(tmp_path) as market:
        market.operate(e.OperatorKilled(level=ACCOUNT, scope="", reason="drill", operator="ann"))
        market.show(1_995, 5)
        assert market.money.kills[0].verified_ns
        assert not market.resting()
        market.operate(e.OperatorResumed(level=ACCOUNT, scope="", reason="over", operator="ann"))
        assert market.runner.engine.reply[0], market.runner.engine.reply
        market.show(1_995, 12)
        assert market.resting() == [market.stops()[-1].order_id]
        assert len(market.stops()) == 2


def test_a_flatten_closes_beside_nothing(tmp_path: Path) -> None:
    """The stop goes, the position is closed, and the venue is empty."""
    with holding(tmp_path) as market:
        market.operate(e.OperatorFlattened(level=SYMBOL, scope="AAA", reason="out", operator="ann"))
        market.show(1_995, 20)
        assert market.money.ledger.holdings[0] == 0
        assert [stop.state for stop in market.stops()] == [State.CANCELLED]
        assert not market.resting()
