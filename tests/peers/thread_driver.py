"""The `ibapi` family: the official client, and the newer ones under the same module name. Knows the differences between
the releases, and no expected value.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.wrapper import EWrapper

from tests.peers.record_driver import Record, RecordDriver
from tests.peers.scenario import STEP_S, Row

try:
    from ibapi.order_cancel import OrderCancel
except ImportError:  # releases before 10.30
    OrderCancel = None


class Faults(logging.Handler):
    """What the library finds wrong with what it was sent."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.name}: {record.getMessage()}"
        if "Disconnected; resetting connection" not in text:  # as it was told to
            self.texts.append(f"{text} {record.exc_info[1]!r}" if record.exc_info else text)


class Wrapper(EWrapper):  # type: ignore[misc]  # the library ships no types
    """Records every callback, whatever its signature in this release."""

    def __init__(self) -> None:
        super().__init__()
        self.record = Record()


def _recorded(name: str) -> Callable[..., None]:
    def call(self: Wrapper, *values: Any, **named: Any) -> None:
        self.record.add(name, (*values, *named.values()))

    return call


for _name in dir(EWrapper):
    if not _name.startswith("_") and callable(getattr(EWrapper, _name)) and _name != "logAnswer":
        setattr(Wrapper, _name, _recorded(_name))


class ThreadDriver(RecordDriver):
    """One client with its reader and message threads."""

    def __init__(self) -> None:
        wrapper = Wrapper()
        super().__init__(EClient(wrapper), wrapper.record)
        self._messages: threading.Thread | None = None
        self._log = Faults()
        logging.getLogger().addHandler(self._log)

    def _open(self, host: str, port: int, client_id: int) -> None:
        self.client.connect(host, port, client_id)
        self._messages = threading.Thread(target=self._run, daemon=True)
        self._messages.start()

    def _run(self) -> None:
        try:
            self.client.run()
        except BaseException as fault:
            self._dead.append(f"message loop: {type(fault).__name__}: {fault}")
            raise

    def _is_open(self) -> bool:
        # A refused connection's message loop resets the client when it ends: one opened before that loses its state.
        return bool(self.client.isConnected()) or (self._messages is not None and self._messages.is_alive())

    def _version(self) -> int:
        return int(self.client.serverVersion())

    def other(self) -> "ThreadDriver":
        return ThreadDriver()

    def disconnect(self) -> None:
        self.client.disconnect()
        if self._messages is not None:
            self._messages.join(STEP_S)

    def faults(self) -> list[str]:
        return [*self._log.texts, *self._dead]

    def _contract(self, fields: Row) -> Any:
        return _made(Contract, fields)

    def _order(self, fields: Row) -> Any:
        # The old one asks for both by default, and no broker takes them any more.
        return _made(Order, {"eTradeOnly": False, "firmQuoteOnly": False, **fields})

    def cancel(self, order_id: int) -> None:
        if OrderCancel is not None:
            self.client.cancelOrder(order_id, OrderCancel())
        elif self._version() >= 169:
            self.client.cancelOrder(order_id, "")
        else:
            self.client.cancelOrder(order_id)

    def global_cancel(self) -> None:
        self.client.reqGlobalCancel(*([OrderCancel()] if OrderCancel is not None else []))

    def _ask_executions(self, req_id: int) -> None:
        self.client.reqExecutions(req_id, ExecutionFilter())


def _made(kind: type[Any], fields: Row) -> Any:
    it = kind()
    for name, value in fields.items():
        setattr(it, name, value)
    return it


def driver() -> ThreadDriver:
    """An unconnected client."""
    return ThreadDriver()
