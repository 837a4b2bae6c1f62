"""The tables of the record as data, and as SQLAlchemy metadata for each dialect. Decides nothing and opens nothing.

Every row belongs to a journal (`journal_id`) and is keyed by the seq of the record that made it, so that no row can be
there twice. `append` tables only grow; `state` tables hold the newest state of one thing; bars add up. Tables with
`chunk_days` become hypertables where TimescaleDB is: on PostgreSQL they carry `ts`, the same moment as `ts_ns` cut to
microseconds, as part of their key. There are no foreign keys: each would cost a look-up per row.
"""

import functools
from typing import Final, Literal

import msgspec
import sqlalchemy as sa

from daemon.follower.columns import Dialect, Field, big, column, flag, integer, json, nanos, real, text

Growth = Literal["append", "state", "merge"]
JOURNAL: Final = big("journal_id")
TIME: Final = Field(name="ts", kind="time")


class RecordTable(msgspec.Struct, frozen=True, kw_only=True):
    """One table. `key` names its fields beside the journal; rows handed to a sink carry `fields` in this order."""

    name: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    growth: Growth = "append"
    chunk_days: int = 0  # 0 = no hypertable
    indexes: tuple[tuple[str, ...], ...] = ()

    def stored(self, dialect: Dialect) -> tuple[Field, ...]:
        """All columns as they lie in a dialect."""
        timed = (TIME,) if dialect == "postgresql" and self.chunk_days else ()
        return (JOURNAL, *timed, *self.fields)

    def key_in(self, dialect: Dialect) -> tuple[str, ...]:
        """The primary key in a dialect; a hypertable's must hold its time."""
        timed = (TIME.name,) if dialect == "postgresql" and self.chunk_days else ()
        return (JOURNAL.name, *self.key, *timed)

    @property
    def ts_at(self) -> int:
        """Where `ts_ns` stands in a row."""
        return [field.name for field in self.fields].index("ts_ns")


def _append(
    name: str,
    *fields: Field,
    sub: tuple[str, ...] = (),
    chunk_days: int = 0,
    indexes: tuple[tuple[str, ...], ...] = (),
) -> RecordTable:
    stamp = (big("seq"), big("ts_ns"))
    return RecordTable(name=name, fields=(*stamp, *fields), key=("seq", *sub), chunk_days=chunk_days, indexes=indexes)


def _state(name: str, *fields: Field, key: tuple[str, ...]) -> RecordTable:
    return RecordTable(name=name, fields=fields, key=key, growth="state")


def _bars(name: str, chunk_days: int) -> RecordTable:
    """Bars of trades, with the last quotes; `ts_ns` is the beginning. No trade = no prices of trades.

    Turnover is exact in two columns, whole units of the currency and what the trades left over: a busy day's, in nanos,
    is more than 64 bits hold.
    """
    return RecordTable(
        name=name,
        growth="merge",
        key=("inst", "ts_ns"),
        chunk_days=chunk_days,
        fields=(
            integer("inst"),
            big("ts_ns"),
            text("symbol"),
            nanos("open_px", nullable=True, merge="first"),
            nanos("high_px", nullable=True, merge="max"),
            nanos("low_px", nullable=True, merge="min"),
            nanos("close_px", nullable=True, merge="last"),
            nanos("volume", merge="sum"),
            big("turnover_units", merge="sum"),
            nanos("turnover_rest", merge="sum"),
            big("trades", merge="sum"),
            nanos("bid_px", nullable=True, merge="last"),
            nanos("ask_px", nullable=True, merge="last"),
            big("quotes", merge="sum"),
        ),
    )


TICKS: Final = _append(
    "ticks",
    big("exchange_ts_ns"),
    integer("inst"),
    integer("kind"),
    integer("flags"),
    nanos("bid_px"),
    nanos("ask_px"),
    nanos("bid_qty"),
    nanos("ask_qty"),
    chunk_days=1,
)
BARS: Final = (_bars("bars", 7), _bars("bars_1h", 90), _bars("bars_1d", 3650))

