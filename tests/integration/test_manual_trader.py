"""Orders by hand of a whole trader at the paper gateway over a socket: a bracket ends at the broker, a group of
two fills once, and the day replays.
"""

from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core.manual import MANUAL
from core.orders import State
from core.units import NANO
from daemon.recovery import verify_replay
from tests.fakes import operators
from tests.fakes.pair import Pair, install, run

pytestmark = pytest.mark.slow
CENT = NANO // 100


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feed and tables without processes of their own."""
    install(monkeypatch)


def ask(pair: Pair, command: str, **fields: Any) -> Any:
    """One signed request to the trader's own control server."""
    answer = operators.ask(pair.trader.control, command, **fields)
    assert answer["ok"], answer
    return answer["result"]


def px(pair: Pair, cents_away: int) -> str:
    """A price so far from the mid, on the tick."""
    mid = pair.trader.active_runner.engine.market.mark_nanos(0)
    return f"{(mid // CENT + cents_away) / 100:.2f}"


async def trading(pair: Pair) -> None:
    """Gateway and trader are up, and the market is there."""
    await pair.start_gateway()
    await pair.start_trader()
    engine = pair.trader.active_runner.engine
    await pair.until(lambda: not engine.gate.blockers(0, "reversion", engine.ts_ns) and engine.market.mark_nanos(0) > 0)


def test_a_bracket_and_a_group_end_to_end(tmp_path: Path) -> None:
    """Both legs stand at the gateway in one group until the market meets one; of two buys in a group one is filled."""

    async def story(pair: Pair) -> None:
        await trading(pair)
        bracket = {"take_profit": px(pair, 4), "stop": px(pair, -4)}
        ask(pair, "order", side="buy", symbol="AAA", qty="300", algo="immediate", reason="a view", **bracket)
        money = pair.money
        await pair.until(lambda: money.ledger.held_nanos(MANUAL, 0) != 0)
        legs = [order for order in pair.orders() if order.bracket == 1]
        assert {order.order_type for order in legs} == {c.STP, c.LMT}
        await pair.until(lambda: money.manual[1].over != "" and not money.live_orders)
        assert (money.manual[1].over, money.manual[1].filled_nanos) == ("closed", money.manual[1].closed_nanos)
        for group in {order.oca_group for order in pair.orders() if order.bracket}:
            records = [record for record in pair.records() if record.oca_group == group]
            assert {record.oca_type for record in records} == {c.OCA_REDUCE_WITH_BLOCK}
            both = [order for order in pair.orders() if order.oca_group == group]
            assert sum(order.filled_nanos for order in both) <= max(order.qty_nanos for order in both)
        await pair.until(pair.same_books)
        assert pair.holdings[0] == 0
        for away in (-3, -5):
            ask(pair, "order", side="buy", symbol="AAA", qty="200", limit=px(pair, away), oca="dip", reason="either")
        await pair.until(lambda: not money.live_orders and not money.live_parents)
        await pair.until(pair.same_books)
        assert pair.holdings[0] == 200 * NANO
        grouped = [order for order in pair.orders() if order.oca_group == "q-du1-dip"]
        assert {order.state for order in grouped} <= {State.FILLED, State.CANCELLED}
        ask(pair, "flatten", reason="done", strategy=MANUAL)
        await pair.until(lambda: pair.holdings[0] == 0 and not money.live_orders)
        await pair.until(pair.same_books)
        await pair.stop_trader()

    run(tmp_path, story, enter_z=50.0, seed=3)
    assert verify_replay(tmp_path / "journal").difference == ""
