"""The feed process: one JSON spec on stdin, frames (protocol.py) on stdout, so that the trader never imports pyarrow.

Back-pressure is the pipe. Exit status: 0 done or reader gone, 2 after an ERROR frame. Knows no trader.
"""

import contextlib
import ctypes
import fcntl
import gc
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from broker.feeds.columns import Rows
from broker.feeds.merge import ControlFact
from broker.feeds.protocol import END, ERROR, HEADER, PREFIX, ROWS, control_frame, frame
from broker.feeds.spec import FeedHeader, FeedSpec, FeedTotals, ReplaySpec, decode_spec
from core.errors import QuantdError

PIPE_BYTES: Final = 1 << 20  # Linux's limit for ordinary users; holds two batches, so decoding runs ahead of the reader
_PR_SET_PDEATHSIG: Final = 1
PARENT_VARIABLE: Final = "QUANTD_FEED_PARENT"  # process id of the reader, set by the client


class Feed(Protocol):
    """What replay and synthetic have in common."""

    @property
    def header(self) -> FeedHeader: ...

    @property
    def totals(self) -> FeedTotals: ...

    def items(self) -> Iterator[Rows | ControlFact]: ...


def open_feed(spec: FeedSpec) -> Feed:
    """Build the feed a spec asks for. Raises ConfigError."""
    # Imported here: a synthetic market needs no pyarrow (65 MB), a replay no numba (125 MB).
    if isinstance(spec, ReplaySpec):
        from broker.feeds.replay import ReplayFeed

        return ReplayFeed(spec)
    from broker.feeds.synthetic import SyntheticFeed

    return SyntheticFeed(spec)


def run(document: bytes, out: int) -> int:
    """Write the whole feed to a file descriptor; returns the exit status. Raises BrokenPipeError without a reader."""
    gc.disable()  # modules leave next to nothing to collect, and looking for it is a tenth of a start
    try:
        feed = open_feed(decode_spec(document))
        gc.enable()
        _write(out, frame(HEADER, msgspec.json.encode(feed.header)))
        for item in feed.items():
            if isinstance(item, ControlFact):
                _write(out, control_frame(item))
            else:
                _write(out, PREFIX.pack(ROWS, len(item)))
                _write(out, np.ascontiguousarray(item).view(np.uint8).data)
        _write(out, frame(END, msgspec.json.encode(feed.totals)))
    except QuantdError as fault:
        _write(out, frame(ERROR, " ".join(str(fault).split()).encode()))
        return 2
    finally:
        gc.enable()
    return 0


def _write(out: int, payload: Any) -> None:
    """All of it; a pipe takes what fits and blocks."""
    rest = memoryview(payload).cast("B")
    while rest:
        rest = rest[os.write(out, rest) :]


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent ends, also by kill -9 while we wait in a read."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.environ.get(PARENT_VARIABLE, str(os.getppid())) != str(os.getppid()):
        sys.exit(0)  # it died before we asked


def _own_stdout() -> int:
    """Keep the pipe for frames only: whatever prints by accident goes to stderr."""
    out = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with contextlib.suppress(OSError, AttributeError):  # a file or a terminal has no pipe size
        fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return out


def main() -> int:
    """Entry point of `python -m broker.feeds.process`."""
    _die_with_parent()
    out = _own_stdout()
    try:
        return run(sys.stdin.buffer.read(), out)
    except (BrokenPipeError, KeyboardInterrupt):
        return 0  # nobody reads: there is no one to tell


if __name__ == "__main__":
    sys.exit(main())
