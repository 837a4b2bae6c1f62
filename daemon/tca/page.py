"""The report as one HTML file that needs nothing else: tables, and a picture of the schedules that cost or gained most.
Owns wording and layout; computes nothing new.
"""

from datetime import UTC, datetime
from html import escape
from typing import Final

import msgspec

from core.book_commands import CROSS
from core.instruments import rule_on
from core.parents import Parent
from core.units import NANO, decimal_text, exact_text
from daemon.tca.fees import FeeKind, source_of
from daemon.tca.groups import Group
from daemon.tca.measure import ParentRow
from daemon.tca.plot import Bar, Dot, Picture, svg
from daemon.tca.reading import Findings
from daemon.tca.trail import CROSSED, FillTrail, OrderTrail, Trail
from execution.algos import algo_of, params_of

PLOTS_MAX: Final = 60
ROWS_MAX: Final = 2_000
QUOTES_DRAWN: Final = 180
SPAN_NS_MIN: Final = 60 * NANO
TIMES_KEPT: Final = 8  # rows of an order list before it is cut

STYLE: Final = """
:root{--ink:#1d2733;--soft:#5b6b7b;--line:#d8dfe6;--band:#dbe7f3;--blue:#1f6fb2;--red:#c0392b;--green:#1e8e5a}
*{box-sizing:border-box}body{margin:2rem auto;max-width:1240px;padding:0 1rem;color:var(--ink);
font:15px/1.5 system-ui,sans-serif}h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .4rem}
h3{font-size:1rem;margin:1.8rem 0 .2rem}p{margin:.3rem 0;color:var(--soft)}.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .55rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th{color:var(--soft);font-weight:600}td.t,th.t{text-align:left}tr.by td{background:#f3f6f9;font-weight:600}
.tall{overflow:auto;max-height:34rem;border:1px solid var(--line)}.tall th{position:sticky;top:0;background:#fff}
svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
.box{fill:none;stroke:var(--line)}.band{fill:var(--band)}.mid{fill:none;stroke:var(--blue);stroke-width:1}
.moment{stroke:var(--soft);stroke-dasharray:2 3}.decision{stroke:var(--red);stroke-dasharray:6 4}
.order{stroke:#8a6d1d;stroke-width:1.4}.added{fill:var(--green)}.removed{fill:var(--red)}.crossed{fill:var(--blue)}
.bad{color:var(--red);font-weight:600}
.due{fill:none;stroke:var(--soft);stroke-dasharray:4 3}.done{fill:none;stroke:var(--ink);stroke-width:1.6}
"""
LEGEND: Final = (
    "Blue: mid, shaded from bid to ask. Red dashes: decision price. Brown: our orders while they stood. Dots: "
    "executions, green added liquidity, red removed it, blue met another book of the account. Below: quantity due "
    "(dashed) and done."
)


def chosen(rows: list[ParentRow]) -> list[int]:
    """Which schedules get a picture: places of those that cost or gained most, in order of time."""
    ranked = sorted(range(len(rows)), key=lambda at: -abs(rows[at].total_nanos))
    return sorted(ranked[:PLOTS_MAX])


def questions(trail: Trail) -> list[tuple[int, int]]:
    """The quotes a picture needs: (instrument, time)."""
    from_ns, until_ns = _span(trail)
    step = (until_ns - from_ns) // (QUOTES_DRAWN - 1)
    return [(trail.opening.inst, from_ns + step * at) for at in range(QUOTES_DRAWN)]


