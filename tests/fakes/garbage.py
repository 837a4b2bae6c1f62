"""A trader or gateway in the test's own process leaves the garbage to the test: when it is ready it would look through
all that pytest holds (0.6 s each time) and then collect no more. As a process it does so for real. Knows no assertion.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from daemon import live, trader
from daemon.gateway import process


class _Untouched:
    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@contextmanager
def left_alone() -> Iterator[None]:
    """Within it they collect, freeze and switch off nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (live, trader, process):
            patch.setattr(module, "gc", _Untouched())
        yield
