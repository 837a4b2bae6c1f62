"""The trader's own metrics, from its status and its measures as they came with the last look."""

from collections.abc import Mapping, Sequence
from typing import Final

from daemon.ops.metrics import catalogue as c
from daemon.ops.metrics.samples import Samples
from daemon.status import measures as m
from daemon.status.picture import Status

NOBODY: Final = "nobody"  # the book of what belongs to no strategy: a label without a value is no label
_STAGES: Final = ("receive", "decide", "gate", "journal", "hold", "dispatch", "wire")
_OTHERS: Final = {"read": "socket_read_seconds", "sync": "journal_sync_seconds", "lag": "loop_lag_seconds"}


def put_status(samples: Samples, status: Status) -> None:
    """What the picture tells."""
    put, counters = samples.put, status.counters
    running = {name: status.running.get(name) or "none" for name in ("version", "code", "config", "models")}
    put("build_info", 1, *running.values())
    put("trader_info", 1, status.mode, status.currency, status.clock or "tape")
    samples.one_of("trader_state", status.state, c.STATES)
    put("trader_safe", status.safe)
    put("trader_epoch", status.epoch)
    samples.one_of("link_state", status.link, c.LINKS)
    samples.one_of("ladder_state", status.ladder, c.LADDER)
    put("disk_available", status.disk_available)
    put("market_rows_total", counters.rows)
    put("events_total", counters.events)
    put("decisions_total", counters.decisions)
    put("schedules_total", counters.parents)
    put("fills_total", counters.fills)
    put("control_errors_total", counters.control_errors)


def put_measures(samples: Samples, measures: m.Measures, *, broker: bool) -> None:
    """What the measures tell. Without a broker there is no socket and no queue before it."""
    _times(samples, measures)
    _orders(samples, measures)
    _account(samples, measures)
    _blocks(samples, measures)
    _process(samples, measures)
    _symbols(samples, measures.symbols)
    for book in measures.strategies:
        _book(samples, book)
    _models(samples, measures.models)
    if broker:
        samples.put("socket_unsent_bytes", measures.unsent_bytes)
        _each(samples, "queue_length", measures.queues, c.QUEUES)
    if measures.clock_age_ms >= 0:
        samples.put("clock_offset_seconds", measures.clock_offset_ns / 1e9)
        samples.put("clock_offset_age_seconds", measures.clock_age_ms / 1e3)


def _each(samples: Samples, name: str, counts: Mapping[str, int], values: Sequence[str]) -> None:
    """A value for every label of a closed set, so that a series is there before anything happens."""
    for value in values:
        samples.put(name, counts.get(value, 0), value)


def _times(samples: Samples, measures: m.Measures) -> None:
    nothing = m.Times(sum_ns=0, counts=())
    for stage in _STAGES:
        times = measures.times.get(stage, nothing)
        samples.times("order_path_seconds", times.counts, times.sum_ns, stage)
    for cause in c.CAUSES:
        times = measures.times.get(cause, nothing)
        samples.times("tick_to_order_seconds", times.counts, times.sum_ns, cause)
    for name, metric in _OTHERS.items():
        times = measures.times.get(name, nothing)
        samples.times(metric, times.counts, times.sum_ns)


def _orders(samples: Samples, measures: m.Measures) -> None:
    put = samples.put
    _each(samples, "order_requests_total", measures.requests, c.REQUESTS)
    _each(samples, "order_answers_total", measures.answers, c.ANSWERS)
    put("orders_not_sent_total", measures.not_sent)
    for key, count in measures.refusals.items():
        control, _, code = key.partition(" ")
        put("order_refusals_total", count, control, code)
    _each(samples, "orders_live", measures.orders, c.ORDER_STATES)
    put("order_unanswered_seconds", measures.unanswered_ms / 1e3)
    put("schedules_live", measures.schedules)


