"""A lock that ends with its process. Imports nothing heavy: the command line and the supervisor hold it at once."""

import fcntl
import os
from pathlib import Path

from core.errors import JournalError


def hold_lock(path: Path, held: str) -> int:
    """Lock a file until the process ends and leave our pid in it; returns its descriptor.

    Raises JournalError with the text `held` while another process has it; `{pid}` in it becomes that one's.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        holder = os.read(fd, 20).decode("ascii", "replace").strip()
        os.close(fd)
        raise JournalError(f"{held.replace('{pid}', holder)}: stop it first") from fault
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
