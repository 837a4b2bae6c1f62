"""The gateway's account pages as one part: requests 6, 61-64, 74-77 and 92-95, and when their pages are told again.

Owns subscriptions and their limits; what a page says is read elsewhere. Only the beginning of the day outlives a
restart.
"""

from collections.abc import Mapping
from typing import Any, Final

from broker.gateway.account.pages import (
    DOWNLOAD_END,
    POSITION_END,
    POSITION_MULTI_END,
    SUMMARY_END,
    VALUE_MULTI_END,
    Page,
    Reader,
)
from broker.gateway.account.profit import DayProfit
from broker.gateway.account.settings import AccountSettings
from broker.gateway.contracts.book import ContractBook
from broker.gateway.moments import midnight_ns
from broker.gateway.part import NEVER, Client, Fields, Handler, World
from core.events import CommissionReported, ExecutionCorrected, OrderFilled
from core.units import NANO

SUMMARIES_MAX: Final = 2
PAGES_MAX: Final = 200  # of one client
CHANGE_NS: Final = 100_000_000  # what one execution changes is told together
PROFIT_NS: Final = NANO  # profit pages are looked at once a second

UPDATES, POSITIONS, SUMMARY, POSITIONS_MULTI, VALUES_MULTI, PNL, PNL_SINGLE = (
    "updates", "positions", "summary", "positions multi", "values multi", "pnl", "pnl single",
)  # fmt: skip
_EVERY_SECOND: Final = (PNL, PNL_SINGLE)
INVALID: Final = "Error validating request.-'bM' : cause - "

PageKey = tuple[int, str, int]  # connection, kind, request id


