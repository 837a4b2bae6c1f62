"""A real gateway process and a real trader process that meet over TCP, and the two ledgers they end with. Knows no
assertion: what the broker's side is, it asks the gateway as any client would, through ib_async.
"""

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import msgspec

from daemon.control.client import CommandFailed, NotReachable, connected
from daemon.journal_fold import JournalFold
from daemon.status.guard import read_guard
from daemon.status.picture import Status
from tests.drills.kill9 import EXAMPLE, market_data
from tests.fakes import forked
from tests.fakes.built_tables import keep_all, lend_all
from tests.fakes.operators import ANN, ONE_PERSON

ROOT = Path(__file__).resolve().parents[2]
LOOK_S = 0.05  # a look may be a session at the gateway, or a status of the trader: both answer instead of working
DEADLINE_S = 120.0  # for anything that should take a moment: a hang must end as a failure
ACCOUNT = "DU0000001"
CLIENT_ID = 11
NANO = Decimal(10) ** 9
CENT = Decimal("0.01")

SYNTHETIC = """
[feed]
kind = "synthetic"
speed = "{speed}"

[feed.synthetic]
seed = {seed}
start_date = "2026-01-05"
days = 1
endless = true

[[feed.synthetic.instruments]]
symbol = "BAC"
px = 38
events_per_second = 6.0
reversion_ticks = 4.0

[[feed.synthetic.instruments]]
symbol = "IBM"
px = 180
events_per_second = 6.0
reversion_ticks = 12.0
"""

REPLAY = """
[feed]
kind = "replay"
speed = "{speed}"
start = "{start}"
end = "{end}"
quotes = [
    "{folder}/lean/equity_tick_quotes/BAC_20131007_20131011.parquet",
    "{folder}/lean/equity_tick_quotes/IBM_20131007_20131011.parquet",
]
trades = [
    "{folder}/lean/equity_tick_trades/BAC_20131007_20131011.parquet",
    "{folder}/lean/equity_tick_trades/IBM_20131007_20131011.parquet",
]
"""

GATEWAY = """
state_dir = "{state}"

[gateway]
listen = ["127.0.0.1:{port}"]
accounts = ["DU0000001"]
master_client_id = 11
"""

TRADER = """
mode = "paper"
state_dir = "{state}"

[account]
id = "DU0000001"
tag = "du1"
start_cash = 1_000_000

[feed]
kind = "ib"
profile = "l1_250"

[ib]
port = {port}
clock = "gateway"
backoff_min_s = 0.1
backoff_max_s = 0.5
"""


