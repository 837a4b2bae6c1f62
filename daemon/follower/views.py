"""Views that come with the schema. On SQLite every table with amounts has a twin `<table>_decimal` that shows them."""

from typing import Final

from daemon.follower.columns import Dialect
from daemon.follower.schema import TABLES, RecordTable

_NEWER: Final = "NOT EXISTS (SELECT 1 FROM {table} n WHERE n.journal_id = t.journal_id AND n.seq > t.seq AND {same})"


def _newest(table: str, *same: str) -> str:
    return _NEWER.format(table=table, same=" AND ".join(f"n.{name} = t.{name}" for name in same))


_COMMON: Final = {
    "quotes": "SELECT journal_id, seq, ts_ns, exchange_ts_ns, inst, flags, bid_px, ask_px, bid_qty, ask_qty "
    "FROM ticks WHERE kind = 1",
    "prints": "SELECT journal_id, seq, ts_ns, exchange_ts_ns, inst, flags, bid_px AS px, bid_qty AS qty "
    "FROM ticks WHERE kind = 2",
    "latches_held": f"SELECT t.* FROM latches t WHERE t.state <> 'ACTIVE' AND "
    f"{_newest('latches', 'level', 'scope', 'code')}",
    "targets_held": f"SELECT t.* FROM targets t WHERE {_newest('targets', 'strategy', 'inst')}",
    # Executions as they stand: the newest version of each, with the newest commission told for any version of it.
    "trades": "SELECT t.*, (SELECT c.commission FROM commissions c JOIN executions v ON v.journal_id = c.journal_id "
    "AND v.exec_id = c.exec_id WHERE c.journal_id = t.journal_id AND v.root_exec_id = t.root_exec_id "
    "ORDER BY c.seq DESC LIMIT 1) AS commission FROM executions t WHERE "
    f"{_newest('executions', 'root_exec_id')}",
    # What each commission is made of, as it is known now.
    "fees": f"SELECT t.* FROM fee_parts t WHERE {_newest('fee_parts', 'exec_id')}",
}
_LOTS: Final[dict[Dialect, str]] = {
    "sqlite": "SELECT p.journal_id, p.strategy, p.inst, p.symbol, l.key + 1 AS place, "
    "json_extract(l.value, '$.qty') AS qty, json_extract(l.value, '$.cost') AS cost, "
    "json_extract(l.value, '$.seq') AS seq FROM position_lots p, json_each(p.lots) l",
    "postgresql": "SELECT p.journal_id, p.strategy, p.inst, p.symbol, l.place, "
    "((l.lot ->> 'qty')::numeric * 0.000000001)::numeric(38, 9) AS qty, "
    "((l.lot ->> 'cost')::numeric * 0.000000001)::numeric(38, 9) AS cost, (l.lot ->> 'seq')::bigint AS seq "
    "FROM position_lots p, jsonb_array_elements(p.lots) WITH ORDINALITY l (lot, place)",
}


def views(dialect: Dialect) -> dict[str, str]:
    """Name and query of each view."""
    common = _COMMON | {"lots": _LOTS[dialect]}
    if dialect == "postgresql":
        return common
    amounts = [table for table in TABLES if any(field.kind == "nanos" for field in table.fields)]
    return common | {f"{table.name}_decimal": _decimal(table) for table in amounts}


def _decimal(table: RecordTable) -> str:
    shown = [
        f"{_decimal_text(field.name)} AS {field.name}" if field.kind == "nanos" else field.name
        for field in table.stored("sqlite")
    ]
    return f"SELECT {', '.join(shown)} FROM {table.name}"


def _decimal_text(name: str) -> str:
    """Exact text of whole nanos: the integer part, a point, nine digits."""
    sign = f"CASE WHEN {name} < 0 THEN '-' ELSE '' END"
    return f"{sign} || abs({name} / 1000000000) || '.' || printf('%09d', abs({name} % 1000000000))"
