"""What the trader's journal of the drill `stress` says against what a tap saw on the wire: every row taken as it came,
every order sent once, no cancel refused, and no halt, blind symbol or lost link. Starts nothing.
"""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from core import commands as c
from core import events as e
from core.latches import ACTIVE
from core.orders import State
from core.records import COMMAND, INPUT, OUTCOME, ROWS, decode
from core.rows import PRINT, QUOTE
from daemon.bench.samples import percentiles
from daemon.journal import JournalReader
from daemon.journal_fold import JournalFold
from tests.fakes.wire_tap import Said, Ticks

NANOS: Final = Decimal(10**9)
BID_ASK: Final = b"3"
BY_KILL: Final = frozenset({"KILL"})
SHOWN_MAX: Final = 5
UNREAD_NS: Final = 100_000_000  # what a stop leaves unread is no older
BLINDS: Final = (e.FeedGapped, e.LinkLost, e.LinkDegraded)

Shown = tuple[int, int, int, int, int]  # kind and four numbers of a row


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """What the tap saw: rows to the trader, its orders, and when it was told to stop (CLOCK_BOOTTIME)."""

    ticks: Ticks
    sent: list[Said]
    stopped_ns: int


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the comparison."""

    failures: list[str]
    times: dict[str, float]
    alerts: dict[str, int]
    counts: dict[str, int]


class Journal:
    """What is wanted of one journal."""

    def __init__(self, directory: Path) -> None:
        self.rows: list[Shown] = []  # that came tick by tick
        self.row_seqs: list[int] = []
        self.inputs: list[tuple[int, Any]] = []
        self.commands: list[tuple[int, int, Any]] = []  # seq, what caused it, command
        self.not_sent: list[c.NotSent] = []
        for record in JournalReader(directory).records():
            if record.kind == ROWS:
                self._take_rows(record.seq, record.rows())
                continue
            if record.kind not in (INPUT, COMMAND, OUTCOME):
                continue
            message = decode(record.kind, record.payload)
            if record.kind == INPUT:
                self.inputs.append((record.seq, message))
            elif record.kind == COMMAND:
                self.commands.append((record.seq, record.cause_seq, message))
            elif type(message) is c.NotSent:
                self.not_sent.append(message)

    def _take_rows(self, seq: int, rows: Any) -> None:
        names = ["kind", "bid_px_nanos", "ask_px_nanos", "bid_qty_nanos", "ask_qty_nanos"]
        ticked = (rows["exchange_ts_ns"] > 0) & ((rows["kind"] == QUOTE) | (rows["kind"] == PRINT))
        self.rows += rows[names][ticked].tolist()
        self.row_seqs += (seq + np.flatnonzero(ticked)).tolist()


def judged(directory: Path, wire: Wire, *, from_seq: int) -> Told:
    """Everything that is wrong; halts and blind symbols from `from_seq` on, when the load had begun."""
    journal = Journal(directory)
    failures = _rows(journal, wire) + _orders(journal, wire) + _cancels(journal, directory)
    failures += _states(journal, from_seq)
    kinds = Counter(type(command).__name__ for _, _, command in journal.commands)
    alerts = Counter(command.code for _, _, command in journal.commands if type(command) is c.RaiseAlert)
    return Told(
        failures=failures,
        times=_tick_to_order(journal, wire),
        alerts=dict(sorted(alerts.items())),
        counts={
            "rows": len(journal.rows), "rows on the wire": len(wire.ticks.frames), "orders": kinds["PlaceOrder"],
            "replaces": kinds["ReplaceOrder"], "cancels": kinds["CancelOrder"],
            "fills": sum(type(event) is e.OrderFilled for _, event in journal.inputs),
            "not sent": len(journal.not_sent),
        },
    )  # fmt: skip


def shown_of(frame: bytes) -> Shown:
    """The row that a tick-by-tick message must become."""
    fields = frame.split(b"\0")
    numbers = [int(Decimal(field.decode()) * NANOS) for field in fields[4:8]] if fields[2] == BID_ASK else []
    if numbers:
        return (QUOTE, *numbers)  # type: ignore[return-value]  # four of them
    px, qty = (int(Decimal(field.decode()) * NANOS) for field in fields[4:6])
    return (PRINT, px, 0, qty, 0)


def _rows(journal: Journal, wire: Wire) -> list[str]:
    """Each as it came, none lost, none twice; only what came after the stop may be missing."""
    for place, (row, frame) in enumerate(zip(journal.rows, wire.ticks.frames, strict=False)):
        if row != shown_of(frame):
            return [f"row {place} is {row}, on the wire was {shown_of(frame)}"]
    count, heard = len(journal.rows), len(wire.ticks.frames)
    if count > heard:
        return [f"{count} rows, and only {heard} were on the wire"]
    if count < heard and wire.ticks.times_ns[count] < wire.stopped_ns - UNREAD_NS:
        return [f"row {count} of {heard} on the wire came before the stop and was not taken"]
    return []


def _orders(journal: Journal, wire: Wire) -> list[str]:
    """What was approved is what left, each once."""
    unsent = {one.order_id for one in journal.not_sent if not one.version}
    placed = [x.order.intent.order_id for _, _, x in journal.commands if type(x) is c.PlaceOrder]
    asked = {x.order_id for _, _, x in journal.commands if type(x) is c.AskWhatIf}
    changes = Counter(x.order.intent.order_id for _, _, x in journal.commands if type(x) is c.ReplaceOrder)
    changes.subtract(one.order_id for one in journal.not_sent if one.version > 0)
    seen = Counter(int(one.fields[1]) for one in wire.sent)
    wanted = {number: 1 + changes[number] for number in placed if number not in unsent}
    found = {number: count for number, count in seen.items() if number not in asked}
    wrong = [number for number in sorted(wanted | found) if wanted.get(number) != found.get(number)]
    texts = [f"order {x}: {found.get(x, 0)} messages on the wire, not {wanted.get(x, 0)}" for x in wrong[:SHOWN_MAX]]
    return texts + ([] if len(placed) == len(set(placed)) else ["an order id was used twice"])


def _cancels(journal: Journal, directory: Path) -> list[str]:
    """None refused here; the broker refuses one only of an order that was filled meanwhile."""
    found = [f"the cancel of order {x.order_id} did not leave: {x.reason}" for x in journal.not_sent if x.version < 0]
    orders = JournalFold(directory).money.orders
    for _, event in journal.inputs:
        if type(event) is not e.CancelRejected:
            continue
        order = orders.get(event.order_id)
        if order is None or order.state is not State.FILLED:
            found.append(f"the cancel of order {event.order_id} was refused: {event.code} {event.text}")
    return found[:SHOWN_MAX]


def _states(journal: Journal, from_seq: int) -> list[str]:
    """Moves of the ladder but the kill's, and whatever makes a symbol blind."""
    found = []
    for seq, _, command in journal.commands:
        if type(command) is c.MoveLadder and command.state != ACTIVE and command.code not in BY_KILL:
            found.append(f"record {seq}: {command.code} {command.scope}: {command.reason}")
        if type(command) is c.SetStrategy and not command.enabled:
            found.append(f"record {seq}: strategy {command.strategy} was disabled: {command}")
    for seq, event in journal.inputs:
        if seq >= from_seq and isinstance(event, BLINDS):
            found.append(f"record {seq}: {event}")
    return found[:SHOWN_MAX]


def _tick_to_order(journal: Journal, wire: Wire) -> dict[str, float]:
    """From a row's bytes at the tap to those of the order it caused, back at the tap."""
    at = {seq: place for place, seq in enumerate(journal.row_seqs)}
    left: dict[int, int] = {}
    for one in wire.sent:
        left.setdefault(int(one.fields[1]), one.ts_ns)
    spans = [
        left[command.order.intent.order_id] - wire.ticks.times_ns[at[cause]]
        for _, cause, command in journal.commands
        if type(command) is c.PlaceOrder and cause in at and command.order.intent.order_id in left
    ]
    return {f"tick_to_order_{name}": round(value) for name, value in percentiles(spans).items()}
