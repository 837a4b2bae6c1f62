"""How far a part of the follower is behind the journal: in records, and in how long the oldest record that it lacks has
been there. Wall time, also on a tape that runs faster.
"""

from pathlib import Path
from typing import Final

from daemon.journal import JournalReader
from daemon.journal.layout import list_segments
from daemon.status.follower import Part

MOMENTS_MAX: Final = 1_024


class JournalHead:
    """The newest record of a journal, by a reader of its own that looks at headers only."""

    def __init__(self, directory: Path) -> None:
        self.seq = 0
        files = list_segments(directory)
        self._records = JournalReader(directory, from_seq=files[-1].first_seq if files else 0)

    def advance(self) -> int:
        """Read on to the live end."""
        for record in self._records.records():
            self.seq = record.last_seq
        return self.seq


class Lag:
    """One part's distance; exact to the time between two calls, and coarser for what lasts very long."""

    def __init__(self) -> None:
        self._moments: list[tuple[float, int]] = []  # (when the head was seen, its seq), oldest first

    def part(self, seq: int, *, head_seq: int, now_s: float) -> Part:
        """How far a part at `seq` is while the journal's newest record is `head_seq`."""
        moments = [moment for moment in self._moments if moment[1] > seq]
        if head_seq > seq:
            moments.append((now_s, head_seq))
        if len(moments) > MOMENTS_MAX:
            moments = moments[::2]
        self._moments = moments
        behind_s = now_s - moments[0][0] if moments else 0.0
        return Part(seq=seq, lag_records=max(0, head_seq - seq), lag_s=round(behind_s, 3))