def page(
    found: Findings,
    rows: list[ParentRow],
    groups: list[Group],
    drawn: list[tuple[int, list[tuple[int, int]]]],
    *,
    title: str,
    fees: list[FeeKind],
    warnings: list[str],
) -> str:
    """The whole file. `drawn`: place of a schedule, and the quotes to its `questions`."""  # fmt: skip
    body = [
        f"<h1>{escape(title)}</h1>",
        *(f'<p class="bad">{escape(warning)}</p>' for warning in warnings),
        f"<p>{_headline(rows)}</p>",
        "<p>Basis points of the value at the decision; positive = cost, on both sides. Interval: 95 %, bootstrap over "
        "schedules; none below five.</p>",
        "<h2>Groups</h2>",
        _group_table(groups),
        *_fee_table(fees),
        "<h2>Schedules</h2>",
        *_row_table(rows, {rows[at].parent_id for at, _ in drawn}),
        *_unopened(found),
        f"<h2>Pictures: {len(drawn)} of {len(rows)}, those that cost or gained most</h2>",
        f"<p>{LEGEND}</p>",
        *(_section(found, found.trails[at], rows[at], quotes) for at, quotes in drawn),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f"<!doctype html><html lang=en><head>{head}<style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def bp(nanos: int | None) -> str:
    """Billionths of a basis point for people."""
    return "–" if nanos is None else decimal_text(nanos)


def _headline(rows: list[ParentRow]) -> str:
    paper, total = sum(row.paper_nanos for row in rows), sum(row.total_nanos for row in rows)
    orders, rejected = sum(len(row.orders) for row in rows), sum(row.unhappy for row in rows)
    killed = sum(row.state == "CANCELLED" for row in rows)
    return escape(
        f"{len(rows):,} schedules over {_money(paper)}, {orders:,} orders, {rejected:,} of them rejected or not sent, "
        f"{sum(row.refusals for row in rows):,} refusals, {killed:,} schedules cancelled. Total cost {_money(total)} "
        f"= delay {_sum(rows, 'delay_nanos')}, trading {_sum(rows, 'trading_nanos')}, opportunity "
        f"{_sum(rows, 'opportunity_nanos')}, fees {_sum(rows, 'fees_nanos')}."
    )


def _sum(rows: list[ParentRow], name: str) -> str:
    return _money(sum(getattr(row, name) for row in rows))


def _money(nanos: int) -> str:
    """Cents, thousands apart."""
    whole, _, cents = decimal_text(nanos).partition(".")
    return f"{'-' if whole == '-0' else ''}{int(whole):,}.{cents}"


def _table(head: list[str], body: list[str], texts: int, box: str = "wide") -> str:
    cells = "".join(f'<th class="{"t" if at < texts else ""}">{escape(name)}</th>' for at, name in enumerate(head))
    return f'<div class="{box}"><table><thead><tr>{cells}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _cells(values: list[str], texts: int) -> str:
    return "".join(f'<td class="{"t" if at < texts else ""}">{value}</td>' for at, value in enumerate(values))


def _number(value: float | None, pattern: str = "{:.2f}") -> str:
    return "–" if value is None else pattern.format(value)


def _group_table(groups: list[Group]) -> str:
    head = ["group", "n", "filled", "delay", "trading", "opportunity", "fees", "total bp", "95 %", "against VWAP",
            "z (n)"]  # fmt: skip
    body, last = [], ""
    for group in groups:
        if group.by != last:
            body.append(f'<tr class="by"><td class="t" colspan="{len(head)}">{escape(group.by)}</td></tr>')
            last = group.by
        known = group.low_bp is not None and group.high_bp is not None
        values = [
            escape(group.name), str(group.n), _number(group.filled, "{:.0%}"), _number(group.delay_bp),
            _number(group.trading_bp), _number(group.opportunity_bp), _number(group.fees_bp), _number(group.total_bp),
            f"{group.low_bp:.2f} to {group.high_bp:.2f}" if known else "–", _number(group.vwap_bp),
            f"{_number(group.z)} ({group.z_n})" if group.z_n else "no estimate",
        ]  # fmt: skip
        body.append(f"<tr>{_cells(values, 1)}</tr>")
    return _table(head, body, 1)


def _fee_table(fees: list[FeeKind]) -> list[str]:
    if not fees:
        return []
    total = sum(fee.amount_nanos for fee in fees)
    body = []
    for fee in fees:
        part = fee.amount_nanos / total if total else None  # det-ok: a share for people
        values = [escape(fee.kind), source_of(fee), decimal_text(fee.amount_nanos, places=4), _number(part, "{:.1%}")]
        body.append(f"<tr>{_cells(values, 2)}</tr>")
    note = (
        "<p>The broker reports one sum for each execution. Its statement names the parts (<code>quantd statement import"
        "</code>); until then they are estimated from the dated fee table, and “rest” is what it does not explain.</p>"
    )
    return ["<h2>Fees by kind</h2>", note, _table(["kind", "from", "amount", "part"], body, 2)]


def _row_table(rows: list[ParentRow], drawn: set[int]) -> list[str]:
    head = ["schedule", "arrival (UTC)", "strategy", "symbol", "side", "algo", "end", "quantity", "filled", "crossed",
            "total",
            "total bp", "VWAP bp", "TWAP bp", "close bp", "capture", "part of volume", "sigmas", "z"]  # fmt: skip
    body = []
    kept = sorted(range(len(rows)), key=lambda at: -abs(rows[at].total_nanos))[:ROWS_MAX]
    for row in [rows[at] for at in sorted(kept)]:
        name = f'<a href="#p{row.parent_id}">{row.parent_id}</a>' if row.parent_id in drawn else str(row.parent_id)
        values = [
            name, _clock(row.arrived_ns), escape(row.strategy), escape(row.symbol), row.side, escape(row.algo),
            row.state.lower(), exact_text(row.qty_nanos), _percent(row.fill_ppm),
            exact_text(row.crossed_nanos) if row.crossed_nanos else "–", decimal_text(row.total_nanos),
            bp(row.total_bp_nanos), bp(row.against["vwap"]), bp(row.against["twap"]), bp(row.against["close"]),
            "–" if row.capture_ppm is None else f"{row.capture_ppm / 1e6:.2f}", _percent(row.participation_ppm, 2),
            _number(row.sigmas), _number(row.z),
        ]  # fmt: skip
        body.append(f"<tr>{_cells(values, 7)}</tr>")
    left = len(rows) - len(kept)
    more = [f"<p>{left} that cost or gained less are not shown; <code>--json</code> has all.</p>"] if left else []
    return [*more, _table(head, body, 7, "tall")]


def _percent(ppm: int | None, places: int = 0) -> str:
    return "–" if ppm is None else f"{ppm / 1e4:.{places}f} %"


def _unopened(found: Findings) -> list[str]:
    if not found.unopened:
        return []
    body = []
    for lost in found.unopened:
        instrument = found.tables.instruments.get(lost.inst)
        symbol = f"#{lost.inst}" if instrument is None else instrument.symbol
        values = [
            _clock(lost.ts_ns),
            escape(lost.strategy),
            escape(symbol),
            escape(lost.why),
            exact_text(lost.target_nanos),
        ]
        body.append(f"<tr>{_cells(values, 4)}</tr>")
    head = ["time (UTC)", "strategy", "symbol", "why", "target"]
    return ["<h2>Targets that never became a schedule</h2>", _table(head, body, 4)]


def _section(found: Findings, trail: Trail, row: ParentRow, quotes: list[tuple[int, int]]) -> str:
    title = f"{row.parent_id} · {row.side} {exact_text(row.qty_nanos)} {row.symbol} · {row.algo} · {row.strategy}"
    parts = (("delay", row.delay_bp_nanos), ("trading", row.trading_bp_nanos),
             ("opportunity", row.opportunity_bp_nanos), ("fees", row.fees_bp_nanos))  # fmt: skip
    told = " + ".join(f"{name} {bp(value)}" for name, value in parts)
    ended = f"{row.state.lower()}: {row.reason}" if row.reason else row.state.lower()
    later = ", ".join(f"{name} {bp(value)}" for name, value in row.reversion_bp_nanos.items())
    lines = [f"{told} = {bp(row.total_bp_nanos)} bp ({decimal_text(row.total_nanos)}); {ended}; reversion {later}"]
    lines += [row.why] if row.why else []
    if row.crossed_px_nanos is not None:
        qty, px = exact_text(row.crossed_nanos), exact_text(row.crossed_px_nanos)
        lines.append(f"{qty} crossed with another book of the account at {px}: no fees, no spread")
    lines += [f"refused {row.refusals} times: {'; '.join(row.refused)}"] if row.refusals else []
    bad = [f"order {order.order_id} {order.ending}" for order in row.orders if order.ending not in ("filled", "")]
    lines += [", ".join(bad[:TIMES_KEPT]) + (" …" if len(bad) > TIMES_KEPT else "")] if bad else []
    text = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return (
        f'<h3 id="p{row.parent_id}">{escape(title)}</h3>{text}{svg(_picture(found, trail, row, quotes), title=title)}'
    )


def _picture(found: Findings, trail: Trail, row: ParentRow, quotes: list[tuple[int, int]]) -> Picture:
    from_ns, until_ns = _span(trail)
    fills = sorted(trail.fills, key=lambda fill: fill.told_ns)
    done, total = [], 0
    for fill in fills:
        total += fill.execution.qty_nanos
        done.append((fill.told_ns, total))
    return Picture(
        from_ns=from_ns,
        until_ns=until_ns,
        quotes=tuple((ts_ns, *both) for (_, ts_ns), both in zip(questions(trail), quotes, strict=True)),
        moments=(("decision", row.decided_ns), ("arrival", row.arrived_ns), ("end", row.ended_ns))
        if row.arrived_ns - row.decided_ns > NANO
        else (("arrival", row.arrived_ns), ("end", row.ended_ns)),
        decision_px_nanos=row.decision_px_nanos,
        bars=tuple([_bar(order, row.ended_ns) for order in trail.orders]),
        dots=tuple([_dot(fill) for fill in fills if fill.execution.qty_nanos]),
        due=_due(found, trail),
        done=tuple(done),
        qty_nanos=row.qty_nanos,
        clock=(_clock(from_ns), _clock(until_ns)),
    )


def _bar(order: OrderTrail, ended_ns: int) -> Bar:
    what = f"order {order.order_id}: {exact_text(order.qty_nanos)} at {exact_text(order.px_nanos)}"
    return Bar(
        from_ns=order.sent_ns,
        until_ns=order.ended_ns or ended_ns,
        px_nanos=order.px_nanos,
        label=f"{what}, {order.ending or 'open'}, {order.replaces} times replaced",
    )


def _dot(fill: FillTrail) -> Dot:
    execution = fill.execution
    return Dot(
        ts_ns=fill.told_ns,
        px_nanos=execution.px_nanos,
        how="crossed" if fill.liquidity == CROSSED else "added" if fill.liquidity == 1 else "removed",
        label=f"{exact_text(execution.qty_nanos)} at {exact_text(execution.px_nanos)}, {_clock(fill.told_ns)}",
    )


def _due(found: Findings, trail: Trail) -> tuple[tuple[int, int], ...]:
    """The schedule as planned last; none where the market alone says how much is due."""
    opening = trail.opening
    algo = algo_of(opening.algo)
    if algo.watches or opening.algo == CROSS:
        return ()
    known = msgspec.structs.asdict(opening) | {"weights": trail.weights}
    parent = Parent(**{name: known[name] for name in Parent.__struct_fields__ if name in known})
    instrument = found.tables.instruments.get(opening.inst)
    lot = None if instrument is None else rule_on(instrument.lots, trail.date)
    steps = algo.trajectory(parent, params_of(parent), NANO if lot is None else lot.increment_nanos)
    return tuple((steps.boundary_ns(at), steps.due_nanos(at + 1)) for at in range(steps.slices))


def _span(trail: Trail) -> tuple[int, int]:
    """From before the decision to after the end, a minute at least."""
    from_ns, until_ns = min(trail.decision_ns, trail.opened_ns), max(trail.end_ns, trail.opened_ns)
    room = max((until_ns - from_ns) // 20, (SPAN_NS_MIN - (until_ns - from_ns)) // 2, NANO)
    return from_ns - room, until_ns + room


def _clock(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
