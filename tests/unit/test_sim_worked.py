"""How the simulated venue works an order that one of the broker's own algorithms was given."""

import pytest

from core.broker_algos import STRATEGIES
from core.commands import LMT, MKT
from core.errors import Bug
from core.events import OpenOrderReported, OrderCancelled, OrderFilled, OrderReplaced, ReplaceRejected
from core.ids import SELL
from core.moments import utc_text
from tests.fakes.sim_driver import Driver, Pairs, order
from tests.fakes.tape import Tape, at, cents


def quoted(bid: float = 1000, ask: float = 1001, size: float = 100) -> Driver:
    """A driver whose market stands one second after the open."""
    return Driver().play(Tape().quote(1, bid, ask, size, size))


def algo(name: str, end_s: float = 0, **tags: str) -> tuple[str, Pairs]:
    """An algorithm with its tags; `end_s` after the open is its end."""
    end = {"endTime": utc_text(at(end_s))} if end_s else {}
    return name, tuple((tags | end).items())


def filled(driver: Driver) -> list[tuple[float, float]]:
    """Moment in seconds and shares of each fill."""
    return [((ts_ns - at(0)) / 1e9, f.qty_nanos / 1e9) for ts_ns, f in driver.facts if isinstance(f, OrderFilled)]


def total(driver: Driver, until_s: float) -> float:
    """Shares filled by a moment."""
    driver.until(until_s)
    return sum(size for _, size in filled(driver))


def test_an_even_schedule_ends_on_time_and_exact() -> None:
    """A twap of a minute: never ahead of its time by more than a step, at the touch, all of it at the end."""
    driver = quoted().place(2, order(1, size=121, limit=1050, algo=algo("Twap", 62)))
    for second in range(3, 62):
        assert abs(total(driver, second) - 121 * (second - 2) / 60) <= 3 + 1
    assert total(driver, 62) == 121
    assert {f.px_nanos for f in driver.of(OrderFilled)} == {cents(1001)}, "the touch, not the limit"
    assert len({f.perm_id for f in driver.of(OrderFilled)}) == 1


def test_what_is_left_at_the_end_is_cancelled_unless_it_may_go_on() -> None:
    """The market stands beyond the limit until after the end."""
    beyond = Tape().quote(1, 1060, 1061, 100, 100)
    back = Tape().quote(70, 1000, 1001, 100, 100)
    stops = Driver().play(beyond).place(2, order(1, size=50, limit=1050, algo=algo("Twap", 62))).until(65).play(back)
    assert (total(stops, 90), [f.reason for f in stops.of(OrderCancelled)]) == (
        0,
        ["the time of its algorithm is over"],
    )
    on = algo("Twap", 62, allowPastEndTime="1")
    goes_on = Driver().play(beyond).place(2, order(1, size=50, limit=1050, algo=on)).until(65).play(back)
    assert (total(goes_on, 90), goes_on.of(OrderCancelled)) == (50, [])


def test_it_waits_for_its_start() -> None:
    """Nothing before, and the time counts from there."""
    name, tags = algo("Twap", 90)
    driver = quoted().place(2, order(1, size=60, limit=1050, algo=(name, (("startTime", utc_text(at(30))), *tags))))
    assert (total(driver, 29), total(driver, 90)) == (0, 60)


def test_haste_orders_the_schedules() -> None:
    """Half way, the one that gets done has the most, the one for the close the least."""
    done = {}
    for name, tags in (
        ("ArrivalPx", {"riskAversion": "Get Done"}), ("ArrivalPx", {"riskAversion": "Neutral"}),
        ("ArrivalPx", {"riskAversion": "Passive"}),
    ):  # fmt: skip
        driver = quoted().place(2, order(1, size=100, limit=1050, algo=algo(name, 102, **tags)))
        done[tags["riskAversion"]] = total(driver, 52)
    assert done["Get Done"] > done["Neutral"] > done["Passive"] >= 50
    late = quoted().place(2, order(1, size=100, limit=1050, algo=("ClosePx", ())))
    assert total(late, 3_600) < 100 * 3_600 / 23_400 < 100 == total(late, 23_399)


def prints(size: float, *, every_s: int, until_s: int, px: float = 1000) -> Tape:
    """Others trade at the bid."""
    tape = Tape()
    for second in range(3, until_s, every_s):
        tape = tape.print(second, px, size)
    return tape


