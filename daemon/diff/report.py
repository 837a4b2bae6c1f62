"""A comparison as plain decimal text: for `--json` and for tables. Computes nothing but sums, roundings and words."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from core.units import NANO, decimal_text, div_half_even, exact_text
from daemon.diff.attribution import NOBODYS_CASH, Pair, Parts, Row
from daemon.diff.compare import Comparison
from daemon.diff.day import Decision

PARTS: Final = ("data", "signal", "timing", "fill", "cost")


def report(found: Comparison, *, live: str, shadow: str, remarks: tuple[str, ...], top: int) -> dict[str, Any]:
    """Everything: the whole, by strategy and instrument, and the decisions that made most of it."""
    rows = [row for row in found.rows if row.live or row.shadow or row.parts.total or row.pairs]
    whole = Row(strategy="", inst=NOBODYS_CASH)
    for row in rows:
        whole.live += row.live
        whole.shadow += row.shadow
        whole.parts += row.parts
    pairs = [(row, pair) for row in rows for pair in row.pairs if pair.parts.total or any(_amounts(pair.parts))]
    pairs.sort(key=lambda one: (-_size(one[1].parts), _began(one[1]), one[0].strategy, one[0].inst))
    return {
        "date": found.date,
        "from": _time(found.start_ns),
        "until": _time(found.end_ns),
        "live": live,
        "shadow": shadow,
        "currency": found.live.currency,
        "total": _line(whole),
        "rows": [_names(found, row) | _line(row) for row in rows],
        "decisions": [_decision(found, row, pair) for row, pair in pairs[:top]],
        "decisions_left_out": max(0, len(pairs) - top),
        "remarks": [*remarks, *_remarks(found)],
    }


def _remarks(found: Comparison) -> list[str]:
    told = []
    for name, day in (("live", found.live), ("shadow", found.shadow)):
        if day.uncharged:
            told.append(f"{name}: {day.uncharged} executions have no commission report: their cost counts as 0")
        if day.span.start_ns < found.start_ns or day.span.end_ns > found.end_ns:
            told.append(f"{name}: the rest of its day is outside the span both have in common and is not compared")
        told += [f"{name}: cash moved without a trade: {exact_text(amount)}, {why}" for _, amount, why in day.moved]
    return told


def _amounts(parts: Parts) -> tuple[int, ...]:
    return parts.data, parts.signal, parts.timing, parts.fill, parts.cost


def _size(parts: Parts) -> int:
    """Parts that cancel each other out are worth a look too."""
    return sum(abs(amount) for amount in _amounts(parts))


def _line(row: Row) -> dict[str, str]:
    live, shadow = div_half_even(row.live, NANO), div_half_even(row.shadow, NANO)
    return {"live": exact_text(live), "shadow": exact_text(shadow)} | _texts(row.parts)


def _texts(parts: Parts) -> dict[str, str]:
    return {name: exact_text(amount) for name, amount in parts.nanos().items()}


def _names(found: Comparison, row: Row) -> dict[str, str]:
    symbol = "" if row.inst == NOBODYS_CASH else found.live.symbols[row.inst]
    return {"strategy": row.strategy or "nobody", "symbol": symbol or "cash"}


def _decision(found: Comparison, row: Row, pair: Pair) -> dict[str, Any]:
    return (
        {"ts_ns": _began(pair)}
        | _names(found, row)
        | {"live": _side(pair.live), "shadow": _side(pair.shadow)}
        | _texts(pair.parts)
        | {"why": why(pair)}
    )


def _side(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {
        "ts_ns": decision.ts_ns,
        "target": exact_text(decision.target_nanos),
        "change": exact_text(decision.change_nanos),
        "open_ns": decision.open_ns,
        "arrival": exact_text(decision.arrival_nanos),
        "executed": exact_text(decision.qty_nanos),
        "average": _average(decision),
        "cost": exact_text(decision.cost_nanos),
        "executions": len(decision.executions),
        "parents": decision.parents,
        "note": decision.note,
    }


def _average(decision: Decision) -> str:
    """Average price with the precision of people."""
    qty = decision.qty_nanos
    return decimal_text(div_half_even(decision.paid, qty), places=4) if qty else ""


def _began(pair: Pair) -> int:
    one = pair.live or pair.shadow
    assert one is not None, "a pair has a side"
    return one.ts_ns


def why(pair: Pair) -> str:
    """The largest part in words."""
    one, other = pair.live, pair.shadow
    if one is None or other is None:
        alone = one or other
        assert alone is not None, "a pair has a side"
        who = "live" if other is None else "the shadow"
        note = f"; {alone.note}" if alone.note else ""
        return f"only {who} wanted to hold {exact_text(alone.target_nanos)} then{note}"
    amounts = dict(zip(PARTS, map(abs, _amounts(pair.parts)), strict=True))
    return _WORDS[max(amounts, key=lambda name: amounts[name])](one, other)


def _why_data(one: Decision, other: Decision) -> str:
    return f"the two markets moved differently while {exact_text(one.qty_nanos)} was traded"


def _why_signal(one: Decision, other: Decision) -> str:
    return f"wanted {exact_text(one.change_nanos)} more, the shadow {exact_text(other.change_nanos)}"


def _why_timing(one: Decision, other: Decision) -> str:
    seconds = (one.open_ns - other.open_ns) / 1e9
    order = f"{seconds:.3f} s later" if seconds >= 0 else f"{-seconds:.3f} s earlier"
    arrivals = f"{exact_text(one.arrival_nanos)} instead of {exact_text(other.arrival_nanos)}"
    return f"began {order}, at {arrivals}" + (f"; {one.note}" if one.note else "")


def _why_fill(one: Decision, other: Decision) -> str:
    if one.qty_nanos != other.qty_nanos:
        wanted, there = exact_text(one.change_nanos), exact_text(other.qty_nanos)
        note = one.note or other.note
        text = f"executed {exact_text(one.qty_nanos)} of {wanted}, the shadow {there}"
        return text + (f"; {note}" if note else "")
    return f"paid {_average(one)} on an arrival at {exact_text(one.arrival_nanos)}, the shadow {_average(other)}"


def _why_cost(one: Decision, other: Decision) -> str:
    return (
        f"charged {decimal_text(one.cost_nanos)} for {len(one.executions)} executions, "
        f"the shadow {decimal_text(other.cost_nanos)} for {len(other.executions)}"
    )


_WORDS: Final = {
    "data": _why_data, "signal": _why_signal, "timing": _why_timing, "fill": _why_fill, "cost": _why_cost,
}  # fmt: skip


def _time(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // NANO, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A report's tables: rows of text with two decimals."""

    rows: list[dict[str, str]]
    decisions: list[dict[str, Any]]


def tables(told: dict[str, Any]) -> Shown:
    """For a terminal."""
    rows = [_cents(row) for row in told["rows"]]
    rows.append({"strategy": "all", "symbol": ""} | _cents(told["total"]))
    decisions = [
        {"ts_ns": one["ts_ns"], "strategy": one["strategy"], "symbol": one["symbol"]}
        | _cents({name: one[name] for name in (*PARTS, "total")})
        | {"why": one["why"]}
        for one in told["decisions"]
    ]
    return Shown(rows=rows, decisions=decisions)


def _cents(texts: dict[str, str]) -> dict[str, str]:
    from decimal import Decimal

    amounts = ("live", "shadow", *PARTS, "total")
    return {name: f"{Decimal(text):,.2f}" if name in amounts else text for name, text in texts.items()}
