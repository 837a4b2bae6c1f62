"""What a feed process is asked for, and what it says about itself: one JSON document each way.

Owns the shape and bounds of the spec and the meaning of `start` and `end`. Must not import pyarrow or numba: the trader
builds these structs.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from core.errors import ConfigError
from core.units import NANO

BATCH_ROWS_MAX: Final = 32_768
PROTOCOL_VERSION: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

Positive = Annotated[int, Meta(ge=1, le=2**62)]
Count = Annotated[int, Meta(ge=0, le=2**62)]
BatchRows = Annotated[int, Meta(ge=1, le=BATCH_ROWS_MAX)]
InstrumentRow = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Rate = Annotated[float, Meta(ge=0.0, le=1e6)]
Chance = Annotated[float, Meta(ge=0.0, le=0.5)]
Profile = Literal["tbt", "l1_250", "bar"]  # core/profiles.py


class ReplaySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="replay"):
    """A recorded market. The order of `symbols` and `files` is the order of rows with equal times."""

    files: Annotated[tuple[str, ...], Meta(min_length=1)]
    symbols: Annotated[dict[str, InstrumentRow], Meta(min_length=1)]  # symbol in the file -> instrument row of this run
    start: str = ""  # first moment, included: ISO date or date-time; empty = from the first row
    end: str = ""  # last moment: a date is included whole, a date-time is excluded; empty = to the last row
    timezone: str = "America/New_York"  # of dates and of date-times without an offset
    skip_rows: Count = 0  # resume: drop exactly so many output rows first
    batch_rows: BatchRows = 8_192  # two batches fit the 1 MB pipe, so the next one is decoded on the other core
    other_symbols: Literal["refuse", "skip"] = "refuse"  # what a file may hold besides `symbols`
    profile: Profile = "tbt"  # what is left of the tape; skip_rows counts what is left


class SyntheticInstrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One made-up security. Tick and lot come from its contract, never from here."""

    symbol: str
    inst: InstrumentRow
    px_nanos: Positive  # value at the first open
    tick_nanos: Positive
    lot_nanos: Positive
    events_per_second: Annotated[float, Meta(gt=0.0, le=100_000.0)] = 10.0  # mean; an event is one or two rows
    spread_ticks: Annotated[int, Meta(ge=1, le=1_000)] = 1  # usual spread
    size_lots: Annotated[float, Meta(ge=1.0, le=100_000.0)] = 10.0  # mean displayed size
    volatility_bp_per_hour: Annotated[float, Meta(ge=0.0, le=5_000.0)] = 50.0  # of the random walk, calm regime
    reversion_ticks: Annotated[float, Meta(ge=0.0, le=10_000.0)] = 2.0  # standard deviation of the transient part
    reversion_seconds: Annotated[float, Meta(ge=0.01, le=100_000.0)] = 30.0  # its time constant
    # How days differ: standard deviation of a day's mean rate, as a part of the usual; 0 = every day is the same.
    day_spread: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    # A hidden signal of variance one: it drifts the value, and makes the displayed size of the side it favours larger.
    signal_seconds: Annotated[float, Meta(ge=0.1, le=100_000.0)] = 60.0  # its time constant
    signal_bp_per_hour: Annotated[float, Meta(ge=0.0, le=50_000.0)] = 0.0  # drift at one standard deviation; 0 = none
    signal_lean: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0  # share by which sizes lean at two deviations