class Pair:
    """Files of both, and the processes that are up. Use as a context: whatever is left is killed."""

    def __init__(
        self,
        folder: Path,
        *,
        feed: str,
        strategy: str = "",
        gateway: str = "",
        trader: str = "",
        instruments: str = "",
        dial: int = 0,  # the port the trader calls, where something stands between the two
        module: str = "daemon.app",  # of the trader
    ) -> None:
        self.folder = folder
        self.module = module
        self.port = free_port()
        self.gateway_file = folder / "gateway.toml"
        self.trader_file = self.guard_file = folder / "trader.toml"
        self.trader_state = folder / "trader"
        self.gateway_state = folder / "gateway"
        instruments = instruments or instruments_of_example()
        head = GATEWAY.format(state=self.gateway_state, port=self.port)
        self.gateway_file.write_text(head + gateway + feed + "\n" + instruments)
        head = TRADER.format(state=self.trader_state, port=dial or self.port)
        self.trader_file.write_text(
            head + trader + "\n" + ONE_PERSON + instruments + (strategy or strategies_of_example())
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.processes):
            self.kill(name)
        for state in (self.gateway_state, self.trader_state):
            keep_all(state)

    def start(self, *names: str) -> None:
        """Start gateway, trader or both at once, and wait until they take part."""
        for state in (self.gateway_state, self.trader_state):
            lend_all(state)
        for name in names:
            self._launch(name)
        if "gateway" in names:
            self.wait(self._listens, "the gateway listens", running="gateway")
        if "guard" in names:
            self.wait(self._guards, "the guard looks", running="guard")
        if "trader" in names:
            self.wait(self.is_ready, "the trader's link is READY", running="trader")

    def _launch(self, name: str) -> None:
        command = {
            "gateway": ["daemon.gateway", "--config", self.gateway_file, "--json"],
            "trader": [self.module, "run", "--config", self.trader_file, "--json"],
            "guard": ["daemon.killer", "--config", self.guard_file],
        }[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = forked.start(*map(str, command), stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """kill -9."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str, *, deadline_s: float = DEADLINE_S) -> int:
        """SIGTERM; the exit code."""
        process = self.processes[name]
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=deadline_s)
        del self.processes[name]
        return code

    def wait(
        self, condition: Callable[[], bool], what: str, *, running: str = "", deadline_s: float = DEADLINE_S
    ) -> None:
        """Until a condition holds. Raises RuntimeError with the end of the logs when it does not in time."""
        deadline = time.monotonic() + deadline_s
        while not condition():
            if running and self.processes[running].poll() is not None:
                raise RuntimeError(f"{running} ended with {self.processes[running].returncode}: {self.logs()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {deadline_s:g} s: {what}: {self.logs()}")
            time.sleep(LOOK_S)

    def logs(self) -> str:
        """The last lines of each."""
        found = []
        for name in ("gateway", "trader", "guard"):
            path = self.folder / f"{name}.log"
            if path.exists():
                found.append(f"--- {name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-25:]))
        return "\n".join(found)

    def status(self) -> Status | None:
        """The trader's picture of the moment; None while nobody answers."""
        with (
            contextlib.suppress(NotReachable, CommandFailed, OSError, msgspec.DecodeError),
            connected(self.trader_state / "control.sock", timeout_s=2.0) as client,
        ):
            return client.status()
        return None

    def command(self, name: str, **fields: Any) -> bytes:
        """One command to the trader, signed where it must be."""
        with connected(self.trader_state / "control.sock", prover=ANN) as client:
            return bytes(client.request(name, **fields))

    def is_ready(self) -> bool:
        """Whether the trader's link is READY."""
        status = self.status()
        return status is not None and status.link == "READY"

    def books(self) -> JournalFold:
        """The trader's ledger as its journal tells it."""
        return JournalFold(self.trader_state / "journal")

    def _guards(self) -> bool:
        picture = read_guard(self.trader_state)
        return picture is not None and picture.pid == self.processes["guard"].pid

    def _listens(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
            return True
        return False


class BrokerLedger(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway tells a client: positions by symbol, cash, and executions by id with what they cost."""

    positions: dict[str, Decimal]
    cash: Decimal
    executions: dict[str, tuple[str, Decimal, Decimal, Decimal]]  # symbol, signed quantity, price, commission
    open_orders: int
    refs: dict[str, set[int]]  # permanent ids by order reference: open, completed and executed orders


_ASK = """
import sys
from ib_async import IB
import msgspec
ib = IB()
ib.connect("127.0.0.1", int(sys.argv[1]), clientId=int(sys.argv[2]), timeout=20, raiseSyncErrors=True)
fills = ib.fills()
trades = ib.reqAllOpenOrders()
done = ib.reqCompletedOrders(False)
refs = {}
for ref, perm in [(f.execution.orderRef, f.execution.permId) for f in fills] + [
    (t.order.orderRef, t.order.permId) for t in [*trades, *done]
]:
    if ref:
        refs.setdefault(ref, set()).add(perm)
sign = {"BOT": 1, "SLD": -1}
print(msgspec.json.encode({
    "positions": {p.contract.symbol: str(p.position) for p in ib.positions() if p.position},
    "cash": [v.value for v in ib.accountValues() if v.tag == "CashBalance" and v.currency == "USD"],
    "executions": {
        f.execution.execId: [f.contract.symbol, repr(sign[f.execution.side] * f.execution.shares),
                             repr(f.execution.price), repr(f.commissionReport.commission)]
        for f in fills
    },
    "open_orders": len(trades),
    "refs": refs,
}).decode())
ib.disconnect()
"""


def broker_ledger(port: int, *, client_id: int = CLIENT_ID) -> BrokerLedger:
    """Ask the gateway, as the trader's own client id (it must be gone). Raises RuntimeError."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK, str(port), str(client_id)],
        capture_output=True, text=True, timeout=DEADLINE_S, check=False, cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the gateway gave no ledger: {done.stderr[-2000:]}")
    told = msgspec.json.decode(done.stdout)
    return BrokerLedger(
        positions={symbol: Decimal(text) for symbol, text in told["positions"].items()},
        cash=Decimal(told["cash"][0]),
        executions={
            name: (symbol, Decimal(qty), Decimal(px), Decimal(cost))
            for name, (symbol, qty, px, cost) in told["executions"].items()
        },
        open_orders=told["open_orders"],
        refs={ref: set(ids) for ref, ids in told["refs"].items()},
    )


def ledger_differences(pair: Pair, *, all_executions: bool = True) -> list[str]:
    """Every way in which the trader's ledger and the gateway's differ; empty = the same to the last cent."""
    books, told = pair.books(), broker_ledger(pair.port)
    money = books.money
    symbols = money.settings.symbols
    held = {symbols[inst]: Decimal(qty) / NANO for inst, qty in enumerate(money.ledger.holdings) if qty}
    found = [] if held == told.positions else [f"positions {held}, the broker says {told.positions}"]
    cash = Decimal(money.ledger.cash[money.settings.currency]) / NANO
    if cash.quantize(CENT, ROUND_HALF_EVEN) != told.cash.quantize(CENT, ROUND_HALF_EVEN):
        found.append(f"cash {cash}, the broker says {told.cash}")
    ours = {
        name: (symbols[x.inst], Decimal(x.side * x.qty_nanos) / NANO, Decimal(x.px_nanos) / NANO)
        for name, x in money.ledger.executions.items()
    }
    for name, (symbol, qty, px, _) in told.executions.items():
        if ours.get(name) != (symbol, qty, px):
            found.append(f"execution {name}: {ours.get(name)}, the broker says {(symbol, qty, px)}")
    if all_executions:
        found += [f"execution {name} is unknown to the broker" for name in ours if name not in told.executions]
    return found


def instruments_of_example() -> str:
    """The `[[instruments]]` tables of the shipped example, with prices of a made-up market where there is no other."""
    text = EXAMPLE.read_text()
    return text[text.index("[[instruments]]") : text.index("[strategies.reversion]")]


def strategies_of_example() -> str:
    """Its strategy and limits."""
    text = EXAMPLE.read_text()
    return text[text.index("[strategies.reversion]") :]


def recorded(start: str, end: str, *, speed: str) -> str | None:
    """A part of the recorded days as a feed, None where they are absent."""
    folder = market_data()
    return None if folder is None else REPLAY.format(speed=speed, start=start, end=end, folder=folder)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def new_pair(*, feed: str, **parts: Any) -> Iterator[Pair]:
    """A pair in a folder of its own, with a path short enough for its sockets."""
    with tempfile.TemporaryDirectory(prefix="qp-") as name, Pair(Path(name), feed=feed, **parts) as pair:
        yield pair


__all__ = ["BrokerLedger", "Pair", "broker_ledger", "ledger_differences", "new_pair", "recorded"]
