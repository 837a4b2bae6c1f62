"""What the venue of a trader in this process says in a broker's place: borrow, time, margins."""

import pytest

from broker.sim.config import VenueConfig
from broker.sim.told import BORROW_TOLD_NS, CLOCK_TOLD_NS
from core.commands import AskWhatIf
from core.errors import ConfigError
from core.events import ClockOffsetMeasured, ShortableChanged, WhatIfAnswered
from core.ids import BUY, SELL, Side
from core.units import NANO
from tests.fakes.sim_driver import PLAIN, Driver, order
from tests.fakes.tape import Tape, at, cents, shares


def driver(**changes: object) -> Driver:
    """A market of 10.00 / 10.01, one second after the open."""
    plain = {name: getattr(PLAIN, name) for name in PLAIN.__struct_fields__}
    return Driver(config=VenueConfig(**plain | changes)).play(Tape().quote(1, 1000, 1001))


def question(number: int, side: Side, size: int) -> AskWhatIf:
    """What an order would bind."""
    return AskWhatIf(
        order_id=number, parent_id=1, inst=0, side=side, qty_nanos=shares(size), limit_px_nanos=cents(1000), due_ns=0
    )


@pytest.mark.parametrize(("borrow", "level", "count"), [("easy", 3_000, -1), ("locate", 2_000, -1), ("none", 1_000, 0)])
def test_borrow_and_time_from_the_session_on(borrow: str, level: int, count: int) -> None:
    """Nothing before; then borrow at once and some times a day, the time every few minutes."""
    venue = driver(borrow=borrow)
    assert venue.until(3_600).facts == []
    venue.exchange.session_ready(at(3_600))
    venue.until(3_600)
    told = venue.of(ShortableChanged)
    assert [(fact.inst, fact.level_milli, fact.shares_nanos) for fact in told] == [(0, level, count), (1, level, count)]
    venue.until(3_600 + 86_400)
    assert len(venue.of(ShortableChanged)) == 2 * (1 + 86_400 * NANO // BORROW_TOLD_NS)
    assert len(venue.of(ClockOffsetMeasured)) == 1 + 86_400 * NANO // CLOCK_TOLD_NS
    assert {fact.offset_ns for fact in venue.of(ClockOffsetMeasured)} == {0}


def test_a_restart_goes_on_telling() -> None:
    """The next time is in the venue's own agenda; one left by a release that told nothing tells nothing by itself."""
    venue = driver()
    venue.restart()
    told = [venue.exchange.tells]
    venue.exchange.session_ready(at(10))
    venue.until(10)
    venue.restart()
    assert [*told, venue.exchange.tells] == [False, True]
    before = len(venue.of(ClockOffsetMeasured))
    venue.until(10 + CLOCK_TOLD_NS / NANO)
    assert len(venue.of(ClockOffsetMeasured)) == before + 1


def test_margins_of_a_question() -> None:
    """Half long and half short beyond the proceeds; a sale that closes frees; an answer takes both ways' time."""
    venue = driver()
    venue.exchange.submit(question(1, BUY, 100), ts_ns=at(2))
    venue.until(2.001).until(2.0015)
    assert not venue.of(WhatIfAnswered)
    (first,) = venue.until(2.003).of(WhatIfAnswered)
    mark = cents(1000.5)
    assert (first.request_id, first.side, first.qty_nanos) == (1, BUY, shares(100))
    assert (first.initial_margin_change_nanos, first.maintenance_margin_change_nanos) == (mark * 50, mark * 25)
    assert first.initial_margin_after_nanos == first.initial_margin_change_nanos
    assert first.equity_with_loan_nanos == 1_000_000 * NANO
    venue.place(3, order(2, limit=1001))
    venue.exchange.submit(question(3, SELL, 100), ts_ns=at(4))
    closes = venue.until(5).of(WhatIfAnswered)[1]
    assert (closes.initial_margin_change_nanos, closes.initial_margin_after_nanos) == (-mark * 50, 0)
    venue.exchange.submit(question(4, SELL, 300), ts_ns=at(6))
    short = venue.until(7).of(WhatIfAnswered)[2]
    assert (short.initial_margin_change_nanos, short.maintenance_margin_after_nanos) == (mark * 50, mark * 60)


def test_bad_percentages_are_refused() -> None:
    """A margin above ten times the value is a slip."""
    with pytest.raises(ConfigError, match=r"venue\.initial_long_percent"):
        VenueConfig(initial_long_percent=1_001)
