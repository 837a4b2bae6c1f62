"""An independent reading of a journal, and of a database, for "SQL = journal, row by row". Reads frames by the layout
and messages by their fields; uses nothing of daemon/follower but the schema's names and its connection.
"""

import json
import struct
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from core.ledger import Ledger
from core.records import KIND_NAMES, ROWS, decode
from daemon.follower.database import Database
from daemon.follower.schema import TABLES
from daemon.journal.layout import SubRecord, frames, list_segments, sub_records
from daemon.journal.opening import map_segment
from daemon.journal_fold import JournalFold

Row = dict[str, Any]
ROW_FORMAT: Final = struct.Struct("<qqihhqqqq")
SPANS_NS: Final = {"bars": 60 * 10**9, "bars_1h": 3600 * 10**9, "bars_1d": 86400 * 10**9}

# table -> type of message -> column -> field of the message
FROM_FIELDS: Final[dict[str, dict[str, dict[str, str]]]] = {
    "configs": {"ConfigResolved": {"digest": "digest"}},
    "code_versions": {"CodeVersion": {"source_digest": "source_digest", "platform": "platform"}},
    "models": {"ModelLoaded": {"name": "name", "digest": "digest"}},
    "runs": {"TraderStarted": {"epoch": "epoch", "mode": "mode", "ended_before": "ended", "safe": "safe"}},
    "run_ends": {"TraderStopped": {"reason": "reason"}, "StepFailed": {"reason": "error"}},
    "days": {"DayRolled": {"date": "date"}},
    "links": {"LinkRestored": {"reason": "reason"}, "LinkDegraded": {"code": "code"}, "LinkLost": {"code": "code"}},
    "alerts": {"RaiseAlert": {"code": "code", "severity": "severity", "text": "text"}},
    "latches": {"MoveLadder": {"scope": "scope", "code": "code", "reason": "reason", "moved_by": "by"}},
    "strategy_switches": {"SetStrategy": {"strategy": "strategy", "enabled": "enabled"}},
    "decisions": {
        "Decision": {
            "strategy": "strategy", "inst": "inst", "score": "score", "target": "target_nanos",
            "bid_px": "bid_px_nanos", "ask_px": "ask_px_nanos",
        }
    },
    "refusals": {
        "Refusal": {"order_id": "order_id", "parent_id": "parent_id", "side": "side", "qty": "qty_nanos",
                    "limit_px": "limit_px_nanos"}
    },
    "blocked": {"Blocked": {"strategy": "strategy", "inst": "inst", "reason": "reason"}},
    "odds": {"Odd": {"order_id": "order_id", "what": "what"}},
    "differences": {"DifferenceFound": {"sync_id": "sync_id", "kind": "kind", "text": "text"}},
    "external_features": {"ExternalFeatureReceived": {"name": "name", "value": "value", "as_of_ns": "as_of_ns"}},
    "targets": {"SetTarget": {"strategy": "strategy", "inst": "inst", "qty": "qty_nanos"}},
    "commissions": {"CommissionReported": {"exec_id": "exec_id", "commission": "commission_nanos"}},
    "cash_changes": {
        "CashAdjusted": {"currency": "currency", "amount": "amount_nanos"},
        "AdjustCash": {"currency": "currency", "amount": "amount_nanos"},
    },
    "parent_events": {
        **{
            name: {"parent_id": "parent_id", "reason": "reason"}
            for name in ("EndParent", "PauseParent", "ReplanParent")
        },
        "OpenParent": {"parent_id": "parent_id", "reason": "why"},
        "AdvanceParent": {"parent_id": "parent_id"},
        "BeginSlice": {"parent_id": "parent_id"},
    },
    "crosses": {
        "CrossBooks": {"buyer": "buyer", "seller": "seller", "qty": "qty_nanos", "px": "px_nanos",
                       "buyer_parent": "buyer_parent", "seller_parent": "seller_parent"}
    },
    "transfers": {"TransferPosition": {"strategy": "strategy", "qty": "qty_nanos", "px": "px_nanos"}},
    "equity": {
        "EquityMarked": {"equity": "equity_nanos", "cash": "cash_nanos", "unrealised": "unrealised_nanos",
                         "realised": "realised_nanos", "fees": "fees_nanos"}
    },
}  # fmt: skip


def records_of(journal: Path) -> Iterator[tuple[SubRecord, memoryview]]:
    """Every record of a journal with its bytes."""
    for file in list_segments(journal):
        view = map_segment(file.path)
        for start, end in frames(view):
            for record in sub_records(view, start, end):
                yield record, view[record.start : record.stop]


