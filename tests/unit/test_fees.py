"""The US stock schedule against the published examples, and the exactness of the minimum across executions."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.sim.account import Account, AccountState
from broker.sim.book import SimOrder
from core.commands import DAY, LMT
from core.errors import ConfigError
from core.fee_plans import (
    CAT,
    CLEARING,
    COMMISSION,
    DEFAULT_PLANS,
    EXCHANGE,
    FINRA,
    NYSE,
    OCC,
    OPTION_ROWS,
    SEC31,
    TAF,
)
from core.fees import ADDED, REMOVED, FeeBreakdown, FeeTable
from core.ids import BUY, SELL
from core.reference import FeeRow
from core.units import NANO, notional_nanos
from tests.fakes.tape import instrument

TABLE = FeeTable(DEFAULT_PLANS["ibkr_pro_fixed"])


def cost(shares: int, px_nanos: int, *, side: int = BUY, date: int = 20250601) -> FeeBreakdown:
    return TABLE.commission_nanos(date=date, side=side, qty_nanos=shares * NANO, px_nanos=px_nanos)


@pytest.mark.parametrize(
    ("shares", "px_nanos", "dollars_nanos"),
    [
        (100, 25 * NANO, 1_000_000_000),  # IBKR's three examples
        (1000, 25 * NANO, 5_000_000_000),
        (1000, NANO // 4, 2_500_000_000),
        (10, NANO // 5, 20_000_000),  # the cap of 1 % beats the minimum
        (1, 300 * NANO, 1_000_000_000),
    ],
)
def test_commission_of_published_examples(shares: int, px_nanos: int, dollars_nanos: int) -> None:
    """The Fixed plan charges what the broker's own page says."""
    assert cost(shares, px_nanos).part_nanos(COMMISSION) == dollars_nanos


@pytest.mark.parametrize(
    ("date", "nanos_per_million"),
    [(20000103, 27_800_000_000), (20250513, 27_800_000_000), (20250514, 0), (20260403, 0), (20260404, 20_600_000_000)],
)
def test_sec_fee_by_date(date: int, nanos_per_million: int) -> None:
    """Section 31 follows its dates, the zero period included, and sells only."""
    assert cost(10_000, 100 * NANO, side=SELL, date=date).part_nanos(SEC31) == nanos_per_million
    assert cost(10_000, 100 * NANO, side=BUY, date=date).part_nanos(SEC31) == 0


@pytest.mark.parametrize(
    ("date", "rate_nanos", "cap_nanos"),
    [
        (20251231, 166_000, 8_300_000_000),
        (20260101, 195_000, 9_790_000_000),
        (20260930, 195_000, 9_790_000_000),
        (20261001, 0, 0),
        (20261231, 0, 0),
        (20270101, 232_000, 11_610_000_000),
    ],
)
def test_taf_by_date(date: int, rate_nanos: int, cap_nanos: int) -> None:
    """The trading activity fee follows its dates, stops at its cap, and sells only."""
    assert cost(1000, 10 * NANO, side=SELL, date=date).part_nanos(TAF) == 1000 * rate_nanos
    assert cost(1_000_000, 10 * NANO, side=SELL, date=date).part_nanos(TAF) == cap_nanos
    assert cost(1_000_000, 10 * NANO, side=BUY, date=date).part_nanos(TAF) == 0


def test_cat_charges_both_sides() -> None:
    """The audit trail fee is paid by buyer and seller and falls in May 2026."""
    assert cost(1000, 10 * NANO, side=BUY, date=20260430).part_nanos(CAT) == 72_000_000
    assert cost(1000, 10 * NANO, side=SELL, date=20260501).part_nanos(CAT) == 3_000_000


def test_every_component_rounds_half_to_even() -> None:
    """Half a nano goes to the even neighbour."""
    one_and_half = TABLE.commission_nanos(date=20260501, side=BUY, qty_nanos=500_000, px_nanos=10 * NANO)
    assert one_and_half.part_nanos(CAT) == 2  # 1.5 -> 2
    half = TABLE.commission_nanos(date=20260501, side=BUY, qty_nanos=1_500_000, px_nanos=10 * NANO)
    assert half.part_nanos(CAT) == 4  # 4.5 -> 4


def test_total_is_the_sum_of_the_parts() -> None:
    """The total is exactly its parts."""
    found = cost(777, 12_340_000_000, side=SELL, date=20260601)
    assert found.total_nanos == sum(charge for _, charge in found.parts)
    assert [name for name, _ in found.parts] == [COMMISSION, SEC31, TAF, CAT]


