"""Where a trader keeps its state, and the card it leaves there for the commands that look for it."""

import os
from pathlib import Path
from typing import Final

import msgspec

from core.errors import ConfigError, JournalError
from daemon.lock import hold_lock

STATE_VARIABLE: Final = "QUANTD_STATE"
STATE_DEFAULT: Final = "state"


class TraderCard(msgspec.Struct, frozen=True, kw_only=True):
    """`trader.json`: who ran here last. Paths are absolute."""

    pid: int
    socket: str
    journal: str
    config: str


class StateDirectory:
    """The paths below one state directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path / "journal"
        self.control_socket = path / "control.sock"
        self.card_file = path / "trader.json"
        self.kill_file = path / "KILL"  # made by anybody: the trader kills the account (daemon/kill_switch.py)
        self.lock_file = path / "trader.lock"
        self._lock = -1

    def lock(self) -> None:
        """Become the one trader of this directory until `unlock`, or until the process ends, however it ends.

        Raises ConfigError while another is.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._lock = hold_lock(self.lock_file, f"state_dir {self.path}: a trader (pid {{pid}}) is running there")
        except JournalError as fault:
            raise ConfigError(str(fault)) from fault

    def unlock(self) -> None:
        """Another may come."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def write_card(self, card: TraderCard) -> None:
        """Replace the card whole: a reader sees the old one or the new one."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.path / "trader.json.new"
        fresh.write_bytes(msgspec.json.encode(card) + b"\n")
        os.replace(fresh, self.card_file)

    def read_card(self) -> TraderCard | None:
        """None when no trader has run here. Raises ConfigError on a card that is none."""
        try:
            return msgspec.json.decode(self.card_file.read_bytes(), type=TraderCard)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as fault:
            raise ConfigError(f"{self.card_file}: {fault}: remove it and start the trader again") from fault

    def leave_kill_file(self, reason: str) -> bool:
        """For a trader that does not answer: it latches when it next looks. False when that is not possible."""
        fresh = self.path / f"KILL.new-{os.getpid()}"
        try:
            fresh.write_text(reason + "\n")
            os.replace(fresh, self.kill_file)
        except OSError:
            return False
        return True

    def socket_in_use(self) -> Path:
        """The control socket, also where the config put it elsewhere."""
        card = self.read_card()
        return Path(card.socket) if card is not None else self.control_socket

    def journal_in_use(self) -> Path:
        """The journal's folder. Raises ConfigError when there is none."""
        card = self.read_card()
        found = Path(card.journal) if card is not None else self.journal
        if not found.is_dir():
            raise ConfigError(f"{found}: no journal there: is --state right, has a trader run?")
        return found


def state_directory(given: Path | None) -> StateDirectory:
    """`--state`, else $QUANTD_STATE, else ./state."""
    return StateDirectory((given or Path(os.environ.get(STATE_VARIABLE) or STATE_DEFAULT)).absolute())
