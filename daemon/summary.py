"""The end of a run in numbers: one JSON object, or the same for people."""

from decimal import Decimal
from typing import Any

from core.latches import LEVEL_NAMES, STATE_NAMES
from core.market import COUNTERS
from core.positions import value_at
from core.units import exact_text
from daemon.command_digest import command_digest
from daemon.trader import Trader


def summarise(trader: Trader) -> dict[str, Any]:
    """All numbers of a run; money as decimal text. Asserts that cash and positions at marks are the equity."""
    runner = trader.runner
    assert runner is not None
    engine, tally, money = runner.engine, runner.tally, runner.money
    ledger, marks = money.ledger, engine.exposure.marks
    equity = ledger.equity_nanos(marks)
    cash = ledger.cash[ledger.currency]
    value = sum(value_at(qty, marks[inst]) for inst, qty in enumerate(ledger.holdings) if qty)
    assert cash + value == equity, "cash and positions at marks must be the equity"
    ledger.assert_identity()
    rows = tally.rows - trader.first_rows
    return {
        "events": tally.events,
        "rows": tally.rows,
        "events_per_s": round(rows / trader.run_s) if trader.run_s else 0,
        "decisions": tally.decisions,
        "parents": tally.parents,
        "children": tally.children,
        "fills": tally.fills,
        "refusals": dict(sorted(tally.refusals.items())),
        "alerts": tally.alerts,
        "currency": ledger.currency,
        "equity": exact_text(equity),
        "cash": exact_text(cash),
        "realised": exact_text(ledger.realised_nanos),
        "fees": exact_text(ledger.fees_nanos),
        "positions": _positions(trader),
        "marks": {symbol: exact_text(marks[inst]) for inst, symbol in enumerate(engine.symbols)},
        "oddities": _oddities(trader),
        "latches": [f"{LEVEL_NAMES[x.level]} {x.scope} {STATE_NAMES[x.state]} {x.code}" for x in money.latches.held()],
        "open_orders": len(money.live_orders),
        "ended": trader.phase == "ended",
        "stopped_by": trader.stop_reason,
        "run_s": round(trader.run_s, 3),
        "command_digest": command_digest(trader.state.journal),
        "journal_dir": str(trader.state.journal),
    }


def _positions(trader: Trader) -> list[dict[str, str]]:
    runner = trader.runner
    assert runner is not None
    symbols, marks = runner.engine.symbols, runner.engine.exposure.marks
    return [
        {
            "strategy": position.strategy,
            "symbol": symbols[position.inst],
            "qty": exact_text(position.qty_nanos),
            "mark": exact_text(marks[position.inst]),
            "unrealised": exact_text(position.unrealised_nanos(marks[position.inst])),
            "realised": exact_text(position.realised_nanos),
            "fees": exact_text(position.fees_nanos),
        }
        for position in runner.money.ledger.positions.values()
    ]


def _oddities(trader: Trader) -> dict[str, dict[str, int]]:
    runner = trader.runner
    assert runner is not None
    market = runner.engine.market
    return {
        symbol: {name: market.get(inst, name) for name in COUNTERS} for inst, symbol in enumerate(runner.engine.symbols)
    }


def text_of(summary: dict[str, Any]) -> str:
    """The summary for a terminal."""
    refusals = ", ".join(f"{count} x {code}" for code, count in summary["refusals"].items()) or "none"
    lines = [
        f"{summary['events']:,} events ({summary['events_per_s']:,} rows/s), {summary['decisions']:,} decisions, "
        f"{summary['parents']:,} parents, {summary['children']:,} children, {summary['fills']:,} fills",
        f"refusals: {refusals}",
        f"equity {_money(summary['equity'])} {summary['currency']}  cash {_money(summary['cash'])}  "
        f"realised {_money(summary['realised'])}  fees {_money(summary['fees'])}",
    ]
    lines += [_position_line(p) for p in summary["positions"] if p["qty"] != "0"]
    lines += [f"latched: {latch}" for latch in summary["latches"]]
    lines.append(f"command digest {summary['command_digest']}")
    lines.append(f"journal {summary['journal_dir']}")
    return "\n".join(lines)


def _position_line(p: dict[str, str]) -> str:
    book = p["strategy"] or "nobody"
    return f"  {book} {p['symbol']}: {p['qty']} at mark {p['mark']}, unrealised {_money(p['unrealised'])}"


def _money(text: str) -> str:
    return f"{Decimal(text):,.2f}"
