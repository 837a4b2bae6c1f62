"""What the process that delivers alerts (the guard, or ops where no guard is running) says about it, in a file beside
the journal. Imports nothing heavy: `quantd status`, the API and the metrics read it.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from daemon.status.follower import FollowerNews, is_locked

FILE_NAME: Final = "delivery.json"
LOCK_NAME: Final = "alerts.lock"  # held by whoever delivers
TEXT_MAX: Final = 400


class TargetPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One target of alerts."""

    name: str
    delivered: int = 0
    undelivered: int = 0  # open alerts that it should have been told of
    failing_s: float = 0.0
    error: str = ""


class OpenPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One alert that nobody has acknowledged."""

    code: str
    severity: str
    text: str
    source: str  # trader | guard | ops | follower | report | ship | up
    since_ns: int  # wall clock
    count: int


class DeliveryPicture(msgspec.Struct, frozen=True, kw_only=True):
    """`delivery.json`, written once a second."""

    pid: int
    by: str  # guard | ops
    wall_ns: int
    open: tuple[OpenPicture, ...] = ()
    targets: tuple[TargetPicture, ...] = ()
    fault: str = ""  # why the journal's alerts cannot be read


def write_delivery(directory: Path, picture: DeliveryPicture) -> None:
    """Replace the file whole; not synced."""
    draft = directory / f"{FILE_NAME}.new"
    draft.write_bytes(msgspec.json.encode(picture) + b"\n")
    os.replace(draft, directory / FILE_NAME)


def read_delivery(directory: Path) -> DeliveryPicture | None:
    """None when nobody ever delivered here, or the file is another release's."""
    try:
        return msgspec.json.decode((directory / FILE_NAME).read_bytes(), type=DeliveryPicture)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def delivers(directory: Path) -> bool:
    """Whether a process delivers the alerts of this state directory."""
    return is_locked(directory / LOCK_NAME)


def delivery_news(directory: Path) -> FollowerNews | None:
    """How telling people does: what is open, and a line for each target that is not reached. None = nobody delivers."""
    picture = read_delivery(directory)
    if picture is None or not delivers(directory):
        return None
    alarms = [f"alerts: {picture.fault}"] if picture.fault else []
    alarms += [
        f"alerts: {one.undelivered} not delivered to {one.name} for {one.failing_s:.0f} s: {one.error}"
        for one in picture.targets
        if one.undelivered
    ]
    return FollowerNews(line=f"alerts open {len(picture.open)}" if picture.open else "", alarms=tuple(alarms))
