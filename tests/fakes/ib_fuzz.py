"""A hostile gateway for the adapter: valid messages of every kind it reads, broken by tests/fakes/wire_fuzz.py,
into its socket reads. Facts are encoded and rows packed as the trader would: what does not fit there is a bug.
"""

from typing import Any

import numpy as np

from broker.ib.session import Phase
from core import records as r
from core.rows import ROW
from tests.fakes.ib_script import (
    ScriptRig,
    commission,
    details_of,
    error,
    execution,
    open_order,
    order_status,
)
from tests.fakes.wire_fuzz import Fuzz, Piece


class EncodingSink:
    """Implements core.ports.BrokerSink: everything must fit into the journal."""

    def __init__(self) -> None:
        self.facts = 0
        self.rows = 0
        self.told: dict[str, int] = {}

    def row(self, *row: int) -> None:
        """As the journal packs it."""
        np.array([(0, *row)], ROW)
        self.rows += 1

    def fact(self, event: Any) -> None:
        """As the journal encodes it."""
        r.encode(event)
        self.facts += 1
        name = type(event).__name__
        self.told[name] = self.told.get(name, 0) + 1


def messages(rig: ScriptRig) -> list[tuple[Any, ...]]:
    """One of every kind the adapter reads, on its own subscriptions and orders."""
    line = next(iter(rig.adapter.market.quotes), b"1500000099").decode()  # none yet: somebody else's
    bar = (1_767_623_400, "10", "11", "9", "10", "500", "10.1", 3)
    return [
        (1, 6, line, 1, "10.01", "300", 0), (1, 6, line, 2, "10.02", "200", 0), (1, 6, line, 4, "10.02", "100", 0),
        (2, 6, line, 0, "100"), (2, 6, line, 3, "100"), (2, 6, line, 8, "1000"), (2, 6, line, 89, "5000"),
        order_status(1, "Submitted"), order_status(1, "Filled", filled="100"),
        order_status(2, "Cancelled", perm_id=502),
        error(-1, 2104), error(1, 201), error(1, 10349), error(int(line), 354), error(-1, 2103), error(2, 202),
        open_order(1, "Submitted"), open_order(3, "PreSubmitted", perm_id=503, limit="9.99"),
        open_order(9, "Submitted", ref="manual", client_id=0, perm_id=600),
        (6, 2, "CashBalance", "1000.00", "USD", "DU1"), (9, 1, 40),
        details_of("1500000001", 1000), (52, 1, 1_500_000_001),
        execution(1, "0000e0d5.1.01.01"), execution(1, "0000e0d5.1.01.02", price="9.99"),
        commission("0000e0d5.1.01.01"), (55, 1, 1_500_000_009), (53, 1), (102,), (15, 1, "DU1,"),
        (17, 1_500_000_010, "a", "b", 1, "20260105", "1", "2", "0.5", "1.5", "100", "1.2", 7),
        (45, 6, line, 49, "0"), (45, 6, line, 46, "3"), (46, 6, line, 45, "1767623400"), (49, 1, 1_767_623_460),
        (50, 3, line, *bar), (57, 1, line), (58, 1, line, 1), (61, 3, "DU1", 1000, "S0", "STK", "", "0", "", "", "NYSE",
        "USD", "S0", "S0", "100", "10.5"), (62, 1), (73, 1, 1_500_000_011, "DU1", "", "CashBalance", "5", "USD"),
        (74, 1, 1_500_000_011), (81, line, "0.01", "a", 3), (93, 26, 2, "0", "0.0001", "1", "0.01"),
        (99, line, 3, 1_767_623_460, "10", "10.01", "5", "6", 0), (99, line, 1, 1_767_623_460, "10", "5", 0, "N", ""),
        (101, 1000, "S0"), (12, 1, line, 0, 0, 1, "10", "5"),
    ]  # fmt: skip


async def storm(rig: ScriptRig, seed: int, frames: int) -> tuple[int, int]:
    """So many pieces into the adapter; a stream that ends is followed by a new session. Returns pieces and sessions."""
    adapter, sessions, done = rig.adapter, 0, 0
    while done < frames:
        if adapter.session.phase is not Phase.UP:
            rig.script.hang_up()
            await rig.until(lambda: _hurry(rig) is Phase.UP)
        sessions += 1
        fuzz = Fuzz(seed + sessions, messages(rig))
        for piece in fuzz.pieces(min(500, frames - done)):
            done += 1
            _read(rig, fuzz, piece)
            if piece.ends:  # the stream has lost its frames: as TCP would, this connection ends
                adapter.session.fail("the fuzz ends this stream", abort=True)
            if adapter.session.phase is not Phase.UP:
                break
    return done, sessions


def _hurry(rig: ScriptRig) -> Phase:
    """The pauses between attempts are no part of this."""
    session = rig.adapter.session
    if session.phase is Phase.WAITING and session._due_ns > rig.adapter.mono_ns():
        session._due_ns = rig.adapter.mono_ns()
        rig.adapter._arm()
    return session.phase


def _read(rig: ScriptRig, fuzz: Fuzz, piece: Piece) -> None:
    for chunk in fuzz.chunks(piece.data):
        rig.adapter._received(chunk)
