"""The picture of the trader that goes over the control socket: its structs, their bounds and their bytes.

Imports nothing heavy, so that `quantd status` answers at once. daemon/status/build.py fills it; here is no market and
no money state. Rows travel as arrays (a third of the bytes); `named` gives them their names back.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

STATUS_BYTES_MAX: Final = 8 * 1024
TEXT_LENGTH_MAX: Final = 96
PATH_LENGTH_MAX: Final = 240
RECENT_MAX: Final = 8  # refusals, fills, alerts
LATCHES_MAX: Final = 8
WORKING_MAX: Final = 12  # parents, children
SYMBOLS_MAX: Final = 20  # feed, targets, positions
REFUSAL_KINDS_MAX: Final = 24
ODDITIES: Final = (
    "crossed", "locked", "one_sided", "size_zero", "duplicates", "suspicious", "not_last", "jumps", "gaps",
)  # fmt: skip


class Row(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """Base of all rows. Quantities, prices and money are decimal text; times are UTC ns; sides are BUY or SELL."""


class LatchRow(Row, frozen=True):
    """One cause that holds one scope of the ladder down."""

    level: str
    scope: str
    state: str
    code: str
    reason: str
    by: str
    since_ns: int


class StrategyRow(Row, frozen=True):
    """One strategy and why it is disabled ("" = it runs)."""

    name: str
    enabled: bool
    reason: str


class FeedRow(Row, frozen=True):
    """One symbol's market: `age_ms` since its last proof of life (-1 = never seen), `odd` counted as in ODDITIES."""

    symbol: str
    bid: str
    ask: str
    last: str
    age_ms: int
    state: str  # "" | blind | unusable | halted | not ready
    odd: tuple[int, ...]
    why: str = ""  # it is blind or not ready


class TargetRow(Row, frozen=True):
    """What a strategy wants to hold and what it holds."""

    strategy: str
    symbol: str
    target: str
    held: str


class ParentRow(Row, frozen=True):
    """One live schedule."""

    id: int
    strategy: str
    symbol: str
    side: str
    qty: str
    filled: str
    algo: str
    state: str
    end_ns: int
    arrival_px: str = ""  # the mid when it began
    average_px: str = ""  # of its fills; "" = none yet
    expected_bp: str = ""  # the estimate, cost±risk of its value; "" = none


class ChildRow(Row, frozen=True):
    """One live order."""

    id: int
    parent: int
    symbol: str
    side: str
    qty: str
    filled: str
    limit: str
    state: str


class PositionRow(Row, frozen=True):
    """One strategy's position; P&L with two decimals. `mark` is "" while no price is known."""

    strategy: str
    symbol: str
    qty: str
    average_px: str
    mark: str
    unrealised: str
    realised: str
    fees: str


class FillRow(Row, frozen=True):
    """One execution."""

    ts_ns: int
    order: int
    strategy: str
    symbol: str
    side: str
    qty: str
    px: str


class RefusalRow(Row, frozen=True):
    """One order the gate refused: the first control that said no."""

    ts_ns: int
    strategy: str
    symbol: str
    side: str
    control: int
    code: str
    value: str
    limit: str


class AlertRow(Row, frozen=True):
    """One alert."""

    ts_ns: int
    severity: str
    code: str
    text: str


class KillRow(Row, frozen=True):
    """One kill; `verified_ns` 0 = no complete sync has shown its scope without orders yet."""

    level: str
    scope: str
    since_ns: int
    verified_ns: int
    open: int = 0  # orders of ours, and of others, that are not off yet
    others_open: int = 0


class ApprovalRow(Row, frozen=True):
    """One person's command that waits for a second person until `until_ns` (control 41)."""

    what: str
    operator: str
    until_ns: int