def market_rows(journal: Path) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(seq, row) of every market row."""
    for record, content in records_of(journal):
        if record.kind == ROWS:
            for place, row in enumerate(ROW_FORMAT.iter_unpack(content)):
                yield record.seq + place, row


def stored(database: Database, table: str, journal_id: int) -> list[Row]:
    """All rows of a journal in one table, amounts as whole nanos, JSON parsed, in the order of the key."""
    shape = next(one for one in TABLES if one.name == table)
    names = [field.name for field in shape.fields]
    found = database.select(f"SELECT {', '.join(names)} FROM {table} WHERE journal_id = ?", (journal_id,))
    kinds = {field.name: field.kind for field in shape.fields}
    rows = [{name: _value(kinds[name], value) for name, value in zip(names, row, strict=True)} for row in found]
    return sorted(rows, key=lambda row: tuple(row[name] for name in shape.key))


def _value(kind: str, value: Any) -> Any:
    if kind == "json" and isinstance(value, str):
        return json.loads(value)
    if kind == "flag":
        return bool(value)
    if isinstance(value, Decimal):
        nanos = value.scaleb(9)
        assert nanos == int(nanos), "more than nine decimals"
        return int(nanos)
    return value


def contents(database: Database, journal_id: int) -> dict[str, list[Row]]:
    """Everything recorded of a journal."""
    return {table.name: stored(database, table.name, journal_id) for table in TABLES}


def differences(database: Database, journal_id: int, journal: Path, *, ticks: bool = True) -> list[str]:
    """What in the database is not what the journal says; empty = equal, row by row."""
    found = contents(database, journal_id)
    wrong = _messages(found, journal)
    expected_ticks = list(market_rows(journal))
    if ticks:
        told = [(row["seq"], _tick(row)) for row in found["ticks"]]
        wrong += [] if told == expected_ticks else [f"ticks: {len(told)} rows, the journal has {len(expected_ticks)}"]
    for table, span_ns in SPANS_NS.items():
        bars = {(row["inst"], row["ts_ns"]): {k: v for k, v in row.items() if k != "symbol"} for row in found[table]}
        if bars != _bars(expected_ticks, span_ns):
            wrong.append(f"{table}: {len(bars)} rows that are not the bars of the journal's rows")
    segments = [file.first_seq for file in list_segments(journal)]
    if [row["first_seq"] for row in found["segments"]] != segments:
        wrong.append(f"segments: {found['segments']}, the journal has {segments}")
    return wrong + _books(found, journal) + _times(database, journal_id)


def _tick(row: Row) -> tuple[int, ...]:
    names = ("ts_ns", "exchange_ts_ns", "inst", "kind", "flags", "bid_px", "ask_px", "bid_qty", "ask_qty")
    return tuple(row[name] for name in names)


def _messages(found: dict[str, list[Row]], journal: Path) -> list[str]:
    records, derived = [], defaultdict(list)
    for record, content in records_of(journal):
        if record.kind == ROWS:
            continue
        message = decode(record.kind, content)
        name = type(message).__name__
        records.append((record.seq, record.ts_ns, record.cause_seq, KIND_NAMES[record.kind], name))
        for table, types in FROM_FIELDS.items():
            if name in types:
                values = {column: getattr(message, field) for column, field in types[name].items()}
                derived[table].append({"seq": record.seq, "ts_ns": record.ts_ns} | values)
    told = [(row["seq"], row["ts_ns"], row["cause_seq"], row["kind"], row["type"]) for row in found["records"]]
    wrong = [] if told == records else [f"records: {len(told)} rows, the journal has {len(records)} messages"]
    for table in FROM_FIELDS:
        pairs = zip(found[table], derived[table], strict=False)  # their number is compared as well
        same = all(row | expected == row for row, expected in pairs)
        if len(found[table]) != len(derived[table]) or not same:
            wrong.append(f"{table}: {len(found[table])} rows, the journal says {len(derived[table])}")
    return wrong


def _bars(ticks: list[tuple[int, tuple[int, ...]]], span_ns: int) -> dict[tuple[int, int], Row]:
    """Row by row in plain integers, as slowly as can be."""
    bars: dict[tuple[int, int], Row] = {}
    for _seq, (ts_ns, _, inst, kind, flags, bid, ask, bid_qty, _ask_qty) in ticks:
        if flags & 1 or kind not in (1, 2):
            continue
        begin = ts_ns // span_ns * span_ns
        empty = dict.fromkeys(("open_px", "high_px", "low_px", "close_px", "bid_px", "ask_px"))
        zero = dict.fromkeys(("volume", "turnover_units", "turnover_rest", "trades", "quotes"), 0)
        bar = bars.setdefault((inst, begin), {"inst": inst, "ts_ns": begin} | empty | zero)
        if kind == 1:
            bar["quotes"] += 1
            bar["bid_px"], bar["ask_px"] = bid or bar["bid_px"], ask or bar["ask_px"]
        elif bid > 0 and bid_qty > 0:
            bar["trades"] += 1
            bar["volume"] += bid_qty
            units, rest = divmod(round(Fraction(bid * bid_qty, 10**9)), 10**9)  # half to even
            bar["turnover_units"] += units
            bar["turnover_rest"] += rest
            if not flags & 2:
                bar["open_px"] = bar["open_px"] or bid
                bar["high_px"] = max(bar["high_px"] or bid, bid)
                bar["low_px"] = min(bar["low_px"] or bid, bid)
                bar["close_px"] = bid
    return bars


def _books(found: dict[str, list[Row]], journal: Path) -> list[str]:
    """States against core's fold of the whole journal, executions against positions."""
    money = JournalFold(journal, from_start=True).money
    wrong = []
    orders = {row["order_id"]: (row["state"], row["filled"], row["qty"], row["perm_id"]) for row in found["orders"]}
    for number, order in money.orders.items():
        if orders.get(number) != (order.state.name, order.filled_nanos, order.qty_nanos, order.perm_id):
            wrong.append(f"order {number}: {orders.get(number)} in SQL, {order.state.name} in the books")
    if len(orders) != money.next_order_id - 1:
        wrong.append(f"orders: {len(orders)} rows, {money.next_order_id - 1} were placed")
    names = ("state", "filled", "value", "params", "expected_cost", "expected_risk", "decision_mid", "why", "sent")
    parents = {row["parent_id"]: tuple(row[name] for name in names) for row in found["parents"]}
    for number, parent in money.parents.items():
        if parents.get(number) != (
            parent.state.name, parent.filled_nanos, parent.value_nanos, parent.params, parent.expected_cost_nanos,
            parent.expected_risk_nanos, parent.decision_mid_nanos, parent.why, parent.sent_nanos,
        ):  # fmt: skip
            wrong.append(f"parent {number}: {parents.get(number)} in SQL, {parent.state.name} in the books")
    positions = {(row["strategy"], row["inst"]): (row["qty"], row["cost"]) for row in found["positions"]}
    if positions != {key: (one.qty_nanos, one.cost_nanos) for key, one in money.ledger.positions.items()}:
        wrong.append(f"positions: {positions} are not those of the books")
    wrong += _lots_and_cash(found, money.ledger)
    standing = {row["root_exec_id"]: row for row in found["executions"]}  # the last of each is the newest
    held: dict[tuple[str, int], int] = defaultdict(int)
    for row in standing.values():
        held[row["strategy"], row["inst"]] += row["side"] * row["qty"]
    if any(held.get(key, 0) != qty for key, (qty, _) in positions.items()):
        wrong.append(f"executions: they add up to {dict(held)}, positions are {positions}")
    last = {row["order_id"]: row["state"] for row in found["order_events"] if row["state"]}
    if set(last) != set(orders):
        wrong.append(f"order_events: of {len(last)} orders, there are {len(orders)}")
    return wrong


