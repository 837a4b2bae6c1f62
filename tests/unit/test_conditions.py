"""What broker and market lay down, inside a trader: questions of margin, the short-sale restriction, the market-wide
breaker, halts, day trades; each survives a crash and is made again by a replay.
"""

from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core.engine.conditions import WATCH_NS
from core.rows import PRINT
from core.units import NANO
from daemon.recovery import verify_replay
from daemon.status.rows import parent_row
from tests.fakes.live import CENT, DATE, SECOND, LiveWorld, opened

ASKS = "whatif_notional_min = 1_000\n"
INDEX = '[market]\nindex = "CCC"\n'


def trade(world: LiveWorld, inst: int, px: int, *, after_ns: int = SECOND) -> None:
    """A print, `after_ns` later."""
    world.clock.ts_ns += after_ns
    world.sink.row(world.clock.ts_ns, inst, PRINT, 0, px, 0, 100 * NANO, 0)


def asked(world: LiveWorld) -> list[c.AskWhatIf]:
    """Questions that left."""
    return [command for command in world.broker.sent if type(command) is c.AskWhatIf]


def answer(world: LiveWorld, question: c.AskWhatIf, **changes: Any) -> None:
    """The broker binds half of the value initially and a quarter for good."""
    value = question.limit_px_nanos * question.qty_nanos // NANO
    fields: dict[str, Any] = {
        "request_id": question.order_id,
        "inst": question.inst,
        "side": question.side,
        "qty_nanos": question.qty_nanos,
        "initial_margin_change_nanos": value // 2,
        "maintenance_margin_change_nanos": value // 4,
        "equity_with_loan_nanos": 1_000_000 * NANO,
        "initial_margin_after_nanos": value // 2,
    }
    world.tell(e.WhatIfAnswered(**fields | changes))


def alerts(world: LiveWorld) -> list[str]:
    """Codes of the alerts so far, oldest first."""
    return [alert.code for alert in world.runner.tally.last_alerts]


def verified(world: LiveWorld) -> None:
    """Replay makes every record of the journal again."""
    world.runner.flush()
    world.close()
    report = verify_replay(world.directory)
    assert report.ok, report.difference


def test_the_question_lies_on_a_tick(tmp_path: Path) -> None:
    """Also where the mid does not, a cent wide: the broker would refuse it, and no schedule would ever begin."""
    world = opened(tmp_path, more=ASKS)
    world.make_it_buy()
    (question,) = asked(world)
    bid = 20 * NANO - 5 * CENT
    assert world.runner.engine.market.mark_nanos(0) == bid + CENT // 2
    assert question.limit_px_nanos == bid + CENT
    verified(world)


def test_a_large_schedule_waits_for_the_broker_s_margin(tmp_path: Path) -> None:
    """Nothing of it leaves before the answer, which is the rate from then on: the next one asks nothing."""
    world = opened(tmp_path, more=ASKS)
    world.make_it_buy()
    (question,) = asked(world)
    assert (question.inst, question.side, question.qty_nanos) == (0, 1, 100 * NANO)
    (waiting,) = world.runner.money.live_parents.values()
    assert parent_row(waiting, ("AAA", "CCC")).state == "AWAITING_MARGIN"
    world.quote(0, 20 * NANO - 5 * CENT)
    assert not world.broker.orders()
    answer(world, question)
    (order,) = world.broker.orders()
    assert order.order_id > question.order_id
    rate = world.runner.money.conditions.rates[0, 1]
    assert (rate.initial_bp, rate.maintenance_bp) == (5_000, 2_500)
    world.fill(order, 20 * NANO)
    assert world.runner.engine.exposure.rated_initial
    world.quote(0, 21 * NANO)  # it sells again: closing asks nothing
    assert len(asked(world)) == 1
    verified(world)


def test_no_answer_refuses_and_the_next_question_waits_its_minute(tmp_path: Path) -> None:
    """Ten seconds; then the wish waits, is asked again after a minute, and trades when the broker answers."""
    world = opened(tmp_path, more=ASKS)
    world.make_it_buy()
    (first,) = asked(world)
    for _ in range(10):
        world.quote(0, 20 * NANO - 5 * CENT)
    assert "MARGIN_REFUSED" in alerts(world)
    assert len(asked(world)) == 1
    while len(asked(world)) < 2:
        world.quote(0, 20 * NANO - 5 * CENT)
    second = asked(world)[1]
    assert second.due_ns - first.due_ns >= 60 * SECOND
    assert not world.broker.orders()
    answer(world, first)  # too late: nobody waits for it
    assert not world.broker.orders()
    answer(world, second)
    assert world.broker.orders()
    verified(world)


@pytest.mark.parametrize("how", ["error", "short of equity"])
def test_the_broker_may_say_no(tmp_path: Path, how: str) -> None:
    """An error, or a margin above the equity: the schedule ends unsent and nothing is tried for a minute."""
    world = opened(tmp_path, more=ASKS)
    world.make_it_buy()
    (question,) = asked(world)
    if how == "error":
        world.tell(e.WhatIfRefused(request_id=question.order_id, code=201, text="no"))
    else:
        answer(world, question, initial_margin_after_nanos=1_000_001 * NANO)
    assert alerts(world)[-1] == "MARGIN_REFUSED"
    for _ in range(30):
        world.quote(0, 20 * NANO - 5 * CENT)
    assert not world.broker.orders()
    assert len(asked(world)) == 1
    assert not world.runner.money.live_parents
    verified(world)


