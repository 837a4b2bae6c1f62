"""Shortfall: the worked examples to the cent, the identity on anything, symmetry and scale."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.units import BP, NANO, notional_nanos
from execution import tca

CENT = NANO // 100
PX = st.integers(1, 10**6).map(lambda cents: cents * CENT)
ODD_PX = st.integers(1, 10**13)  # any nanos
QTY = st.integers(1, 10**6).map(lambda shares: shares * NANO)


def dollars(text: str) -> int:
    """Exact nanos of a decimal text."""
    whole, _, part = text.partition(".")
    return int(whole) * NANO + int(part.ljust(9, "0"))


@dataclass
class Case:
    """A worked example: data, then parts in cash and the total in bp."""

    qty: int
    decision: str
    arrival: str
    end: str
    fills: list[tuple[int, str]]
    fees: str
    delay: str
    trading: str
    opportunity: str
    total: str
    bp: str


CASES = {
    "unfilled rest": Case(
        1_000, "40.00", "40.04", "40.08", [(700, "40.05")], "17", "28", "7", "24", "76", "19.00"
    ),
    "several fills": Case(
        100_000, "30.00", "30.10", "30.65",
        [(10_000, "30.20"), (30_000, "30.30"), (20_000, "30.40"), (20_000, "30.50")],
        "1600", "8000", "21000", "13000", "43600", "145.33",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_worked_examples(name: str) -> None:
    """To the cent and to the hundredth of a basis point."""
    case = CASES[name]
    fees = dollars(case.fees)
    fills = tuple(
        tca.Fill(qty_nanos=qty * NANO, px_nanos=dollars(px), fee_nanos=fees if at == 0 else 0)
        for at, (qty, px) in enumerate(case.fills)
    )
    found = tca.shortfall(
        tca.Task(
            side=1,
            qty_nanos=case.qty * NANO,
            decision_px_nanos=dollars(case.decision),
            arrival_px_nanos=dollars(case.arrival),
            end_px_nanos=dollars(case.end),
            fills=fills,
        )
    )
    assert (found.delay_nanos, found.trading_nanos) == (dollars(case.delay), dollars(case.trading))
    assert (found.opportunity_nanos, found.fees_nanos) == (dollars(case.opportunity), fees)
    assert found.total_nanos == dollars(case.total)
    in_bp = found.bp_nanos(found.total_nanos)
    assert in_bp is not None
    assert f"{in_bp / NANO:.2f}" == case.bp


def test_the_parts_of_the_first_example_in_basis_points() -> None:
    """Fees 4.25, trading 1.75, delay 7.00, opportunity 6.00."""
    fill = tca.Fill(qty_nanos=700 * NANO, px_nanos=dollars("40.05"), fee_nanos=dollars("17"))
    found = tca.shortfall(_task(1, 1_000, "40", "40.04", "40.08", (fill,)))
    parts = (found.fees_nanos, found.trading_nanos, found.delay_nanos, found.opportunity_nanos)
    assert [found.bp_nanos(part) for part in parts] == [4_250_000_000, 1_750_000_000, 7 * NANO, 6 * NANO]


def _task(side: int, shares: int, decision: str, arrival: str, end: str, fills: tuple[tca.Fill, ...]) -> tca.Task:
    return tca.Task(
        side=side,
        qty_nanos=shares * NANO,
        decision_px_nanos=dollars(decision),
        arrival_px_nanos=dollars(arrival),
        end_px_nanos=dollars(end),
        fills=fills,
    )


@st.composite
def tasks(draw: st.DrawFn) -> tca.Task:
    """Any schedule, fractional shares and prices of a billionth included; it may be over-filled by a busted cancel."""
    fills = draw(
        st.lists(
            st.builds(
                tca.Fill,
                qty_nanos=st.integers(1, 10**15),
                px_nanos=ODD_PX,
                fee_nanos=st.integers(-(10**9), 10**12),
            ),
            max_size=6,
        )
    )
    return tca.Task(
        side=draw(st.sampled_from((1, -1))),
        qty_nanos=draw(st.integers(1, 10**16)),
        decision_px_nanos=draw(ODD_PX),
        arrival_px_nanos=draw(ODD_PX),
        end_px_nanos=draw(ODD_PX),
        fills=tuple(fills),
    )


@given(tasks())
def test_the_parts_are_the_total_to_the_last_nano(task: tca.Task) -> None:
    """And the total is paper less account: what the plan at the decision price would be worth more."""
    found = tca.shortfall(task)
    assert found.delay_nanos + found.trading_nanos + found.opportunity_nanos + found.fees_nanos == found.total_nanos
    account = sum(notional_nanos(fill.px_nanos, fill.qty_nanos) for fill in task.fills)
    rest = task.qty_nanos - found.filled_nanos
    paid = account - notional_nanos(task.decision_px_nanos, found.filled_nanos)
    missed = notional_nanos(task.end_px_nanos, rest) - notional_nanos(task.decision_px_nanos, rest)
    assert found.total_nanos == task.side * (paid + missed) + sum(fill.fee_nanos for fill in task.fills)


@given(PX, PX, PX, st.lists(st.tuples(QTY, PX), max_size=5))
def test_a_sale_costs_what_the_mirrored_purchase_costs(
    decision: int, arrival: int, end: int, trades: list[tuple[int, int]]
) -> None:
    """Every price mirrored at the decision price: the same cost, all parts, both sides."""

    def mirrored(px: int) -> int:
        return 2 * decision - px

    qty = sum(part for part, _ in trades) + NANO
    buy = tca.Task(
        side=1, qty_nanos=qty, decision_px_nanos=decision, arrival_px_nanos=arrival, end_px_nanos=end,
        fills=tuple(tca.Fill(qty_nanos=part, px_nanos=px, fee_nanos=7) for part, px in trades),
    )  # fmt: skip
    sell = tca.Task(
        side=-1, qty_nanos=qty, decision_px_nanos=decision, arrival_px_nanos=mirrored(arrival),
        end_px_nanos=mirrored(end),
        fills=tuple(tca.Fill(qty_nanos=part, px_nanos=mirrored(px), fee_nanos=7) for part, px in trades),
    )  # fmt: skip
    one, other = tca.shortfall(buy), tca.shortfall(sell)
    for name in ("delay_nanos", "trading_nanos", "opportunity_nanos", "fees_nanos", "total_nanos", "paper_nanos"):
        assert getattr(one, name) == getattr(other, name), name


@given(tasks(), st.integers(2, 9))
def test_more_of_the_same_costs_the_same_in_basis_points(task: tca.Task, times: int) -> None:
    """Whole shares times any number: cash grows by it, basis points stay."""
    whole = tca.Task(
        side=task.side, qty_nanos=task.qty_nanos // NANO * NANO + NANO, decision_px_nanos=task.decision_px_nanos,
        arrival_px_nanos=task.arrival_px_nanos, end_px_nanos=task.end_px_nanos,
        fills=tuple(tca.Fill(qty_nanos=f.qty_nanos // NANO * NANO, px_nanos=f.px_nanos) for f in task.fills),
    )  # fmt: skip
    more = tca.Task(
        side=whole.side, qty_nanos=whole.qty_nanos * times, decision_px_nanos=whole.decision_px_nanos,
        arrival_px_nanos=whole.arrival_px_nanos, end_px_nanos=whole.end_px_nanos,
        fills=tuple(tca.Fill(qty_nanos=f.qty_nanos * times, px_nanos=f.px_nanos) for f in whole.fills),
    )  # fmt: skip
    one, other = tca.shortfall(whole), tca.shortfall(more)
    assert other.total_nanos == times * one.total_nanos
    assert other.bp_nanos(other.total_nanos) == one.bp_nanos(one.total_nanos)


@given(st.sampled_from((1, -1)), QTY, PX, QTY, PX)
def test_slippage_is_a_cost_on_both_sides(side: int, qty: int, px: int, volume: int, other: int) -> None:
    """Nothing against oneself; the sign turns with the side; one price is a volume of one."""
    value, turnover = notional_nanos(px, qty), notional_nanos(other, volume)
    assert tca.slippage_bp_nanos(side, value, qty, value, qty) == 0
    found = tca.slippage_bp_nanos(side, value, qty, turnover, volume)
    back = tca.slippage_bp_nanos(-side, value, qty, turnover, volume)
    assert found is not None
    assert back == -found
    assert found == pytest.approx(side * (px - other) / other * BP * NANO, rel=1e-9, abs=1.0)
    assert tca.against_px_bp_nanos(side, value, qty, other) == found


def test_what_cannot_be_told_is_none() -> None:
    """No fill, no print, no quote, no estimate: never a zero."""
    dark = tca.Fill(qty_nanos=NANO, px_nanos=CENT)
    locked = tca.Fill(qty_nanos=NANO, px_nanos=CENT, bid_px_nanos=CENT, ask_px_nanos=CENT)
    assert tca.slippage_bp_nanos(1, 0, 0, 1, 1) is None
    assert tca.slippage_bp_nanos(1, 1, 1, 0, 0) is None
    assert tca.capture_ppm(1, [dark, locked]) is None
    assert tca.realised_bp_nanos(1, [dark, locked], 0) is None
    assert tca.reversion_bp_nanos(1, locked, 0) is None
    assert tca.z_score(5, 0, 0) is None
    assert tca.share_ppm(1, 0) is None
    assert tca.in_sigmas(NANO, 0.0, 1.0) is None
    assert tca.in_sigmas(6 * NANO, 1.5, 4.0) == 2.0


@given(st.sampled_from((1, -1)), st.integers(1, 10**5), st.integers(1, 10**3))
def test_capture_is_one_at_the_near_touch_and_minus_one_at_the_far(side: int, bid: int, spread: int) -> None:
    """Whatever the spread."""
    ask = bid + spread
    near, far = (bid, ask) if side > 0 else (ask, bid)

    def fill(px: int) -> tca.Fill:
        return tca.Fill(qty_nanos=NANO, px_nanos=px, bid_px_nanos=bid, ask_px_nanos=ask)

    assert tca.capture_ppm(side, [fill(near)]) == tca.PPM
    assert tca.capture_ppm(side, [fill(far)]) == -tca.PPM
    assert tca.capture_ppm(side, [fill(near), fill(far)]) == 0
