"""The terms that every schedule of ours has, in whole runs: start and end on a half day, limit price, sizes of
children, participation, and what happens to a rest that need not be traded.
"""

from pathlib import Path
from typing import Any, Final

import pytest

from core import commands as c
from core.parents import ParentState
from core.rows import QUOTE
from core.units import NANO
from tests.simulation.one_schedule import CLOSE_S, END_S, JUMP_S, PLANS, QTY, OneSchedule, short_day
from tests.simulation.troubles import ORDERS, check_report, check_total, side_of
from tests.simulation.world import START_NS

OURS: Final = [name for name in PLANS if not name.startswith(("ib_", "resting"))]  # those with slices
OPEN_BEFORE_S: Final = 600  # the session opened so long before the tape
START_S: Final = 25
BEFORE_CLOSE_S: Final = 10
LIMIT_BP: Final = 2.0
LOTS_MIN: Final = 20
LOTS_MAX: Final = 120
PART: Final = 0.1
OPEN_S: Final = 30
AUCTION_S: Final = 40  # the opening auction is late: no quote from just before the open until then

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("algo", OURS)
def test_start_end_limit_and_sizes_on_a_half_day(algo: str, tmp_path: Path) -> None:
    """It begins after the open and so long, ends before this day's close, pays no more than its limit, and sends no
    child larger or smaller than it may; after the close nothing of it is left.
    """
    auction = algo == "close"
    terms: dict[str, Any] = {"duration_s": 2_000, "after_open_s": OPEN_BEFORE_S + START_S, "limit_bp": LIMIT_BP}
    rig = OneSchedule(
        algo, tmp_path / "journal", side=side_of(algo), reference=short_day(),
        execution={"child_lots_min": LOTS_MIN, "child_lots_max": LOTS_MAX},
        before_close_s=0 if auction else BEFORE_CLOSE_S, **terms,
    ).run()  # fmt: skip
    first, end_s = rig.first, CLOSE_S if auction else CLOSE_S - BEFORE_CLOSE_S
    assert first.start_ts_ns == START_NS + START_S * NANO
    planned_s = (first.end_ts_ns - START_NS) / NANO
    assert planned_s == end_s or (algo == "auto" and planned_s < end_s)  # it chooses among shorter ones
    orders = rig.sent(0, END_S, *ORDERS)
    assert orders
    assert orders[0].at_s >= START_S
    assert orders[-1].at_s < CLOSE_S
    assert not rig.money.live_orders
    for left in orders:
        intent = left.command.order.intent
        mine = rig.money.parents[intent.parent_id]
        assert (intent.limit_px_nanos - mine.limit_px_nanos) * intent.side <= 0, f"beyond the limit: {left}"
        if intent.order_type == c.LOC:
            continue  # all that is left is for the auction
        assert left.open_nanos <= LOTS_MAX * NANO, f"too large: {left}"
        last = mine.qty_nanos - left.filled_nanos <= LOTS_MAX * NANO
        late = left.at_s > (mine.end_ts_ns - START_NS) / NANO * 11 / 12
        new = isinstance(left.command, c.PlaceOrder)
        assert left.open_nanos >= LOTS_MIN * NANO or last or late or not new, f"too small: {left}"
    for execution in rig.exchange.account.state.executions.values():
        assert (execution.px_nanos - first.limit_px_nanos) * execution.side <= 0 or len(rig.parents) > 1
    check_total(rig)
    check_report(rig)


@pytest.mark.parametrize("algo", PLANS)
def test_the_opening_auction_is_waited_for(algo: str, tmp_path: Path) -> None:
    """The price that the strategy wants is there before the open, and the auction comes late: until the first quote of
    regular hours no schedule begins and nothing leaves, and nothing is sent for the auction; then it trades as ever.
    """
    rig = OneSchedule(
        algo, tmp_path / "journal", side=side_of(algo), silent=(OPEN_S - 2, AUCTION_S),
        reference=short_day(open_s=OPEN_S, close_s=CLOSE_S if algo == "close" else 10 * END_S),
    ).run()  # fmt: skip
    rows = (rig.rows["ts_ns"] - START_NS) / NANO
    assert ((rows > JUMP_S) & (rows < OPEN_S - 2)).any(), "the strategy could have seen the price before the open"
    first_s = float(rows[(rig.rows["kind"] == QUOTE) & (rows >= OPEN_S)][0])
    assert first_s >= AUCTION_S
    assert (rig.first.start_ts_ns - START_NS) / NANO >= first_s
    orders = rig.sent(-1, END_S, *ORDERS)
    assert orders
    assert orders[0].at_s >= first_s
    assert all(left.command.order.intent.tif != c.OPG for left in orders)
    assert rig.executed(0, first_s) == 0 < rig.executed(first_s, END_S)
    check_total(rig)
    check_report(rig)


@pytest.mark.parametrize("algo", OURS)
def test_a_capped_schedule_that_need_not_complete_ends_with_a_rest(algo: str, tmp_path: Path) -> None:
    """It is never more than its part of all that trades from its start on, its own fills taken out; its rest is given
    up, and its target opens no other schedule.
    """
    rig = OneSchedule(algo, tmp_path / "journal", side=side_of(algo), participation=PART, must_complete=False)
    rig.run(until_s=END_S - 1)
    for left in rig.sent(0, END_S, *ORDERS):
        if left.command.order.intent.order_type == c.MOC:
            continue  # the cap does not bind what is for the auction
        assert (left.filled_nanos + left.open_nanos) * 9 <= left.others_nanos, f"more than a tenth of the total: {left}"
    assert len(rig.parents) == 1
    if algo != "close":  # its auction takes what the cap left
        assert rig.first.state is ParentState.EXPIRED
        assert rig.first.filled_nanos < QTY // 2
        assert rig.money.ledger.book_of("alpha").given_up == {0: rig.first.parent_id}
    check_total(rig)
    check_report(rig)
