"""What the bridge refuses, told to the trader for its audit trail: at most one line a second, the same refusals counted
together, so that a flood of nonsense costs the trader nothing and hides nothing.
"""

import asyncio
from typing import Final

import msgspec

from daemon.control.client import NotReachable
from daemon.control.messages import CLAIMED_MAX, REASON_LENGTH_MAX
from daemon.ops.mqtt.line import TraderLine
from daemon.ops.mqtt.messages import one_line

PACE_S: Final = 1.0
KINDS_MAX: Final = 16  # that wait; further ones are counted by their reason alone


class Refused(Exception):
    """Not passed on: why, in a word and in a line."""

    def __init__(self, reason: str, text: str, *, command: str = "", claimed: str = "") -> None:
        super().__init__(text)
        self.reason = reason
        self.command = command
        self.claimed = claimed


class _Kind(msgspec.Struct, kw_only=True):
    text: str
    count: int = 0


class Refusals:
    """`add` at any time, `tell` as long as the bridge runs."""

    def __init__(self, line: TraderLine) -> None:
        self._line = line
        self._kinds: dict[tuple[str, str, str], _Kind] = {}
        self._some = asyncio.Event()

    def add(self, fault: Refused) -> None:
        """One more."""
        key = (fault.reason, fault.command, one_line(fault.claimed, CLAIMED_MAX))
        if key not in self._kinds and len(self._kinds) >= KINDS_MAX:
            key = (fault.reason, "", "")
        kind = self._kinds.setdefault(key, _Kind(text=""))
        kind.count += 1
        kind.text = one_line(f"{fault.reason}: {fault}", REASON_LENGTH_MAX)
        self._some.set()

    async def tell(self) -> None:
        """One kind after the other; while there is no trader they wait, and are counted on."""
        while True:
            self._some.clear()
            if not self._kinds:
                await self._some.wait()
            key = next(iter(self._kinds))
            kind = self._kinds.pop(key)
            reason, command, claimed = key
            try:
                await self._line.request(
                    "relay-refused", origin="mqtt", refused=command or reason, claimed=claimed or "mqtt",
                    why=kind.text, count=kind.count,
                )  # fmt: skip
            except NotReachable:
                later = self._kinds.pop(key, None)
                kind.count += later.count if later is not None else 0
                self._kinds[key] = kind
            await asyncio.sleep(PACE_S)