class Counters(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Since this process started. `refusals` by "control code"."""

    events: int = 0
    rows: int = 0
    decisions: int = 0
    parents: int = 0
    children: int = 0
    fills: int = 0
    alerts: int = 0
    control_errors: int = 0
    refusals: dict[str, int] = {}


class Status(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The whole picture. `more` says how many rows of a list did not fit."""

    pid: int
    mode: str
    state: str  # starting | ready | halted | stopping
    epoch: int
    seq: int
    ts_ns: int  # engine time
    wall_ns: int
    link: str
    ladder: str  # the worst state of process and account
    safe: bool
    disk_available: bool
    counters: Counters
    currency: str = ""
    equity: str = "0"
    cash: str = "0"
    day_pnl: str = "0"
    speed: str = ""
    rows_done: int = 0
    rows_total: int = 0
    journal_dir: str = ""
    config: str = ""
    deploy_digest: str = ""  # what `quantd arm` confirms
    changed: str = ""  # which digests differ from the run before
    difference_sync_id: int = 0  # what `quantd acknowledge` confirms
    differences: tuple[str, ...] = ()
    unknown: tuple[int, ...] = ()  # order ids without an answer
    strategies: tuple[StrategyRow, ...] = ()
    latches: tuple[LatchRow, ...] = ()
    kills: tuple[KillRow, ...] = ()
    feed: tuple[FeedRow, ...] = ()
    targets: tuple[TargetRow, ...] = ()
    parents: tuple[ParentRow, ...] = ()
    children: tuple[ChildRow, ...] = ()
    positions: tuple[PositionRow, ...] = ()
    refusals: tuple[RefusalRow, ...] = ()
    fills: tuple[FillRow, ...] = ()
    alerts: tuple[AlertRow, ...] = ()
    more: dict[str, int] = {}
    link_why: str = ""  # the link is not READY
    approvals: tuple[ApprovalRow, ...] = ()
    running: dict[str, str] = {}  # version, and digests of code, config, limits and models (control 42)
    authority: str = ""  # who may add risk
    audit: str = ""  # COUNT:HEAD of the audit trail
    clock: str = ""  # whose time `ts_ns` is: "" = a tape's, wall, gateway


# Lists that give way when the picture is too big, in the order of `Status`; what blocks or threatens goes last.
_LISTS: Final = (
    "alerts", "fills", "refusals", "targets", "feed", "parents", "children", "positions", "strategies", "kills",
    "latches", "differences", "unknown",
)  # fmt: skip

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Status)


def encode_status(status: Status) -> bytes:
    """JSON of at most STATUS_BYTES_MAX: the biggest list is halved until it fits, and `more` says so."""
    packed = _ENCODER.encode(status)
    while len(packed) > STATUS_BYTES_MAX:
        sizes = {name: len(_ENCODER.encode(getattr(status, name))) for name in _LISTS if getattr(status, name)}
        if not sizes:
            break  # every text that is left is bounded by `cut`
        name = max(sizes, key=lambda key: sizes[key])
        rows = getattr(status, name)
        kept = rows[: len(rows) // 2]
        more = status.more | {name: status.more.get(name, 0) + len(rows) - len(kept)}
        status = msgspec.structs.replace(status, **{name: kept}, more=more)
        packed = _ENCODER.encode(status)
    return packed


def decode_status(packed: bytes | msgspec.Raw) -> Status:
    """Raises msgspec.DecodeError on bytes of another release."""
    return _DECODER.decode(packed)


def named(value: Any) -> Any:
    """Plain dicts and lists with every field named, for `--json`; oddities become a dict of those that occurred."""
    if isinstance(value, FeedRow):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        return fields | {"odd": {name: n for name, n in zip(ODDITIES, value.odd, strict=False) if n}}
    if isinstance(value, msgspec.Struct):
        return {name: named(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list):
        return [named(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): named(item) for key, item in value.items()}
    return value


def cut(text: str, length_max: int = TEXT_LENGTH_MAX) -> str:
    """At most `length_max` characters, one line, nothing a terminal would obey."""
    plain = text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
    return plain if len(plain) <= length_max else plain[: length_max - 1] + "…"
