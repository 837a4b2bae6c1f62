"""One full synchronisation at a time: open orders, completed orders and executions first, then positions and cash.

Positions are a snapshot of a moment, executions a stream: a fill between the two looks like a difference. So positions
and cash are asked for last, held back, and asked for again when an execution came in meanwhile; what is reported then
belongs together. Every End has a deadline. Real gateways may never send the End of executions: it is asked for once
more, and after that positions and completed orders must explain the books (the engine compares them).
"""

from collections.abc import Callable
from typing import Any, Final

from ib_async.objects import ExecutionFilter

from broker.ib.config import IbSettings, ns
from broker.ib.orders import Orders
from broker.ib.seam import DEGRADED, DOWN, LANE_SYNC, NEVER, READY, Shell
from broker.ib.translate import currency_of, integer_of, nanos_of, nanos_of_float
from core import events as e
from core.moments import utc_text
from core.units import NANO

OPEN: Final = "open orders"
ALL_OPEN: Final = "open orders of all clients"
COMPLETED: Final = "completed orders"
EXECUTIONS: Final = "executions"
POSITIONS: Final = "positions"
CASH: Final = "cash"
CONTRACTS: Final = "contracts of our own instruments"

QUIET_NS: Final = 300_000_000  # without an execution after positions came, while orders work
QUIET_TRIES_MAX: Final = 8
DOUBT_SPACING_NS: Final = 2_000_000_000  # between two synchronisations of the adapter's own
CASH_KEYS: Final = ("CashBalance", "TotalCashBalance", "TotalCashValue")  # the first that is there counts
FUNDS_KEYS: Final = ("EquityWithLoanValue", "AvailableFunds", "ExcessLiquidity")  # all, or the account is not known
UNLISTED_FROM: Final = 1_000_000  # instrument numbers of positions in contracts we do not trade


