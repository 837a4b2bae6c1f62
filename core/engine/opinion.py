"""What an engine thinks, in the form of a snapshot: neither money nor market. Fields are only ever appended."""

import msgspec

from core.arrivals import Arrivals
from core.engine.deadlines import DeadlineState


class StopWatch(msgspec.Struct, gc=False):
    """What is remembered of a symbol's disaster stop (core/engine/disaster.py)."""

    order_id: int = 0
    sent_ns: int = 0
    refused: int = 0  # in a row that the broker did not keep
    date: int = 0  # the trading day of that count
    told: str = ""  # why there is none, as a person was told
    since_ns: int = 0  # more of them than there should be, since then


class OpinionState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Snapshot form of what is neither money nor market."""

    seq: int
    ts_ns: int
    timers: DeadlineState
    marks: list[int]
    blocked: list[tuple[str, int, str]]
    retry: list[tuple[str, int]]
    stopping: bool
    unsynced: bool
    monitor: list[tuple[int, str, str, int]]  # as releases before `watch` kept it
    arrivals: Arrivals = msgspec.field(default_factory=Arrivals)
    watch: bytes = b""
    stops: dict[int, StopWatch] = {}
    brackets: dict[int, StopWatch] = {}
    uncrossed: list[tuple[str, int, str]] = []
