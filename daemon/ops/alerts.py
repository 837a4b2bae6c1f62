"""Delivers alerts where no guard is running: there is none in this mode, or it died. With the guard it takes turns by
the lock of daemon/alerts/delivery.py; whoever comes knows what the other knew. And raises what only this process sees,
for whoever delivers: that a model's scores have drifted.
"""

import asyncio
import time
from typing import Final

import msgspec
import structlog

from daemon.alerts.catalogue import BY_CODE
from daemon.alerts.delivery import Delivery
from daemon.alerts.desk import Alert
from daemon.alerts.facts import rules_of
from daemon.alerts.left import leave
from daemon.alerts.watch import Rule, Watch
from daemon.config import Config
from daemon.ops.metrics.collect import drifts_of
from daemon.ops.view import View
from daemon.status.measures import decode_measures

LOOK_S: Final = 0.5
TAKE_OVER_S: Final = 10.0  # without a guard that should be there; it starts with the trader, and as slowly
DRIFT: Final = "MODEL_DRIFT"
DRIFT_RATIO_MAX: Final = 0.25  # the model sees another market than it was trained on (daemon/ops/metrics/drift.py)
DRIFT_S: Final = 300.0  # it lasts so long


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
        models = ModelWatch(self._config)
        guarded_s = time.monotonic()
        try:
            while True:
                models.look(view)
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


class ModelWatch:
    """How the scores of running models are spread, against the rows they were trained on."""

    def __init__(self, config: Config) -> None:
        self._drifts = drifts_of(config)
        self._watch = Watch((Rule(DRIFT, BY_CODE[DRIFT].severity, DRIFT_S, self._text),))
        self._told = False

    def look(self, view: View) -> None:
        """Take the trader's newest scores in; leave an alert, or its end."""
        raw = view.measures
        if raw is None or not self._drifts:
            return
        try:
            measures = decode_measures(raw)
        except msgspec.DecodeError:  # of a trader of another release
            return
        for one in measures.models:
            if one.strategy in self._drifts and one.scored_ns and one.age_ms >= 0:
                self._drifts[one.strategy].take(one.symbol, one.scored_ns, one.score_bp)
        found = self._watch.look(time.monotonic(), ())
        for rule, text in found.begun:
            alert = Alert(code=DRIFT, severity=rule.severity, text=text, source="ops", ts_ns=time.time_ns())
            self._told = leave(view.state.path, alert)
        if found.ended and self._told:
            over = Alert(code=DRIFT, severity="info", text="", source="ops", ts_ns=time.time_ns(), over=True)
            self._told = not leave(view.state.path, over)

    def _text(self) -> str:
        ratios = {name: drift.ratio for name, drift in self._drifts.items()}
        return "; ".join(
            f"{name}: stability index {ratio:.2f}, above {DRIFT_RATIO_MAX:g}"
            for name, ratio in ratios.items()
            if ratio is not None and ratio > DRIFT_RATIO_MAX
        )
