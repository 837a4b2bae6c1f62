"""A small journal that is being written, one frame a message: for whoever folds one. Knows no assertion."""

import json
from pathlib import Path

import numpy as np

from core import commands as c
from core import events as e
from core import records as r
from core.reference import ConfigResolved
from core.rows import ROW
from core.units import NANO
from daemon.journal import JournalWriter

CONFIG = {
    "account": {"id": "DU1", "tag": "t", "currency": "USD", "start_cash": "1000"},
    "instruments": [{"symbol": "BAC"}, {"symbol": "IBM"}],
    "strategies": {"meanrev": {}},
    "a table of a later release": {},
}


class Book:
    """A journal being written, one frame per message."""

    def __init__(self, directory: Path, *, created_ns: int = 1) -> None:
        self.directory = directory
        self.writer = JournalWriter(
            directory, now_ns=created_ns, segment_bytes=64 * 1024, reserve_bytes=0, background=False
        )
        self.seq = 0

    def add(self, kind: int, message: object) -> int:
        """Write one record."""
        self.seq += 1
        self.writer.add(kind, self.seq, self.seq, 0, r.encode(message))
        self.writer.commit()
        return self.seq

    def add_rows(self, *rows: tuple[int, int, int, int]) -> None:
        """Write (inst, kind, bid, ask) rows."""
        block = np.zeros(len(rows), ROW)
        for at, (inst, kind, bid, ask) in enumerate(rows):
            block[at]["inst"], block[at]["kind"] = inst, kind
            block[at]["bid_px_nanos"], block[at]["ask_px_nanos"] = bid, ask
        self.writer.add_rows(self.seq + 1, memoryview(block.tobytes()), len(rows), self.seq + 1)
        self.writer.commit()
        self.seq += len(rows)

    def begin(self) -> None:
        """The config, then an order of ten BAC at 20."""
        self.add(r.REFERENCE, ConfigResolved(json=json.dumps(CONFIG), digest="d"))
        intent = c.OrderIntent(
            order_id=1, parent_id=0, slice_no=0, strategy="meanrev", inst=0, side=1, qty_nanos=10 * NANO,
            order_type=c.LMT, limit_px_nanos=20 * NANO,
        )  # fmt: skip
        approved = c.ApprovedOrder(
            intent=intent, account="DU1", order_ref="q-t-1-1", reduce_only=False, notional_nanos=1, ladder_epoch=0
        )
        self.add(r.COMMAND, c.PlaceOrder(order=approved))

    def fill(self, exec_id: str) -> int:
        """Four shares at 20."""
        return self.add(
            r.INPUT,
            e.OrderFilled(order_id=1, exec_id=exec_id, side=1, qty_nanos=4 * NANO, px_nanos=20 * NANO, inst=0),
        )
