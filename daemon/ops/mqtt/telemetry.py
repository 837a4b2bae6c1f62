"""What is known of the trader, as payloads: state, P&L, positions, and our own sign of life. A view in, JSON out."""

import time
from typing import Any, Final

from daemon.ops.mqtt import messages as m
from daemon.ops.mqtt.topics import PNL, POSITIONS, STATE
from daemon.ops.view import Seen, View
from daemon.status.picture import Status, named

_STATE_LISTS: Final = ("latches", "kills", "approvals", "strategies", "unknown", "differences", "feed")
_MOVING: Final = ("seq", "ts_ns", "wall_ns")  # of the state: they alone are no news


class Pictures:
    """Makes them, and knows which of them are news."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._before: dict[str, dict[str, Any]] = {}

    def forget(self) -> None:
        """Everything is news again: another broker, or the same without its memory."""
        self._before.clear()

    def news(self, seen: Seen) -> dict[str, bytes]:
        """By topic, what differs from what was shown before."""
        status = seen.status if seen.trader == "answers" else None
        found = {STATE: self._state(seen, status)}
        if status is not None:
            found[PNL] = _pnl(status)
            found[POSITIONS] = _positions(status)
        new: dict[str, bytes] = {}
        for name, value in found.items():
            still = {key: one for key, one in value.items() if key not in _MOVING}
            if self._before.get(name) != still:
                self._before[name] = still
                lists = _STATE_LISTS if name == STATE else ("positions",) if name == POSITIONS else ("strategies",)
                new[name] = m.bounded(value, tuple(key for key in lists if key in value))
        return new

    def _state(self, seen: Seen, status: Status | None) -> dict[str, Any]:
        value: dict[str, Any] = {
            "v": m.VERSION,
            "instance": self._instance,
            "trader": seen.trader,
            "fault": m.one_line(seen.fault),
            "wall_ns": time.time_ns(),
            "follower_runs": seen.follower_runs,
            "guard_runs": seen.guard_runs,
            "alerts_open": [] if seen.delivery is None else [one.code for one in seen.delivery.open],
        }
        if status is None:
            return value
        plain = (
            "mode", "state", "epoch", "seq", "ts_ns", "link", "link_why", "ladder", "safe", "disk_available", "latches",
            "kills", "approvals", "strategies", "unknown", "differences", "difference_sync_id", "deploy_digest",
            "changed", "more",
        )  # fmt: skip
        value |= {name: named(getattr(status, name)) for name in plain}
        value["version"] = status.running.get("version", "")
        value["feed"] = [
            {"symbol": row.symbol, "state": row.state, "why": row.why} for row in status.feed if row.state or row.why
        ]
        return value


def _pnl(status: Status) -> dict[str, Any]:
    return {
        "v": m.VERSION, "ts_ns": status.ts_ns, "currency": status.currency, "equity": status.equity,
        "cash": status.cash, "day_pnl": status.day_pnl,
    }  # fmt: skip


def _positions(status: Status) -> dict[str, Any]:
    more = status.more.get("positions", 0)
    return {
        "v": m.VERSION, "ts_ns": status.ts_ns, "positions": named(status.positions),
        "more": {"positions": more} if more else {},
    }  # fmt: skip


def heartbeat(view: View, run: str, n: int, interval_s: float, counted: dict[str, int]) -> bytes:
    """Our own sign of life: that we run, how old what we know of the trader is, and what we counted."""
    return m.encode(
        {
            "v": m.VERSION, "run": run, "n": n, "wall_ns": time.time_ns(), "interval_s": interval_s,
            "trader": view.seen.trader, "status_age_s": _finite(view.status_age_s), "counted": counted,
        }
    )  # fmt: skip


def _finite(age_s: float) -> float | None:
    return None if age_s == float("inf") else round(age_s, 3)