def _account(samples: Samples, measures: m.Measures) -> None:
    put = samples.put
    put("equity", measures.equity_cents / 100)
    put("cash", measures.cash_cents / 100)
    put("day_profit", measures.day_profit_cents / 100)
    put("gross_exposure", measures.gross_cents / 100)
    put("net_exposure", measures.net_cents / 100)
    if measures.peak_cents > 0:
        put("drawdown_ratio", max(0.0, 1 - measures.equity_cents / measures.peak_cents))
    funds = measures.funds
    if funds is not None:
        put("broker_available_funds", funds.available_cents / 100)
        put("broker_excess_liquidity", funds.excess_cents / 100)
        put("broker_funds_age_seconds", funds.age_ms / 1e3)


def _blocks(samples: Samples, measures: m.Measures) -> None:
    put = samples.put
    held = {(latch.level, latch.state): latch.count for latch in measures.latches}
    for level in c.LEVELS:
        for state in ("REDUCING", "HALTED"):
            put("latches", held.get((level, state), 0), level, state)
    put("kills_open", measures.kills)
    put("kill_unverified_seconds", measures.kill_age_ms / 1e3)
    put("reconcile_differences", measures.differences)
    put("approvals_waiting", measures.approvals)
    if measures.reconcile_age_ms >= 0:
        put("reconcile_age_seconds", measures.reconcile_age_ms / 1e3)
    if measures.risk_age_ms >= 0:
        put("risk_measure_age_seconds", measures.risk_age_ms / 1e3)
    _each(samples, "alerts_raised_total", measures.raised, c.SEVERITIES)
    _each(samples, "alerts_open", measures.alerts_open, c.SEVERITIES)
    put("journal_records_total", measures.journal_seq)
    put("journal_written_bytes_total", measures.written_bytes)
    put("journal_synced_bytes_total", measures.synced_bytes)
    put("journal_fault", measures.journal_fault)


def _process(samples: Samples, measures: m.Measures) -> None:
    put, process = samples.put, measures.process
    put("control_requests_total", measures.control_requests)
    put("log_lines_lost_total", measures.log_lines_lost)
    if process is None:
        return
    put("trader_start_time_seconds", process.started_s)
    put("process_resident_memory_bytes", process.resident_bytes)
    put("process_open_fds", process.fds)
    put("process_threads", process.threads)
    put("process_tasks", process.tasks)
    put("process_cpu_seconds_total", process.cpu_s)
    for generation, count in enumerate(process.collections[:3]):
        put("process_gc_collections_total", count, str(generation))


def _symbols(samples: Samples, symbols: tuple[m.SymbolMeasure, ...]) -> None:
    put = samples.put
    for one in symbols:
        if one.age_ms >= 0:
            put("feed_age_seconds", one.age_ms / 1e3, one.symbol)
        put("feed_blind", one.state == m.BLIND or one.age_ms < 0, one.symbol)
        put("feed_session", one.session, one.symbol)
        put("position_value", one.value_cents / 100, one.symbol)
    states = [c.FEED_STATES[one.state] for one in symbols]
    for state in c.FEED_STATES:
        put("feed_symbols", states.count(state), state)


def _book(samples: Samples, book: m.StrategyMeasure) -> None:
    put, name = samples.put, book.name or NOBODY
    if book.name:
        put("strategy_enabled", book.enabled, name)
    put("strategy_exposure", book.exposure_cents / 100, name)
    put("strategy_unrealised_profit", book.unrealised_cents / 100, name)
    put("strategy_realised_profit", book.realised_cents / 100, name)
    put("strategy_fees", book.fees_cents / 100, name)


def _models(samples: Samples, models: tuple[m.ModelMeasure, ...]) -> None:
    scores: dict[str, int] = {}
    for one in models:
        scores[one.strategy] = scores.get(one.strategy, 0) + one.scores
        if one.scored_ns:
            samples.put("model_score", one.score_bp, one.strategy, one.symbol)
        if one.age_ms >= 0:
            samples.put("model_score_age_seconds", one.age_ms / 1e3, one.strategy, one.symbol)
    for strategy, count in scores.items():
        samples.put("model_scores_total", count, strategy)
