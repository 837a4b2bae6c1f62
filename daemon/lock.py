"""A lock that ends with its process. Imports nothing heavy: the command line and the supervisor hold it at once."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from core.errors import JournalError

LOOKED_AT_S: Final = 0.5  # who only asks whether somebody holds a lock has it for a moment, longer on a busy machine
AGAIN_S: Final = 0.01


def hold_lock(path: Path, held: str, *, patience_s: float = LOOKED_AT_S) -> int:
    """Lock a file until the process ends and leave our pid in it; returns its descriptor.

    Raises JournalError with the text `held` while another process has it; `{pid}` in it becomes that one's. Who has it
    for less than `patience_s` was only looking.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    until_s = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as fault:
            if time.monotonic() >= until_s:
                holder = os.read(fd, 20).decode("ascii", "replace").strip()
                os.close(fd)
                raise JournalError(f"{held.replace('{pid}', holder)}: stop it first") from fault
            time.sleep(AGAIN_S)
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