class Sync:
    """The synchronisation that runs, and the one that is asked for next."""

    def __init__(
        self, shell: Shell, orders: Orders, settings: IbSettings, *, account: str, settled: Callable[[], bool]
    ) -> None:
        """`settled`: whether the contracts of all our instruments are known."""
        self._shell = shell
        self._settled = settled
        self._orders = orders
        self._timeout_ns = ns(settings.sync_timeout_s)
        self._account = account
        self._last_id = 0
        self._asked: tuple[str, int] | None = None  # reason and since_ns of the next one
        self._asked_at_ns = NEVER
        self._ended_ns = 0
        self._not_before_ns = 0  # an incomplete one is not repeated at once: the trader would ask without end
        self.sync_id = 0  # 0 = none runs
        self._started_ns = 0
        self._since_ns = 0
        self._waits: dict[str, int] = {}  # what has no End yet -> deadline
        self._missing: list[str] = []
        self._execution_tries = 0
        self._request_ids: dict[str, int] = {}
        self._positions: dict[int, tuple[int, int]] = {}  # contract id -> quantity, average cost
        self._cash: dict[str, dict[str, int]] = {}  # currency -> key -> amount
        self._funds: dict[str, int] = {}  # of FUNDS_KEYS, in the account's base currency
        self._taken = 0
        self._tries = 0
        self._quiet_at_ns = NEVER
        self._doubtful = False  # the link was not READY all the time
        self._reported: dict[int, Any] = {}  # open orders told, by permId
        self._executed: dict[bytes, None] = {}  # executions told
        self._strangers = 0  # of these, in contracts of no instrument of ours

    # ---- asking ------------------------------------------------------------------------------------------------
    def ask(self, reason: str, since_ns: int, *, at_ns: int) -> None:
        """Synchronise at `at_ns` or when the one that runs has ended; several wishes become one."""
        if self._asked is not None:
            reason, since_ns = self._asked[0], min(self._asked[1], since_ns)
        self._asked = (reason, since_ns)
        self._asked_at_ns = min(self._asked_at_ns, max(at_ns, self._not_before_ns))

    def doubt(self, reason: str, now_ns: int) -> None:
        """The adapter itself wants to know; not more often than it helps."""
        self.ask(reason, 0, at_ns=max(now_ns, self._ended_ns + DOUBT_SPACING_NS))

    def link_changed(self, link: int) -> None:
        """Without a socket nothing runs; the trader has dropped it too and asks again when the link is back."""
        if link == DOWN:
            self.sync_id = 0
            self._asked, self._asked_at_ns = None, NEVER
            self._waits.clear()
            self._quiet_at_ns = NEVER
            self._not_before_ns = 0
        elif link == DEGRADED:
            self._doubtful = True

    @property
    def next_ns(self) -> int:
        """When `tick` has something to do."""
        if not self.sync_id:
            return self._asked_at_ns
        return min(self._quiet_at_ns, min(self._waits.values(), default=NEVER))

    def tick(self, now_ns: int) -> None:
        """Start what is due, give up on what is late, conclude what was waited for."""
        if not self.sync_id:
            if self._asked is not None and self._asked_at_ns <= now_ns and self._shell.link != DOWN:
                self._start(now_ns)
            return
        for name in [name for name, due_ns in self._waits.items() if due_ns <= now_ns]:
            self._late(name, now_ns)
        if self.sync_id and self._quiet_at_ns <= now_ns:
            self._quiet_at_ns = NEVER
            self._conclude(now_ns)

    def _start(self, now_ns: int) -> None:
        assert self._asked is not None, "asked by tick"
        (reason, self._since_ns), self._asked, self._asked_at_ns = self._asked, None, NEVER
        self._last_id = max(self._last_id + 1, now_ns // NANO)  # never repeats, also over restarts
        self.sync_id, self._started_ns = self._last_id, now_ns
        self._doubtful = self._shell.link != READY
        self._missing, self._execution_tries, self._tries = [], 0, 0
        self._reported, self._executed, self._strangers = {}, {}, 0
        # The fact first: an order that leaves between it and the requests is younger than the synchronisation.
        self._shell.fact(e.SyncStarted(sync_id=self.sync_id, reason=reason))
        if not self.sync_id:
            return
        for name, request, arguments in (
            (OPEN, "reqOpenOrders", ()),
            (ALL_OPEN, "reqAllOpenOrders", ()),
            (COMPLETED, "reqCompletedOrders", (False,)),
        ):
            self._request(name, request, *arguments)
        self._ask_executions()

    def _request(self, name: str, request: str, *arguments: Any) -> None:
        self._waits[name] = self._shell.now_ns + self._shell.patience_ns(self._timeout_ns)
        self._shell.request(LANE_SYNC, request, *arguments)

    def _ask_executions(self) -> None:
        self._execution_tries += 1
        wanted = ExecutionFilter(acctCode=self._account, time=utc_text(self._since_ns) if self._since_ns else "")
        self._request_ids[EXECUTIONS] = request_id = self._shell.request_id()
        self._request(EXECUTIONS, "reqExecutions", request_id, wanted)

    def _ask_positions(self) -> None:
        """The second half; also its repetition."""
        self._tries += 1
        self._taken = self._orders.executions.taken
        self._positions, self._cash, self._funds = {}, {}, {}
        self._request_ids[CASH] = request_id = self._shell.request_id()
        self._request(POSITIONS, "reqPositions")
        self._request(CASH, "reqAccountUpdatesMulti", request_id, self._account, "", False)

    # ---- answers -----------------------------------------------------------------------------------------------
    def open_order(self, wire_id: int, contract: Any, order: Any, state: Any) -> None:
        """Any openOrder: while a listing is awaited it is also part of it."""
        listing = self.sync_id and (OPEN in self._waits or ALL_OPEN in self._waits)
        own = self._orders.open_order(wire_id, contract, order, state, sync_ns=self._started_ns if listing else 0)
        if not listing:
            return
        report = self._orders.open_report(self.sync_id, own, contract, order, state)
        if report is not None and self._reported.get(order.permId) != report:
            self._reported[order.permId] = report
            self._shell.fact(report)

    def foreign_order(self, raw: list[bytes]) -> None:
        """An order of somebody else that the library cannot read: its head is enough for what we report of it."""
        if not (self.sync_id and (OPEN in self._waits or ALL_OPEN in self._waits)):
            return
        report = self._orders.foreign_report(self.sync_id, [field.decode(errors="replace") for field in raw])
        if report is not None and self._reported.get(report.perm_id) != report:
            self._reported[report.perm_id] = report
            self._shell.fact(report)

    def open_end(self) -> None:
        """One of the two listings has ended; they are answered in the order they were asked for."""
        if not self.sync_id:
            return
        self._done(OPEN if OPEN in self._waits else ALL_OPEN)

    def completed_order(self, contract: Any, order: Any, state: Any) -> None:
        """One order that ended within the broker's day."""
        if self.sync_id and COMPLETED in self._waits:
            report = self._orders.completed_report(self.sync_id, contract, order, state)
            if report is not None:
                self._shell.fact(report)

    def completed_end(self) -> None:
        """All of them."""
        self._done(COMPLETED)

    def execution(self, raw: list[bytes]) -> None:
        """Any execDetails: live ones carry the request id -1."""
        if not self.sync_id or raw[1] != b"%d" % self._request_ids.get(EXECUTIONS, 0):
            self._orders.executions.take(raw)
        elif raw[14] not in self._executed:  # asked for twice, or sent twice
            self._executed[raw[14]] = None
            self._strangers += self._orders.inst_of(integer_of(raw[3].decode(errors="replace"))) < 0
            self._orders.executions.take(raw, sync_id=self.sync_id)

    def execution_end(self, request_id: int) -> None:
        """All executions of a request."""
        if request_id == self._request_ids.get(EXECUTIONS):
            self._done(EXECUTIONS)

    def position(self, account: str, con_id: int, quantity: float, average_cost: float) -> None:
        """One position, in the snapshot or as an update while it is subscribed."""
        if self.sync_id and account == self._account:
            self._positions[con_id] = (nanos_of_float(quantity), nanos_of_float(average_cost))

    def position_end(self) -> None:
        """All positions."""
        if POSITIONS in self._waits:
            self._shell.request(LANE_SYNC, "cancelPositions")
            self._done(POSITIONS)

    def account_value(self, request_id: int, account: str, key: str, value: str, currency: str) -> None:
        """One account value."""
        if request_id != self._request_ids.get(CASH) or account != self._account:
            return
        if key in FUNDS_KEYS:
            self._funds[key] = nanos_of(value)
        elif key in CASH_KEYS and currency and currency != "BASE":
            self._cash.setdefault(currency_of(currency), {})[key] = nanos_of(value)

    def account_end(self, request_id: int) -> None:
        """All account values."""
        if request_id == self._request_ids.get(CASH) and CASH in self._waits:
            self._shell.request(LANE_SYNC, "cancelAccountUpdatesMulti", request_id)
            self._done(CASH)

    def refused(self, request_id: int, code: int, text: str) -> bool:
        """An error to one of our requests; False = not ours."""
        for name, known in self._request_ids.items():
            if known == request_id:
                self._shell.log("sync_refused", what=name, code=code, text=text)
                if name in self._waits:
                    self._late(name, self._shell.now_ns)
                return True
        return False

    # ---- concluding --------------------------------------------------------------------------------------------
    def _late(self, name: str, now_ns: int) -> None:
        if name == EXECUTIONS and self._execution_tries < 2:
            self._shell.log("sync_executions_again", sync_id=self.sync_id)
            self._ask_executions()
            return
        self._missing.append(name)
        self._done(name)

    def _done(self, name: str) -> None:
        if self._waits.pop(name, None) is None or self._waits or not self.sync_id:
            return
        if not self._tries:
            self._ask_positions()
            return
        now_ns = self._shell.now_ns
        if self._orders.executions.awaited or any(not own.ended for own in self._orders.book.own.values()):
            self._quiet_at_ns = now_ns + QUIET_NS
        else:
            self._conclude(now_ns)

    def _conclude(self, now_ns: int) -> None:
        """Report the snapshot, or take another if a fill came in between."""
        if self._taken != self._orders.executions.taken or self._orders.executions.awaited:
            if self._tries < QUIET_TRIES_MAX and POSITIONS not in self._missing and CASH not in self._missing:
                self._ask_positions()
                return
            if self._taken != self._orders.executions.taken:
                self._missing.append("a moment without fills")
            if self._orders.executions.awaited:
                if self._since_ns or EXECUTIONS in self._missing:
                    self._missing.append("executions that a status has promised")
                else:
                    self._orders.executions.give_up()
        shell, sync_id = self._shell, self.sync_id
        unlisted = UNLISTED_FROM
        for con_id, (qty_nanos, cost_nanos) in self._positions.items():
            inst = self._orders.inst_of(con_id)
            if inst < 0:
                inst, unlisted = unlisted, unlisted + 1
            shell.fact(
                e.PositionReported(sync_id=sync_id, inst=inst, qty_nanos=qty_nanos, average_cost_nanos=cost_nanos)
            )
        for currency, amounts in self._cash.items():
            cash = next(amounts[key] for key in CASH_KEYS if key in amounts)
            shell.fact(e.CashReported(sync_id=sync_id, currency=currency, cash_nanos=cash))
        if len(self._funds) == len(FUNDS_KEYS):
            equity, available, excess = (self._funds[key] for key in FUNDS_KEYS)
            shell.fact(
                e.AccountValued(
                    sync_id=sync_id, equity_with_loan_nanos=equity, available_nanos=available, excess_nanos=excess
                )
            )
        if not self._settled() and (unlisted > UNLISTED_FROM or self._strangers):
            self._missing.append(CONTRACTS)  # they may be ours: what differs now may not differ at all
        complete = not self._doubtful and not [name for name in self._missing if name != EXECUTIONS]
        if self._doubtful:
            self._missing.append("a link that was ready all the time")
        self.sync_id = 0
        self._ended_ns = now_ns
        self._not_before_ns = 0 if complete else now_ns + DOUBT_SPACING_NS
        shell.fact(e.SyncCompleted(sync_id=sync_id, complete=complete, missing=", ".join(self._missing)))
