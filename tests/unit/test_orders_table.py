"""The order table: complete, terminal states stay ended unless named, and its page in the docs is fresh."""

from pathlib import Path

import pytest

from core.commands import DAY, INTENT_SCHEDULE, LMT
from core.errors import Bug
from core.orders import TABLE, TERMINAL_FROM, Fact, Order, State, advance
from daemon.orders_page import page

# A pair that is not in the table raises; each stands here with the reason it cannot happen.
MISSING = {
    (State.SENDING, Fact.CANCEL_REFUSED): "no cancel was sent",
    (State.SENDING, Fact.CANCEL_NOT_FOUND): "no cancel was sent",
    (State.SENDING, Fact.REDUCED): "nothing was executed: a fill makes it WORKING",
}
REVIVED = {  # what may leave an ended state, and to where
    (State.CANCELLED, Fact.FULL): State.FILLED,
    (State.LOST, Fact.FULL): State.FILLED,
    (State.LOST, Fact.ACK): State.WORKING,
    (State.LOST, Fact.PART): State.WORKING,
} | {(state, Fact.LISTED): State.WORKING for state in State if state >= TERMINAL_FROM}


def an_order(state: State) -> Order:
    """An order of 100 shares in a state."""
    return Order(
        order_id=7, parent_id=0, slice_no=0, strategy="s", inst=0, side=1, qty_nanos=100 * 10**9, order_type=LMT,
        limit_px_nanos=10**9, tif=DAY, purpose=INTENT_SCHEDULE, order_ref="q-t-1-1", notional_nanos=100 * 10**9,
        reduce_only=False, sent_ts_ns=1, state=state, story=[],
    )  # fmt: skip


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("fact", Fact)
def test_every_pair_is_a_row_or_expected_missing(state: State, fact: Fact) -> None:
    """A row moves the order as it says; a missing pair raises with the order's story and leaves it alone."""
    order = an_order(state)
    if (state, fact) in MISSING:
        with pytest.raises(Bug, match=f"no row for {state.name} \\+ {fact.name}.*#7 BUY 100"):
            advance(order, fact, seq=3, ts_ns=5)
        assert order.state is state
        return
    to, odd = TABLE[state, fact]
    assert advance(order, fact, seq=3, ts_ns=5) == odd
    assert order.state is to
    assert order.changed_ts_ns == (0 if to is state else 5)


@pytest.mark.parametrize("state", [state for state in State if state >= TERMINAL_FROM])
@pytest.mark.parametrize("fact", Fact)
def test_an_ended_order_stays_ended_unless_named(state: State, fact: Fact) -> None:
    """Fills after the end are booked elsewhere; only evidence that it works at the broker brings it back."""
    assert TABLE[state, fact][0] is REVIVED.get((state, fact), state)


@pytest.mark.parametrize("fact", [Fact.SILENCE, Fact.CANCEL_SENT, Fact.CANCEL_REFUSED, Fact.CANCEL_NOT_FOUND])
@pytest.mark.parametrize("state", [state for state in State if state < TERMINAL_FROM])
def test_silence_and_doubt_never_end_an_order(state: State, fact: Fact) -> None:
    """Only evidence frees what an order holds: no answer, or an answer about a cancel, is none."""
    row = TABLE.get((state, fact))
    assert row is None or row[0] < TERMINAL_FROM


def test_the_page_is_fresh() -> None:
    """docs/orders.md is what the table says today."""
    committed = Path(__file__).resolve().parents[2] / "docs" / "orders.md"
    assert committed.read_text() == page(), "python -m daemon.orders_page > docs/orders.md"
