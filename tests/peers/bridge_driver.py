"""`@stoqey/ib`, written for Node.js by people apart from the makers of all other peers: it leaves unset fields empty,
and complains of every field too many or too few. It runs as a process of its own behind `stoqey/bridge.mjs`; here its
events become the callbacks that the others make. Knows no expected value.
"""

import json
import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any, Final

from tests.peers.record_driver import Record, RecordDriver
from tests.peers.scenario import Row

BRIDGE: Final = "QUANTD_PEER_BRIDGE"  # the installed copy of bridge.mjs
UNSET: Final = 1.7976931348623157e308
OWN_CODES: Final = range(501, 600)  # what the library itself finds wrong
RENAMED: Final = {"reqHeadTimeStamp": "reqHeadTimestamp", "cancelHeadTimeStamp": "cancelHeadTimestamp"}
BAR: Final = ("date", "open", "high", "low", "close", "volume", "barCount")


class Decoded:
    """An object of the library, its fields as attributes. It leaves out what was sent as unset."""

    def __init__(self, fields: Row) -> None:
        self.__dict__.update(
            {"realizedPNL": UNSET, "clientId": 0, "parentId": 0, "orderRef": "", "ocaGroup": ""} | fields
        )
        self.primaryExchange = fields.get("primaryExch", "")


def decoded(value: Any) -> Any:
    """With objects in place of all tables."""
    if isinstance(value, dict):
        return Decoded({name: decoded(field) for name, field in value.items()})
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return value


class Bridge:
    """The process; a method that is called on it is called on the library."""

    def __init__(self, record: Record, failed: Callable[[str], None]) -> None:
        self.open = False
        self.version = 0
        self._record, self._failed = record, failed
        command = ["node", "--disable-warning=DEP0040", os.environ[BRIDGE]]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def __getattr__(self, method: str) -> Callable[..., None]:
        def call(*values: Any) -> None:
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps([RENAMED.get(method, method), *values]) + "\n")
            self.process.stdin.flush()

        return call

    def connect(self, host: str, port: int, client_id: int) -> None:
        self.open = True
        self.__getattr__("open")(host, port, client_id)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            name, values = json.loads(line)
            self._event(name, [decoded(value) for value in values])
        if self.process.wait() != 0:
            self._failed(f"node ended with {self.process.returncode}")

    def _event(self, name: str, values: list[Any]) -> None:
        if name == "server":
            self.version = int(values[0])
        elif name == "disconnected":
            self.open = False
        elif name == "info":
            name, values = "error", [-1, values[1], values[0], ""]
        elif name == "error" and values[1] in OWN_CODES:
            self._failed(f"{values[1]}: {values[2]}")
        elif name == "historicalData" and str(values[1]).startswith("finished"):
            name = "historicalDataEnd"
        elif name in ("historicalData", "historicalDataUpdate"):
            values = [values[0], Decoded(dict(zip(BAR, values[1:], strict=False)))]
        self._record.add(name, tuple(values))


class BridgeDriver(RecordDriver):
    """One client in its process."""

    def __init__(self) -> None:
        record = Record()
        super().__init__(Bridge(record, self._fail), record)

    def _fail(self, what: str) -> None:
        self._dead.append(what)

    def _open(self, host: str, port: int, client_id: int) -> None:
        self.client.connect(host, port, client_id)

    def _is_open(self) -> bool:
        return bool(self.client.open)

    def _version(self) -> int:
        return int(self.client.version)

    def _contract(self, fields: Row) -> Any:
        return fields

    def _order(self, fields: Row) -> Any:
        # An unset flag leaves empty, which is no: also of this one, so its users set it.
        return {"transmit": True, **fields}

    def other(self) -> "BridgeDriver":
        return BridgeDriver()

    def disconnect(self) -> None:
        if self._is_open():
            self.client.disconnect()
            self.wait(lambda: not self._is_open())

    def cancel(self, order_id: int) -> None:
        self.client.cancelOrder(order_id)

    def global_cancel(self) -> None:
        self.client.reqGlobalCancel()

    def _ask_executions(self, req_id: int) -> None:
        self.client.reqExecutions(req_id, {})


def driver() -> BridgeDriver:
    """An unconnected client."""
    return BridgeDriver()
