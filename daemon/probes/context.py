"""What the checks of one look share: the config, a conversation with the broker, the running trader if there is one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from daemon.announced import CAPABILITY
from daemon.config import Config
from daemon.control.client import CommandFailed, NotReachable, connected
from daemon.probes.finding import Finding, Trouble
from daemon.probes.talk import Conversation
from daemon.status.picture import Status


class Look:
    """One visit of the doctor. Opens what the first check asks for, closes everything at the end."""

    def __init__(self, config: Config, *, now_ns: int) -> None:
        self.config = config
        self.now_ns = now_ns
        self._talk: Conversation | None = None
        self._trouble: Trouble | None = None
        self._status: Status | None = None
        self._asked = False

    @property
    def state_dir(self) -> Path:
        """Of the trader."""
        return Path(self.config.state_dir)

    def talk(self) -> Conversation:
        """The conversation with the broker. Raises Trouble, the same each time."""
        if self._trouble is not None:
            raise self._trouble
        if self._talk is None:
            announced = self.config.ib.clock == "gateway"
            talk = Conversation(self.config.ib, capabilities=CAPABILITY if announced else "")
            try:
                talk.open()
            except Trouble as fault:
                talk.close()
                self._trouble = fault
                raise
            self._talk = talk
        return self._talk

    @property
    def running(self) -> Status | None:
        """The picture of a trader that runs with this state directory; None = there is none."""
        if not self._asked:
            self._asked = True
            try:
                with connected(Path(self.config.control.socket)) as client:
                    self._status = client.status()
            except (NotReachable, CommandFailed, msgspec.DecodeError):
                self._status = None
        return self._status

    def ask_trader(self, command: str, **fields: Any) -> Any:
        """One question to the running trader; None when it does not answer."""
        try:
            with connected(Path(self.config.control.socket)) as client:
                return msgspec.json.decode(client.request(command, **fields))
        except (NotReachable, CommandFailed):
            return None

    def close(self) -> None:
        """Hang up."""
        if self._talk is not None:
            self._talk.close()


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the registry. `broker` = it needs the conversation, and only where the config uses a broker."""

    name: str
    look: Callable[[Look], list[Finding]]
    broker: bool = False
