"""The engine: `step` takes one stamped fact and returns what was decided, synchronously and deterministically.

It never asks for the time: it reads `ts_ns`, and `next_deadline_ns` tells the shell when it wants to be told the time.
Dispatch is a table from type to handler (core/engine/table.py); tests prove that every fact has one.
"""

from core import events as e
from core.engine import clock, crossing, ladder, odds, table
from core.engine.trading import Records, Trading
from core.money.fold import fold_input


class Engine(Trading):
    """One trader, pure."""

    def step(self, stamped: e.Stamped) -> Records:
        """Apply one fact. Raises Bug on a broken invariant; the shell then records StepFailed and leaves."""
        self._begin(stamped.seq, stamped.ts_ns)
        event = stamped.event
        fold_input(self.money, stamped.seq, stamped.ts_ns, event)
        table.HANDLERS[type(event)](self, event)
        if type(event) in self.monitor.watched:
            ladder.take_moves(self, self.monitor.on_fact(event, stamped.ts_ns))
        return self._end()

    def wake(self, seq: int, ts_ns: int, inst: int) -> Records:
        """A market row that was just applied asks for decisions on its instrument."""
        self._begin(seq, ts_ns)
        self.money.ts_ns = ts_ns
        table.ask_all(self, inst)
        return self._end()

    def reconcile(self, strategy: str, inst: int) -> None:
        """What other books give does not go to the market."""
        if self.settings.cross_internally:
            crossing.cross(self, strategy, inst)
        super().reconcile(strategy, inst)

    def _begin(self, seq: int, ts_ns: int) -> None:
        self.seq = seq
        self.ts_ns = ts_ns
        self.records = []

    def _end(self) -> Records:
        if self.money.odds or self.money.rivals:
            odds.report_odds(self)
        if self.refused:
            ladder.on_refused(self)
        clock.rearm(self)
        self.next_deadline_ns = self.timers.next_ns()
        return self.records
