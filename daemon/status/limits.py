"""`quantd limits show`: every limit with its factory value, what the config says, what is in force, its ceiling, and
who changed it until when. Reads; decides nothing.
"""

from datetime import UTC, datetime
from typing import Any

from core.limit_changes import NO_END, LimitChange
from core.ports import Context
from core.units import NANO
from risk.in_force import ACCOUNT, LimitsInForce, binding, own_value, rows_of
from risk.limit_rows import Limit
from risk.limits import Limits, factory_value, set_value, text_of
from risk.resolve import scopes_of


def limit_lines(
    context: Context, config: Limits, *, symbol: str | None = None, strategy: str | None = None
) -> list[dict[str, Any]]:
    """With a symbol or a strategy: what binds there, and which scope says so. Without: the account's limits, and all
    that other scopes say.
    """
    in_force = LimitsInForce(context, config)
    in_force.resolved()
    changes = context.money.limit_changes.in_force()
    scopes = _scopes_that_bind(context, symbol, strategy)
    lines = []
    if symbol is not None or strategy is not None:
        for row in rows_of(scopes[-1] if strategy is not None else "symbol"):
            scope, value = binding(in_force.limits, row, scopes)
            lines.append(_line(config, row, scope, value, changes.get((scope, row.name))))
        return lines
    known = [ACCOUNT, *(name for name, _ in scopes_of(in_force.limits)[1:])]
    for scope in known:
        for row in rows_of(scope):
            own = own_value(in_force.limits, scope, row)
            if own is not None:
                lines.append(_line(config, row, scope, own, changes.get((scope, row.name))))
    return lines


def _scopes_that_bind(context: Context, symbol: str | None, strategy: str | None) -> list[str]:
    scopes = [ACCOUNT]
    for instrument in context.instruments:
        if instrument.symbol == symbol:
            scopes += [f"class.{'etf' if instrument.etf else 'stock'}", f"symbol.{symbol}"]
    return scopes if strategy is None else [*scopes, f"strategy.{strategy}"]


def _line(config: Limits, row: Limit, scope: str, value: int, change: LimitChange | None) -> dict[str, Any]:
    configured = own_value(config, scope, row)
    ceiling = set_value(config.ceiling, row, "limits.ceiling")
    return {
        "control": row.control,
        "limit": row.name,
        "scope": scope,
        "unit": row.unit,
        "factory": text_of(row, factory_value(row)),
        "config": "" if configured is None else text_of(row, configured),
        "in_force": text_of(row, value),
        "ceiling": "" if ceiling is None else text_of(row, ceiling),
        "until": "" if change is None else _until(change),
        "who": "" if change is None else " and ".join(filter(None, (change.by, change.second))),
        "reason": "" if change is None else change.reason,
    }


def _until(change: LimitChange) -> str:
    if change.until_ns == NO_END:
        return "taken back"
    return datetime.fromtimestamp(change.until_ns // NANO, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
