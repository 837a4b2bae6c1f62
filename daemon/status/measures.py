"""What the trader counts and measures, as it goes over the control socket: the struct, its bounds and its bytes.

Imports nothing heavy. daemon/status/measuring.py fills it; the names that Prometheus knows are in
daemon/ops/metrics/catalogue.py.
"""

from typing import Final

import msgspec

MEASURES_BYTES_MAX: Final = 8 * 1024
SYMBOLS_MAX: Final = 128
STRATEGIES_MAX: Final = 32
MODELS_MAX: Final = 96  # pairs of strategy and symbol
REFUSAL_KINDS_MAX: Final = 96

USABLE, BLIND, UNUSABLE, HALTED, NOT_READY = range(5)  # of `SymbolMeasure.state`


class Row(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Base of all rows: their fields travel without names."""


class Times(Row, frozen=True):
    """A histogram: counts by bucket (daemon.instruments.BOUNDS_NS, the last one beyond them), zeros at the end cut."""

    sum_ns: int
    counts: tuple[int, ...]


class SymbolMeasure(Row, frozen=True):
    """One configured symbol. `age_ms` since the last proof of life (-1 = never); value in hundredths, signed."""

    symbol: str
    age_ms: int
    state: int
    session: bool
    value_cents: int


class StrategyMeasure(Row, frozen=True):
    """One strategy's books, in hundredths of the account's currency. The name is "" for what belongs to nobody."""

    name: str
    enabled: bool
    exposure_cents: int
    unrealised_cents: int
    realised_cents: int
    fees_cents: int


class ModelMeasure(Row, frozen=True):
    """One model on one symbol. `age_ms` is -1 while it is not asked (no session), and before the first score."""

    strategy: str
    symbol: str
    score_bp: float
    age_ms: int
    scored_ns: int
    scores: int


class LatchMeasure(Row, frozen=True):
    """How many causes hold scopes of one level in one state."""

    level: str
    state: str
    count: int


class Process(Row, frozen=True):
    """The process itself."""

    started_s: float  # Unix time
    cpu_s: float
    resident_bytes: int
    fds: int
    threads: int
    tasks: int
    collections: tuple[int, ...]


class Funds(Row, frozen=True):
    """The broker's own account values."""

    available_cents: int
    excess_cents: int
    age_ms: int


class Measures(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All of it. Counts are since the process began, but for `refusals`: since the journal did. -1 = never."""

    ts_ns: int
    times: dict[str, Times] = {}  # by name: a stage, or what else is measured
    queues: dict[str, int] = {}
    unsent_bytes: int = 0
    requests: dict[str, int] = {}
    answers: dict[str, int] = {}
    refusals: dict[str, int] = {}  # by "control code"
    raised: dict[str, int] = {}  # alerts by severity
    alerts_open: dict[str, int] = {}
    not_sent: int = 0
    orders: dict[str, int] = {}  # live ones by state
    schedules: int = 0
    unanswered_ms: int = 0
    control_requests: int = 0
    log_lines_lost: int = 0
    equity_cents: int = 0
    cash_cents: int = 0
    day_profit_cents: int = 0
    peak_cents: int = 0
    gross_cents: int = 0
    net_cents: int = 0
    funds: Funds | None = None
    latches: tuple[LatchMeasure, ...] = ()
    kills: int = 0
    kill_age_ms: int = 0
    reconcile_age_ms: int = -1
    differences: int = 0
    risk_age_ms: int = -1
    approvals: int = 0
    clock_offset_ns: int = 0
    clock_age_ms: int = -1
    journal_seq: int = 0
    written_bytes: int = 0
    synced_bytes: int = 0
    journal_fault: bool = False
    process: Process | None = None
    symbols: tuple[SymbolMeasure, ...] = ()
    strategies: tuple[StrategyMeasure, ...] = ()
    models: tuple[ModelMeasure, ...] = ()
    more: dict[str, int] = {}  # rows that did not fit


_LISTS: Final = ("models", "symbols", "strategies")
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Measures)


def encode_measures(measures: Measures) -> bytes:
    """JSON of at most MEASURES_BYTES_MAX: the biggest list is halved until it fits, and `more` says so."""
    packed = _ENCODER.encode(measures)
    while len(packed) > MEASURES_BYTES_MAX:
        sizes = {name: len(_ENCODER.encode(getattr(measures, name))) for name in _LISTS if getattr(measures, name)}
        if not sizes:
            break  # all that is left is bounded by what it counts
        name = max(sizes, key=lambda key: sizes[key])
        rows = getattr(measures, name)
        kept = rows[: len(rows) // 2]
        more = measures.more | {name: measures.more.get(name, 0) + len(rows) - len(kept)}
        measures = msgspec.structs.replace(measures, **{name: kept}, more=more)
        packed = _ENCODER.encode(measures)
    return packed


def decode_measures(packed: bytes | msgspec.Raw) -> Measures:
    """Raises msgspec.DecodeError on bytes of another release."""
    return _DECODER.decode(packed)
