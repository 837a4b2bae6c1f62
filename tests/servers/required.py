"""What a test needs that this machine may lack: missing is a failure on a build machine, a stated skip elsewhere."""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


class Unavailable(Exception):
    """It is not here, and why."""


def required(provision: Callable[[], T]) -> T:
    """What it provisions; ends the test where it raises Unavailable."""
    try:
        return provision()
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(str(reason))
        pytest.skip(str(reason))
