"""What a process of ours says while it runs: one JSON object per line on stderr, or plain text on a terminal.

The journal is the account of everything; these lines are for whoever watches the unit's log.
"""

import sys
from typing import TYPE_CHECKING, Final, TextIO

import structlog

if TYPE_CHECKING:
    from daemon.status.build import Tally

_LEVELS: Final = {"info": "info", "warning": "warning", "critical": "critical"}


def open_log(file: TextIO | None = None) -> structlog.typing.FilteringBoundLogger:
    """The process's logger, on stderr unless told otherwise. UTC times; stdout belongs to the summary."""
    file = file or sys.stderr
    terminal = file.isatty()
    render = structlog.dev.ConsoleRenderer(colors=False) if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            render,
        ],
        logger_factory=structlog.PrintLoggerFactory(file=file),
        cache_logger_on_first_use=True,
    )
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


class AlertLog:
    """Writes the alerts a tally has seen since the last look."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
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
