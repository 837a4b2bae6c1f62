"""Delivers alerts where no guard is running: there is none in this mode, or it died. With the guard it takes turns by
the lock of daemon/alerts/delivery.py; whoever comes knows what the other knew. And raises what only this process sees
(raised.py), for whoever delivers.
"""

import asyncio
import time
from typing import Final

import structlog

from daemon.alerts.delivery import Delivery
from daemon.alerts.facts import rules_of
from daemon.config import Config
from daemon.ops.raised import OwnAlerts
from daemon.ops.view import View

LOOK_S: Final = 0.5
TAKE_OVER_S: Final = 10.0  # without a guard that should be there; it starts with the trader, and as slowly


class AlertsPart:
    """One of the parts of the ops process."""

    name = "alerts"

    def __init__(self, config: Config, log: structlog.typing.FilteringBoundLogger) -> None:
        self._config = config
        self._log = log
        self._patience_s = TAKE_OVER_S if config.guarded else 0.0

    async def run(self, view: View) -> None:
        """Until it is cancelled."""
        delivery: Delivery | None = None
        own = OwnAlerts(self._config, view)
        guarded_s = time.monotonic()
        try:
            while True:
                own.look()
                if view.seen.guard_runs:
                    guarded_s = time.monotonic()
                    if delivery is not None:
                        await asyncio.to_thread(delivery.close)
                        delivery = None
                elif delivery is None and time.monotonic() - guarded_s >= self._patience_s:
                    delivery = await asyncio.to_thread(self._begin, view)
                await asyncio.sleep(LOOK_S)
        finally:
            if delivery is not None:
                await asyncio.shield(asyncio.to_thread(delivery.close))

    def _begin(self, view: View) -> Delivery:
        delivery = Delivery(
            view.state, self._config.alerts, self._log, by="ops", rules=rules_of(self._config, by="ops")
        )
        delivery.start()
        return delivery
