"""A paper gateway and a trader in one event loop, with a real socket between them: the gateway's and the trader's own
stages, journal, machine and adapter; only the feed process and the table builder are called directly. Knows no
assertion.
"""

import asyncio
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from core.events import OperatorHalted
from core.latches import ACCOUNT
from core.orders import Order
from daemon import announced, digests
from daemon.config import load_config
from daemon.control.operations import TraderOperations
from daemon.gateway import market
from daemon.gateway.config import load_gateway
from daemon.gateway.process import Gateway
from daemon.notify import Notifier
from daemon.reference import tables as reference
from daemon.trader import Trader
from tests.fakes import garbage
from tests.fakes.operators import ONE_PERSON
from tests.fakes.trader import DirectFeed
from tests.fakes.wall import wall_limits

DEADLINE_S: Final = 120.0  # far above what any of this takes: a hang must end as a failure
GATEWAY: Final = """
state_dir = "gateway"
[gateway]
listen = ["127.0.0.1:{port}"]
accounts = ["DU0000001"]
stop_on_bug = true
[feed]
kind = "synthetic"
speed = "{speed}x"
[feed.synthetic]
seed = {seed}
start_date = "2026-10-05"
endless = true
[[feed.synthetic.instruments]]
symbol = "AAA"
px = 25
events_per_second = {rate}
reversion_ticks = 4.0
[[feed.synthetic.instruments]]
symbol = "CCC"
px = 180
events_per_second = {rate}
reversion_ticks = 12.0
[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
[[instruments]]
symbol = "CCC"
tick = 0.01
round_lot = 100
{more_gateway}"""
TRADER: Final = (
    """
mode = "{mode}"
state_dir = "."
[account]
id = "DU0000001"
tag = "du1"
[feed]
kind = "ib"
profile = "l1_250"
[ib]
port = {port}
clock = "gateway"
[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
[[instruments]]
symbol = "CCC"
tick = 0.01
round_lot = 100
[strategies.reversion]
kind = "meanrev"
symbols = ["AAA", "CCC"]
on_stop = "{on_stop}"
[strategies.reversion.params]
half_life_s = 60
enter_z = {enter_z}
leave_z = 0.2
position_dollars = 40_000
cadence_s = {cadence_s}
warm_up_s = 5
quotes_min = 5
[strategies.reversion.execution]
{execution}
[limits.account]
order_notional_max = 100_000
{wall}"""
    + ONE_PERSON
    + """
[journal]
reserve_mib = 0
segment_mib = 1
durability = "{durability}"
{more}"""
)
DEFAULTS: Final[dict[str, Any]] = {
    "port": 0, "speed": 20, "seed": 7, "rate": 4.0, "more_gateway": "", "mode": "paper", "on_stop": "park",
    "enter_z": 0.8, "cadence_s": 1, "duration_s": 20, "slices": 2, "durability": "os", "more": "",
    "execution": "",  # rows of the strategy's; "" = an even schedule of `duration_s` in `slices`
}  # fmt: skip
EVEN: Final = 'algo = "twap"\nparams = {{ duration_s = {duration_s}, slices = {slices} }}'

_table: Callable[..., Any] = functools.lru_cache(reference.build_in_child)
_code: Callable[..., Any] = functools.lru_cache(digests.code_version)


def install(patch: pytest.MonkeyPatch) -> None:
    """Feed and tables in this process."""
    patch.setattr(market, "FeedClient", DirectFeed)
    patch.setattr(reference, "build_in_child", _table)
    patch.setattr(reference, "code_version", _code)
    patch.setattr(announced, "TRY_AGAIN_SECONDS", 0.01)


