"""What moved at the broker without a trade of ours, as a journal came to know of it: positions and cash that an
operator adopted or acknowledged, small differences that were booked. A replay's own venue must have them too, or its
books would differ from its venue where the live ones agreed with the broker.
"""

from collections.abc import Iterator

import msgspec

from broker.sim.account import AccountState, Position
from core import commands as c
from core import events as e
from core import notes as n
from core import records as r
from core.units import notional_nanos
from daemon.diff.day import Span
from daemon.journal import JournalReader

NO_INSTRUMENT = -1


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """It was there from `ts_ns` on, as far as the journal knows."""

    ts_ns: int
    inst: int = NO_INSTRUMENT
    qty_nanos: int = 0
    px_nanos: int = 0  # what it cost
    currency: str = ""
    cash_nanos: int = 0

    def apply(self, account: AccountState) -> None:
        """To a simulated account."""
        if self.inst == NO_INSTRUMENT:
            account.cash_nanos[self.currency] = account.cash_nanos.get(self.currency, 0) + self.cash_nanos
            return
        held = account.positions.setdefault(self.inst, Position())
        held.qty_nanos += self.qty_nanos
        held.cost_nanos += notional_nanos(self.px_nanos, self.qty_nanos)


def moves_of(span: Span, *, from_seq: int) -> list[Move]:
    """Of a day, in order: a position since the synchronisation that first found it, cash since the last one before."""
    return sorted(_moves(span, from_seq), key=lambda move: move.ts_ns)


def _moves(span: Span, from_seq: int) -> Iterator[Move]:
    started_ns = found_ns = 0
    for record in JournalReader(span.directory, from_seq=from_seq).messages():
        if record.ts_ns > span.end_ns:
            return
        if record.kind == r.REFERENCE:
            continue
        message = r.decode(record.kind, record.payload)
        if type(message) is e.SyncStarted:
            started_ns = record.ts_ns
        elif type(message) is n.DifferenceFound and message.kind == "position":
            found_ns = found_ns or started_ns
        elif type(message) is e.AccountAdopted or type(message) is e.DifferenceAcknowledged:
            began_ns, found_ns = found_ns or started_ns or record.ts_ns, 0
            yield from _taken_over(span, record.seq, began_ns)
        elif type(message) is c.AdjustCash and message.reason == "unexplained":
            yield Move(
                ts_ns=started_ns or record.ts_ns, currency=message.currency, cash_nanos=message.amount_nanos
            )  # fmt: skip
        elif type(message) is e.CashAdjusted:
            yield Move(ts_ns=record.ts_ns, currency=message.currency, cash_nanos=message.amount_nanos)


def _taken_over(span: Span, cause_seq: int, began_ns: int) -> Iterator[Move]:
    """Everything one operator command booked; from one book to another adds up to nothing."""
    for record in JournalReader(span.directory, from_seq=cause_seq).records(frozenset({r.COMMAND})):
        if record.cause_seq != cause_seq:
            return
        command = r.decode(r.COMMAND, record.payload)
        if type(command) is c.TransferPosition:
            yield Move(ts_ns=began_ns, inst=command.inst, qty_nanos=command.qty_nanos, px_nanos=command.px_nanos)
        elif type(command) is c.AdjustCash:
            yield Move(ts_ns=began_ns, currency=command.currency, cash_nanos=command.amount_nanos)
