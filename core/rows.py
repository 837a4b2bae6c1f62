"""The market row: one fixed-width record that is feed batch, kernel input and journal block at once.

A quote fills all four numbers. A print puts its price in `bid_px_nanos`, its size in `bid_qty_nanos` and the venue's
condition bits in `ask_qty_nanos`. A one-sided quote has 0 as the price of the empty side.

A trade bar of five seconds is two rows of the same time (its END) and instrument, one right after the other:

    BAR         bid_px = open, ask_px = high, bid_qty = low, ask_qty = close, all four prices in nanos
    BAR_VOLUME  bid_px = volume-weighted price, ask_px = 0, bid_qty = volume in nanos, ask_qty = count of trades

ALIVE is a proof of life of a live line (a tick that brought nothing new, or a snapshot's answer): no number in it.

Kinds from 100 on are private to feeds: none of them reaches the engine.
"""

from struct import Struct
from typing import Final

import numpy as np

QUOTE: Final = 1
PRINT: Final = 2
BAR: Final = 3
BAR_VOLUME: Final = 4
ALIVE: Final = 5

# Row flags. The feed sets what its source says; the kernel counts what it finds.
SUSPICIOUS: Final = 1  # the source marked the row as suspicious
NOT_LAST: Final = 2  # a print whose sale condition must not update "last"
DUPLICATE: Final = 4  # identical to the row before it on this instrument

ROW: Final = np.dtype(
    [
        ("ts_ns", np.int64),  # receipt, UTC; never backwards within a feed
        ("exchange_ts_ns", np.int64),
        ("inst", np.int32),
        ("kind", np.int16),
        ("flags", np.int16),
        ("bid_px_nanos", np.int64),
        ("ask_px_nanos", np.int64),
        ("bid_qty_nanos", np.int64),
        ("ask_qty_nanos", np.int64),
    ]
)
ROW_BYTES: Final = ROW.itemsize
assert ROW_BYTES == 56, "the journal's committed segments depend on this layout"
_PACKED: Final = Struct("<qqihhqqqq")
assert _PACKED.size == ROW_BYTES, "one row as numbers"
unpack_row: Final = _PACKED.unpack_from  # numpy takes five times as long to give one row's numbers
