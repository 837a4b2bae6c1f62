"""Takes the trader's measures for daemon/status/measures.py: what its instruments counted, and the numbers of the
moment. Reads only; what is asked for often is kept cheap, because it is read on the trader's own loop.
"""

import asyncio
import gc
import math
import time
from typing import TYPE_CHECKING, Any, Final

from broker.ib.seam import LANE_CANCEL, LANE_DATA, LANE_SYNC
from core.latches import LEVEL_NAMES, STATE_NAMES
from core.market import FIELDS, INDEX
from core.money.state import Money
from core.orders import Order, State
from core.ports import Context
from core.sessions import REGULAR
from daemon.instruments import TEND_S, Histogram, now_ns
from daemon.status import measures as m
from daemon.status.build import equity_nanos, feed_state
from daemon.status.footprint import footprint
from daemon.timed_gate import TimedGate

if TYPE_CHECKING:
    from broker.ib.adapter import IbAdapter
    from daemon.log import ProcessLog
    from daemon.trader import Trader

CENT_NANOS: Final = 10**7
MS_NS: Final = 10**6
PROCESS_S: Final = 5.0  # the process is looked at this often at most: counting its handles takes longest
_STATES: Final = {
    "": m.USABLE, "blind": m.BLIND, "unusable": m.UNUSABLE, "halted": m.HALTED, "not ready": m.NOT_READY,
}  # fmt: skip


class Measuring:
    """One trader's. `attach` tells it of a live broker."""

    def __init__(self, trader: "Trader", process: "ProcessLog | None" = None) -> None:
        self._trader = trader
        self._log = process
        self._adapter: IbAdapter | None = None
        self._started_s = time.time()
        self._turned_ns = 0
        self._process: m.Process | None = None
        self._process_s = 0.0
        self.lag = Histogram()
        self.reads = Histogram()

    def begin(self) -> None:
        """The trader has recovered: what was counted in the journal's tail belongs to the run before."""
        runner = self._trader.active_runner
        runner.tally.count_anew()
        runner.engine.gate = TimedGate(runner.engine.gate, runner.path.gate)

    def attach(self, adapter: "IbAdapter") -> None:
        """Orders begin with a read of this adapter's socket, and leave through it."""
        self._adapter, socket = adapter, adapter.socket
        socket.read_took = self.reads.add
        self._trader.active_runner.path.read_began_ns = lambda: socket.read_began_ns

    def turn(self) -> None:
        """The loop has come to its regular look at everything."""
        turned_ns = now_ns()
        if self._turned_ns:
            self.lag.add(max(0, turned_ns - self._turned_ns - int(TEND_S * 1e9)))
        self._turned_ns = turned_ns

    def measures(self) -> m.Measures:
        """Everything, now."""
        trader, runner = self._trader, self._trader.active_runner
        money, context, tally = runner.money, runner.engine.context, runner.tally
        ts_ns = runner.now_ns if self._adapter is None else max(runner.now_ns, self._adapter.clock.now_ns())
        journal, control = runner.journal, trader.control
        return m.Measures(
            ts_ns=ts_ns,
            times=self._times(),
            queues=self._queues(),
            unsent_bytes=0 if self._adapter is None else self._adapter.socket.unsent,
            requests=tally.requests,
            answers=tally.answers,
            refusals=dict(list(tally.refusals.items())[: m.REFUSAL_KINDS_MAX]),
            raised=tally.raised,
            not_sent=tally.not_sent,
            log_lines_lost=0 if self._log is None else self._log.sink.lost,
            control_requests=0 if control is None else control.requests,
            journal_seq=runner.engine.seq,
            written_bytes=journal.committed_offset,
            synced_bytes=journal.synced_offset,
            journal_fault=bool(journal.fault),
            process=self._process_now(),
            models=_models(runner.engine.pipeline, context, ts_ns),
            **_account(context),
            **_orders(money, ts_ns),
            **_blocks(money, ts_ns),
            **_told(money, ts_ns),
            symbols=_symbols(context, ts_ns),
            strategies=_strategies(context),
        )

    def _times(self) -> dict[str, m.Times]:
        path = self._trader.active_runner.path
        path.settle()
        found = {
            "receive": path.receive, "decide": path.decide, "gate": path.gate, "journal": path.journal,
            "hold": path.hold, "dispatch": path.dispatch, "wire": path.wire, "market": path.ticks,
            "other": path.others, "read": self.reads, "sync": self._trader.active_runner.journal.syncs,
            "lag": self.lag,
        }  # fmt: skip
        return {name: _times(histogram) for name, histogram in found.items()}

    def _queues(self) -> dict[str, int]:
        hold, adapter = self._trader.active_runner.hold, self._adapter
        held = 0 if hold is None else sum(len(records) for _, records in hold.waiting)
        if adapter is None:
            return {"held_orders": held}
        lanes = {"cancels": LANE_CANCEL, "synchronisation": LANE_SYNC, "data_requests": LANE_DATA}
        return {"held_orders": held} | {name: adapter.pacer.waiting(lane) for name, lane in lanes.items()}

    def _process_now(self) -> m.Process:
        now_s = time.monotonic()
        if self._process is None or now_s - self._process_s >= PROCESS_S:
            self._process_s = now_s
            taken = footprint()
            self._process = m.Process(
                started_s=self._started_s,
                cpu_s=taken.cpu_s,
                resident_bytes=taken.resident_bytes,
                fds=taken.fds,
                threads=taken.threads,
                tasks=len(asyncio.all_tasks()),
                collections=tuple(generation["collections"] for generation in gc.get_stats()),
            )
        return self._process