class AccountPart:
    """One `Part`."""

    def __init__(
        self, world: World, *, book: ContractBook, settings: AccountSettings, currency: str, timezone: str
    ) -> None:
        self._world = world
        self._book = book
        self._zone = timezone
        self._refresh_ns = settings.refresh_s * NANO
        self._profit = DayProfit(world, settings, currency)
        self._reader = Reader(world, book, settings, self._profit, currency=currency, timezone=timezone)
        self._pages: dict[PageKey, Page] = {}
        self._updates: dict[int, str] = {}  # connection -> account of its account updates
        self._midnight_ns = self._change_ns = self._next_refresh_ns = self._profit_ns = NEVER
        self.next_due_ns = NEVER

    def handlers(self) -> Mapping[int, Handler]:
        """Requests it answers."""
        return {
            6: self._account_updates,
            61: self._positions,
            62: self._summary,
            63: lambda client, fields: self._cancel(client, fields, SUMMARY, versioned=True),
            64: self._cancel_positions,
            74: self._positions_multi,
            75: lambda client, fields: self._cancel(client, fields, POSITIONS_MULTI, versioned=True),
            76: self._values_multi,
            77: lambda client, fields: self._cancel(client, fields, VALUES_MULTI, versioned=True),
            92: self._pnl,
            93: lambda client, fields: self._cancel(client, fields, PNL, versioned=False),
            94: self._pnl_single,
            95: lambda client, fields: self._cancel(client, fields, PNL_SINGLE, versioned=False),
        }

    # ---- the part ----------------------------------------------------------------------------------------------
    def opened(self, client: Client) -> None:
        """Nobody asks before the first client, so the first day begins with it."""
        if not self._profit.begun:
            self._begin_day()

    def closed(self, client: Client) -> None:
        """Its pages close."""
        for key in [key for key in self._pages if key[0] == client.number]:
            del self._pages[key]
        self._updates.pop(client.number, None)
        self._arm()

    def on_row(self, row: tuple[Any, ...]) -> None:
        """Marks are read when a page is told."""

    def on_fact(self, ts_ns: int, fact: Any) -> None:
        """An execution, its correction or its cost changes the account."""
        if type(fact) in (OrderFilled, ExecutionCorrected, CommissionReported) and self._pages:
            self._change_ns = min(self._change_ns, self._world.now_ns + CHANGE_NS)
            self._arm()

    def on_link(self, data_lost: bool) -> None:
        """Pages stay open; what they miss comes with the facts."""

    def advance(self, ts_ns: int) -> None:
        """Midnight, a change to tell, the three minutes, or the second of the profit pages."""
        if ts_ns >= self._midnight_ns:
            self._begin_day()
        slow = ts_ns >= min(self._change_ns, self._next_refresh_ns)
        fast = ts_ns >= self._profit_ns
        for (_, kind, _), page in list(self._pages.items()):
            if fast if kind in _EVERY_SECOND else slow:
                page.refresh()
        if slow:
            self._change_ns, self._next_refresh_ns = NEVER, ts_ns + self._refresh_ns
        if fast:
            self._profit_ns = ts_ns + PROFIT_NS
        self._arm()

    def dump(self) -> bytes:
        """How the day began."""
        return self._profit.dump()

    def load(self, state: bytes) -> None:
        """From `dump`."""
        self._profit.load(state)
        if self._profit.begun:
            self._midnight_ns = midnight_ns(self._world.now_ns, self._zone, days=1)
            self._arm()

    def _begin_day(self) -> None:
        self._profit.begin_day()
        self._midnight_ns = midnight_ns(self._world.now_ns, self._zone, days=1)
        self._arm()

    def _arm(self) -> None:
        """The next moment: without pages only midnight."""
        kinds = [key[1] for key in self._pages]
        if not any(kind in _EVERY_SECOND for kind in kinds):
            self._profit_ns = NEVER
        elif self._profit_ns == NEVER:
            self._profit_ns = self._world.now_ns + PROFIT_NS
        if all(kind in _EVERY_SECOND for kind in kinds):
            self._next_refresh_ns = self._change_ns = NEVER
        elif self._next_refresh_ns == NEVER:
            self._next_refresh_ns = self._world.now_ns + self._refresh_ns
        self.next_due_ns = min(self._midnight_ns, self._change_ns, self._next_refresh_ns, self._profit_ns)

    # ---- requests ----------------------------------------------------------------------------------------------
    def _account_updates(self, client: Client, fields: Fields) -> None:
        """One account at a time: another one takes the place of the first (2100)."""
        fields.skip(1)
        wanted, account = fields.flag(), fields.text()
        if not wanted:
            self._updates.pop(client.number, None)
            self._close(client, UPDATES, 0)
            return
        account = account or self._world.accounts[0]
        if not self._known(client, -1, account):
            return
        before = self._updates.get(client.number)
        if before is not None and before != account:
            client.error(
                -1, 2100, "New account data requested from TWS.  API client has been unsubscribed from account data."
            )
        self._updates[client.number] = account
        page = Page(
            client,
            lambda: self._reader.account(account, client.version, page.knows),
            end=(DOWNLOAD_END, 1, account),
            mark=self._reader.update_time,
        )
        self._open(page, UPDATES, 0)

    def _positions(self, client: Client, fields: Fields) -> None:
        page = Page(client, lambda: self._reader.positions(client.version, page.knows), end=(POSITION_END, 1))
        self._open(page, POSITIONS, 0)

    def _cancel_positions(self, client: Client, fields: Fields) -> None:
        self._close(client, POSITIONS, 0)

    def _summary(self, client: Client, fields: Fields) -> None:
        fields.skip(1)
        req_id, group, tags = fields.integer(), fields.text(), fields.text()
        key = (client.number, SUMMARY, req_id)
        open_ones = sum(number == client.number and kind == SUMMARY for number, kind, _ in self._pages)
        if open_ones >= SUMMARIES_MAX and key not in self._pages:
            text = "Error processing request.-'bM' : cause - Maximum number of account summary requests exceeded"
            client.error(req_id, 322, text)
            return
        if group not in ("All", *self._world.accounts):
            client.error(req_id, 321, f"{INVALID}Invalid account group name")
            return
        named = tuple(tag.strip() for tag in tags.split(",") if tag.strip())
        self._open(
            Page(client, lambda: self._reader.summary(req_id, named), end=(SUMMARY_END, 1, req_id)), SUMMARY, req_id
        )

    def _positions_multi(self, client: Client, fields: Fields) -> None:
        fields.skip(1)
        req_id, account, model = fields.integer(), fields.text() or self._world.accounts[0], fields.text()
        if self._known(client, req_id, account):
            page = Page(
                client,
                lambda: self._reader.positions_multi(req_id, account, model, client.version, page.knows),
                end=(POSITION_MULTI_END, 1, req_id),
            )
            self._open(page, POSITIONS_MULTI, req_id)

    def _values_multi(self, client: Client, fields: Fields) -> None:
        fields.skip(1)
        req_id, account, model = fields.integer(), fields.text() or self._world.accounts[0], fields.text()
        ledger_only = fields.flag()
        if self._known(client, req_id, account):
            page = Page(
                client,
                lambda: self._reader.values_multi(req_id, account, model, ledger_only),
                end=(VALUE_MULTI_END, 1, req_id),
            )
            self._open(page, VALUES_MULTI, req_id)

    def _pnl(self, client: Client, fields: Fields) -> None:
        req_id, account = fields.integer(), fields.text()
        if self._known(client, req_id, account):
            self._open(Page(client, lambda: self._reader.pnl(req_id, account)), PNL, req_id)

    def _pnl_single(self, client: Client, fields: Fields) -> None:
        req_id, account = fields.integer(), fields.text()
        fields.skip(1)
        con_id = fields.integer()
        if not self._known(client, req_id, account):
            return
        listed = self._book.of_id(con_id)
        if listed is None or listed.inst < 0:
            client.error(req_id, 321, f"{INVALID}Invalid contract id {con_id}")
            return
        inst = listed.inst
        page = Page(client, lambda: self._reader.pnl_single(req_id, account, inst, client.version))
        self._open(page, PNL_SINGLE, req_id)

    # ---- the leaves --------------------------------------------------------------------------------------------
    def _known(self, client: Client, req_id: int, account: str) -> bool:
        if account in self._world.accounts:
            return True
        client.error(req_id, 321, f"{INVALID}Invalid account code '{account[:40]}'.")
        return False

    def _open(self, page: Page, kind: str, req_id: int) -> None:
        key = (page.client.number, kind, req_id)
        if key not in self._pages and sum(number == key[0] for number, _, _ in self._pages) >= PAGES_MAX:
            page.client.error(req_id or -1, 322, f"Error processing request.-'bM' : cause - {PAGES_MAX} pages are open")
            return
        self._pages[key] = page
        page.open()
        self._arm()

    def _cancel(self, client: Client, fields: Fields, kind: str, *, versioned: bool) -> None:
        if versioned:
            fields.skip(1)
        req_id = fields.integer()
        if not self._close(client, kind, req_id):
            client.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")

    def _close(self, client: Client, kind: str, req_id: int) -> bool:
        known = self._pages.pop((client.number, kind, req_id), None) is not None
        self._arm()
        return known