def _lots_and_cash(found: dict[str, list[Row]], ledger: Ledger) -> list[str]:
    """Lots are the books' lots; cash by kind adds up; the parts of every commission add up to it."""
    wrong = []
    lots = {
        (row["strategy"], row["inst"]): [(lot["qty"], lot["cost"], lot["seq"]) for lot in row["lots"]]
        for row in found["position_lots"]
    }
    if lots != {
        key: [(lot.qty_nanos, lot.cost_nanos, lot.seq) for lot in p.lots] for key, p in ledger.positions.items()
    }:
        wrong.append("position_lots: are not those of the books")
    cash: dict[str, int] = defaultdict(int)
    for row in found["cash_held"]:
        if row["kind"] != "due" and not row["kind"].startswith("of "):
            cash[row["currency"]] += -row["amount"] if row["kind"] == "cash" else row["amount"]
    wrong += [f"cash_held: {name} does not add up by {left}" for name, left in cash.items() if left]
    told = {row["exec_id"]: row["commission"] for row in found["commissions"]}
    parts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in found["fee_parts"]:
        parts[row["exec_id"]][row["seq"]] += row["amount"]
    for exec_id, commission in told.items():
        newest = parts[exec_id][max(parts[exec_id])] if parts[exec_id] else 0
        if newest != commission:
            wrong.append(f"fee_parts: those of {exec_id} come to {newest}, it cost {commission}")
    return wrong


def _times(database: Database, journal_id: int) -> list[str]:
    """On PostgreSQL `ts` is `ts_ns` cut to microseconds, in every table that has it."""
    if database.dialect != "postgresql":
        return []
    wrong = []
    for table in TABLES:
        if table.chunk_days:
            ((count,),) = database.select(
                f"SELECT count(*) FROM {table.name} WHERE journal_id = ? "
                "AND ts <> TIMESTAMPTZ 'epoch' + (ts_ns / 1000) * INTERVAL '1 microsecond'",
                (journal_id,),
            )
            wrong += [f"{table.name}: {count} rows whose ts is not their ts_ns"] if count else []
    return wrong
