"""A child that must not outlive its supervisor asks the kernel for a SIGTERM when that is gone. Linux only."""

import ctypes
import os
import signal
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def end_with(parent: int) -> None:
    """SIGTERM to this process as soon as `parent` is gone; at once when it went before this line."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
