"""Which part takes which message: callbacks by name, errors by their number and code."""

import re
from typing import TYPE_CHECKING, Any, Final

from broker.ib.codes import Meaning, meaning_of
from broker.ib.config import REQUEST_ID_FIRST
from broker.ib.session import Phase
from broker.ib.translate import bounded, seconds_of
from broker.ib.wrapper import FAULT, Entry
from core.errors import BrokerFault

if TYPE_CHECKING:
    from broker.ib.adapter import IbAdapter

CAPABILITY: Final = "quantd-clock"  # in startApi: tell me your clock
CLOCK_CODE: Final = 2999
COMPETING: Final = 10197
TEXT_MAX: Final = 500
_CLOCK_TEXT: Final = re.compile(rf"{CAPABILITY} ts_ns=(\d{{1,19}}) speed=([0-9.e+-]{{1,32}})")
_MARKET_FARMS: Final = {2103: True, 2104: False}
_BAD_MESSAGE: Final = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, BrokerFault)


class Router:
    """Of one adapter. What a message breaks is a fault; what the trader breaks passes through."""

    def __init__(self, adapter: "IbAdapter") -> None:
        self._adapter = adapter
        sync, contracts, history = adapter.sync, adapter.contracts, adapter.history
        market, life = adapter.market, adapter.life
        self._handlers: dict[str, Any] = {
            FAULT: adapter.fault,
            "error": self._error,
            "orderStatus": adapter.orders.order_status,
            "openOrder": sync.open_order,
            "foreignOrder": sync.foreign_order,
            "openOrderEnd": sync.open_end,
            "completedOrder": sync.completed_order,
            "completedOrdersEnd": sync.completed_end,
            "execDetails": sync.execution,
            "execDetailsEnd": sync.execution_end,
            "commissionReport": self._commission,
            "position": self._position,
            "positionEnd": sync.position_end,
            "accountUpdateMulti": self._account_value,
            "accountUpdateMultiEnd": sync.account_end,
            "contractDetails": contracts.details,
            "contractDetailsEnd": contracts.details_end,
            "marketRule": contracts.market_rule,
            "historicalData": history.bar,
            "historicalDataEnd": self._history_end,
            "tickGeneric": market.tick_generic,
            "tickSnapshotEnd": life.snapshot_end,
            "marketDataType": life.data_type,
            "nextValidId": self._next_valid_id,
            "managedAccounts": self._managed_accounts,
            "currentTime": self._current_time,
        }

    def drain(self) -> None:
        """Everything of this read, in order of receipt; and what the parts found wrong with it."""
        wrapper = self._adapter.wrapper
        while wrapper.inbox:
            for entry in wrapper.take():
                self._handle(entry)

    def _handle(self, entry: Entry) -> None:
        handler = self._handlers.get(entry[0])
        if handler is None:
            return  # asked for by nobody: portfolio rows, account times
        try:
            handler(*entry[1:])
        except _BAD_MESSAGE as fault:
            self._adapter.fault(f"{entry[0]}: {type(fault).__name__}: {fault}")

    # ---- messages of the session -------------------------------------------------------------------------------
    def _next_valid_id(self, order_id: int) -> None:
        adapter = self._adapter
        adapter.orders.next_valid_id(order_id)
        adapter.session.ids(adapter.mono_ns(), adapter.now_ns)

    def _managed_accounts(self, accounts: str) -> None:
        adapter = self._adapter
        known = [name for name in accounts.split(",") if name]
        adapter.session.accounts(known, adapter.mono_ns(), adapter.now_ns)

    def _current_time(self, broker_s: int) -> None:
        adapter = self._adapter
        measured = adapter.session.pong(seconds_of(broker_s), adapter.mono_ns(), adapter.now_ns)
        if measured is not None:
            adapter.fact(measured)

    # ---- messages whose arguments differ -----------------------------------------------------------------------
    def _commission(self, raw: list[bytes]) -> None:
        self._adapter.orders.executions.commission(raw, in_sync=self._adapter.sync.sync_id > 0)

    def _position(self, account: str, contract: Any, quantity: float, cost: float) -> None:
        self._adapter.sync.position(account, contract.conId, quantity, cost)

    def _account_value(self, request_id: int, account: str, _model: str, key: str, value: str, currency: str) -> None:
        self._adapter.sync.account_value(request_id, account, key, value, currency)

    def _history_end(self, request_id: int, _start: str, _end: str) -> None:
        self._adapter.history.end(request_id)

    # ---- errors ------------------------------------------------------------------------------------------------
    def _error(self, number: int, code: int, text: str, _reject_json: str) -> None:
        """One error: of a data request, of an order, or of the system, by its number."""
        adapter = self._adapter
        number, code, text = bounded(number), bounded(code), text[:TEXT_MAX]
        meaning = meaning_of(code, text)
        if number >= REQUEST_ID_FIRST:
            if not self._of_request(number, code, text, meaning) and meaning is not Meaning.NOTE:
                adapter.log("ib_error", number=number, code=code, text=text)
            return
        if number > 0 and adapter.orders.error(number, code, text, meaning):
            return
        adapter.log("ib_message", number=number, code=code, text=text)
        if code == CLOCK_CODE:
            self._announced(text)
        elif code in _MARKET_FARMS:
            adapter.life.farm(_MARKET_FARMS[code])
        elif meaning is Meaning.PACING:
            adapter.doubt(f"{code} {text}")
        elif code == COMPETING:
            adapter.life.competing(text)
        else:
            adapter.session.system_error(code, text, meaning, adapter.mono_ns())
            if meaning is Meaning.LINK_LOST and adapter.session.phase is Phase.UP:
                adapter.life.server_lost()

    def _of_request(self, number: int, code: int, text: str, meaning: Meaning | None) -> bool:
        adapter = self._adapter
        return (
            adapter.life.refused(number, code, text, meaning)
            or adapter.contracts.refused(number, code, text)
            or adapter.history.refused(number, code, text)
            or adapter.sync.refused(number, code, text)
        )

    def _announced(self, text: str) -> None:
        adapter = self._adapter
        found = _CLOCK_TEXT.fullmatch(text)
        if found is not None and adapter.settings.clock == "gateway":
            adapter.clock.announce(int(found[1]), float(found[2]))
            adapter.refresh_now()
            adapter.session.clock_announced()
