"""Rows and facts of a feed that gives them once, on their way into the machine: they are written down as they are run,
because no restart can ask for them again.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from broker.feeds.merge import ControlFact
from broker.gateway.machine import FACT, ROWS, GatewayMachine, Input
from broker.gateway.part import NEVER
from core.errors import BrokerFault, Bug
from core.rows import ROW

ROWS_WAITING_MAX: Final = 1_000_000  # of one turn; far above what any account's lines send
_encode_event: Final = msgspec.msgpack.Encoder().encode

Record = Callable[[Input], None]


class UpstreamTape:
    """Implements turns.Cursor: what came since the last turn, in order, written down as it is run."""

    wants_more = behind = ended = False
    next_ns = NEVER

    def __init__(self, machine: GatewayMachine) -> None:
        self._machine = machine
        self._waiting: list[tuple[int, ...] | ControlFact] = []
        self.controls: list[ControlFact] = []
        self.record: Record | None = None

    def put(self, item: "tuple[int, ...] | ControlFact") -> None:
        """A row or a fact of now. Raises BrokerFault beyond what a machine that keeps up ever holds."""
        if len(self._waiting) >= ROWS_WAITING_MAX:
            raise BrokerFault(f"upstream: {ROWS_WAITING_MAX} rows wait: subscribe to fewer instruments")
        self._waiting.append(item)

    async def fill(self) -> None:
        """Rows come by themselves."""
        raise Bug("a feed from upstream is not read")

    def run(self, until_ns: int, *, rows_max: int) -> bool:
        """Everything that came; none of it is later than the clock."""
        waiting, self._waiting = self._waiting, []
        rows: list[tuple[int, ...]] = []
        for item in waiting:
            if isinstance(item, ControlFact):
                self._rows(rows)
                rows = []
                self._fact(item)
            else:
                rows.append(item)
        self._rows(rows)
        return True

    def run_to(self, *, rows_done: int, facts_done: int) -> bool:
        """Rows are among the inputs themselves."""
        return True

    def _rows(self, found: list[tuple[int, ...]]) -> None:
        if found:
            rows = np.array(found, ROW)
            self._note(ROWS, int(rows["ts_ns"][-1]), rows.tobytes())
            self._machine.run_rows(rows, 0, len(rows))

    def _fact(self, fact: ControlFact) -> None:
        self._note(FACT, fact.ts_ns, _encode_event(fact.event))
        self._machine.control(fact.ts_ns, fact.event)

    def _note(self, kind: int, ts_ns: int, packed: bytes) -> None:
        if self.record is not None:
            done = (self._machine.rows_done, self._machine.facts_done)
            self.record(Input(rows_done=done[0], facts_done=done[1], ts_ns=ts_ns, kind=kind, packed=packed))