@pytest.mark.parametrize(
    ("name", "tags", "expected"),
    [
        ("PctVol", {"pctVol": "0.2"}, 250),
        ("PctVolSz", {"startPctVol": "0.1", "endPctVol": "0.1"}, 111),
        ("PctVolPx", {"pctVol": "0.5"}, 1000),
        ("Vwap", {"maxPctVol": "0.2"}, 250),
    ],
)
def test_a_part_of_the_volume_is_a_part_of_all_of_it(name: str, tags: dict[str, str], expected: int) -> None:
    """1,000 shares of others: a fifth of the total is 250 of ours, half of it 1,000."""
    driver = quoted(size=5_000).place(2, order(1, size=1_500, limit=1050, algo=algo(name, 200, **tags)))
    driver.play(prints(100, every_s=10, until_s=103)).until(150)
    assert abs(total(driver, 150) - expected) <= 100 * expected // 1000 + 1


def test_a_patient_algorithm_never_pays_the_spread() -> None:
    """It trades when others sell at its own side, as a maker; quotes alone give it nothing."""
    patient = algo("Vwap", 200, noTakeLiq="1")
    driver = quoted().place(2, order(1, size=60, limit=1050, algo=patient)).until(100)
    assert not filled(driver)
    driver.play(Tape().print(101, 1001, 500).print(102, 1000, 500))
    assert {(f.px_nanos, f.liquidity) for f in driver.until(110).of(OrderFilled)} == {(cents(1000), 1)}


def test_parts_of_a_size_at_a_time() -> None:
    """AD: so many shares each so many seconds; an iceberg: what it shows."""
    parts = algo("AD", componentSize="10", timeBetweenOrders="30")
    driver = quoted().place(2, order(1, size=35, limit=1050, algo=parts)).until(120)
    assert [(round(when), size) for when, size in filled(driver)] == [(2, 10), (32, 10), (62, 10), (92, 5)]
    shown = quoted().place(2, order(1, size=90, limit=1050, algo=algo("DarkIce", displaySize="40"))).until(60)
    assert [size for _, size in filled(shown)] == [40, 40, 10]


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("kind", [LMT, MKT])
def test_every_one_of_them_trades_within_its_limit_and_ends_exactly(name: str, kind: int) -> None:
    """To the close, with others trading: the order's total, no fill beyond the limit, and its parts are unseen."""
    limit = 995 if kind == LMT else 0
    driver = quoted(size=1_000).place(2, order(1, side=SELL, kind=kind, size=777, limit=limit, algo=(name, ())))
    driver.play(prints(500, every_s=60, until_s=23_399))
    driver.until(23_400)
    assert sum(size for _, size in filled(driver)) == 777
    assert all(f.px_nanos >= cents(995) for f in driver.of(OrderFilled))
    assert list(driver.exchange._venue.state.orders) == [driver.of(OrderFilled)[0].perm_id]


def test_it_is_modified_and_cancelled_like_any_order() -> None:
    """Size and price change under way; a cancel ends it, and nothing of it comes after."""
    twap = algo("Twap", 122)
    driver = quoted().place(2, order(1, size=100, limit=1050, algo=twap)).until(62)
    before = sum(size for _, size in filled(driver))
    assert 40 <= before <= 60
    driver.replace(62, order(1, size=80, limit=1040, version=1, algo=twap)).until(63)
    assert driver.of(OrderReplaced)
    assert not driver.of(ReplaceRejected)
    driver.cancel(64, 1).until(70)
    done = total(driver, 70)
    assert driver.of(OrderCancelled)
    assert total(driver, 200) == done < 80


def test_a_halt_of_the_exchange_holds_it_up() -> None:
    """Nothing meanwhile; what became due is taken afterwards."""
    driver = quoted().place(2, order(1, size=60, limit=1050, algo=algo("Twap", 62))).until(10)
    driver.exchange.on_halt(0, True, at(10))
    before = total(driver, 40)
    assert before <= 10
    driver.exchange.on_halt(0, False, at(40))
    assert total(driver, 42) >= 38


def test_a_listing_names_the_algorithm_and_a_restored_venue_goes_on() -> None:
    """Bit for bit where the snapshot was taken, in the middle of its schedule."""
    twap = algo("Twap", 62)
    driver = quoted().place(2, order(1, size=60, limit=1050, algo=twap)).until(20).sync(20).until(21)
    (shown,) = driver.of(OpenOrderReported)
    assert (shown.broker_algo, shown.broker_params) == twap
    driver.restart()
    through = quoted().place(2, order(1, size=60, limit=1050, algo=twap)).until(20).sync(20)
    assert driver.until(90).encoded() == through.until(90).encoded()
    assert total(driver, 90) == 60


def test_a_time_that_is_none_is_a_bug_of_the_sender() -> None:
    """In one process nobody but us writes the tags."""
    with pytest.raises(Bug, match="endTime is 'noon'"):
        quoted().place(2, order(1, size=1, limit=1050, algo=("Twap", (("endTime", "noon"),))))
