"""Makes the picture of daemon/status/picture.py from money state, market and a tally. Reads only; decides nothing."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from core import commands as c
from core import events as e
from core import notes as n
from core.ids import SIDE_NAMES
from core.latches import HALTED, LEVEL_NAMES, STATE_NAMES
from core.ledger import UNCLAIMED
from core.market import FIELDS, INDEX
from core.money.state import LINK_NAMES, READY, Money
from core.orders import State
from core.ports import NOT_AWAITED, Context
from core.records import COMMAND
from core.units import exact_text
from daemon.status import picture as s
from daemon.status.rows import child_row, fill_row, parent_row, position_rows, symbol_of

T = TypeVar("T")

_ODD_AT: Final = tuple(INDEX[name] for name in s.ODDITIES)


class ProcessFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What only the shell knows. `seq` and `ts_ns` are the engine's newest, quiet rows included."""

    pid: int
    mode: str
    state: str
    seq: int
    ts_ns: int
    wall_ns: int
    speed: str = ""
    rows_done: int = 0
    rows_total: int = 0
    journal_dir: str = ""
    config: str = ""
    deploy_digest: str = ""
    changed: str = ""
    control_errors: int = 0
    clock: str = ""
    running: dict[str, str] = {}
    authority: str = ""
    link_why: str = ""  # as the adapter says it; "" = it does not


_REQUESTS: Final[dict[type, str]] = {
    c.PlaceOrder: "place", c.ReplaceOrder: "replace", c.CancelOrder: "cancel", c.CancelAllOrders: "cancel_all",
}  # fmt: skip
_ANSWERS: Final[dict[type, str]] = {
    e.OrderAcknowledged: "acknowledged", e.OrderReplaced: "replaced", e.OrderCancelled: "cancelled",
    e.OrderRejected: "rejected", e.ReplaceRejected: "replace_rejected", e.CancelRejected: "cancel_rejected",
    e.OrderInactivated: "inactivated",
}  # fmt: skip
UNTOLD_MAX: Final = 1_024  # alerts between two looks of the log


class Tally:
    """Counts what passes through the runner, and remembers the last few refusals, fills and alerts."""

    __slots__ = (
        "alerts", "answers", "children", "decisions", "events", "fills", "gaps", "last_alerts", "last_fills",
        "last_refusals", "link_why", "not_sent", "parents", "raised", "refusals", "requests", "rows", "symbols",
        "untold",
    )  # fmt: skip

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.symbols = symbols
        self.events = 0  # rows included
        self.rows = 0
        self.decisions = 0
        self.parents = 0
        self.children = 0
        self.fills = 0
        self.alerts = 0
        self.refusals: dict[str, int] = {}
        self.count_anew()
        self.link_why = "no connection yet"  # why the link is not READY; kept while it is
        self.gaps: dict[int, str] = {}  # why an instrument lost its market data last
        self.last_refusals: deque[s.RefusalRow] = deque(maxlen=s.RECENT_MAX)
        self.last_fills: deque[s.FillRow] = deque(maxlen=s.RECENT_MAX)
        self.last_alerts: deque[s.AlertRow] = deque(maxlen=s.RECENT_MAX)
        self.untold: deque[s.AlertRow] = deque(maxlen=UNTOLD_MAX)  # for the log: a flood must not hide a kill

    def count_anew(self) -> None:
        """What no snapshot keeps counts from here: the tail that recovery steps again was counted by an earlier run."""
        self.requests = dict.fromkeys(_REQUESTS.values(), 0)  # sent, or recorded to be sent
        self.answers = dict.fromkeys(_ANSWERS.values(), 0)
        self.raised: dict[str, int] = {}  # alerts by severity
        self.not_sent = 0  # approved, and refused right before the socket

    def take_rows(self, count: int) -> None:
        """Market rows applied without an event object."""
        self.rows += count
        self.events += count

    def take_event(self, seq: int, ts_ns: int, event: object, money: Money) -> None:
        """One input, after the step: a fill counts when this very input booked it (a repeat does not)."""
        self.events += 1
        answer = _ANSWERS.get(type(event))
        if answer is not None:
            self.answers[answer] += 1
            return
        if type(event) is not e.OrderFilled and type(event) is not e.ExecutionReported:
            if type(event) is e.FeedGapped:
                self.gaps[event.inst] = event.reason
            elif type(event) is e.LinkLost or type(event) is e.LinkDegraded:
                self.link_why = f"{event.code} {event.reason}" if event.code else event.reason
            return
        execution = money.ledger.executions.get(event.exec_id)
        if execution is None or execution.seq != seq:
            return
        self.fills += 1
        self.last_fills.append(fill_row(execution, self.symbols))

    def take_records(self, ts_ns: int, records: Sequence[tuple[int, int, Any]]) -> None:
        """What one step recorded: (kind, seq, message)."""
        for kind, _, message in records:
            if kind == COMMAND:
                self.take_command(ts_ns, message)
            else:
                self.take_note(ts_ns, message)

    def take_command(self, ts_ns: int, command: object) -> None:
        """One command of the engine."""
        request = _REQUESTS.get(type(command))
        if request is not None:
            self.requests[request] += 1
        if type(command) is c.PlaceOrder:
            self.children += 1
        elif type(command) is c.OpenParent:
            self.parents += 1
        elif type(command) is c.RaiseAlert:
            self.alerts += 1
            self.raised[command.severity] = self.raised.get(command.severity, 0) + 1
            row = s.AlertRow(ts_ns=ts_ns, severity=command.severity, code=command.code, text=s.cut(command.text))
            self.last_alerts.append(row)
            self.untold.append(row)

    def take_note(self, ts_ns: int, note: object) -> None:
        """One note of the engine. A runner that does not see every decision sets `decisions` itself."""
        if type(note) is n.Decision:
            self.decisions += 1
        elif type(note) is n.Refusal:
            first = note.failures[0]
            key = f"{first.control} {first.code}"
            self.refusals[key] = self.refusals.get(key, 0) + 1
            self.last_refusals.append(
                s.RefusalRow(
                    ts_ns=ts_ns,
                    strategy=note.strategy,
                    symbol=symbol_of(self.symbols, note.inst),
                    side=SIDE_NAMES[note.side],
                    control=first.control,
                    code=first.code,
                    value=s.cut(first.value),
                    limit=s.cut(first.limit),
                )
            )