def test_a_crash_while_it_waits_refuses_it(tmp_path: Path) -> None:
    """The books know that it waits; its answer went with the connection."""
    world = opened(tmp_path, more=ASKS)
    world.make_it_buy()
    world.runner.flush()
    world.close()
    recovered = world.recover()
    (parent,) = recovered.machine.engine.money.live_parents.values()
    assert parent.what_if_due_ns
    second = LiveWorld(world.config, world.tables, recovered=recovered, ts_ns=world.clock.ts_ns + 20 * SECOND)
    second.begin(ended="crash", epoch=2)
    second.ready(sync_id=2)
    second.quote(0, 20 * NANO - 5 * CENT)
    assert not second.runner.money.live_parents
    assert not second.broker.orders()
    assert alerts(second)[-1] == "MARGIN_REFUSED"
    second.close()


def test_a_fall_of_ten_per_cent_restricts_short_sales_for_two_days(tmp_path: Path) -> None:
    """By a print of regular hours; recorded, so that a restart and the day after know it."""
    world = opened(tmp_path)  # the close before is 20
    trade(world, 0, 18 * NANO + CENT)
    world.quote(0, 18 * NANO, after_ns=WATCH_NS)
    assert world.runner.money.conditions.short_until == [0, 0]
    trade(world, 0, 18 * NANO)
    world.quote(0, 19 * NANO, after_ns=WATCH_NS)
    assert world.runner.money.conditions.short_until == [DATE + 1, 0]
    assert alerts(world).count("SHORTS_RESTRICTED") == 1
    world.runner.flush()
    world.close()
    assert world.recover().machine.engine.money.conditions.short_until == [DATE + 1, 0]
    assert verify_replay(world.directory).ok


def test_the_index_proxy_trips_the_breaker(tmp_path: Path) -> None:
    """7 % for fifteen minutes, 13 % again, 20 % until the day rolls; one bad print trips nothing."""
    world = opened(tmp_path, more=INDEX)
    conditions = world.runner.money.conditions
    world.quote(1, 20 * NANO)
    trade(world, 1, 15 * NANO)  # a bad print: the quote does not follow
    world.alive(1, after_ns=WATCH_NS)
    assert conditions.index_level == 0
    for px, level, held in ((1_860, 1, 900), (1_740, 2, 900), (1_600, 3, 4 * 86_400)):
        world.quote(1, px * CENT, spread=CENT)
        trade(world, 1, px * CENT - CENT)
        world.quote(1, px * CENT - 2 * CENT, after_ns=WATCH_NS)
        world.alive(1)
        assert conditions.index_level == level
        assert conditions.index_until_ns >= world.clock.ts_ns + (held - 70) * SECOND
    assert alerts(world).count("MARKET_BREAKER") == 3
    world.make_it_buy()
    assert not world.broker.orders()
    assert "21 HALT_OR_BAND" in world.runner.tally.refusals
    world.tell(e.DayRolled(date=DATE + 1))
    assert (conditions.index_level, conditions.index_until_ns) == (0, 0)
    verified(world)


def test_a_halt_holds_everything_until_the_first_quote_after_it(tmp_path: Path) -> None:
    """The schedule freezes; the quote of before the halt is no price, and entries wait a minute more."""
    world = opened(tmp_path)
    world.quote(0, 20 * NANO)
    world.tell(e.HaltChanged(inst=0, halted=2))
    world.make_it_buy()
    assert not world.broker.orders()
    world.tell(e.HaltChanged(inst=0, halted=0))
    assert world.runner.engine.market.get(0, "blind")
    for _ in range(59):
        world.quote(0, 20 * NANO - 6 * CENT)
    assert not world.broker.orders()
    for _ in range(8):
        world.quote(0, 20 * NANO - 6 * CENT)
    assert world.broker.orders()
    assert set(world.runner.tally.refusals) == {"21 HALT_OR_BAND"}
    verified(world)


def test_day_trades_are_counted_and_told(tmp_path: Path) -> None:
    """Bought and sold on one day is one, however many executions; a warning from the third on."""
    world = opened(tmp_path, more='pattern_day_trader = "warn"\n')
    conditions = world.runner.money.conditions
    for number in range(3):
        for side in (1, -1):
            qty = 100 * NANO
            for part in range(2):
                world.clock.ts_ns += SECOND
                world.tell(
                    e.OrderFilled(
                        order_id=5_000 + 10 * number + side, exec_id=f"{number}.{side}.{part}", side=side,
                        qty_nanos=qty // 2, px_nanos=20 * NANO, inst=0,
                    )
                )  # fmt: skip
        assert conditions.day_trade_count() == number + 1
    assert alerts(world).count("DAY_TRADES") == 1
    world.tell(e.DayRolled(date=DATE + 1))
    assert conditions.day_trades == [(DATE, 3), (DATE + 1, 0)]
    verified(world)
