"""What a journal tells of the controls: refusals, latches, alerts, kills, changes of limits, overrides, operators'
commands, starts. One pass over notes, inputs and commands; market rows are not read. Works beside a live trader.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from core import commands as c
from core import events as e
from core import notes as n
from core import records as r
from core.latches import ACTIVE, LEVEL_NAMES, STATE_NAMES
from core.reference import CodeVersion, ConfigResolved, ModelLoaded
from daemon.journal import JournalReader

ENTRIES_MAX: Final = 10_000  # of each list; the newest are kept, the rest is counted
_KINDS: Final = frozenset({r.REFERENCE, r.INPUT, r.NOTE, r.COMMAND})
_STARTS: Final = (e.TraderStarted, e.TraderStopped, e.StepFailed)
_LIMITS: Final = (c.SetLimit, c.RevertLimit)
_OVERRIDES: Final = (c.GrantOverride, c.DropOverride)


class Sign(msgspec.Struct, kw_only=True):
    """How often something was seen, and when last."""

    count: int = 0
    last_ts_ns: int = 0
    last: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a list."""

    seq: int
    ts_ns: int
    what: str
    fields: dict[str, Any]


class History(msgspec.Struct, kw_only=True):
    """What was found; lists in the order of the journal."""

    first_ts_ns: int = 0
    last_ts_ns: int = 0
    orders: int = 0
    refusals: dict[int, Sign] = {}  # by control
    signs: dict[str, Sign] = {}  # by code of a latch or an alert
    latches: list[Entry] = []
    limits: list[Entry] = []
    overrides: list[Entry] = []
    operators: list[Entry] = []
    starts: list[Entry] = []
    left_out: int = 0  # entries beyond ENTRIES_MAX
    config: ConfigResolved | None = None  # the newest
    code: CodeVersion | None = None
    models: list[str] = []


def read_history(journal: Path) -> History:
    """Everything a journal tells. Raises JournalError."""
    found = History()
    for record in JournalReader(journal).records(_KINDS):
        message = r.decode(record.kind, record.payload)
        if record.kind == r.REFERENCE:
            _reference(found, message)
        else:
            found.first_ts_ns = found.first_ts_ns or record.ts_ns
            found.last_ts_ns = record.ts_ns
            _message(found, record.seq, record.ts_ns, message)
    return found


def _reference(found: History, message: Any) -> None:
    if type(message) is ConfigResolved:
        found.config = message
    elif type(message) is CodeVersion:
        found.code = message
    elif type(message) is ModelLoaded:
        text = msgspec.json.encode(message, order="deterministic").decode()
        if text not in found.models:
            found.models.append(text)


def _message(found: History, seq: int, ts_ns: int, message: Any) -> None:
    known = type(message)
    if known is n.Refusal:
        for failure in message.failures:
            _sign(found.refusals, failure.control, ts_ns, f"{failure.value} against {failure.limit}")
    elif known is c.RaiseAlert:
        _sign(found.signs, message.code, ts_ns, message.text)
    elif known is c.MoveLadder:
        if message.state != ACTIVE:
            _sign(found.signs, message.code, ts_ns, message.reason)
        names = {"level": LEVEL_NAMES.get(message.level, ""), "state": STATE_NAMES.get(message.state, "")}
        _entry(found, found.latches, seq, ts_ns, message, names)
    elif known is c.PlaceOrder or known is c.ReplaceOrder:
        found.orders += 1
        if message.order.override:
            used = {"order": message.order.intent.order_id, "override": message.order.override}
            _entry(found, found.overrides, seq, ts_ns, used, {})
    elif known in _LIMITS:
        _entry(found, found.limits, seq, ts_ns, message, {})
    elif known in _OVERRIDES:
        _entry(found, found.overrides, seq, ts_ns, message, {})
    elif known in _STARTS:
        _entry(found, found.starts, seq, ts_ns, message, {})
    elif hasattr(message, "operator"):  # an operator's fact, or what became of one
        _entry(found, found.operators, seq, ts_ns, message, {})


def _sign(signs: dict[Any, Sign], key: Any, ts_ns: int, text: str) -> None:
    sign = signs.get(key)
    if sign is None:
        sign = signs[key] = Sign()
    sign.count += 1
    sign.last_ts_ns = ts_ns
    sign.last = text


def _entry(found: History, into: list[Entry], seq: int, ts_ns: int, message: Any, names: dict[str, str]) -> None:
    if isinstance(message, dict):
        what, fields = "OverrideUsed", message
    else:
        what, fields = type(message).__name__, msgspec.structs.asdict(message)
    into.append(Entry(seq=seq, ts_ns=ts_ns, what=what, fields=fields | names))
    if len(into) > ENTRIES_MAX:
        del into[0]
        found.left_out += 1
