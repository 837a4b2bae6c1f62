"""The alerts of the engine as lines of the log. Knows the tally, which remembers them; decides nothing."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from daemon.log.process import Log
    from daemon.status.build import Tally

_LEVELS: Final = {"info": "info", "warning": "warning", "critical": "critical"}


class AlertLog:
    """Writes the alerts a tally has seen since the last look."""

    def __init__(self, log: "Log") -> None:
        self._log = log
        self._seen = 0

    def start_at(self, tally: "Tally") -> None:
        """Alerts of the journal so far were told by an earlier run."""
        self._seen = tally.alerts
        tally.untold.clear()

    def has_news(self, tally: "Tally") -> bool:
        """Whether there is anything to tell."""
        return tally.alerts > self._seen

    def tell(self, tally: "Tally") -> None:
        """Log what is new; beyond what the tally remembers, how many there were."""
        fresh = tally.alerts - self._seen
        if fresh <= 0:
            return
        self._seen = tally.alerts
        known = list(tally.untold)[-fresh:]
        tally.untold.clear()
        if fresh > len(known):
            self._log.warning("alerts not shown", count=fresh - len(known), see="quantd journal show --kind command")
        for row in known:
            speak = getattr(self._log, _LEVELS.get(row.severity, "warning"))
            speak("alert", code=row.code, text=row.text, tape_ns=row.ts_ns)
