"""Writes the committed journal segment of a release: `python -m tests.replay.make_segment`.

Run it again only while the release is unreleased; after that the file is history and a new version gets a new name.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from core.records import encode
from core.rows import ROW
from daemon.journal import JournalWriter
from daemon.journal.layout import HEADER_BYTES, frames, segment_name
from tests.replay.messages_v1 import MESSAGES, ROWS_V1

TARGET: Final = Path(__file__).parent / "segments" / "v1.qj"
FIRST_SEQ: Final = 1
TS_NS: Final = 1_767_225_600_000_000_000


def build() -> bytes:
    """The segment without its preallocated zeros: one frame per message, then one of rows. The same bytes each time."""
    with TemporaryDirectory() as folder:
        writer = JournalWriter(
            Path(folder), now_ns=TS_NS, first_seq=FIRST_SEQ, segment_bytes=64 * 1024, reserve_bytes=0, background=False
        )
        seq = FIRST_SEQ
        for kind, messages in MESSAGES:
            for message in messages:
                writer.add(kind, seq, TS_NS + seq, max(0, seq - 1), encode(message))
                writer.commit()
                seq += 1
        rows = np.array(ROWS_V1, dtype=ROW)
        writer.add_rows(seq, rows.data.cast("B"), len(rows), ROWS_V1[0][0])
        writer.commit()
        writer.close()
        content = (Path(folder) / segment_name(FIRST_SEQ)).read_bytes()
    *_, (_, end) = frames(memoryview(content), HEADER_BYTES)
    return content[:end]


if __name__ == "__main__":
    TARGET.write_bytes(build())
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
