"""Who is told of which alert, and when: at once, again while nobody has acknowledged it, later to the next person.
Pure: time is handed in, and delivering is somebody else's.

One code is one alert: raised again it is counted, told again when it has been quiet long enough. What cannot be
delivered stays due and is tried again, and shows (`undelivered`, `error`): an alert that reaches nobody is one itself.
What ends by itself is told once more to whom it was told.
"""

from typing import Final

import msgspec

from core.units import NANO
from daemon.alerts.catalogue import RUNBOOK, kind_of
from daemon.config.guarding import AlertSettings, AlertTarget

SEVERITIES: Final = ("info", "warning", "critical")
OPEN_MAX: Final = 128  # codes; beyond, the one raised longest ago goes
OVER_MAX: Final = 32  # ends that wait for one target; beyond, the oldest is not told
RETRY_NS: Final = NANO
RETRY_NS_MAX: Final = 30 * NANO
NEVER: Final = (1 << 63) - 1


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a person is to know."""

    code: str
    severity: str
    text: str
    source: str  # the process that raised it
    ts_ns: int  # in the clock of its source
    over: bool = False  # it has ended: nobody needs to acknowledge it


class Open(msgspec.Struct, kw_only=True):
    """One code that is open: told until it is acknowledged. Info is told once and never open."""

    alert: Alert
    since_ns: int  # wall clock, as all below
    count: int = 1
    told_ns: dict[str, int] = {}  # by target: when it was delivered last
    told_count: dict[str, int] = {}  # and how many it was then


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one target gets."""

    alert: Alert
    count: int  # how often it was raised
    open_s: float  # how long it has been open
    again: bool  # told before, and acknowledged by nobody
    over: bool = False  # it has ended by itself
    runbook: str = RUNBOOK

    @property
    def title(self) -> str:
        """One line."""
        if self.over:
            return f"quantd over: {self.alert.code} after {self.open_s:.0f} s"
        often = f" ({self.count} times)" if self.count > 1 else ""
        late = f" UNACKNOWLEDGED for {self.open_s:.0f} s" if self.again else ""
        return f"quantd {self.alert.severity}: {self.alert.code}{often}{late}"

    @property
    def meaning(self) -> str:
        """What the code says, in words."""
        return kind_of(self.alert.code).meaning

    @property
    def where(self) -> str:
        """The section of the runbook that says what to do."""
        return f"{self.runbook}#{kind_of(self.alert.code).anchor}"


class TargetState(msgspec.Struct, kw_only=True):
    """How one target does."""

    delivered: int = 0
    error: str = ""  # of the last try; "" = it was delivered
    failing_ns: int = 0  # since when; 0 = it is not
    failures: int = 0  # in a row
    try_at_ns: int = 0
    busy: str = ""  # the code on its way


