"""A journal written by hand in which every number of a cost report can be worked out on paper (see `tell`)."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from core import commands as c
from core import events as e
from core import notes as n
from core import records as r
from core.instruments import Instrument, LotRule, TickRule
from core.parents import ParentState
from core.reference import ConfigResolved, InstrumentLoaded, InstrumentReference, SessionsLoaded
from core.rows import NOT_LAST, PRINT, QUOTE, ROW, SUSPICIOUS
from core.sessions import Session, SessionTable
from core.units import NANO
from daemon.journal import JournalWriter

OPEN_NS: Final = 1_699_972_200 * NANO  # 2023-11-14 14:30 UTC
CLOSE_NS: Final = OPEN_NS + 23_400 * NANO
DAY: Final = 20231114
NEXT_DAY: Final = 20231115
CENT: Final = NANO // 100
OPENING: Final = 1 << 6
CONFIG: Final = {
    "mode": "replay",
    "account": {"id": "DU1", "tag": "t"},
    "instruments": [{"symbol": "AAA"}, {"symbol": "BBB"}],
    "strategies": {"sig": {}, "two": {}},
}


class CostStory:
    """One record a call, at a second of the day; rows and messages in one order."""

    def __init__(self, journal: Path, *, mode: str = "replay") -> None:
        self.writer = JournalWriter(
            journal, now_ns=OPEN_NS, segment_bytes=1 << 16, reserve_bytes=0, background=False
        )  # fmt: skip
        self.seq = 0
        self.order_id = 0
        self.refer(ConfigResolved(json=json.dumps(CONFIG | {"mode": mode}), digest="d"))
        sessions = tuple(_session(date, start) for date, start in ((DAY, OPEN_NS), (NEXT_DAY, OPEN_NS + 86_400 * NANO)))
        table = SessionTable(
            calendar="XNYS", timezone="America/New_York", sessions=sessions, from_ns=0, until_ns=1 << 62
        )
        self.refer(SessionsLoaded(table=table))
        for inst, symbol in enumerate(("AAA", "BBB")):
            self.refer(InstrumentLoaded(instrument=_instrument(inst, symbol)))
        self.refer(InstrumentReference(inst=1, effective_from=DAY, until=NEXT_DAY, adv_nanos=30_000 * NANO))

    def refer(self, message: Any) -> None:
        """A reference record."""
        self.say(r.REFERENCE, 0.0, message)

    def say(self, kind: int, second: float, message: Any) -> None:
        """A record of its own."""
        self.seq += 1
        self.writer.add(kind, self.seq, at(second), 0, r.encode(message))
        self.writer.commit()

    def quote(self, second: float, bid: int, ask: int, *, flags: int = 0, inst: int = 1) -> None:
        """Prices in cents."""
        self._row(second, QUOTE, bid * CENT, ask * CENT, 100 * NANO, 100 * NANO, flags, inst)

    def print(self, second: float, cents: int, shares: int, *, flags: int = 0, condition: int = 1) -> None:
        """A trade on the tape."""
        self._row(second, PRINT, cents * CENT, 0, shares * NANO, condition, flags, 1)

    def _row(self, second: float, kind: int, bid: int, ask: int, qty: int, other: int, flags: int, inst: int) -> None:
        row = np.zeros(1, ROW)
        row["ts_ns"] = row["exchange_ts_ns"] = at(second)
        row["inst"], row["kind"], row["flags"] = inst, kind, flags
        row["bid_px_nanos"], row["ask_px_nanos"], row["bid_qty_nanos"], row["ask_qty_nanos"] = bid, ask, qty, other
        self.writer.add_rows(self.seq + 1, memoryview(row.tobytes()), 1, at(second))
        self.writer.commit()
        self.seq += 1

    def open(self, second: float, parent_id: int, shares: int, **more: Any) -> None:
        """A purchase of instrument 1."""
        opening = c.OpenParent(
            parent_id=parent_id, strategy="sig", inst=1, side=1, qty_nanos=shares * NANO, algo="twap",
            start_ts_ns=at(second), end_ts_ns=at(second + 60), slices=3, **more,
        )  # fmt: skip
        self.say(r.COMMAND, second, opening)

    def send(self, second: float, parent_id: int, cents: int) -> int:
        """A child of 100 shares; returns its id."""
        self.order_id += 1
        intent = c.OrderIntent(
            order_id=self.order_id, parent_id=parent_id, slice_no=0, strategy="sig", inst=1, side=1,
            qty_nanos=100 * NANO, order_type=c.LMT, limit_px_nanos=cents * CENT,
        )  # fmt: skip
        order = c.ApprovedOrder(  # approved-ok: a journal of what a gate once approved
            intent=intent, account="DU1", order_ref=f"q-t-1-{self.order_id}", reduce_only=False, notional_nanos=1,
            ladder_epoch=0,
        )  # fmt: skip
        self.say(r.COMMAND, second, c.PlaceOrder(order=order))
        self.say(r.INPUT, second + 0.01, e.OrderAcknowledged(order_id=self.order_id))
        return self.order_id

    def fill(self, second: float, order_id: int, cents: int, *, liquidity: int, exec_id: str) -> None:
        """100 shares, told a quarter of a second after they traded, then again by a sync; a dollar of fees."""
        told: dict[str, Any] = {
            "order_id": order_id, "exec_id": exec_id, "side": 1, "qty_nanos": 100 * NANO, "px_nanos": cents * CENT,
            "inst": 1,
        }  # fmt: skip
        filled = e.OrderFilled(**told, exchange_ts_ns=at(second - 0.25), liquidity=liquidity)
        self.say(r.INPUT, second, filled)
        self.say(r.INPUT, second, e.CommissionReported(exec_id=exec_id, commission_nanos=NANO))
        self.say(r.INPUT, second, e.ExecutionReported(sync_id=1, **told))

    def tell(self, *, padding: int = 0) -> None:
        """The day. Schedule 1: 300 wanted at a mid of 100.01, begun at 100.03; 100 bought at the bid of 100.02, 100 at
        the offer of 100.08 (corrected to 100.07); a child is rejected, one refused by the gate; out of time at a mid of
        100.07. Schedule 2: the rest, killed at 100.11 before anything traded. A target of another strategy waits.
        `padding` quotes follow a day later, so that the day's segment is closed.
        """
        self.say(r.INPUT, -60, e.DayRolled(date=DAY))
        self.quote(0, 10_000, 10_002)
        self.print(1, 10_001, 100, condition=OPENING)
        self.say(r.COMMAND, 10, c.SetTarget(strategy="sig", inst=1, qty_nanos=300 * NANO))
        self.quote(20, 10_002, 10_004)
        self.quote(20, 1, 999_999, flags=SUSPICIOUS)
        self.open(30, 1, 300, expected_cost_nanos=10 * NANO, expected_risk_nanos=5 * NANO)
        first = self.send(30, 1, 10_002)
        self.print(40, 10_003, 100)
        self.print(40, 10_500, 100, flags=NOT_LAST)
        self.fill(41, first, 10_002, liquidity=1, exec_id="x1.01")
        self.quote(50, 10_006, 10_008)
        second = self.send(50.5, 1, 10_008)
        self.fill(51, second, 10_008, liquidity=2, exec_id="x2.01")
        self.say(r.INPUT, 52, e.ExecutionCorrected(
            order_id=second, exec_id="x2.02", corrects="x2.01", qty_nanos=100 * NANO, px_nanos=10_007 * CENT
        ))  # fmt: skip
        self.print(60, 10_007, 300)
        third = self.send(70, 1, 10_008)
        self.say(r.INPUT, 71, e.OrderRejected(order_id=third, code=201, text="no margin"))
        self.say(r.NOTE, 80, self._refusal(1))
        self.say(r.COMMAND, 90, c.EndParent(parent_id=1, state=int(ParentState.EXPIRED), reason="out of time"))
        self.quote(100, 10_010, 10_012)
        self.open(120, 2, 100)
        fourth = self.send(121, 2, 10_010)
        self.say(r.COMMAND, 130, c.EndParent(parent_id=2, state=int(ParentState.CANCELLED), reason="KILL: enough"))
        self.say(r.INPUT, 131, e.OrderCancelled(order_id=fourth))
        self.say(r.COMMAND, 200, c.SetTarget(strategy="two", inst=1, qty_nanos=-50 * NANO))
        self.say(r.NOTE, 200, n.Blocked(strategy="two", inst=1, reason="ladder REDUCING"))
        self.quote(2_000, 10_010, 10_012)
        self.print(23_000, 10_020, 100)
        self.say(r.INPUT, 24_000, e.DayRolled(date=NEXT_DAY))
        self.quote(86_400, 10_030, 10_032)
        self.print(86_401, 10_031, 100)
        for number in range(padding):
            self.quote(86_402 + number, 10_030, 10_032)
        self.writer.close()

    @staticmethod
    def _refusal(parent_id: int) -> n.Refusal:
        failure = n.Failure(control=2, code="ORDER_NOTIONAL", value="10007", limit="10000", lift="operator")
        return n.Refusal(
            order_id=0, parent_id=parent_id, strategy="sig", inst=1, side=1, qty_nanos=NANO, limit_px_nanos=1,
            failures=(failure,),
        )  # fmt: skip


def at(second: float) -> int:
    """UTC ns of a second of the day."""
    return OPEN_NS + round(second * 1000) * 10**6


def _session(date: int, open_ns: int) -> Session:
    close_ns = open_ns + 23_400 * NANO
    return Session(
        date=date, pre_open_ns=open_ns - 19_800 * NANO, open_ns=open_ns, close_ns=close_ns,
        post_close_ns=close_ns + 14_400 * NANO, moc_cutoff_ns=close_ns - 600 * NANO,
    )  # fmt: skip


def _instrument(inst: int, symbol: str) -> Instrument:
    return Instrument(
        inst=inst, symbol=symbol, con_id=inst + 1, sec_type="STK", exchange="SMART", primary_exchange="NYSE",
        currency="USD", calendar="XNYS", ticks=(TickRule(effective_from=20000101, increments=((0, CENT),)),),
        lots=(LotRule(effective_from=20000101, round_lot_nanos=100 * NANO, increment_nanos=NANO, minimum_nanos=NANO),),
    )  # fmt: skip
