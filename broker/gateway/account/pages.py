"""The pages a client can keep open: account values with portfolio, positions, summaries, profit. A page knows how to
read its rows and tells those that changed since it told them last. Owns the fields of messages 6-8, 61, 63, 71, 73,
94 and 95.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from broker.gateway.account.margin import EMPTY, Holding, Standing, mark_px_nanos
from broker.gateway.account.profit import DayProfit
from broker.gateway.account.settings import AccountSettings
from broker.gateway.account.values import Value, account_values, summary_values
from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.listing import Listed
from broker.gateway.part import Client, Field, World
from broker.gateway.versions import FRACTIONAL_SIZES
from broker.gateway.wire import nanos_text
from core.units import NANO, decimal_text

Row = tuple[Field, ...]
Rows = dict[str, Row]  # by what a row is about

ACCOUNT_VALUE, PORTFOLIO, UPDATE_TIME, DOWNLOAD_END = 6, 7, 8, 54
POSITION, POSITION_END, SUMMARY, SUMMARY_END = 61, 62, 63, 64
POSITION_MULTI, POSITION_MULTI_END, VALUE_MULTI, VALUE_MULTI_END = 71, 72, 73, 74
PNL, PNL_SINGLE = 94, 95


class Page:
    """One open page of one client. `read` gives its rows; `end` closes the first telling, `mark` every one."""

    __slots__ = ("_read", "_told", "client", "end", "mark")

    def __init__(
        self, client: Client, read: Callable[[], Rows], *, end: Row = (), mark: Callable[[], Row] | None = None
    ):
        self.client = client
        self._read = read
        self._told: Rows = {}
        self.end = end
        self.mark = mark

    def open(self) -> None:
        """Tell everything."""
        self._told = self._read()
        for row in self._told.values():
            self.client.send(*row)
        if self.mark is not None:
            self.client.send(*self.mark())
        if self.end:
            self.client.send(*self.end)

    def refresh(self) -> None:
        """Tell what changed."""
        rows = self._read()
        changed = [row for key, row in rows.items() if self._told.get(key) != row]
        self._told = rows
        for row in changed:
            self.client.send(*row)
        if changed and self.mark is not None:
            self.client.send(*self.mark())

    def knows(self, key: str) -> bool:
        """Whether a row was told before: one that became empty is told once more, one that never was is not."""
        return key in self._told


class Reader:
    """Reads the account into rows. Accounts but the first are empty."""

    def __init__(
        self,
        world: World,
        book: ContractBook,
        settings: AccountSettings,
        profit: DayProfit,
        *,
        currency: str,
        timezone: str,
    ) -> None:
        self._world = world
        self._book = book
        self._settings = settings
        self._profit = profit
        self._currency = currency
        self._zone = ZoneInfo(timezone)

    # ---- values ------------------------------------------------------------------------------------------------
    def account(self, account: str, version: int, knows: Callable[[str], bool]) -> Rows:
        """accountValue and portfolioValue."""
        rows: Rows = {
            f"{value.key} {value.currency}": (ACCOUNT_VALUE, 2, value.key, value.text, value.currency, account)
            for value in self._values(account)
        }
        for inst in self._instruments(account):
            key = f"@{inst}"
            if self._quantity(inst) or knows(key):
                rows[key] = self._portfolio_row(account, inst, version)
        return rows

    def update_time(self) -> Row:
        """accountUpdateTime."""
        now = datetime.fromtimestamp(self._world.now_ns // NANO, UTC).astimezone(self._zone)
        return (UPDATE_TIME, 1, f"{now:%H:%M}")

    def values_multi(self, req_id: int, account: str, model: str, ledger_only: bool) -> Rows:
        """accountUpdateMulti; of a model, which this account has none of, nothing."""
        if model:
            return {}
        return {
            f"{value.key} {value.currency}": (
                VALUE_MULTI, 1, req_id, account, "", value.key, value.text, value.currency,
            )
            for value in self._values(account)
            if not ledger_only or value.key in _LEDGER_AND_NLV
        }  # fmt: skip

    def summary(self, req_id: int, tags: tuple[str, ...]) -> Rows:
        """accountSummary, of every account."""
        return {
            f"{account} {value.key} {value.currency}": (
                SUMMARY, 1, req_id, account, value.key, value.text, value.currency,
            )
            for account in self._world.accounts
            for value in summary_values(
                self._world, self._standing(account), self._settings, self._currency, tags, self._opening(account)
            )
        }  # fmt: skip

    # ---- positions ---------------------------------------------------------------------------------------------
    def positions(self, version: int, knows: Callable[[str], bool]) -> Rows:
        """position, of every account; only the first has any."""
        account = self._world.accounts[0]
        return {
            str(inst): (POSITION, 3, account, *self._contract(inst), *self._holding(inst, version))
            for inst in self._instruments(account)
            if self._quantity(inst) or knows(str(inst))
        }

    def positions_multi(
        self, req_id: int, account: str, model: str, version: int, knows: Callable[[str], bool]
    ) -> Rows:
        """positionMulti."""
        if model:
            return {}
        return {
            str(inst): (
                POSITION_MULTI, 1, req_id, account, *self._contract(inst), *self._holding(inst, version), "",
            )
            for inst in self._instruments(account)
            if self._quantity(inst) or knows(str(inst))
        }  # fmt: skip

    # ---- profit ------------------------------------------------------------------------------------------------
    def pnl(self, req_id: int, account: str) -> Rows:
        """pnl."""
        daily, unrealised, realised = self._profit.account() if self._trades(account) else (0, 0, 0)
        return {"": (PNL, req_id, nanos_text(daily), nanos_text(unrealised), nanos_text(realised))}

    def pnl_single(self, req_id: int, account: str, inst: int, version: int) -> Rows:
        """pnlSingle."""
        if not self._trades(account):
            return {"": (PNL_SINGLE, req_id, 0, 0, 0, 0, 0)}
        of = self._profit.position(inst)
        money = (of.daily_nanos, of.unrealised_nanos, of.realised_nanos, of.value_nanos)
        return {"": (PNL_SINGLE, req_id, _size(of.qty_nanos, version), *(nanos_text(nanos) for nanos in money))}

    # ---- the leaves --------------------------------------------------------------------------------------------
    def _trades(self, account: str) -> bool:
        return account == self._world.accounts[0]

    def _standing(self, account: str) -> Standing:
        return self._profit.standing() if self._trades(account) else EMPTY

    def _opening(self, account: str) -> int:
        return self._profit.opening.equity_nanos if self._trades(account) else 0

    def _values(self, account: str) -> list[Value]:
        return account_values(
            self._world, self._standing(account), self._settings, self._currency, self._opening(account),
            empty=not self._trades(account),
        )  # fmt: skip

    def _instruments(self, account: str) -> list[int]:
        return sorted(self._world.exchange.account.state.positions) if self._trades(account) else []

    def _quantity(self, inst: int) -> int:
        return self._world.exchange.account.state.positions[inst].qty_nanos

    def _contract(self, inst: int) -> list[Field]:
        """C11 with the listing exchange, as positions have it."""
        listed: Listed = self._book.of_inst(inst)
        head: list[Field] = [listed.con_id, listed.symbol, listed.sec_type, "", "0", "", listed.multiplier]
        place = listed.primary_exchange or listed.exchange
        return [*head, place, listed.currency, listed.local_symbol, listed.trading_class]

    def _holding(self, inst: int, version: int) -> tuple[Field, Field]:
        held = self._world.exchange.account.state.positions[inst]
        return _size(held.qty_nanos, version), nanos_text(held.average_cost_nanos)

    def _portfolio_row(self, account: str, inst: int, version: int) -> Row:
        held = self._world.exchange.account.state.positions[inst]
        mark = mark_px_nanos(self._world, inst, held.average_cost_nanos)
        holding = Holding(inst=inst, qty_nanos=held.qty_nanos, cost_nanos=held.cost_nanos, mark_px_nanos=mark)
        listed = self._book.of_inst(inst)
        contract: Row = (
            listed.con_id, listed.symbol, listed.sec_type, "", "0", "0", listed.multiplier, listed.primary_exchange,
            listed.currency, listed.local_symbol, listed.trading_class,
        )  # fmt: skip
        size, cost = self._holding(inst, version)
        realised = self._profit.position(inst).realised_nanos
        return (
            PORTFOLIO, 8, *contract, size, nanos_text(mark), decimal_text(holding.value_nanos), cost,
            decimal_text(holding.unrealised_nanos), decimal_text(realised), account,
        )  # fmt: skip


_LEDGER_AND_NLV: Final = frozenset({
    "Currency", "CashBalance", "TotalCashBalance", "AccruedCash", "StockMarketValue", "NetLiquidationByCurrency",
    "UnrealizedPnL", "RealizedPnL", "ExchangeRate", "RealCurrency", "NetLiquidation",
})  # fmt: skip


def _size(nanos: int, version: int) -> str:
    return nanos_text(nanos) if version >= FRACTIONAL_SIZES else str(nanos // NANO)