def test_no_row_denies() -> None:
    """A day before the first row is an error that names the row."""
    with pytest.raises(ConfigError, match=r"fees\.commission: no row for 19991231"):
        cost(1, NANO, date=19991231)
    with pytest.raises(ConfigError, match="empty"):
        FeeTable(())
    row = DEFAULT_PLANS["ibkr_pro_fixed"][0]
    with pytest.raises(ConfigError, match="two rows"):
        FeeTable((row, row))


@given(
    sizes=st.lists(st.integers(1, 2000), min_size=1, max_size=12),
    prices=st.lists(st.integers(1, 500 * 100), min_size=12, max_size=12),
)
def test_any_split_of_an_order_pays_the_same_commission(sizes: list[int], prices: list[int]) -> None:
    """Executions of one order together pay exactly the order's commission, and none is refunded."""
    charged = quantity = value = 0
    for shares, px_cents in zip(sizes, prices, strict=False):
        px_nanos = px_cents * NANO // 100
        found = TABLE.commission_nanos(
            date=20250601,
            side=BUY,
            qty_nanos=shares * NANO,
            px_nanos=px_nanos,
            order_qty_before_nanos=quantity,
            order_value_before_nanos=value,
            order_charged_nanos=charged,
        )
        assert found.part_nanos(COMMISSION) >= 0
        charged += found.per_order_nanos
        quantity += shares * NANO
        value += notional_nanos(px_nanos, shares * NANO)
    assert charged == min(max(quantity // 200, NANO), value // 100)


TIERED = FeeTable(DEFAULT_PLANS["ibkr_pro_tiered"])


def tiered(shares: int, *, before: int = 0, px_nanos: int = 50 * NANO, date: int = 20250601) -> FeeBreakdown:
    return TIERED.commission_nanos(
        date=date, side=BUY, qty_nanos=shares * NANO, px_nanos=px_nanos, month_before_nanos=before * NANO
    )


@pytest.mark.parametrize(
    ("before", "shares", "px_nanos", "charge_nanos"),
    [
        (0, 1000, 50 * NANO, 3_500_000_000),
        (299_500, 1000, 50 * NANO, 2_750_000_000),  # 500 at .0035, 500 at .0020: the rate is marginal
        (300_000, 1000, 50 * NANO, 2_000_000_000),
        (3_000_000, 1000, 50 * NANO, 1_500_000_000),
        (20_000_000, 1000, 50 * NANO, 1_000_000_000),
        (100_000_000, 1000, 50 * NANO, 500_000_000),
        (299_000, 2_702_000, 50 * NANO, 3_500_000_000 + 5_400_000_000_000 + 1_500_000_000),  # over two edges
        (0, 10, 50 * NANO, 350_000_000),
        (0, 10, NANO // 5, 20_000_000),  # the cap of 1 % beats the minimum
    ],
)
def test_tiered_commission_by_the_month(before: int, shares: int, px_nanos: int, charge_nanos: int) -> None:
    """The Tiered plan charges each share at its place in the month, within its minimum and cap."""
    assert tiered(shares, before=before, px_nanos=px_nanos).part_nanos(COMMISSION) == charge_nanos


def test_tiered_pass_through() -> None:
    """Clearing by the share, NYSE and FINRA as parts of the commission."""
    found = tiered(1000)
    assert found.part_nanos(CLEARING) == 200_000_000
    assert found.part_nanos(NYSE) == 612_500  # 3.50 x .000175
    assert found.part_nanos(FINRA) == 1_960_000  # 3.50 x .00056
    assert found.part_nanos(EXCHANGE) == 3 * NANO  # the bound of Rule 610(c), nobody having said better


@given(sizes=st.lists(st.integers(1, 400_000), min_size=1, max_size=8), before=st.integers(0, 3_000_000))
def test_any_split_pays_the_same_tiered_commission(sizes: list[int], before: int) -> None:
    """Executions of one order pay what the whole would have, across the edges of the month's tiers."""
    charged = quantity = value = rated = 0
    for shares in sizes:
        found = TIERED.commission_nanos(
            date=20250601,
            side=BUY,
            qty_nanos=shares * NANO,
            px_nanos=7 * NANO,
            order_qty_before_nanos=quantity,
            order_value_before_nanos=value,
            order_charged_nanos=charged,
            order_rated_before=rated,
            month_before_nanos=before * NANO + quantity,
        )
        charged += found.per_order_nanos
        rated += found.rated
        quantity += shares * NANO
        value += notional_nanos(7 * NANO, shares * NANO)
    assert charged == tiered(quantity // NANO, before=before, px_nanos=7 * NANO).part_nanos(COMMISSION)


def test_exchange_fee_of_the_venue() -> None:
    """A venue's own row stands in for the general one; an order that added may be paid."""
    rows = tuple(
        FeeRow(name=EXCHANGE, effective_from=20240101, per="share", rate_nanos=rate, venue="NYSE", liquidity=liquidity)
        for rate, liquidity in ((-2_000_000, ADDED), (1_000_000, REMOVED))
    )
    table = FeeTable(DEFAULT_PLANS["ibkr_pro_tiered"] + rows)

    def charge(venue: str, liquidity: int) -> int:
        return table.commission_nanos(
            date=20250601, side=BUY, qty_nanos=1000 * NANO, px_nanos=NANO, venue=venue, liquidity=liquidity
        ).part_nanos(EXCHANGE)

    assert charge("NYSE", ADDED) == -2 * NANO
    assert charge("NYSE", REMOVED) == NANO
    assert charge("ARCA", ADDED) == 0
    assert charge("ARCA", 0) == 3 * NANO  # nobody said: it took


def test_option_rows() -> None:
    """Options by premium with a minimum, the clearing fee, and the trading activity fee of sales."""
    table = FeeTable(OPTION_ROWS)

    def charge(premium_nanos: int, contracts: int, side: int = BUY) -> FeeBreakdown:
        return table.commission_nanos(date=20260601, side=side, qty_nanos=contracts * NANO, px_nanos=premium_nanos)

    assert charge(NANO, 10).part_nanos(COMMISSION) == 6_500_000_000
    assert charge(NANO // 10, 10).part_nanos(COMMISSION) == 6_500_000_000
    assert charge(NANO * 7 // 100, 10).part_nanos(COMMISSION) == 5_000_000_000
    assert charge(NANO * 3 // 100, 10).part_nanos(COMMISSION) == 2_500_000_000
    assert charge(NANO, 1).part_nanos(COMMISSION) == NANO
    assert charge(NANO, 10).part_nanos(OCC) == 250_000_000
    assert charge(NANO, 10, side=SELL).part_nanos(TAF) == 32_900_000


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"per": "lot"}, "per: 'lot' is not one of"),
        ({"per": "charge", "of": "nothing"}, "of: 'nothing' is no row before it"),
        ({"tiers": ((0, 1),), "tier_by": "week"}, "tier_by: 'week'"),
        ({"tiers": ((1, 1),), "tier_by": "month"}, "tiers: start at 0"),
    ],
)
def test_a_row_that_means_nothing_is_refused(change: dict[str, Any], says: str) -> None:
    """A table is read before it is used."""
    row = FeeRow(name="odd", effective_from=20250101, per="share", rate_nanos=1)
    with pytest.raises(ConfigError, match=re.escape(says)):
        FeeTable((msgspec.structs.replace(row, **change),))


def test_the_account_counts_its_month() -> None:
    """The simulated account moves through the tiers by what it traded this month, and starts anew with the next."""
    account = Account(
        (instrument(0),),
        FeeTable(DEFAULT_PLANS["ibkr_pro_tiered"][:1]),
        AccountState(
            cash_nanos={"USD": 0}, positions={}, executions={}, month=202506, month_qty_nanos=299_500 * NANO
        ),
    )  # fmt: skip

    def commission(number: int, date: int) -> int:
        order = SimOrder(
            order_id=number, perm_id=number, order_ref="", client_id=1, inst=0, side=BUY, qty_nanos=1000 * NANO,
            order_type=LMT, working_type=LMT, limit_px_nanos=NANO, stop_px_nanos=0, tif=DAY, gtd_ts_ns=0,
            outside_rth=False, key=number,
        )  # fmt: skip
        return account.book(
            order, exec_id=str(number), qty_nanos=1000 * NANO, px_nanos=50 * NANO, ts_ns=number, date=date
        ).commission_nanos

    assert (
        account.estimate_nanos(0, side=BUY, qty_nanos=NANO * 1000, px_nanos=50 * NANO, date=20250630) == 2_750_000_000
    )
    assert [commission(1, 20250630), commission(2, 20250630)] == [2_750_000_000, 2_000_000_000]
    assert commission(3, 20250701) == 3_500_000_000
    assert (account.state.month, account.state.month_qty_nanos) == (202507, 1000 * NANO)