def _times(histogram: Histogram) -> m.Times:
    counts = histogram.counts
    end = len(counts)
    while end and not counts[end - 1]:
        end -= 1
    return m.Times(sum_ns=histogram.sum_ns, counts=tuple(counts[:end]))


def _account(context: Context) -> dict[str, Any]:
    """Amounts of the account."""
    money, exposure = context.money, context.exposure
    equity = equity_nanos(context)
    return {
        "equity_cents": _cents(equity),
        "cash_cents": _cents(money.ledger.cash[money.ledger.currency]),
        "day_profit_cents": _cents(equity - money.day_base_equity_nanos),
        "peak_cents": _cents(money.high_water_nanos),
        "gross_cents": _cents(exposure.gross),
        "net_cents": _cents(exposure.net),
    }


def _orders(money: Money, ts_ns: int) -> dict[str, Any]:
    counts: dict[str, int] = {}
    oldest_ns = 0
    for order in money.live_orders.values():
        counts[order.state.name] = counts.get(order.state.name, 0) + 1
        asked_ns = _asked_ns(order)
        if asked_ns and ts_ns - asked_ns > oldest_ns:
            oldest_ns = ts_ns - asked_ns
    return {"orders": counts, "schedules": len(money.live_parents), "unanswered_ms": oldest_ns // MS_NS}


def _asked_ns(order: Order) -> int:
    """When the question was asked that the broker has not answered; 0 = none is open."""
    if order.state is State.CANCELLING:
        return order.cancel_ts_ns or order.changed_ts_ns
    return order.sent_ts_ns if order.state in (State.SENDING, State.UNKNOWN) else 0


def _blocks(money: Money, ts_ns: int) -> dict[str, Any]:
    """What holds the trader back."""
    latches: dict[tuple[str, str], int] = {}
    for latch in money.latches.held():
        key = (LEVEL_NAMES[latch.level], STATE_NAMES[latch.state])
        latches[key] = latches.get(key, 0) + 1
    kills = [ts_ns - kill.since_ns for kill in money.kills if not kill.verified_ns]
    opened: dict[str, int] = {}
    for alert in money.alerts.values():
        opened[alert.severity] = opened.get(alert.severity, 0) + 1
    return {
        "latches": tuple(m.LatchMeasure(level=lv, state=st, count=n) for (lv, st), n in latches.items()),
        "kills": len(kills),
        "kill_age_ms": max(kills, default=0) // MS_NS,
        "differences": len(money.differences),
        "approvals": sum(1 for kept in money.approvals if kept.until_ns > ts_ns),
        "alerts_open": opened,
    }


def _told(money: Money, ts_ns: int) -> dict[str, Any]:
    """What the broker and the risk worker said last, and how long ago."""
    conditions, funds = money.conditions, money.conditions.funds
    return {
        "reconcile_age_ms": _age_ms(money.last_sync_ts_ns, ts_ns),
        "risk_age_ms": _age_ms(money.risk_since_ns, ts_ns),
        "clock_offset_ns": conditions.clock_offset_ns,
        "clock_age_ms": _age_ms(conditions.clock_ts_ns, ts_ns),
        "funds": None if funds is None else m.Funds(
            available_cents=_cents(funds.available_nanos),
            excess_cents=_cents(funds.excess_nanos),
            age_ms=_age_ms(funds.ts_ns, ts_ns),
        ),
    }  # fmt: skip


def _symbols(context: Context, ts_ns: int) -> tuple[m.SymbolMeasure, ...]:
    view = context.market.view
    rows = []
    for instrument in context.instruments[: m.SYMBOLS_MAX]:
        inst = instrument.inst
        calendars = context.calendars
        rows.append(
            m.SymbolMeasure(
                symbol=instrument.symbol,
                age_ms=_age_ms(view[inst * FIELDS + INDEX["alive_ts_ns"]], ts_ns),
                state=_STATES[feed_state(context, inst)],
                session=inst < len(calendars) and calendars[inst].phase(ts_ns) == REGULAR,
                value_cents=_cents(context.exposure.value_nanos(inst)),
            )
        )
    return tuple(rows)


def _strategies(context: Context) -> tuple[m.StrategyMeasure, ...]:
    exposure, books = context.exposure, context.money.ledger.books
    return tuple(
        m.StrategyMeasure(
            name=name,
            enabled=book.enabled,
            exposure_cents=_cents(exposure.strategy_gross.get(name, 0)),
            unrealised_cents=_cents(exposure.strategy_unrealised.get(name, 0)),
            realised_cents=_cents(book.realised_nanos),
            fees_cents=_cents(book.fees_nanos),
        )
        for name, book in list(books.items())[: m.STRATEGIES_MAX]
    )


def _models(pipeline: Any, context: Context, ts_ns: int) -> tuple[m.ModelMeasure, ...]:
    """The last score of every model on every symbol that it trades."""
    reader = pipeline.signal_reader
    rows: list[m.ModelMeasure] = []
    for slot in pipeline.signal_slots if reader is not None else ():
        for inst in slot.instruments:
            scored_ns, score = reader.integer(inst, slot.slot, "scored_ns"), reader.number(inst, slot.slot, "score")
            from_ns, until_ns = (reader.integer(inst, slot.slot, name) for name in ("from_ns", "until_ns"))
            asked = from_ns <= ts_ns < until_ns and scored_ns > 0
            rows.append(
                m.ModelMeasure(
                    strategy=slot.strategy,
                    symbol=context.instruments[inst].symbol,
                    score_bp=score if math.isfinite(score) else 0.0,
                    age_ms=_age_ms(max(scored_ns, from_ns), ts_ns) if asked else -1,
                    scored_ns=scored_ns if math.isfinite(score) else 0,
                    scores=reader.integer(inst, slot.slot, "scores"),
                )
            )
    return tuple(rows[: m.MODELS_MAX])


def _age_ms(then_ns: int, ts_ns: int) -> int:
    return max(0, ts_ns - then_ns) // MS_NS if then_ns else -1


def _cents(nanos: int) -> int:
    return (nanos + CENT_NANOS // 2) // CENT_NANOS
