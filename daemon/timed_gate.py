"""The gate with a clock around it, which core may not have. Decides nothing; set by the running trader alone."""

from typing import Any

from core.commands import ApprovedOrder, OrderIntent
from core.notes import Refusal
from core.ports import Gate
from daemon.instruments import Histogram, now_ns


class TimedGate:
    """Implements core.ports.Gate: `approve` is measured, all else is the gate's own."""

    def __init__(self, gate: Gate, took: Histogram) -> None:
        self._gate = gate
        self._approve = gate.approve
        self._took = took

    def approve(self, intent: OrderIntent, ts_ns: int, seq: int) -> ApprovedOrder | Refusal:
        """Ask every check."""
        began_ns = now_ns()
        verdict = self._approve(intent, ts_ns, seq)
        self._took.add(now_ns() - began_ns)
        return verdict

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gate, name)
