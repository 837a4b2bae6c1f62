"""Any sequence of splits: each share is a share or cash in lieu, no cost is made or lost, the books are the account."""

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.corporate import Terms, explains, in_new_shares, share_out, split_total
from core.ledger import Execution, Ledger
from core.units import NANO, notional_nanos, share_of

BOOKS = ("alpha", "beta", "")
RATIO = st.tuples(st.integers(1, 40), st.integers(1, 40)).filter(lambda ratio: ratio[0] != ratio[1])
TRADE = st.tuples(
    st.sampled_from(BOOKS), st.sampled_from((1, -1)), st.integers(1, 5_000).map(lambda n: n * NANO),
    st.integers(10**7, 10**12),
)  # fmt: skip
TURNS = st.lists(st.one_of(TRADE, RATIO), min_size=1, max_size=25)


def carried_out(ledger: Ledger, num: int, den: int) -> int:
    """One split of everything, as the engine does it; the account's quantity before it."""
    held = ledger.holdings[0]
    books = tuple((p.strategy, p.qty_nanos) for p in ledger.positions.values() if p.qty_nanos)
    total = split_total(held, num=num, den=den)
    after = share_out(books, total, num=num, den=den)
    assert sum(part for _, part in after) == total or not books
    ledger.split(0, after, num=num, den=den)
    return held


@settings(max_examples=50)
@given(TURNS)
@example([("alpha", 1, 105 * NANO, 10**9), ("beta", -1, 3 * NANO, 10**9), (1, 10), (10, 1)])
def test_no_share_no_cost_and_no_cash_is_lost(turns: list[tuple[object, ...]]) -> None:
    """What is not a share of the new ones is a fraction of less than one, for cash; cost stays to the last nano."""
    ledger = Ledger(instruments=1, currency="USD", start_cash_nanos=10**18, strategies=BOOKS[:2])
    for seq, turn in enumerate(turns, start=1):
        if len(turn) == 4:
            strategy, side, qty, px = turn
            x = Execution(
                exec_id=f"{seq}.01", order_id=seq, strategy=str(strategy), inst=0, side=int(str(side)),
                qty_nanos=int(str(qty)), px_nanos=int(str(px)), ts_ns=seq, seq=seq,
            )  # fmt: skip
            ledger.execute(x)
            ledger.assert_identity()
            continue
        num, den = int(str(turn[0])), int(str(turn[1]))
        cash, open_cost = ledger.cash["USD"], _cost(ledger)
        realised = ledger.realised_nanos
        held = carried_out(ledger, num, den)
        exact = Fraction(held * num, den)
        fraction = exact - ledger.holdings[0]
        assert abs(fraction) < NANO
        assert fraction * held >= 0, "towards zero"
        assert ledger.cash["USD"] == cash
        assert open_cost - _cost(ledger) == realised - ledger.realised_nanos, "a vanished position realised its cost"
        assert open_cost == _cost(ledger) or any(not p.qty_nanos for p in ledger.positions.values())
        ledger.assert_identity()
        px = 123_456_789_011  # of the new shares: in lieu of the fraction the broker pays what it was worth
        ledger.adjust("USD", round(fraction * px / NANO), "in lieu")
        before = Fraction(held) * px * num / den / NANO
        now = Fraction(ledger.holdings[0]) * px / NANO + ledger.cash["USD"] - cash
        assert abs(now - before) <= Fraction(1, 2), "worth what it was, to the rounding of the cash"
        ledger.assert_identity()


def _cost(ledger: Ledger) -> int:
    return sum(position.cost_nanos for position in ledger.positions.values())


@given(st.integers(-10_000, 10_000), RATIO)
def test_a_split_there_and_back_is_none_where_no_fraction_was_paid(shares: int, ratio: tuple[int, int]) -> None:
    """Whole parts come back exactly; the broker's rounding is told from another position."""
    num, den = ratio
    held = shares * den * NANO
    total = split_total(held, num=num, den=den)
    assert total == shares * num * NANO
    assert split_total(total, num=den, den=num) == held
    if held:
        assert explains(num=num, den=den, ours_nanos=held, theirs_nanos=total)
        assert not explains(num=num, den=den, ours_nanos=held, theirs_nanos=total + NANO)


@given(st.integers(1, 10**6), RATIO, st.integers(10**8, 10**12))
def test_an_execution_of_old_shares_taken_back_leaves_nothing(shares: int, ratio: tuple[int, int], px: int) -> None:
    """A correction that comes after the split counts in the shares it was of; cash and cost are as if never traded."""
    ledger = Ledger(instruments=1, currency="USD", start_cash_nanos=0, strategies=("alpha",))
    qty = shares * ratio[1] * NANO
    ledger.execute(
        Execution(
            exec_id="1.01", order_id=1, strategy="alpha", inst=0, side=1, qty_nanos=qty, px_nanos=px, ts_ns=1, seq=1
        )
    )
    assert ledger.cash["USD"] == -notional_nanos(px, qty)
    carried_out(ledger, *ratio)
    ledger.correct(corrects="1.01", exec_id="1.02", qty_nanos=0, px_nanos=0)
    assert (ledger.holdings, ledger.cash["USD"], _cost(ledger)) == ([0], 0, ledger.realised_nanos)
    ledger.assert_identity()


@pytest.mark.parametrize(("num", "den"), [(4, 1), (1, 10), (3, 2)])
def test_a_price_history_is_brought_to_new_shares_once(num: int, den: int) -> None:
    """A raw file is; one that its maker has adjusted is not; a split of a day it does not know changes nothing."""
    dates = (20260824, 20260825, 20260826, 20260827)
    terms = Terms(action_id="s", kind="split", inst=0, ex_date=20260826, num=num, den=den)
    raw = (100 * NANO, 120 * NANO, share_of(121 * NANO, den, num), share_of(119 * NANO, den, num))
    wanted = (share_of(raw[0], den, num), share_of(raw[1], den, num), raw[2], raw[3])
    assert in_new_shares(dates, raw, [terms]) == wanted
    assert in_new_shares(dates, wanted, [terms]) == wanted
    assert in_new_shares(dates[:2], raw[:2], [terms]) == raw[:2]
    assert in_new_shares((), (), [terms]) == ()
