"""The ops process: how the trader is, told to machines. It gives no command by HTTP and is never waited for."""

from pathlib import Path
from typing import Final

from daemon.status.follower import is_locked

LOCK_NAME: Final = "ops.lock"


def runs(directory: Path) -> bool:
    """Whether an ops process serves this state directory."""
    return is_locked(directory / LOCK_NAME)
