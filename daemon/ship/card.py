"""`shipped.json`: whose copy a folder is. Made once, by hand: a folder without it is an unmounted disk, or nobody's."""

import socket
import time
from pathlib import Path
from typing import Final

import msgspec

from core.errors import ConfigError
from daemon.journal.segment import write_durably

CARD: Final = "shipped.json"
JOURNAL: Final = "journal"  # folders beside the card
BESIDE: Final = "state"
LOCK: Final = "lock"


class ShippedCard(msgspec.Struct, frozen=True, kw_only=True):
    """Whose journal is copied there, and from where the first time."""

    account: str
    tag: str
    host: str
    state_dir: str
    made_ns: int


def read_card(folder: Path) -> ShippedCard:
    """The card of a copy. Raises ConfigError on a folder without one."""
    try:
        return msgspec.json.decode((folder / CARD).read_bytes(), type=ShippedCard)
    except FileNotFoundError as fault:
        raise ConfigError(
            f"{folder}: holds no {CARD}: is the disk mounted? For a copy that is to begin: `quantd journal ship --new`"
        ) from fault
    except (OSError, msgspec.DecodeError) as fault:
        raise ConfigError(f"{folder / CARD}: {fault}: is this the folder of a copy?") from fault


def check_card(folder: Path, *, account: str, tag: str) -> None:
    """Raises ConfigError unless the copy there is this trader's."""
    card = read_card(folder)
    if (card.account, card.tag) != (account, tag):
        raise ConfigError(
            f"ship.to: {folder} is the copy of account {card.account} (tag {card.tag}, from {card.host}): "
            "give each trader a folder of its own"
        )


def make_card(folder: Path, *, account: str, tag: str, state_dir: Path) -> ShippedCard:
    """Begin a copy in a folder that is empty or not there; its parent must be. Raises ConfigError."""
    try:
        folder.mkdir(mode=0o750, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"{folder}: is not empty: name a new folder, or leave --new away to go on with its copy")
        card = ShippedCard(
            account=account, tag=tag, host=socket.gethostname(), state_dir=str(state_dir), made_ns=time.time_ns()
        )
        write_durably(folder / CARD, msgspec.json.encode(card) + b"\n")
    except OSError as fault:
        raise ConfigError(f"ship.to: {folder}: {fault.strerror}: mount the disk, or make its parent folder") from fault
    return card


def on_same_disk(folder: Path, state_dir: Path) -> bool:
    """Whether both are lost together."""
    there = state_dir if state_dir.exists() else state_dir.parent
    return there.exists() and folder.stat().st_dev == there.stat().st_dev
