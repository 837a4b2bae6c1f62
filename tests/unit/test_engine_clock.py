"""The engine's deadlines: a kill is chased until it is verified, whatever was killed after it."""

from types import SimpleNamespace
from typing import Any

import pytest

from core.engine import clock
from core.engine.deadlines import NEVER, Deadlines
from core.latches import STRATEGY, SYMBOL
from core.limit_changes import LimitChanges
from core.money.kills import Kill
from core.money.state import DOWN


def a_kill(level: int, *, verified_ns: int) -> Kill:
    """One kill of one scope."""
    return Kill(level=level, scope="x", since_ns=1, reason="r", by="me", verified_ns=verified_ns)


@pytest.mark.parametrize(
    ("first", "second", "armed"), [(0, 0, True), (0, 5, True), (5, 0, True), (5, 5, False)], ids=str
)
def test_any_unverified_kill_is_chased(first: int, second: int, armed: bool) -> None:
    """Also one that is not the newest."""
    kills = [a_kill(SYMBOL, verified_ns=first), a_kill(STRATEGY, verified_ns=second)]
    money = SimpleNamespace(kills=kills, live_orders={}, live_parents={}, link=DOWN, limit_changes=LimitChanges())
    engine: Any = SimpleNamespace(
        money=money,
        retry={},
        ts_ns=100,
        exposure=SimpleNamespace(gross=0, unmarked=0, strategy_gross={}),
        settings=SimpleNamespace(kill_retry_ns=7, risk_interval_ns=0, link_alert_ns=0),
        monitor=SimpleNamespace(waits=False),
        timers=Deadlines(),
    )
    clock.rearm(engine)
    assert engine.timers.kill_ns == (107 if armed else NEVER)
