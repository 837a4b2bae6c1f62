"""Market rows that retention moved to Parquet before they were recorded: a follower that begins late reads them there.
The only module of the follower that loads pyarrow, and only when it meets such a row.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from core.errors import JournalError
from core.rows import ROW

SEQ: Final = "seq"


class ArchivedRows:
    """The Parquet files beside a journal's segments; the one read last is kept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._first_seq = -1
        self._seqs: Any = np.empty(0, np.int64)
        self._rows: Any = np.empty(0, ROW)

    def rows(self, segment_first_seq: int, seq: int, count: int) -> bytes:
        """The bytes of a block of a segment. Raises JournalError where the archive does not hold them."""
        if segment_first_seq != self._first_seq:
            self._load(segment_first_seq)
        at = int(np.searchsorted(self._seqs, seq))
        if at + count > len(self._seqs) or self._seqs[at] != seq or self._seqs[at + count - 1] != seq + count - 1:
            raise JournalError(f"{self._name(segment_first_seq)}: lacks rows {seq} to {seq + count - 1}: restore it")
        return bytes(self._rows[at : at + count].tobytes())

    def _load(self, first_seq: int) -> None:
        import pyarrow.parquet as pq

        path = self._directory / self._name(first_seq)
        if not path.is_file():
            raise JournalError(f"{path.name}: is gone, and the rows of its segment with it: put it back to record them")
        table = pq.read_table(path)
        rows = np.zeros(table.num_rows, ROW)
        for name in ROW.names or ():
            rows[name] = table[name].to_numpy()
        self._seqs, self._rows, self._first_seq = table[SEQ].to_numpy(), rows, first_seq

    def _name(self, first_seq: int) -> str:
        return f"rows-{first_seq:020d}.parquet"
