"""Property: whatever is executed, charged, corrected and crossed, in any order, the books add up to the account."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Bug
from core.ids import BUY, SELL
from core.ledger import UNCLAIMED, Execution, Ledger
from core.units import NANO

NAMES = ("alpha", "beta", "gamma")
PX = st.integers(1, 10**14)
QTY = st.integers(1, 10**13)
STEPS = st.lists(
    st.tuples(st.sampled_from(("fill", "cross", "charge", "correct")), st.permutations(NAMES), st.booleans(), QTY, PX),
    max_size=25,
)


def _ledger() -> Ledger:
    return Ledger(instruments=1, currency="USD", start_cash_nanos=10**15, strategies=NAMES)


def _fill(ledger: Ledger, number: int, strategy: str, *, buys: bool, qty_nanos: int, px_nanos: int) -> None:
    ledger.execute(
        Execution(
            exec_id=f"x{number}.01",
            order_id=number,
            strategy=strategy,
            inst=0,
            side=BUY if buys else SELL,
            qty_nanos=qty_nanos,
            px_nanos=px_nanos,
            ts_ns=number,
            seq=number,
        )
    )


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_books_add_up(steps: list[tuple[str, list[str], bool, int, int]]) -> None:
    """A cross moves nothing of the account; with fills, costs and corrections between, the identity holds."""
    ledger, filled = _ledger(), 0
    for number, (kind, names, buys, qty, px) in enumerate(steps, 1):
        if kind == "cross":
            before = (dict(ledger.cash), list(ledger.holdings), ledger.spent_nanos, ledger.fees_nanos)
            held = [ledger.held_nanos(name, 0) for name in names]
            ledger.cross(0, buyer=names[0], seller=names[1], qty_nanos=qty, px_nanos=px, seq=number)
            assert (ledger.cash, ledger.holdings, ledger.spent_nanos, ledger.fees_nanos) == before
            assert [ledger.held_nanos(name, 0) for name in names] == [held[0] + qty, held[1] - qty, held[2]]
        elif kind == "fill":
            filled = number
            _fill(ledger, number, names[0], buys=buys, qty_nanos=qty, px_nanos=px)
        elif filled and kind == "charge":
            ledger.charge(f"x{filled}.01", px)
        elif filled:
            bust = 0 if buys else qty
            ledger.correct(corrects=f"x{filled}.01", exec_id=f"x{filled}.{number + 1:02d}", qty_nanos=bust, px_nanos=px)
        ledger.assert_identity()


def test_profit_is_of_the_book_that_made_it() -> None:
    """Bought at 10 and crossed away at 12: the seller made 2 a share, the buyer carries 12, the account spent 10."""
    ledger = _ledger()
    _fill(ledger, 1, "alpha", buys=True, qty_nanos=100 * NANO, px_nanos=10 * NANO)
    ledger.cross(0, buyer="beta", seller="alpha", qty_nanos=100 * NANO, px_nanos=12 * NANO, seq=2)
    assert ledger.books["alpha"].realised_nanos == 200 * NANO
    assert ledger.position("beta", 0).cost_nanos == 1200 * NANO
    assert ledger.unrealised_nanos([10 * NANO]) + ledger.realised_nanos == 0
    assert ledger.equity_nanos([10 * NANO]) == 10**15


@pytest.mark.parametrize(
    ("buyer", "seller", "qty", "px"),
    [("alpha", "alpha", 1, 1), (UNCLAIMED, "beta", 1, 1), ("alpha", UNCLAIMED, 1, 1), ("alpha", "beta", 0, 1),
     ("alpha", "beta", 1, 0)],
)  # fmt: skip
def test_a_cross_needs_two_books(buyer: str, seller: str, qty: int, px: int) -> None:
    """A book never trades with itself nor with what is nobody's, and nothing is crossed for nothing."""
    with pytest.raises(Bug):
        _ledger().cross(0, buyer=buyer, seller=seller, qty_nanos=qty, px_nanos=px, seq=1)
