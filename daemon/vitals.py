"""What the trader's own loop says of itself to the manager of its service, at the place where it renews its lease:
after a turn in which the engine stepped what was due and the journal took it. READY when the account is reconciled.
"""

from typing import TYPE_CHECKING

from core.latches import STATE_NAMES
from core.money.state import LINK_NAMES, READY
from daemon.notify import Notifier

if TYPE_CHECKING:
    from daemon.trader import Trader


class Vitals:
    """One run's."""

    def __init__(self, trader: "Trader", notifier: Notifier) -> None:
        self._trader = trader
        self.notifier = notifier

    def starting(self, what: str) -> None:
        """A stage of the start is at work; as often as it likes."""
        self.notifier.turn(lambda: what)

    def turn(self) -> None:
        """After a good turn. The first with a reconciled account makes us ready; until then the start takes longer."""
        notifier = self.notifier
        if not notifier.spoken_to:
            return
        if not notifier.is_ready and self._trader.active_runner.money.sendable() == READY:
            notifier.ready(self.status())
        notifier.turn(self.status)

    def stopping(self, reason: str) -> None:
        """A stop was asked for; its cancels may take a while."""
        self.notifier.stopping(f"stopping: {reason}")

    def status(self) -> str:
        """One line for `systemctl status`."""
        trader, runner = self._trader, self._trader.active_runner
        engine, money = runner.engine, runner.money
        link = LINK_NAMES[money.sendable()]
        why = trader.driver.link_why if money.sendable() != READY else ""
        symbols = len(money.settings.symbols)
        blind = sum(1 for inst in range(symbols) if engine.market.get(inst, "blind"))
        parts = (
            f"{trader.phase}{', SAFE' if money.safe else ''}",
            f"link {link}{f' ({why})' if why else ''}",
            f"ladder {STATE_NAMES[money.latches.everywhere]}",
            f"{symbols} symbols, {blind} blind",
            f"{len(money.live_orders)} orders, {len(money.live_parents)} schedules",
            f"epoch {money.epoch}, seq {engine.seq}",
        )
        return "; ".join(parts)