def build_status(context: Context, tally: Tally, process: ProcessFacts) -> s.Status:
    """The whole picture; lists cut to their bounds, what was cut counted in `more`."""
    money = context.money
    more: dict[str, int] = {}
    equity = equity_nanos(context)
    return s.Status(
        **_process(process, money),
        counters=_counters(tally, process),
        equity=exact_text(equity),
        cash=exact_text(money.ledger.cash[money.ledger.currency]),
        day_pnl=exact_text(equity - money.day_base_equity_nanos),
        feed=_first(_feed(context, process.ts_ns, tally.gaps), s.SYMBOLS_MAX, "feed", more),
        link_why="" if money.sendable() == READY else s.cut(_link_why(money, tally, process.link_why)),
        clock=process.clock,
        running=process.running,
        authority=process.authority,
        audit=f"{money.audit.count}:{money.audit.digest}",
        **_blocks(money, more),
        **_working(context, more),
        refusals=tuple(tally.last_refusals),
        fills=tuple(tally.last_fills),
        alerts=tuple(tally.last_alerts),
        more=more,
    )


def _link_why(money: Money, tally: Tally, told: str) -> str:
    return "synchronising" if money.link == READY else told or tally.link_why


def equity_nanos(context: Context) -> int:
    """Equity at the newest marks; while a held instrument has none, the last equity that was marked."""
    money, marks = context.money, context.exposure.marks
    if any(qty and not marks[inst] for inst, qty in enumerate(money.ledger.holdings)):
        return money.equity_nanos
    return money.ledger.equity_nanos(marks)


def _process(p: ProcessFacts, money: Money) -> dict[str, Any]:
    return {
        "pid": p.pid,
        "mode": p.mode,
        "state": "halted" if p.state == "ready" and money.latches.everywhere >= HALTED else p.state,
        "epoch": money.epoch,
        "seq": p.seq,
        "ts_ns": p.ts_ns,
        "wall_ns": p.wall_ns,
        "link": LINK_NAMES[money.sendable()],
        "ladder": STATE_NAMES[money.latches.everywhere],
        "safe": money.safe,
        "disk_available": money.disk_available,
        "currency": money.settings.currency,
        "speed": s.cut(p.speed),
        "rows_done": p.rows_done,
        "rows_total": p.rows_total,
        "journal_dir": s.cut(p.journal_dir, s.PATH_LENGTH_MAX),
        "config": s.cut(p.config, s.PATH_LENGTH_MAX),
        "deploy_digest": s.cut(p.deploy_digest),
        "changed": s.cut(p.changed),
    }


def _counters(tally: Tally, process: ProcessFacts) -> s.Counters:
    ranked = sorted(tally.refusals.items(), key=lambda item: (-item[1], item[0]))
    refusals = dict(ranked[: s.REFUSAL_KINDS_MAX])
    if len(ranked) > s.REFUSAL_KINDS_MAX:
        refusals["other"] = sum(count for _, count in ranked[s.REFUSAL_KINDS_MAX :])
    return s.Counters(
        events=tally.events,
        rows=tally.rows,
        decisions=tally.decisions,
        parents=tally.parents,
        children=tally.children,
        fills=tally.fills,
        alerts=tally.alerts,
        control_errors=process.control_errors,
        refusals=refusals,
    )


