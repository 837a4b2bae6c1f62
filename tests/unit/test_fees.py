"""The US stock schedule against the published examples, and the exactness of the minimum across executions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from core.fees import CAT, COMMISSION, DEFAULT_PLANS, SEC31, TAF, FeeBreakdown, FeeTable
from core.ids import BUY, SELL
from core.units import NANO, notional_nanos

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
        charged += TABLE.per_order_nanos(date=20250601, breakdown=found)
        quantity += shares * NANO
        value += notional_nanos(px_nanos, shares * NANO)
    assert charged == min(max(quantity // 200, NANO), value // 100)
