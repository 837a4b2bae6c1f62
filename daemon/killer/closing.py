"""Closing what is held after a panic: a trader of its own, with no strategy, empty books and a state folder that nobody
else uses. It adopts what the broker shows into nobody's book and flattens it: the same engine, gate and adapter as any
order, the reduce-only profile alone. Whoever ran before is not needed, and cannot be what is broken now.
"""

import asyncio
import contextlib
import getpass
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from core import events as e
from core.engine.adoption import AVERAGE, position_differences
from core.errors import QuantdError
from core.latches import ACCOUNT
from core.ledger import UNCLAIMED
from core.money.state import READY
from core.units import exact_text
from daemon.config.schema import Config
from daemon.trader import Trader

LOOK_S: Final = 0.05
CLOSE_S: Final = 180.0  # in the clock of the wall; outside regular hours nothing can be closed at once
TAG: Final = "panic"  # of its order references: the books of the trader before have none of them

Tell = Callable[[str], None]


def closing_config(config: Config, folder: Path) -> Config:
    """The same account, limits and instruments; strategies off, and everything of its own that two may not share."""
    return msgspec.structs.replace(
        config,
        state_dir=str(folder),
        account=msgspec.structs.replace(config.account, tag=TAG),
        control=msgspec.structs.replace(config.control, socket=str(folder / "control.sock")),
        ib=msgspec.structs.replace(config.ib, client_id=config.panic.client_id),
        authority=msgspec.structs.replace(config.authority, persons=1),  # the typed account id stands for the second
        strategies={
            name: msgspec.structs.replace(strategy, enabled=False) for name, strategy in config.strategies.items()
        },
    )


def close_positions(config: Config, *, reason: str, tell: Tell, seconds: float = CLOSE_S) -> list[str]:
    """Close everything in declared instruments; what is still held, in words. Raises what a trader's start raises."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    folder = Path(config.state_dir) / f"panic-{stamp}"
    wanted = closing_config(config, folder)
    trader = Trader(wanted, folder / "panic.toml", quiet=True)
    closing = _Closing(trader, reason, tell, time.monotonic() + seconds)
    asyncio.run(closing.run())
    tell(f"its journal: {folder}")
    return closing.left()


class _Closing:
    """Looks at the trader between its steps and gives two commands, each once it may be given."""

    def __init__(self, trader: Trader, reason: str, tell: Tell, deadline_s: float) -> None:
        self._trader = trader
        self._reason = f"panic: {reason}"
        self._operator = getpass.getuser()
        self._tell = tell
        self._deadline_s = deadline_s
        self._flattened = False
        self._said = ""

    async def run(self) -> None:
        """Until nothing is held, or the time is over."""
        running = asyncio.create_task(self._trader.run())
        while not running.done():
            if self._trader.phase == "ready":
                self._look()
            if time.monotonic() >= self._deadline_s:
                self._trader.request_stop("the time of the panic is over")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(running), LOOK_S)
        running.result()

    def _look(self) -> None:
        engine = self._trader.active_runner.engine
        money = engine.money
        if money.link != READY or not money.last_sync_ts_ns or money.sendable() != READY:
            return
        found = position_differences(engine)
        if found:
            self._give(
                e.AccountAdopted(
                    positions=tuple((inst, x.qty_nanos, UNCLAIMED) for inst, x in found.items()),
                    at=AVERAGE,
                    cash_nanos=money.cash_difference_nanos,
                    reason=self._reason,
                    operator=self._operator,
                )
            )
        elif not any(money.ledger.holdings):
            self._trader.request_stop("nothing is held")
        elif not self._flattened:
            self._flattened = self._give(
                e.OperatorFlattened(level=ACCOUNT, scope="", reason=self._reason, operator=self._operator)
            )

    def _give(self, event: Any) -> bool:
        reply = self._trader.operations.operate(event)
        if reply.text != self._said:
            self._said = reply.text
            self._tell(f"closing: {reply.text}")
        return reply.ok

    def left(self) -> list[str]:
        """What is held at the end, declared or not."""
        runner = self._trader.runner
        if runner is None:
            raise QuantdError("panic: the closing trader did not start")
        money, symbols = runner.money, runner.engine.symbols
        found = [f"{exact_text(qty)} {symbols[inst]}" for inst, qty in enumerate(money.ledger.holdings) if qty]
        return found + [difference.text for difference in money.differences]
