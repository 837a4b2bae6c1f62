"""What TWS says of an account, key by key: account values, summary tags, the ledger of currencies. Pure.

Keys that depend on a segment exist three times, as TWS tells them: plain, `-C` (commodities, nothing here) and `-S`
(securities, everything here).
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from broker.gateway.account.margin import Standing
from broker.gateway.account.settings import AccountSettings
from broker.gateway.part import World
from core.units import decimal_text, exact_text


class Value(NamedTuple):
    """One line of the account window."""

    key: str
    text: str
    currency: str = ""


_SEGMENTED: Final = (
    "AccruedCash", "AvailableFunds", "EquityWithLoanValue", "ExcessLiquidity", "FullAvailableFunds",
    "FullExcessLiquidity", "FullInitMarginReq", "FullMaintMarginReq", "GrossPositionValue", "InitMarginReq",
    "LookAheadAvailableFunds", "LookAheadExcessLiquidity", "LookAheadInitMarginReq", "LookAheadMaintMarginReq",
    "MaintMarginReq", "NetLiquidation", "TotalCashValue",
)  # fmt: skip
# Tags reqAccountSummary knows, beside $LEDGER.
SUMMARY_TAGS: Final = frozenset({
    "AccountType", "NetLiquidation", "TotalCashValue", "SettledCash", "AccruedCash", "BuyingPower",
    "EquityWithLoanValue", "PreviousDayEquityWithLoanValue", "GrossPositionValue", "ReqTEquity", "ReqTMargin", "SMA",
    "InitMarginReq", "MaintMarginReq", "AvailableFunds", "ExcessLiquidity", "Cushion", "FullInitMarginReq",
    "FullMaintMarginReq", "FullAvailableFunds", "FullExcessLiquidity", "LookAheadNextChange", "LookAheadInitMarginReq",
    "LookAheadMaintMarginReq", "LookAheadAvailableFunds", "LookAheadExcessLiquidity", "HighestSeverity",
    "DayTradesRemaining", "Leverage", "RealizedPnL", "UnrealizedPnL",
})  # fmt: skip
LEDGER: Final = "$LEDGER"
BASE: Final = "BASE"


def money_values(now: Standing, settings: AccountSettings, opening_equity_nanos: int) -> dict[str, int]:
    """Amounts in the base currency, in nanos, by key."""
    available, excess = now.available_nanos, now.excess_nanos
    return {
        "NetLiquidation": now.equity_nanos,
        "TotalCashValue": now.cash_nanos,
        "SettledCash": now.cash_nanos,
        "AccruedCash": 0,
        "EquityWithLoanValue": now.equity_nanos,
        "PreviousDayEquityWithLoanValue": opening_equity_nanos,
        "GrossPositionValue": now.gross_nanos,
        "InitMarginReq": now.initial_nanos,
        "FullInitMarginReq": now.initial_nanos,
        "LookAheadInitMarginReq": now.initial_nanos,
        "MaintMarginReq": now.maintenance_nanos,
        "FullMaintMarginReq": now.maintenance_nanos,
        "LookAheadMaintMarginReq": now.maintenance_nanos,
        "AvailableFunds": available,
        "FullAvailableFunds": available,
        "LookAheadAvailableFunds": available,
        "ExcessLiquidity": excess,
        "FullExcessLiquidity": excess,
        "LookAheadExcessLiquidity": excess,
        "BuyingPower": max(0, available) * settings.day_leverage,
        "RegTEquity": now.equity_nanos,
        "ReqTEquity": now.equity_nanos,
        "RegTMargin": now.initial_nanos,
        "ReqTMargin": now.initial_nanos,
        "SMA": max(0, available),
        "RealizedPnL": now.realised_nanos,
        "UnrealizedPnL": now.unrealised_nanos,
    }


def plain_values(now: Standing, *, ready: bool) -> list[Value]:
    """Values that are no money."""
    equity = now.equity_nanos
    cushion = decimal_text(now.excess_nanos * 1_000_000_000 // equity, places=6) if equity > 0 else "0"
    leverage = decimal_text(now.gross_nanos * 1_000_000_000 // equity) if equity > 0 else "0"
    return [
        Value("AccountReady", "true" if ready else "false"),
        Value("AccountType", "INDIVIDUAL"),
        Value("Cushion", cushion),
        Value("DayTradesRemaining", "-1"),  # unlimited
        Value("Leverage", leverage),
        Value("Leverage-S", leverage),
        Value("LookAheadNextChange", "0"),
        Value("HighestSeverity", ""),
        Value("TradingType-S", "STKNOPT"),
    ]


def account_values(
    world: World, now: Standing, settings: AccountSettings, currency: str, opening_equity_nanos: int, *, empty: bool
) -> list[Value]:
    """The whole account window, sorted by key, ledger last; an account that is `empty` has no ledger."""
    money = money_values(now, settings, opening_equity_nanos)
    values = plain_values(now, ready=True)
    for key, nanos in money.items():
        if key.startswith("ReqT") or key in ("RealizedPnL", "UnrealizedPnL"):
            continue
        values.append(Value(key, decimal_text(nanos), currency))
        if key in _SEGMENTED:
            values.append(Value(f"{key}-S", decimal_text(nanos), currency))
            values.append(Value(f"{key}-C", "0.00", currency))
    return [*sorted(values), *([] if empty else ledger(world, now, currency))]


def ledger(world: World, now: Standing, currency: str, wanted: str = "ALL") -> list[Value]:
    """Cash and stock value by currency. `wanted`: one currency, ALL, or BASE alone."""
    cash = world.exchange.account.state.cash_nanos
    names = [BASE, *sorted(cash)] if wanted == "ALL" else [wanted] if wanted in (BASE, *cash) else []
    values: list[Value] = []
    for name in names:
        of_base = name in (BASE, currency)
        stock = now.stock_nanos if of_base else 0
        own = now.cash_nanos if of_base else cash[name]
        values += [
            Value("Currency", name, name),
            Value("CashBalance", exact_text(own), name),  # the one amount that is told to the last digit
            Value("TotalCashBalance", exact_text(own), name),
            Value("AccruedCash", "0.00", name),
            Value("StockMarketValue", decimal_text(stock), name),
            Value("NetLiquidationByCurrency", decimal_text(own + stock), name),
            Value("UnrealizedPnL", decimal_text(now.unrealised_nanos if of_base else 0), name),
            Value("RealizedPnL", decimal_text(now.realised_nanos if of_base else 0), name),
            Value("ExchangeRate", "1.00", name),
            Value("RealCurrency", currency if name == BASE else name, name),
        ]
    return values


def summary_values(
    world: World,
    now: Standing,
    settings: AccountSettings,
    currency: str,
    tags: Iterable[str],
    opening_equity_nanos: int,
) -> list[Value]:
    """The lines a summary's tags ask for, in the order of the tags; unknown tags are none."""
    money = money_values(now, settings, opening_equity_nanos)
    plain = {value.key: value for value in plain_values(now, ready=True)}
    found: list[Value] = []
    for tag in tags:
        if tag == LEDGER or tag.startswith(f"{LEDGER}:"):
            found += ledger(world, now, currency, tag.partition(":")[2] or BASE)
        elif tag in money and tag in SUMMARY_TAGS:
            found.append(Value(tag, decimal_text(money[tag]), currency))
        elif tag in plain and tag in SUMMARY_TAGS:
            found.append(plain[tag])
    return found