TABLES: Final = (
    # ---- every record but the market rows
    _append("records", big("cause_seq"), text("kind"), text("type"), json("body"), chunk_days=7),
    # ---- reference
    _append("configs", text("digest"), json("body")),
    _append("code_versions", text("version"), text("source_digest"), text("kernel_digest"), text("platform")),
    _append("models", text("name"), text("digest")),
    _append(
        "instruments", integer("inst"), text("symbol"), big("con_id"), text("sec_type"), text("exchange"),
        text("primary_exchange"), text("currency"), text("calendar"), flag("etf"), text("sector"), nanos("multiplier"),
    ),
    # ---- runs, operators, alarms
    _append(
        "runs", big("epoch"), text("mode"), text("ended_before"), text("after_crash"), flag("guard_fired"),
        text("changed"), flag("safe"),
    ),
    _append("run_ends", text("how"), big("failed_seq", nullable=True), text("reason")),
    _append("days", integer("date")),
    _append("operator_actions", text("action"), text("scope"), text("reason"), text("operator"), json("body")),
    _append("links", text("state"), big("code"), text("reason")),
    _append("alerts", big("cause_seq"), text("code"), text("severity"), text("text")),
    _append(
        "latches", big("cause_seq"), text("level"), text("scope"), text("code"), text("state"), text("reason"),
        text("moved_by"), text("value"), text("bound"),
    ),
    _append("strategy_switches", big("cause_seq"), text("strategy"), flag("enabled"), text("reason")),
    # ---- why
    _append(
        "decisions", big("cause_seq"), text("strategy"), integer("inst"), text("symbol"), real("score"),
        nanos("target"), nanos("bid_px"), nanos("ask_px"), json("features"), chunk_days=7,
    ),
    _append(
        "refusals", big("cause_seq"), big("order_id"), big("parent_id"), text("strategy"), integer("inst"),
        text("symbol"), integer("side"), nanos("qty"), nanos("limit_px"), integer("control"), text("code"),
    ),
    _append(
        "refusal_failures", integer("place"), integer("control"), text("code"), text("value"), text("bound"),
        text("lift"), sub=("place",),
    ),
    _append("blocked", big("cause_seq"), text("strategy"), integer("inst"), text("symbol"), text("reason")),
    _append("odds", big("cause_seq"), big("order_id"), text("what")),
    _append("differences", big("cause_seq"), big("sync_id"), text("kind"), text("text")),
    _append("external_features", text("name"), integer("inst"), real("value"), big("as_of_ns"), big("age_ns_max")),
    # ---- orders and money
    _append("targets", big("cause_seq"), text("strategy"), integer("inst"), text("symbol"), nanos("qty")),
    _append(
        "order_events", big("order_id"), big("cause_seq"), text("what"), text("state", nullable=True),
        nanos("qty", nullable=True), nanos("filled", nullable=True), nanos("limit_px", nullable=True),
        text("text"), sub=("order_id",), chunk_days=7, indexes=(("order_id",),),
    ),
    _append(
        "executions", text("exec_id"), text("root_exec_id"), big("order_id"), text("strategy"), integer("inst"),
        text("symbol"), integer("side"), nanos("qty"), nanos("px"), text("source"), big("exchange_ts_ns"),
        integer("liquidity"), chunk_days=30, indexes=(("order_id",), ("exec_id",)),
    ),
    _append("commissions", text("exec_id"), nanos("commission"), text("currency"), indexes=(("exec_id",),)),
    _append("cash_changes", text("source"), text("currency"), nanos("amount"), text("kind"), text("reason")),
    _append(
        "fee_parts", text("exec_id"), text("kind"), nanos("amount"), text("source"), sub=("exec_id", "kind"),
        indexes=(("exec_id",),),
    ),
    _append(
        "parent_events", big("cause_seq"), big("parent_id"), text("what"), text("state", nullable=True),
        text("reason"), json("body"), indexes=(("parent_id",),),
    ),
    _append(
        "crosses", big("cause_seq"), integer("inst"), text("symbol"), text("buyer"), text("seller"), nanos("qty"),
        nanos("px"), nanos("bid_px"), nanos("ask_px"), text("reason"), big("buyer_parent"), big("seller_parent"),
    ),
    _append(
        "transfers", big("cause_seq"), text("strategy"), integer("inst"), text("symbol"), nanos("qty"), nanos("px"),
        nanos("deposit"), text("reason"),
    ),
    _append("execution_shares", text("exec_id"), text("strategy"), nanos("qty"), sub=("strategy",)),
    _append(
        "corrections", big("cause_seq"), text("kind"), text("line_id"), text("exec_id"), integer("inst"),
        text("symbol"), integer("side"), nanos("qty"), nanos("px"), nanos("commission"), text("currency"),
        nanos("amount"), text("cash_kind"), text("other_currency"), nanos("other"), text("text"), text("moved_by"),
        text("reason"),
    ),
    _append(
        "corporate_events", big("cause_seq"), text("action_id"), text("what"), integer("inst"), text("symbol"),
        text("reason"), text("moved_by"), json("body"),
    ),
    _append(
        "equity", nanos("equity"), nanos("cash"), nanos("unrealised"), nanos("realised"), nanos("fees"), chunk_days=30
    ),
    _state(
        "orders", big("order_id"), big("parent_id"), big("slice_no"), text("strategy"), integer("inst"),
        text("symbol"), integer("side"), nanos("qty"), text("order_type"), nanos("limit_px"), text("tif"),
        integer("purpose"), text("order_ref"), nanos("notional"), flag("reduce_only"), big("sent_ts_ns"),
        text("state"), nanos("filled"), big("perm_id"), big("version"), big("changed_ts_ns"), key=("order_id",),
    ),
    _state(
        "parents", big("parent_id"), text("strategy"), integer("inst"), text("symbol"), integer("side"), nanos("qty"),
        text("algo"), big("start_ts_ns"), big("end_ts_ns"), integer("slices"), nanos("limit_px"), nanos("arrival_mid"),
        integer("purpose"), integer("urgency"), text("state"), flag("paused"), text("paused_reason"), nanos("filled"),
        nanos("value"), integer("children"), big("child"), integer("chases"), text("reason"), text("params"),
        nanos("expected_cost"), nanos("expected_risk"), nanos("decision_mid"), big("decision_ts_ns"), text("why"),
        text("operator"), nanos("kappa"), big("auction_ts_ns"), nanos("sent"), integer("slice_no"), nanos("crossed"),
        key=("parent_id",),
    ),
    _state(
        "positions", text("strategy"), integer("inst"), text("symbol"), nanos("qty"), nanos("cost"),
        nanos("realised"), nanos("fees"), key=("strategy", "inst"),
    ),
    _state(
        "position_lots", text("strategy"), integer("inst"), text("symbol"), nanos("qty"), nanos("realised_fifo"),
        json("lots"), key=("strategy", "inst"),
    ),
    _state("cash_held", text("currency"), text("kind"), nanos("amount"), key=("currency", "kind")),
    _state(
        "corporate_actions", text("action_id"), text("kind"), integer("inst"), text("symbol"), integer("ex_date"),
        integer("num"), integer("den"), nanos("per_share"), text("currency"), integer("pay_date"),
        integer("withheld_ppm"), text("state"), text("given_by"), text("reason"), big("since_ns"), big("done_ns"),
        nanos("gross_due"), nanos("withheld_due"), key=("action_id",),
    ),
    # ---- the follower's own
    _state(
        "segments", big("first_seq"), text("name"), big("created_ts_ns"), text("previous_digest"), key=("first_seq",)
    ),
    _state("divergences", big("seq"), big("ts_ns"), text("source"), text("text"), key=("seq", "source")),
    TICKS,
    *BARS,
)  # fmt: skip
BY_NAME: Final = {table.name: table for table in TABLES}


