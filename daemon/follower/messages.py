"""Journal messages as rows: which tables each kind of message writes to, beside `records`. Pure: messages in, rows out.

Every type of core's unions is named here; a test fails for one that is not. Those that stand in `records` alone are
listed as such, not forgotten.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from core import book_commands as b
from core import commands as c
from core import events as e
from core import manual_commands as mc
from core import notes as n
from core import reference as r
from core.latches import LEVEL_NAMES, STATE_NAMES
from core.parents import ParentState
from core.units import exact_text
from daemon.follower.books import Row

Rows = Iterator[tuple[str, Row]]
SymbolOf = Callable[[int], str]
_PARENT_STATES: Final = {int(state): state.name for state in ParentState}
_LINKS: Final = {"LinkRestored": "READY", "LinkDegraded": "DEGRADED", "LinkLost": "DOWN"}


class Stamp(NamedTuple):
    """Where a message stands in the journal."""

    seq: int
    ts_ns: int
    cause_seq: int


def number(value: float) -> float | None:
    """A float as SQL stores it: NaN has no place in SQLite."""
    return value if value == value else None


def _config(m: r.ConfigResolved, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "configs", (s.seq, s.ts_ns, m.digest, m.json)


def _code(m: r.CodeVersion, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "code_versions", (s.seq, s.ts_ns, m.version, m.source_digest, m.kernel_digest, m.platform)


def _model(m: r.ModelLoaded, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "models", (s.seq, s.ts_ns, m.name, m.digest)


def _instrument(m: r.InstrumentLoaded, s: Stamp, symbol: SymbolOf) -> Rows:
    i = m.instrument
    yield (
        "instruments",
        (s.seq, s.ts_ns, i.inst, i.symbol, i.con_id, i.sec_type, i.exchange, i.primary_exchange, i.currency,
         i.calendar, i.etf, i.sector, i.multiplier_nanos),
    )  # fmt: skip


def _started(m: e.TraderStarted, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "runs", (s.seq, s.ts_ns, m.epoch, m.mode, m.ended, m.after_crash, m.guard_fired, m.changed, m.safe)


def _stopped(m: e.TraderStopped, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "run_ends", (s.seq, s.ts_ns, "stopped", None, m.reason)


def _failed(m: e.StepFailed, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "run_ends", (s.seq, s.ts_ns, "failed", m.failed_seq, m.error)


def _day(m: e.DayRolled, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "days", (s.seq, s.ts_ns, m.date)


def _operator(m: Any, s: Stamp, symbol: SymbolOf) -> Rows:
    scope = str(getattr(m, "scope", getattr(m, "order_id", getattr(m, "parent_id", ""))))
    body = msgspec.json.encode(msgspec.structs.asdict(m)).decode()
    yield "operator_actions", (s.seq, s.ts_ns, type(m).__name__, scope, m.reason, m.operator, body)


def _acknowledged(m: e.AlertAcknowledged, s: Stamp, symbol: SymbolOf) -> Rows:
    body = msgspec.json.encode(msgspec.structs.asdict(m)).decode()
    yield "operator_actions", (s.seq, s.ts_ns, type(m).__name__, m.code, "seen", m.operator, body)


def _refused(m: e.CommandRefused, s: Stamp, symbol: SymbolOf) -> Rows:
    body = msgspec.json.encode(msgspec.structs.asdict(m)).decode()
    yield "operator_actions", (s.seq, s.ts_ns, type(m).__name__, m.command, m.why, m.operator, body)


def _link(m: Any, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "links", (s.seq, s.ts_ns, _LINKS[type(m).__name__], getattr(m, "code", 0), m.reason)


def _commission(m: e.CommissionReported, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "commissions", (s.seq, s.ts_ns, m.exec_id, m.commission_nanos, m.currency)


def _cash_moved(m: e.CashAdjusted, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "cash_changes", (s.seq, s.ts_ns, "broker", m.currency, m.amount_nanos, m.kind, m.reason)


def _cash_booked(m: c.AdjustCash, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "cash_changes", (s.seq, s.ts_ns, "books", m.currency, m.amount_nanos, m.kind or "difference", m.reason)


def _dividend(m: b.PayDividend, s: Stamp, symbol: SymbolOf) -> Rows:
    net = m.gross_nanos - m.withheld_nanos
    yield "cash_changes", (s.seq, s.ts_ns, "books", m.currency, net, "dividend", f"{m.action_id}: {m.reason}")
    yield from _corporate(m, s, symbol)


def _corporate(m: Any, s: Stamp, symbol: SymbolOf) -> Rows:
    """Every step of a corporate action; which instrument it is about stands with its id in `corporate_actions`."""
    terms = getattr(m, "terms", None)
    inst = int(getattr(m, "inst", -1) if terms is None else terms.inst)
    action_id = str(getattr(m, "action_id", "") if terms is None else terms.action_id)
    why, by = str(getattr(m, "reason", getattr(m, "text", ""))), str(getattr(m, "by", ""))
    body = msgspec.json.encode(msgspec.structs.asdict(m) | _plain_terms(terms)).decode()
    yield "corporate_events", (*s, action_id, type(m).__name__, inst, symbol(inst), why, by, body)


def _plain_terms(terms: Any) -> dict[str, Any]:
    return {} if terms is None else {"terms": msgspec.structs.asdict(terms)}


def _cross(m: b.CrossBooks, s: Stamp, symbol: SymbolOf) -> Rows:
    yield (
        "crosses",
        (*s, m.inst, symbol(m.inst), m.buyer, m.seller, m.qty_nanos, m.px_nanos, m.bid_px_nanos, m.ask_px_nanos,
         m.reason, m.buyer_parent, m.seller_parent),
    )  # fmt: skip


def _transfer(m: c.TransferPosition, s: Stamp, symbol: SymbolOf) -> Rows:
    deposit = m.deposit_nanos
    yield "transfers", (*s, m.strategy, m.inst, symbol(m.inst), m.qty_nanos, m.px_nanos, deposit, m.reason)


def _shared(m: mc.ShareExecution, s: Stamp, symbol: SymbolOf) -> Rows:
    for strategy, qty_nanos in m.books:
        yield "execution_shares", (s.seq, s.ts_ns, m.exec_id, strategy, qty_nanos)


def _parent(m: Any, s: Stamp, symbol: SymbolOf) -> Rows:
    """What was done to a schedule, in the order it was done."""
    state = _PARENT_STATES.get(getattr(m, "state", 0))
    why = str(getattr(m, "reason", getattr(m, "why", "")))
    body = msgspec.json.encode(msgspec.structs.asdict(m)).decode()
    yield "parent_events", (*s, m.parent_id, type(m).__name__, state, why, body)


def _corrected(m: b.CorrectBooks, s: Stamp, symbol: SymbolOf) -> Rows:
    line, why = m.line, f"{m.line.line_id}: {m.reason}"
    yield (
        "corrections",
        (*s, line.kind, line.line_id, line.exec_id, line.inst, symbol(line.inst), line.side, line.qty_nanos,
         line.px_nanos, line.commission_nanos, line.currency, line.amount_nanos, line.cash_kind, line.other_currency,
         line.other_nanos, line.text, m.by, m.reason),
    )  # fmt: skip
    if line.kind == "cash":
        yield "cash_changes", (s.seq, s.ts_ns, "statement", line.currency, line.amount_nanos, line.cash_kind, why)
    elif line.kind == "conversion":
        told = f"{why}; for {exact_text(line.other_nanos)} {line.other_currency}"
        yield "cash_changes", (s.seq, s.ts_ns, "statement", line.currency, -line.amount_nanos, line.kind, told)
    elif line.kind in ("execution", "commission"):
        yield "commissions", (s.seq, s.ts_ns, line.exec_id, line.commission_nanos, line.currency)


def _external(m: e.ExternalFeatureReceived, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "external_features", (s.seq, s.ts_ns, m.name, m.inst, number(m.value), m.as_of_ns, m.age_ns_max)


def _decision(m: n.Decision, s: Stamp, symbol: SymbolOf) -> Rows:
    features = msgspec.json.encode(dict(m.features)).decode()
    yield (
        "decisions",
        (*s, m.strategy, m.inst, symbol(m.inst), number(m.score), m.target_nanos, m.bid_px_nanos, m.ask_px_nanos,
         features),
    )  # fmt: skip


def _refusal(m: n.Refusal, s: Stamp, symbol: SymbolOf) -> Rows:
    first = m.failures[0] if m.failures else n.Failure(control=0, code="", value="", limit="", lift="")
    yield (
        "refusals",
        (*s, m.order_id, m.parent_id, m.strategy, m.inst, symbol(m.inst), m.side, m.qty_nanos, m.limit_px_nanos,
         first.control, first.code),
    )  # fmt: skip
    for place, f in enumerate(m.failures):
        yield "refusal_failures", (s.seq, s.ts_ns, place, f.control, f.code, f.value, f.limit, f.lift)


def _blocked(m: n.Blocked, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "blocked", (*s, m.strategy, m.inst, symbol(m.inst), m.reason)


def _equity(m: n.EquityMarked, s: Stamp, symbol: SymbolOf) -> Rows:
    yield (
        "equity",
        (s.seq, s.ts_ns, m.equity_nanos, m.cash_nanos, m.unrealised_nanos, m.realised_nanos, m.fees_nanos),
    )


def _difference(m: n.DifferenceFound, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "differences", (*s, m.sync_id, m.kind, m.text)


def _odd(m: n.Odd, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "odds", (*s, m.order_id, m.what)


def _alert(m: c.RaiseAlert, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "alerts", (*s, m.code, m.severity, m.text)


def _target(m: c.SetTarget, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "targets", (*s, m.strategy, m.inst, symbol(m.inst), m.qty_nanos)


def _ladder(m: c.MoveLadder, s: Stamp, symbol: SymbolOf) -> Rows:
    level, state = LEVEL_NAMES.get(m.level, str(m.level)), STATE_NAMES.get(m.state, str(m.state))
    yield "latches", (*s, level, m.scope, m.code, state, m.reason, m.by, m.value, m.limit)


def _switch(m: c.SetStrategy, s: Stamp, symbol: SymbolOf) -> Rows:
    yield "strategy_switches", (*s, m.strategy, m.enabled, m.reason)


TO_ROWS: Final[dict[type, Callable[[Any, Stamp, SymbolOf], Rows]]] = {
    r.ConfigResolved: _config,
    r.CodeVersion: _code,
    r.ModelLoaded: _model,
    r.InstrumentLoaded: _instrument,
    e.TraderStarted: _started,
    e.TraderStopped: _stopped,
    e.StepFailed: _failed,
    e.DayRolled: _day,
    e.OperatorHalted: _operator,
    e.OperatorKilled: _operator,
    e.OperatorFlattened: _operator,
    e.OperatorResumed: _operator,
    e.OrderResolved: _operator,
    e.ScheduleSteered: _operator,
    e.DifferenceAcknowledged: _operator,
    e.AccountAdopted: _operator,
    e.DeployArmed: _operator,
    e.HighWaterReset: _operator,
    e.AlertAcknowledged: _acknowledged,
    e.LimitChanged: _operator,
    e.OverrideGranted: _operator,
    e.CommandRefused: _refused,
    e.LinkRestored: _link,
    e.LinkDegraded: _link,
    e.LinkLost: _link,
    e.CommissionReported: _commission,
    e.CashAdjusted: _cash_moved,
    e.ExternalFeatureReceived: _external,
    n.Decision: _decision,
    n.Refusal: _refusal,
    n.Blocked: _blocked,
    n.EquityMarked: _equity,
    n.DifferenceFound: _difference,
    n.Odd: _odd,
    c.RaiseAlert: _alert,
    c.SetTarget: _target,
    c.MoveLadder: _ladder,
    c.SetStrategy: _switch,
    c.AdjustCash: _cash_booked,
    e.CorporateActionApplied: _operator,
    e.BooksCorrected: _operator,
    e.OrderGiven: _operator,
    e.OrderWithdrawn: _operator,
    b.PayDividend: _dividend,
    b.CorrectBooks: _corrected,
    b.KeepCorporateAction: _corporate,
    b.SplitBooks: _corporate,
    b.AccrueDividend: _corporate,
    b.SuspectSplit: _corporate,
    b.CrossBooks: _cross,
    c.TransferPosition: _transfer,
    c.OpenParent: _parent,
    c.EndParent: _parent,
    c.PauseParent: _parent,
    c.AdvanceParent: _parent,
    c.ReplanParent: _parent,
    c.BeginSlice: _parent,
    mc.KeepManualOrder: _parent,
    mc.EndProtection: _parent,
    mc.ShareExecution: _shared,
}
# An order's facts, commands and outcomes make `order_events`; executions come from the books, which know corrections.
ORDER_EVENTS: Final = frozenset(
    {
        e.OrderAcknowledged, e.OrderFilled, e.ExecutionCorrected, e.OrderCancelled, e.OrderRejected, e.OrderReplaced,
        e.ReplaceRejected, e.CancelRejected, e.OrderInactivated, e.OpenOrderReported, e.CompletedOrderReported,
        e.ExecutionReported, e.OrderResolved, e.LinkLost, e.TraderStarted, e.StepFailed, e.SyncCompleted,
        c.PlaceOrder, c.ReplaceOrder, c.CancelOrder, c.CancelAllOrders, c.SettleOrder, c.DoubtOrder,
        c.NotSent, c.Sent,
    }
)  # fmt: skip
RECORDS_ONLY: Final = frozenset(
    {
        r.SessionsLoaded, r.FeesLoaded, r.InstrumentReference, r.HistoryLoaded,
        e.QuoteChanged, e.TradePrinted, e.FeedGapped, e.FeedEnded, e.SyncStarted, e.PositionReported, e.CashReported,
        e.HaltChanged, e.ShortableChanged, e.BandChanged, e.WhatIfAnswered, e.WhatIfRefused,
        e.ClockOffsetMeasured, e.AccountValued,
        e.MarketRuleChanged, e.CorporateActionAnnounced, e.TriggerFired, e.LeaseGranted, e.RiskMeasured,
        e.TimeAdvanced, e.DiskReserveChanged, e.OrderIdsSeen, e.ReferenceArrived, e.LeaseLapsed,
        e.AuditSealed,
        c.RequestSync, c.MarkEquity, c.VerifyKill, c.KeepApproval,
        c.SpendApproval, n.Answered, c.SetLimit, c.RevertLimit, c.GrantOverride,
        c.DropOverride, c.TellKill, c.AskWhatIf, c.RestrictShorts, c.TripBreaker, c.CloseAlerts, c.CountRefusal,
        c.MeasureRisk,
    }
)  # fmt: skip