def _blocks(money: Money, more: dict[str, int]) -> dict[str, Any]:
    """What holds the trader back, and what an operator must settle."""
    held = sorted(money.latches.held(), key=lambda latch: -latch.state)
    open_kills = [kill for kill in money.kills if not kill.verified_ns]
    kills = open_kills + [kill for kill in money.kills if kill.verified_ns][-2:]
    unknown = [order.order_id for order in money.live_orders.values() if order.state is State.UNKNOWN]
    books = [book for book in money.ledger.books.values() if book.strategy != UNCLAIMED]
    books.sort(key=lambda book: book.enabled)
    return {
        "difference_sync_id": money.difference_sync_id if money.differences else 0,
        "differences": _first([s.cut(d.text) for d in money.differences], s.RECENT_MAX, "differences", more),
        "unknown": _first(unknown, s.RECENT_MAX, "unknown", more),
        "strategies": _first(
            [s.StrategyRow(name=b.strategy, enabled=b.enabled, reason=s.cut(b.disabled_reason)) for b in books],
            s.RECENT_MAX,
            "strategies",
            more,
        ),
        "approvals": tuple(
            s.ApprovalRow(what=s.cut(kept.what), operator=kept.operator, until_ns=kept.until_ns)
            for kept in money.approvals[-s.RECENT_MAX :]
            if kept.until_ns > money.ts_ns
        ),
        "kills": _first(
            [
                s.KillRow(
                    level=LEVEL_NAMES[k.level],
                    scope=k.scope,
                    since_ns=k.since_ns,
                    verified_ns=k.verified_ns,
                    open=sum(1 for how in k.orders.values() if not how),
                    others_open=len(k.foreign_open),
                )
                for k in kills
            ],
            s.RECENT_MAX,
            "kills",
            more,
        ),
        "latches": _first(
            [
                s.LatchRow(
                    level=LEVEL_NAMES[latch.level],
                    scope=latch.scope,
                    state=STATE_NAMES[latch.state],
                    code=latch.code,
                    reason=s.cut(latch.reason),
                    by=s.cut(latch.by),
                    since_ns=latch.since_ns,
                )
                for latch in held
            ],
            s.LATCHES_MAX,
            "latches",
            more,
        ),
    }


def _working(context: Context, more: dict[str, int]) -> dict[str, Any]:
    """Targets, schedules, orders and positions."""
    money, symbols = context.money, context.money.settings.symbols
    targets = [
        s.TargetRow(
            strategy=book.strategy,
            symbol=symbol_of(symbols, inst),
            target=exact_text(target),
            held=exact_text(money.ledger.held_nanos(book.strategy, inst)),
        )
        for book in money.ledger.books.values()
        for inst, target in book.targets.items()
    ]
    parents = [parent_row(parent, symbols) for parent in money.live_parents.values()]
    children = [child_row(order, symbols) for order in money.live_orders.values()]
    return {
        "targets": _first(targets, s.SYMBOLS_MAX, "targets", more),
        "parents": _first(parents, s.WORKING_MAX, "parents", more),
        "children": _first(children, s.WORKING_MAX, "children", more),
        "positions": _first(position_rows(money, context.exposure.marks.__getitem__), s.SYMBOLS_MAX, "positions", more),
    }


def _feed(context: Context, ts_ns: int, gaps: dict[int, str]) -> list[s.FeedRow]:
    view = context.market.view
    rows = []
    for instrument in context.instruments:
        at = instrument.inst * FIELDS
        alive = view[at + INDEX["alive_ts_ns"]]
        state = feed_state(context, instrument.inst)
        rows.append(
            s.FeedRow(
                symbol=instrument.symbol,
                bid=exact_text(view[at + INDEX["bid_px_nanos"]]),
                ask=exact_text(view[at + INDEX["ask_px_nanos"]]),
                last=exact_text(view[at + INDEX["last_px_nanos"]]),
                age_ms=max(0, ts_ns - alive) // 1_000_000 if alive else -1,
                state=state,
                odd=tuple(view[at + odd] for odd in _ODD_AT),
                why=s.cut(_why(context, instrument.inst, state, gaps)),
            )
        )
    return rows


def feed_state(context: Context, inst: int) -> str:
    """Of one symbol's market, as in `FeedRow`."""
    view, at = context.market.view, inst * FIELDS
    if view[at + INDEX["halted"]]:
        return "halted"
    if view[at + INDEX["blind"]]:
        return "blind"
    return _reference_state(context, inst) if view[at + INDEX["usable"]] else "unusable"


def _reference_state(context: Context, inst: int) -> str:
    """Whether the broker's slow numbers are still awaited."""
    date = context.reference_dates[inst]
    return "" if date == NOT_AWAITED or date == context.money.trading_date else "not ready"


def _why(context: Context, inst: int, state: str, gaps: dict[int, str]) -> str:
    if state == "blind":
        return gaps.get(inst, "no quote yet")
    if state != "not ready":
        return ""
    slow = context.arrivals.slow.get(inst)
    return "no reference from the broker yet" if slow is None else f"reference lacks {slow.missing or 'today'}"


def _first(rows: list[T], bound: int, name: str, more: dict[str, int]) -> tuple[T, ...]:
    if len(rows) > bound:
        more[name] = len(rows) - bound
    return tuple(rows[:bound])
