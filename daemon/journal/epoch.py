"""The epoch: a counter that moves once per connect and is on disk before it is used, so that an order reference never
repeats even when the journal lost its tail. Knows no order.
"""

from pathlib import Path

from core.errors import JournalError
from daemon.journal.segment import write_durably


def next_epoch(directory: Path, *, at_least: int = 0) -> int:
    """Count the epoch up, durably (file and directory are fsynced), and return it; the first is 1.

    `at_least` is the newest epoch known from elsewhere (the journal's last TraderStarted): a lost file then repeats
    nothing. Raises JournalError on a file that holds no number: starting over at 1 would repeat order references.
    """
    path = directory / "epoch"
    text = path.read_text(encoding="ascii", errors="replace").strip() if path.exists() else "0"
    if not (text.isascii() and text.isdigit()):
        raise JournalError(f"{path.name}: {text[:40]!r} is no epoch: write a number above every epoch used before")
    epoch = max(int(text), at_least) + 1
    write_durably(path, f"{epoch}\n".encode())
    return epoch
