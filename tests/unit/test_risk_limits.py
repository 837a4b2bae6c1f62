"""Limits: from what a person writes to the integers that bind, and the page made from them."""

import tomllib

import msgspec
import pytest

from core.errors import ConfigError
from core.units import NANO
from risk.bounds import AccountBounds, Bounds
from risk.checks import CHECKS
from risk.controls import CONTROLS, IN_FORCE, LATER, limits_of, risk_page
from risk.limit_rows import ACCOUNT_ROWS, BOOK_ROWS, FACTORY_CLASS, ORDER_ROWS, ROWS
from risk.limits import AccountLimits, Limits, OrderLimits, Restriction, StrategyLimits, factory_value, unset
from risk.resolve import rates, resolve
from tests.fakes.context import SECOND, build_context
from tests.risk_page import PAGE

TOML = """
deny = [{symbol = "GME", exit_allowed = false, reason = "compliance"}]
[account]
order_notional_max = "25000.50"
collar_bp = 200
jump_quiet_seconds = 0.5
[strategy.alpha]
order_notional_max = 30000
[class.etf]
collar_bp = 50
[symbol.S1]
order_quantity_max = 10
jump_quiet_seconds = 2
"""


def resolved(limits: Limits) -> tuple[AccountBounds, tuple[Bounds, ...]]:
    """Bounds of strategy alpha in S0 (stock) and S1 (ETF)."""
    world = build_context(changes={1: {"etf": True}})
    found = resolve(limits, instruments=world.context.instruments, strategies=("alpha", "beta"), currency="USD")
    return found.account, found.by_strategy["alpha"]


def test_the_tightest_scope_binds() -> None:
    """Whatever scope it stands in; for a quiet time the longer one is the tighter."""
    limits = msgspec.convert(tomllib.loads(TOML), Limits)
    _, (stock, etf) = resolved(limits)
    assert stock.order_notional_max_nanos == 25_000 * NANO + NANO // 2
    assert (stock.collar_bp, etf.collar_bp) == (200, 50)
    assert (stock.order_quantity_max_nanos, etf.order_quantity_max_nanos) == (10_000 * NANO, 10 * NANO)
    assert (stock.jump_quiet_ns, etf.jump_quiet_ns) == (SECOND // 2, 2 * SECOND)


@pytest.mark.parametrize(
    ("account", "symbol", "strategy", "binds"),
    [(None, None, None, 0), (None, 1_000, None, 1_000), (None, None, 800, 800), (2_000, 1_000, None, 1_000),
     (1_000, 0, 1_500, 1_000)],
)  # fmt: skip
def test_nothing_is_the_loosest_of_distances(
    account: int | None, symbol: int | None, strategy: int | None, binds: int
) -> None:
    """A disaster stop that one scope asks for stands, the nearest of several; 0 takes none away."""
    limits = Limits(
        account=AccountLimits(disaster_stop_bp=account),
        symbol={"S0": OrderLimits(disaster_stop_bp=symbol)},
        strategy={"alpha": StrategyLimits(disaster_stop_bp=strategy)},
    )
    assert resolved(limits)[1][0].disaster_stop_bp == binds
    world = build_context(changes={})
    found = resolve(limits, instruments=world.context.instruments, strategies=("alpha",), currency="USD")
    assert found.disaster_stops == (binds > 0)


def test_a_class_has_factory_values_of_its_own() -> None:
    """An ETF's collar is tighter than a stock's unless set."""
    _, (stock, etf) = resolved(Limits())
    assert (stock.collar_bp, etf.collar_bp) == (300, 100)


def test_an_unknown_field_is_refused() -> None:
    """A typing error must not leave a limit at its factory value."""
    with pytest.raises(msgspec.ValidationError, match="order_notionalmax"):
        msgspec.convert({"account": {"order_notionalmax": 1}}, Limits)
    with pytest.raises(msgspec.ValidationError, match="net_max"):
        msgspec.convert({"symbol": {"S0": {"net_max": 1}}}, Limits)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(account=AccountLimits(gross_max=-1)), "limits.account.gross_max: -1 is too small: give more than 0"),
        (Limits(account=AccountLimits(gross_max="lots")), "limits.account.gross_max: 'lots' is not a number"),
        (Limits(account=AccountLimits(gross_max=10**10)), "too large: give at most 4000000000"),
        (Limits(account=AccountLimits(collar_bp=1.5)), "limits.account.collar_bp: 1.5 has decimals"),
        (Limits(account=AccountLimits(collar_bp=0)), "limits.account.collar_bp: 0 is too small"),
        (Limits(account=AccountLimits(collar_bp=True)), "limits.account.collar_bp: True is not basis points"),
        (Limits(account=AccountLimits(rate_symbol_seconds=1e-8)), "rate_symbol_orders: more than one order per ns"),
        (Limits(account=AccountLimits(day_loss_soft_bp=300)), "day_loss_soft_bp: above day_loss_hard_bp"),
        (Limits(symbol={"S0": OrderLimits(collar_bp=-1)}), "limits.symbol.S0.collar_bp"),
        (Limits(symbol={"S9": OrderLimits()}), "limits.symbol.S9: no such instrument"),
        (Limits(strategy={"gamma": StrategyLimits()}), "limits.strategy.gamma: no such strategy"),
        (Limits(deny=(Restriction(),)), r"limits.deny\[0\]: names nothing"),
    ],
)
def test_a_bad_value_names_its_field_and_the_remedy(limits: Limits, words: str) -> None:
    """One line an operator can act on."""
    with pytest.raises(ConfigError, match=words):
        resolved(limits)


