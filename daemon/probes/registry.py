"""Every check there is, in the order in which they are told, for `quantd doctor`. Readiness has the part that asks
nobody: daemon/probes/running.py.
"""

from collections.abc import Iterator, Set
from typing import Final

from daemon.probes import guard, machine, market, session, settings
from daemon.probes.context import Check, Look
from daemon.probes.finding import FAIL, Finding, Trouble, skip

CHECKS: Final[tuple[Check, ...]] = (
    Check(name="state", look=machine.check_state),
    Check(name="running", look=machine.check_running),
    Check(name="disk", look=machine.check_disk),
    Check(name="database", look=machine.check_database),
    Check(name="models", look=machine.check_models),
    Check(
        name="guard", look=guard.check_guard, broker=True
    ),  # before the doctor's own session: some take one at a time
    Check(name="port", look=session.check_port, broker=True),
    Check(name="account", look=session.check_mode, broker=True),
    Check(name="read-only", look=session.check_read_only, broker=True),
    Check(name="clock", look=session.check_clock, broker=True),
    Check(name="restart", look=session.check_windows, broker=True),
    Check(name="contract", look=market.check_contracts, broker=True),
    Check(name="lines", look=market.check_lines, broker=True),
    Check(name="data", look=market.check_data, broker=True),
    Check(name="settings", look=settings.check_settings, broker=True),
)
NAMES: Final = tuple(check.name for check in CHECKS)


def examine(look: Look, names: Set[str] = frozenset(NAMES)) -> Iterator[Finding]:
    """Run checks one after the other; what needs a connection that failed is skipped, and says so."""
    for check in CHECKS:
        if check.name not in names or (check.broker and not look.config.broker_feed):
            continue
        try:
            yield from check.look(look)
        except Trouble as fault:
            yield skip(check.name, f"not looked at: {fault.text}")


def failed(findings: list[Finding]) -> bool:
    """Whether anything is not as it must be."""
    return any(one.status == FAIL for one in findings)