class Desk:
    """All open alerts and all targets."""

    def __init__(self, settings: AlertSettings, opened: tuple[Open, ...] = ()) -> None:
        self._targets = settings.to
        self._quiet_ns = round(settings.quiet_s * NANO)
        self._repeat_ns = round(settings.repeat_s * NANO)
        self._severity = settings.severity
        self._runbook = settings.runbook or RUNBOOK
        self._over: dict[str, list[Message]] = {target.name: [] for target in settings.to}
        self.open: dict[str, Open] = {one.alert.code: one for one in opened}
        self.targets = {target.name: TargetState() for target in settings.to}

    # ---- what happens ------------------------------------------------------------------------------------------
    def take(self, alert: Alert, now_ns: int) -> None:
        """One was raised."""
        severity = self._severity.get(alert.code)
        if severity is not None:
            alert = msgspec.structs.replace(alert, severity=severity)
        for waiting in self._over.values():
            waiting[:] = [message for message in waiting if message.alert.code != alert.code]
        known = self.open.pop(alert.code, None)
        if known is None:
            if len(self.open) >= OPEN_MAX:
                del self.open[next(iter(self.open))]
            known = Open(alert=alert, since_ns=now_ns, count=0)
        elif _rank(known.alert) > _rank(alert):
            alert = msgspec.structs.replace(alert, severity=known.alert.severity)
        elif _rank(known.alert) < _rank(alert):
            known.told_ns, known.told_count = {}, {}  # worse than before: told at once
        known.alert = alert
        known.count += 1
        self.open[alert.code] = known

    def close(self, codes: tuple[str, ...]) -> None:
        """Acknowledged: the codes, and what the guard said of the same thing (GUARD closes GUARD_FIRED)."""
        for known in list(self.open):
            if known in codes or kind_of(known).part_of in codes:
                del self.open[known]

    def end(self, codes: tuple[str, ...], now_ns: int) -> None:
        """Ended by themselves: whoever was told of one is told that, too."""
        for code in codes:
            one = self.open.pop(code, None)
            if one is None:
                continue
            over = self._message(one, now_ns, over=True)
            for name, waiting in self._over.items():
                if name in one.told_ns or self.targets[name].busy == code:
                    waiting.append(over)
                    del waiting[:-OVER_MAX]

    def close_all(self) -> None:
        """Everything is acknowledged."""
        self.open.clear()

    # ---- what is due -------------------------------------------------------------------------------------------
    def due(self, now_ns: int) -> list[tuple[AlertTarget, Message]]:
        """What to deliver now: at most one for each target, the worst and then the oldest first."""
        found = []
        for target in self._targets:
            state = self.targets[target.name]
            if state.busy or state.try_at_ns > now_ns:
                continue
            ready = [one for one in self.open.values() if self._due_ns(target, one) <= now_ns]
            if ready:
                one = min(ready, key=lambda one: (-_rank(one.alert), one.since_ns))
                state.busy = one.alert.code
                again = target.after_s > 0 or target.name in one.told_ns
                found.append((target, self._message(one, now_ns, again=again)))
            elif waiting := self._over[target.name]:
                state.busy = waiting[0].alert.code
                found.append((target, waiting[0]))
        return found

    def _message(self, one: Open, now_ns: int, *, again: bool = False, over: bool = False) -> Message:
        open_s = (now_ns - one.since_ns) / NANO
        return Message(alert=one.alert, count=one.count, open_s=open_s, again=again, over=over, runbook=self._runbook)

    def _due_ns(self, target: AlertTarget, one: Open) -> int:
        if _rank(one.alert) < SEVERITIES.index(target.least):
            return NEVER
        told_ns = one.told_ns.get(target.name)
        if told_ns is None:
            return one.since_ns + round(target.after_s * NANO)
        if _rank(one.alert) == 0:
            return NEVER if one.told_count[target.name] == one.count else told_ns + self._quiet_ns
        news = one.count > one.told_count[target.name]
        return told_ns + (min(self._quiet_ns, self._repeat_ns) if news else self._repeat_ns)

    def done(self, target: str, message: Message, error: str, now_ns: int) -> None:
        """A delivery has ended; error "" = it arrived."""
        state = self.targets[target]
        state.busy = ""
        state.error = error
        if error:
            state.failures += 1
            state.failing_ns = state.failing_ns or now_ns
            state.try_at_ns = now_ns + min(RETRY_NS_MAX, RETRY_NS << min(state.failures - 1, 8))
            return
        state.delivered += 1
        state.failures = state.failing_ns = state.try_at_ns = 0
        if message.over:
            self._over[target] = [waiting for waiting in self._over[target] if waiting is not message]
            return
        one = self.open.get(message.alert.code)
        if one is None:
            return
        one.told_ns[target] = now_ns
        one.told_count[target] = message.count
        if _rank(one.alert) == 0 and all(name in one.told_ns for name in self._hearing(0)):
            del self.open[message.alert.code]

    def _hearing(self, rank: int) -> list[str]:
        return [target.name for target in self._targets if SEVERITIES.index(target.least) <= rank]

    def undelivered(self, target: str) -> int:
        """Open alerts that this target should have been told of by now and was not; those that fail count at once."""
        if not self.targets[target].failing_ns:
            return 0
        spec = next(one for one in self._targets if one.name == target)
        return sum(
            1
            for one in self.open.values()
            if target not in one.told_ns and _rank(one.alert) >= SEVERITIES.index(spec.least)
        )


def _rank(alert: Alert) -> int:
    return SEVERITIES.index(alert.severity) if alert.severity in SEVERITIES else 1
