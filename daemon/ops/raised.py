"""Alerts about what only this process sees: that no MQTT broker is there, or that it does not take what it is told, and
that a model's scores have drifted. Left in the state directory for whoever delivers, by ways of its own: the bridge is
none of them.
"""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from daemon.alerts.catalogue import BY_CODE
from daemon.alerts.desk import Alert
from daemon.alerts.left import leave
from daemon.alerts.watch import Rule, Watch
from daemon.config import Config
from daemon.ops.mqtt.standing import STEADY_S
from daemon.ops.view import View

DRIFT: Final = "MODEL_DRIFT"
DRIFT_RATIO_MAX: Final = 0.25  # the model sees another market than it was trained on (daemon/ops/metrics/drift.py)
DRIFT_S: Final = 300.0  # it lasts so long
MQTT_LOST: Final = "MQTT_LOST"
MQTT_DENIED: Final = "MQTT_DENIED"


class Own(NamedTuple):
    """One of them: what is wrong, and whether it is known that nothing is. A process before may have raised it, so not
    knowing yet ends nothing.
    """

    code: str
    patience_s: float
    wrong: Callable[[View], str]
    right: Callable[[View], bool]


class OwnAlerts:
    """`look` again and again."""

    def __init__(self, config: Config, view: View) -> None:
        self._view = view
        self._mqtt = config.ops.mqtt
        self._own = {
            one.code: one
            for one in (
                Own(DRIFT, DRIFT_S, _drifted, lambda view: None not in view.seen.drifts.values()),
                Own(MQTT_LOST, 0.0, self._lost, self._steady),
                Own(MQTT_DENIED, 0.0, self._denied, self._steady),
            )
        }
        self._watch = Watch(tuple(self._rule(one) for one in self._own.values()))
        self._over: set[str] = set()  # codes whose end was left, and that were not raised since
        self._due: dict[str, Alert] = {}  # by code: what could not be left yet

    def _rule(self, one: Own) -> Rule:
        return Rule(one.code, BY_CODE[one.code].severity, one.patience_s, lambda: one.wrong(self._view))

    def look(self) -> None:
        """Leave an alert, or its end, where something has begun or ended."""
        found = self._watch.look(time.monotonic(), ())
        for rule, text in found.begun:
            self._over.discard(rule.code)
            self._leave(rule.code, rule.severity, text, over=False)
        for code in found.ended:
            if code not in self._over and self._own[code].right(self._view):
                self._over.add(code)
                self._leave(code, "info", "", over=True)
        for code, alert in list(self._due.items()):
            if leave(self._view.state.path, alert):
                del self._due[code]

    def _leave(self, code: str, severity: str, text: str, *, over: bool) -> None:
        alert = Alert(code=code, severity=severity, text=text, source="ops", ts_ns=time.time_ns(), over=over)
        self._due[code] = alert

    # ---- the broker --------------------------------------------------------------------------------------------
    def _steady(self, view: View) -> bool:
        return not self._mqtt.host or (view.mqtt is not None and not view.mqtt.away_since_s)

    def _lost(self, view: View) -> str:
        picture = view.mqtt
        if picture is None or not picture.away_since_s or not self._mqtt.lost_s:
            return ""
        away_s = time.monotonic() - picture.away_since_s
        if away_s < self._mqtt.lost_s:
            return ""
        lasted = f"none of {picture.sessions} sessions lasted {STEADY_S:g} s" if picture.sessions else "no session"
        return f"{self._mqtt.host}:{self._mqtt.port_used}: {lasted} for {away_s:.0f} s: {picture.fault or 'no answer'}"

    def _denied(self, view: View) -> str:
        if view.mqtt is None or not view.mqtt.denied:
            return ""
        return f"{self._mqtt.host}:{self._mqtt.port_used} does not take {', '.join(view.mqtt.denied)}"


def _drifted(view: View) -> str:
    return "; ".join(
        f"{name}: stability index {ratio:.2f}, above {DRIFT_RATIO_MAX:g}"
        for name, ratio in view.seen.drifts.items()
        if ratio is not None and ratio > DRIFT_RATIO_MAX
    )
