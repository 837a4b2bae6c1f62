"""The ops process's word to the manager of its service, from its own loop: a part like the others."""

import asyncio
from typing import Final

from daemon.notify import Notifier
from daemon.ops.view import View

TURN_S: Final = 0.5


class ServicePart:
    """Ready after the first turn in which every part runs; then a beat as long as the loop turns."""

    name = "service"

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def run(self, view: View) -> None:
        """Beat."""
        notifier = self._notifier
        try:
            while True:
                await asyncio.sleep(TURN_S)
                if not view.faults:
                    notifier.ready(_told(view))
                notifier.turn(lambda: _told(view))
        finally:
            notifier.stopping("asked to")


def _told(view: View) -> str:
    """One line for `systemctl status`."""
    if view.faults:
        return "; ".join(f"{name} failed: {fault}" for name, fault in sorted(view.faults.items()))
    return "serving"