class DirtyRates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Chance per quote that a wrong row comes before the right one; a market has all of these sooner or later."""

    crossed: Chance = 0.0
    locked: Chance = 0.0
    one_sided: Chance = 0.0
    empty_both: Chance = 0.0
    zero_size: Chance = 0.0
    duplicate: Chance = 0.0
    suspicious: Chance = 0.0  # far off the market and marked so
    backwards: Chance = 0.0  # exchange time one second before the row's own
    not_last: Chance = 0.0  # per print: an average-price report far off the market follows


class SyntheticSpec(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="synthetic"
):
    """A made-up market; the same spec gives the same rows, bit for bit, for every `batch_rows`."""

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    instruments: Annotated[tuple[SyntheticInstrument, ...], Meta(min_length=1)]
    sessions: Annotated[tuple[tuple[Positive, Positive], ...], Meta(min_length=1)]  # (open_ns, close_ns), ascending
    endless: bool = False  # after the last session the same hours of the next weekdays follow
    print_share: Annotated[float, Meta(ge=0.0, le=0.9)] = 0.25  # of the events
    jumps_per_hour: Rate = 0.5
    jump_bp: Rate = 20.0
    halts_per_hour: Rate = 0.0
    halt_seconds: Annotated[float, Meta(ge=0.001, le=86_400.0)] = 300.0
    gaps_per_hour: Rate = 0.0  # rows lost on the way, told by FeedGapped
    gap_seconds: Annotated[float, Meta(ge=0.001, le=86_400.0)] = 5.0
    latency_ns: Annotated[int, Meta(ge=0, le=60 * NANO)] = 0  # receipt minus exchange time
    dirty: DirtyRates = DirtyRates()
    profile: Profile = "tbt"  # what is left of the market; skip_rows counts what is left
    skip_rows: Count = 0
    batch_rows: BatchRows = 8_192


FeedSpec = ReplaySpec | SyntheticSpec
S = TypeVar("S", ReplaySpec, SyntheticSpec)


class FeedHeader(msgspec.Struct, frozen=True, kw_only=True):
    """First frame of a feed. An estimate of 0 rows means: endless."""

    version: int
    kind: str
    rows_estimate: int
    first_ns: int = 0  # 0 = not known
    last_ns: int = 0
    digests: dict[str, str] = {}  # file -> SHA-256; of a synthetic market, "spec" -> SHA-256 of the spec


class SourceTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What one source gave: `rows_read` from it, `rows` of them merged, and how many were odd, by kind."""

    name: str
    rows_read: int
    rows: int
    oddities: dict[str, int]


class FeedTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Last frame of a feed that ended well: rows delivered, which excludes the skipped ones."""

    rows: int
    sources: tuple[SourceTotals, ...]
    digest: str  # SHA-256 over the header's digests


def decode_spec(document: bytes) -> FeedSpec:
    """Read and check a spec. Raises ConfigError naming the field."""
    try:
        spec = msgspec.json.decode(document, type=FeedSpec)
    except msgspec.DecodeError as fault:
        raise ConfigError(f"feed spec: {fault}: correct this field") from fault
    return _checked(spec)


def validated(spec: S) -> S:
    """Check a spec that was built in Python, where msgspec does not look. Raises ConfigError naming the field."""
    decoded = decode_spec(msgspec.json.encode(spec))
    assert type(decoded) is type(spec)
    return spec


def _checked(spec: FeedSpec) -> FeedSpec:
    if isinstance(spec, ReplaySpec):
        rows = list(spec.symbols.values())
        span_ns(spec)
    else:
        rows = [instrument.inst for instrument in spec.instruments]
        _check_sessions(spec.sessions)
        _check_rates(spec.dirty)
    if len(set(rows)) != len(rows):
        raise ConfigError("feed spec: two symbols share one instrument row: give each its own")
    return spec


def _check_sessions(sessions: tuple[tuple[int, int], ...]) -> None:
    before = 0
    for open_ns, close_ns in sessions:
        if not before <= open_ns < close_ns:
            raise ConfigError(f"feed spec: sessions: {open_ns}..{close_ns} is empty or overlaps: sort them by open")
        before = close_ns


def _check_rates(dirty: DirtyRates) -> None:
    total = sum(msgspec.structs.astuple(dirty)) - dirty.not_last
    if total > 0.5:
        raise ConfigError(f"feed spec: dirty: the rates sum to {total:g}: keep them at 0.5 or less")


def span_ns(spec: ReplaySpec) -> tuple[int, int]:
    """`start` and `end` as UTC nanoseconds, [from, until). Raises ConfigError naming the field."""
    try:
        zone = ZoneInfo(spec.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as fault:
        raise ConfigError(f"timezone: {spec.timezone!r} is unknown: use a name like America/New_York") from fault
    from_ns = _moment_ns(spec.start, zone, field="start", days=0) if spec.start else 0
    until_ns = _moment_ns(spec.end, zone, field="end", days=1) if spec.end else 2**63 - 1
    if from_ns >= until_ns:
        raise ConfigError(f"end: {spec.end} is not after start {spec.start}: exchange them")
    return from_ns, until_ns


def _moment_ns(text: str, zone: ZoneInfo, *, field: str, days: int) -> int:
    """A date means its midnight in `zone`, `days` later; a date-time itself."""
    try:
        if len(text) == len("2013-10-07"):
            moment = datetime.combine(date.fromisoformat(text) + timedelta(days=days), time.min, tzinfo=zone)
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as fault:
        raise ConfigError(
            f"{field}: {text!r} is no ISO date or date-time: write 2013-10-07 or 2013-10-07T09:30"
        ) from fault
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return (moment - _EPOCH) // _MICROSECOND * 1_000
