"""The Knight replay: fill feedback cut, strategy-level checks off. Controls 10, 11, 12 and 33 each stop it alone.

2012-08-01 (SEC release 34-70694): 212 parent orders, over 4 million child orders, 154 stocks, 397 million shares, 45
minutes, over 460 million dollars lost, a penalty of 12 million. See tests/simulation/knight.py.
"""

from typing import Any, Final

import msgspec
import pytest

from core import events as e
from core.latches import ACCOUNT, HALTED, STRATEGY
from core.money.snapshot import dump, load
from risk.limits import AccountLimits
from tests.simulation import knight
from tests.simulation.knight import OPEN, SHARES, SLICES, Accident

TOLERANCE: Final = 1.0  # shares sent <= parent quantity x (1 + tolerance): control 11 allows 1.5 x 10 + 5 tenths


def with_only(**limits: Any) -> AccountLimits:
    """All wide open but these."""
    return msgspec.structs.replace(OPEN, **limits)


# The control's own latch, or "" where it only refuses.
ALONE: Final[dict[int, tuple[AccountLimits, float, str, str]]] = {
    10: (with_only(quantity_hour_max=2 * SHARES), 86_400.0, "VALUE_WINDOW", ""),
    11: (with_only(children_slices_bp_max=15_000, children_extra_max=5), 86_400.0, "REPEATED_EXECUTION",
         "REPEATED_EXECUTION"),
    12: (with_only(duplicate_window_seconds=5, duplicate_refusals_max=20), 86_400.0, "DUPLICATE_ORDER",
         "DUPLICATE_ORDER"),
    33: (OPEN, 2.0, "", "RECONCILE"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("control", ALONE)
def test_one_control_alone_stops_it(control: int) -> None:
    """Ten minutes with three of the four wide open: at most twice the parent's shares leave."""
    limits, reconcile_s, refused, latch = ALONE[control]
    accident = Accident(limits, reconcile_s=reconcile_s)
    accident.run()
    assert SHARES / 2 < accident.sent <= SHARES * (1 + TOLERANCE), accident.sent
    assert accident.cut.shares == accident.sent, "what left was filled, and nobody knew"
    if refused:
        assert accident.refusals.get(refused), accident.refusals
        assert set(accident.refusals) <= {refused, "LADDER_STATE", "FAIL_CLOSED"}, "another control helped"
    held = [x.code for x in accident.engine.money.latches.held() if x.state == HALTED]
    assert held == ([latch] if latch else []), accident.alerts


def test_nothing_else_would_have() -> None:
    """With all four wide open it goes on: the world of this test has no other brake."""
    accident = Accident(OPEN)
    accident.run(60)
    assert accident.sent > 10 * SHARES
    assert not accident.refusals


@pytest.mark.parametrize("control", [11, 12])
def test_only_a_person_lets_it_go_on(control: int) -> None:
    """The latch outlives day roll and restart and no wider scope lifts it; a resume by name starts the counts anew."""
    limits, _, _, latch = ALONE[control]
    accident = Accident(limits)
    accident.run(120)
    engine = accident.engine
    money = engine.money
    ts_ns = engine.ts_ns + 1
    assert not money.ledger.book_of(knight.STRATEGY).enabled
    accident.step(e.DayRolled(date=money.trading_date + 1), ts_ns)
    accident.step(e.OperatorResumed(level=ACCOUNT, scope="", reason="all well", operator="ann"), ts_ns)
    refused = engine.reply
    assert refused[0] is False, "an account's resume is no word about one strategy"
    restored = load(money.settings, dump(money))
    assert dump(restored) == dump(money)
    assert [x.code for x in restored.latches.held(STRATEGY, knight.STRATEGY)] == [latch]
    before = accident.sent
    accident.step(e.OperatorResumed(level=STRATEGY, scope=knight.STRATEGY, reason="mended", operator="ann"), ts_ns)
    answer: tuple[bool, str] = engine.reply
    assert answer[0], answer
    assert money.ledger.book_of(knight.STRATEGY).enabled
    assert money.counters.tally(knight.STRATEGY).duplicates_day == 0
    parent = next(iter(money.live_parents.values()))
    assert parent.sent <= 1
    accident.run(5)
    assert accident.sent > before, f"{SLICES} more may leave"