class Pair:
    """One folder, the gateway and the traders that run in it."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.settings = DEFAULTS | changes
        self.gateway: Gateway
        self.trader: Trader
        self.notifier: Notifier | None = None  # a manager of services, for the traders from now on
        self._gateway_task: asyncio.Task[None]
        self._trader_task: asyncio.Task[None]

    # ---- the gateway -------------------------------------------------------------------------------------------
    async def start_gateway(self) -> None:
        """Start it on a free port, or on the one it had."""
        path = self.folder / "gateway.toml"
        path.write_text(GATEWAY.format(**self.settings))
        self.gateway = Gateway(load_gateway(path, environment={}), path, as_json=False)
        self._gateway_task = asyncio.create_task(self.gateway.run())
        await self.until(lambda: bool(getattr(getattr(self.gateway, "server", None), "listening", False)))
        self.settings["port"] = self.gateway.server.addresses[0][1]

    async def stop_gateway(self) -> None:
        """A stop in good order."""
        self.gateway._stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await self._gateway_task

    def fault(self, name: str, *, seconds: float = 0.0, **parameters: str) -> None:
        """Begin a fault, for so long in the gateway's time."""
        self.gateway.turns.catch_up()
        self.gateway.built.faults.begin(name, parameters, lasts_ns=int(seconds * 1e9))
        self.gateway.turns.turn()

    @property
    def holdings(self) -> list[int]:
        """Positions by instrument at the venue."""
        positions = self._account.positions
        return [positions[inst].qty_nanos if inst in positions else 0 for inst in range(2)]

    @property
    def cash_nanos(self) -> int:
        """Cash at the venue."""
        cash: int = self._account.cash_nanos["USD"]
        return cash

    @property
    def _account(self) -> Any:
        return self.gateway.built.machine.world.exchange.account.state

    def records(self) -> list[Any]:
        """Orders as the gateway has them."""
        orders: Any = self.gateway.built.machine.parts["orders"]
        return list(orders.journal.records.values())

    def same_books(self) -> bool:
        """Positions and cash, commissions included, of trader and venue."""
        ledger = self.money.ledger
        return list(ledger.holdings) == self.holdings and ledger.cash["USD"] == self.cash_nanos

    async def settle(self) -> None:
        """No new orders; until every commission is in and the books are the same."""
        self.operations.operate(OperatorHalted(level=ACCOUNT, scope="", reason="test", operator="test"))
        await self.until(lambda: not self.money.live_orders and not self.money.ledger.uncharged)
        await self.until(self.same_books)

    # ---- the trader --------------------------------------------------------------------------------------------
    def write_trader(self) -> Path:
        """Its config, for the gateway that runs."""
        path = self.folder / "trader.toml"
        execution = self.settings["execution"] or EVEN.format(**self.settings)
        made = self.settings | {"execution": execution, "wall": wall_limits(self.settings["speed"])}
        path.write_text(TRADER.format(**made))
        return path

    async def start_trader(self) -> None:
        """Start one; it is ready when this returns, its link may not be."""
        path = self.write_trader()
        self.trader = Trader(load_config(path), path, quiet=True, notifier=self.notifier)
        self._trader_task = asyncio.create_task(self.trader.run())
        await self.until(lambda: self.trader.phase == "ready")

    async def stop_trader(self) -> None:
        """A stop in good order; raises what the trader raised."""
        self.trader.request_stop("test")
        async with asyncio.timeout(DEADLINE_S):
            await self._trader_task

    @property
    def operations(self) -> TraderOperations:
        """What its control socket offers."""
        return TraderOperations(self.trader)

    @property
    def money(self) -> Any:
        """Its books."""
        return self.trader.active_runner.money

    def orders(self) -> list[Order]:
        """All it knows."""
        return list(self.money.orders.values())

    # ---- waiting -----------------------------------------------------------------------------------------------
    async def until(self, condition: Callable[[], bool]) -> None:
        """Let both run until it is so; raises what a task raised meanwhile."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                for task in (getattr(self, "_gateway_task", None), getattr(self, "_trader_task", None)):
                    if task is not None and task.done():
                        task.result()
                await asyncio.sleep(0.002)

    async def close(self) -> None:
        """Whatever runs ends."""
        tasks = [task for name in ("_trader_task", "_gateway_task") if (task := getattr(self, name, None)) is not None]
        for task in tasks:
            if not task.done():
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def run(folder: Path, story: Callable[[Pair], Any], **changes: Any) -> Pair:
    """One story on a pair; what is left of it is closed."""
    pair = Pair(folder, **changes)

    async def whole() -> None:
        try:
            await story(pair)
        finally:
            await pair.close()

    with garbage.left_alone():
        asyncio.run(whole())
    return pair