@functools.cache
def metadata(dialect: Dialect) -> sa.MetaData:
    """Every table in a dialect, the two that number journals and hold positions included."""
    made = sa.MetaData()
    _journals(made)
    for table in TABLES:
        key = table.key_in(dialect)
        columns = [column(field, dialect) for field in table.stored(dialect)]
        indexes = [sa.Index(f"{table.name}_{'_'.join(names)}", JOURNAL.name, *names) for names in table.indexes]
        wide = any(field.kind == "json" for field in table.fields)  # SQLite: long rows do not belong in the key's tree
        sa.Table(table.name, made, *columns, sa.PrimaryKeyConstraint(*key), *indexes, sqlite_with_rowid=wide)
    return made


def _journals(made: sa.MetaData) -> None:
    """A journal is its account, tag and the moment its first segment was made; `branch` counts up where the same
    journal came back without records that had been taken (a tail lost in a power cut): those stay as they are.
    """
    # SQLite numbers a key by itself only when it is declared INTEGER.
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    sa.Table(
        "journals",
        made,
        sa.Column("journal_id", number, sa.Identity(always=False), primary_key=True),
        sa.Column("created_ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("branch", sa.Integer(), nullable=False),
        sa.UniqueConstraint("created_ts_ns", "first_seq", "account", "tag", "branch"),
    )
    sa.Table(
        "follower_position",
        made,
        sa.Column("journal_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),  # the last one taken; 0 = none
        sa.Column("frame_seq", sa.BigInteger(), nullable=False),  # first of its frame
        sa.Column("frame_mark", sa.BigInteger(), nullable=False),  # crc32c of the frame, to know it again
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),  # newest time taken
        sa.Column("messages", sa.BigInteger(), nullable=False),  # rows of `records`
        sa.Column("market_rows", sa.BigInteger(), nullable=False),
        sa.Column("written_ns", sa.BigInteger(), nullable=False),  # wall clock of the write
    )
