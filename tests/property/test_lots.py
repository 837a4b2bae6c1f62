"""Lots beside average cost: the same flows, another time of the profit; nothing is lost to rounding; bounded."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from core.positions import LOTS_MAX, Lot, Position
from core.units import NANO

TRADES = st.lists(
    st.tuples(st.sampled_from((1, -1)), st.integers(1, 5_000_000_000), st.integers(1, 10**15)), min_size=1, max_size=60
)


def told(trades: list[tuple[int, int, int]]) -> tuple[Position, int]:
    """A position after these trades, and what was spent on them."""
    position, spent = Position(strategy="a", inst=0), 0
    for seq, (side, qty, value) in enumerate(trades, start=1):
        position.book(side, qty, value, seq=seq)
        spent += side * value
    return position, spent


def assert_sums(position: Position, spent: int) -> None:
    """Both ways of counting explain every nano; lots are of one sign and together the position."""
    assert position.cost_nanos - position.realised_nanos == spent
    assert position.lots_cost_nanos - position.realised_fifo_nanos == spent
    assert sum(lot.qty_nanos for lot in position.lots) == position.qty_nanos
    assert len({lot.qty_nanos > 0 for lot in position.lots}) <= 1
    assert all(lot.qty_nanos for lot in position.lots)


@given(TRADES)
def test_both_ways_realise_the_same_when_all_is_closed(trades: list[tuple[int, int, int]]) -> None:
    """Open they may differ; flat they are equal, to the nano."""
    position, spent = told(trades)
    assert_sums(position, spent)
    held = position.qty_nanos
    if held:
        side = -1 if held > 0 else 1
        position.book(side, abs(held), 12_345_678_901)
        spent += side * 12_345_678_901
    assert_sums(position, spent)
    assert position.lots == []
    assert position.realised_fifo_nanos == position.realised_nanos == -spent


@given(TRADES, st.data())
def test_a_trade_taken_back_leaves_every_sum(trades: list[tuple[int, int, int]], data: st.DataObject) -> None:
    """Any of them, open or closed; the newest as if it had never been, where it opened."""
    position, spent = told(trades)
    at = data.draw(st.integers(0, len(trades) - 1))
    side, qty, value = trades[at]
    position.book(-side, qty, value, seq=at + 1, undo=True)
    assert_sums(position, spent - side * value)
    before, _ = told(trades[:-1])
    side, qty, value = trades[-1]
    if before.qty_nanos * side >= 0:
        last, _ = told(trades)
        last.book(-side, qty, value, seq=len(trades), undo=True)
        assert (last.lots, last.realised_fifo_nanos) == (before.lots, before.realised_fifo_nanos)


@given(TRADES, st.integers(1, 20), st.integers(1, 20))
def test_a_split_moves_no_money(trades: list[tuple[int, int, int]], num: int, den: int) -> None:
    """Quantities change, sums stay; a position that vanishes has realised its cost."""
    position, spent = told(trades)
    size = abs(position.qty_nanos) * num // den
    position.split(size if position.qty_nanos >= 0 else -size)
    assert_sums(position, spent)
    assert position.qty_nanos or not position.cost_nanos


@given(TRADES)
def test_a_position_of_an_earlier_release_is_one_lot(trades: list[tuple[int, int, int]]) -> None:
    """It kept no lots: what is open is taken at its average, what was realised stays."""
    position, spent = told(trades)
    fields = msgspec.structs.asdict(position)
    del fields["lots"], fields["realised_fifo_nanos"]
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(fields), type=Position)
    assert_sums(old, spent)
    assert len(old.lots) <= 1
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(position), type=Position) == position


def test_first_in_is_first_out_and_lots_are_bounded() -> None:
    """A worked example; and beyond the bound the newest two are one."""
    position = Position(strategy="a", inst=0)
    for seq, (side, shares, px) in enumerate(((1, 100, 10), (1, 100, 12), (-1, 150, 13)), start=1):
        position.book(side, shares * NANO, shares * px * NANO, seq=seq)
    assert position.realised_nanos == 150 * 13 * NANO - 150 * 11 * NANO
    assert position.realised_fifo_nanos == 150 * 13 * NANO - (1_000 + 600) * NANO
    assert position.lots == [Lot(50 * NANO, 600 * NANO, 2)]
    for seq in range(4, LOTS_MAX + 20):
        position.book(1, NANO, seq * NANO, seq=seq)
    assert len(position.lots) == LOTS_MAX
    assert position.lots[0] == Lot(50 * NANO, 600 * NANO, 2)
    assert sum(lot.qty_nanos for lot in position.lots) == position.qty_nanos
