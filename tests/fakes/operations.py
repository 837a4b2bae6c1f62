"""A daemon's operations without a daemon: records what it was told and answers what the test wants."""

from typing import Any

from core import events as e
from core.money.kills import Kill
from daemon.control.server import Reply
from daemon.status.kills import journalled_report
from daemon.status.measures import Measures
from daemon.status.picture import Counters, FeedRow, Status


def a_status(**changes: Any) -> Status:
    """A small, complete picture."""
    fields: dict[str, Any] = {
        "pid": 1, "mode": "replay", "state": "ready", "epoch": 1, "seq": 10, "ts_ns": 1_700_000_000_000_000_000,
        "wall_ns": 1_700_000_000_000_000_000, "link": "READY", "ladder": "ACTIVE", "safe": False,
        "disk_available": True, "counters": Counters(events=10, refusals={"16 PRICE_BAND": 2}),
        "feed": (FeedRow(symbol="BAC", bid="25.1", ask="25.11", last="25.1", age_ms=3, state="", odd=(1, 0)),),
    }  # fmt: skip
    return Status(**(fields | changes))


class FakeOperations:
    """Implements daemon.control.Operations."""

    def __init__(self) -> None:
        self.events: list[e.AnyEvent] = []
        self.refusals: list[e.CommandRefused] = []
        self.reply = Reply(True, "done")
        self.picture = a_status()
        self.numbers = Measures(ts_ns=self.picture.ts_ns)
        self.fault: Exception | None = None
        self.account: dict[str, Any] = {}  # what differs from an account that needs no adoption

    def operate(self, event: e.AnyEvent) -> Reply:
        """Record, then answer or fail as told."""
        self.events.append(event)
        if self.fault is not None:
            raise self.fault
        return self.reply

    def refused(self, event: e.CommandRefused) -> None:
        """Record it."""
        self.refusals.append(event)

    def status(self) -> Status:
        """The picture the test set."""
        return self.picture

    def measures(self) -> Measures:
        """The measures the test set."""
        return self.numbers

    def why_not(self, symbol: str | None) -> list[dict[str, Any]]:
        """One blocker."""
        return [{"control": 31, "code": "HALTED", "value": "2", "limit": "0", "lift": "operator", "symbol": symbol}]

    def limits(self, symbol: str | None, strategy: str | None) -> list[dict[str, Any]]:
        """One line that shows what was asked for."""
        return [{"limit": "gross_max", "in_force": "5", "symbol": symbol, "strategy": strategy}]

    def kills(self) -> list[dict[str, Any]]:
        """Every kill is verified at once."""
        made = [event for event in self.events if type(event) is e.OperatorKilled]
        return [
            journalled_report(
                Kill(level=x.level, scope=x.scope, since_ns=1, reason=x.reason, by=x.operator, verified_ns=2), 2
            )
            for x in made
        ]

    def adoption(self) -> dict[str, Any]:
        """What the test set; by default the books agree with the broker."""
        empty: dict[str, Any] = {
            "synced": True, "positions": [], "others": [], "foreign": [], "currency": "USD", "cash_ours": "5",
            "cash_broker": "5", "cash_difference": "0", "strategies": {},
        }  # fmt: skip
        return empty | self.account

    def corporate(self) -> list[dict[str, Any]]:
        """None."""
        return []

    def orders(self) -> list[dict[str, Any]]:
        """One line."""
        return [{"id": 7, "symbol": "BAC"}]
