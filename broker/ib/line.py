"""What is known of one instrument's market data: the numbers of its line, when it last lived, what is wrong with it."""

from typing import Final

from broker.ib.seam import NEVER

LIVE_TYPE: Final = 1  # marketDataType: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen
BID_KNOWN: Final = 1
ASK_KNOWN: Final = 2
BOTH_KNOWN: Final = 3


class Line:
    """One instrument. Written by `market` (numbers) and `life` (everything about being alive)."""

    __slots__ = (
        "ask_px_nanos",
        "ask_qty_nanos",
        "backoff_ns",
        "bid_px_nanos",
        "bid_qty_nanos",
        "blind",
        "first_due_ns",
        "halted",
        "inst",
        "known",
        "last_px_nanos",
        "last_qty_nanos",
        "market_type",
        "proof_ns",
        "quoted",
        "repair_ns",
        "row_ns",
        "sent",
        "shares_nanos",
        "short_told_ns",
        "shortable_milli",
        "streams",
        "symbol",
        "tick_ns",
        "ticked",
        "touched",
        "traded_nanos",
        "unbarred_ns",
        "volume_nanos",
        "why",
    )  # fmt: skip

    def __init__(self, inst: int, symbol: str) -> None:
        self.inst = inst
        self.symbol = symbol
        self.streams: dict[int, str] = {}  # request id -> the request that cancels it
        self.tick_ns = 0  # last tick of the stream that quotes come from
        self.proof_ns = 0  # last proof of life: a tick, or the answer of a snapshot
        self.row_ns = 0  # last row told
        self.first_due_ns = NEVER  # until then the first tick after a subscription must have come
        self.repair_ns = NEVER  # when it is subscribed again
        self.backoff_ns = 0
        self.blind = True  # nothing of it may be traded on
        self.quoted = False  # it has told a quote in this run
        self.why = "not subscribed"
        self.halted: int | None = None  # None = never told
        self.shortable_milli = -1
        self.shares_nanos = -1
        self.short_told_ns = 0
        self.touched = False
        self.clear()

    def clear(self) -> None:
        """Forget the numbers: the subscription they came from is gone."""
        self.bid_px_nanos = self.ask_px_nanos = self.bid_qty_nanos = self.ask_qty_nanos = 0
        self.last_px_nanos = self.last_qty_nanos = 0
        self.volume_nanos = -1  # of the day; -1 = the first total sets the base
        self.traded_nanos = 0  # since the last print was told
        self.unbarred_ns = 0  # since when it has traded without a five-second bar (profile bar)
        self.ticked = False  # tick by tick: this subscription has brought a quote
        self.known = 0  # sides that have been told, be it as empty
        self.sent = (0, 0, 0, 0)
        self.market_type = LIVE_TYPE
