"""Alerts of processes that tell nobody themselves (the follower, its reports, the copy of the journal): one small file
each, taken by whoever delivers. Bounded; while nobody does they stay in the log of whoever left them.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from daemon.alerts.desk import Alert

LEFT: Final = "alerts-left"  # folder in the state directory
LEFT_MAX: Final = 64  # files; beyond, the newest is not left
BYTES_MAX: Final = 4_096


def leave(state_dir: Path, alert: Alert) -> bool:
    """Leave one, or its end, whole or not at all. One of the same code and source that waits still is replaced."""
    folder = state_dir / LEFT
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{alert.source}-{alert.code}.json"
        if not path.exists() and len(os.listdir(folder)) >= LEFT_MAX:
            return False
        draft = path.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(alert))
        os.replace(draft, path)
    except OSError:
        return False
    return True


def take_left(state_dir: Path) -> list[Alert]:
    """All that were left, oldest first, once. What is no alert is dropped."""
    found: list[Alert] = []
    for path in (state_dir / LEFT).glob("*.json"):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            with path.open("rb") as file:
                content = file.read(BYTES_MAX)
            path.unlink()
            found.append(msgspec.json.decode(content, type=Alert))
    return sorted(found, key=lambda alert: alert.ts_ns)