def test_live_is_told_every_limit_that_was_not_set() -> None:
    """No silent default: the list is empty only when all are explicit."""
    missing = unset(Limits(), strategies=("alpha",))
    assert "limits.account.gross_max" in missing
    assert "limits.class.etf.collar_bp" in missing
    assert "limits.strategy.alpha.day_loss_hard_bp" in missing
    values = {row.name: row.factory for row in ROWS.values()}
    raw = {
        "account": values,
        "class": FACTORY_CLASS,
        "strategy": {"alpha": {row.name: row.factory for row in BOOK_ROWS}},
    }
    full = msgspec.convert(raw, Limits)
    assert unset(full, strategies=("alpha",)) == []
    assert resolved(full) == resolved(Limits())


def test_the_table_and_the_structs_agree() -> None:
    """Every row is a field of its scopes and every field has a row, a unit and a legal factory value."""
    order = {row.name for row in ORDER_ROWS}
    book = order | {row.name for row in BOOK_ROWS}
    account = book | {row.name for row in ACCOUNT_ROWS}
    for struct, names in ((OrderLimits, order), (StrategyLimits, book), (AccountLimits, account)):
        assert set(struct.__struct_fields__) == names
    assert len(ROWS) == len(ORDER_ROWS) + len(BOOK_ROWS) + len(ACCOUNT_ROWS)
    assert all(factory_value(row) >= 0 for row in ROWS.values())


def test_the_fold_counts_by_the_same_rates() -> None:
    """What the settings of the money state are built from."""
    found = rates(Limits(account=AccountLimits(rate_symbol_orders=7, rate_symbol_seconds=2)))
    assert (found.symbol.events, found.symbol.window_ns) == (7, 2 * SECOND)
    assert (found.account.events, found.strategy.events, found.duplicate_window_ns) == (25, 5, 5 * SECOND)


def test_every_control_has_its_line() -> None:
    """48 controls and our own in order; each check stands under its own number, and later ones name no module."""
    assert [control.number for control in CONTROLS] == list(range(1, 50))
    by_number = {control.number: control for control in CONTROLS}
    for check in CHECKS:
        module: str = check.__name__.rpartition(".")[2]  # type: ignore[attr-defined]  # checks are modules
        assert f"risk/checks/{module}.py" in by_number[check.CONTROL].where
    assert all((control.status == LATER) == (not control.where) for control in CONTROLS)
    assert by_number[1].status == IN_FORCE
    assert limits_of(1) == ["order_quantity_max"]
    for control in CONTROLS:
        for path in filter(None, control.where.split(", ")):
            assert (PAGE.parents[1] / path).is_file(), path


def test_the_operators_page_is_made_from_the_code() -> None:
    """Run `python -m tests.risk_page` after a change to checks, limits or controls."""
    assert PAGE.read_text(encoding="utf-8") == risk_page()
