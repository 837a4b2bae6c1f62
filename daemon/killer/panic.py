"""Panic: everything off at the broker, with no trader in between. Latch first (the next trader starts HALTED), tell a
trader that runs, then cancel by a session of its own until the broker's list is empty twice, list what is held.

Places no order. Closing positions is another step, and goes through a trader's gate (daemon/killer/closing.py).
"""

import getpass
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from core.errors import QuantdError, Refused
from core.units import exact_text
from daemon.config.schema import Config
from daemon.control.client import connected
from daemon.killer.latch import GuardLatch, now_latch, write_latch
from daemon.killer.session import CancelReport, Holding, KillSession
from daemon.probes.finding import Trouble
from daemon.state_dir import StateDirectory

TRADER_S: Final = 1.0  # for the trader to answer; the broker does not wait for it
RETRY_S: Final = 0.5  # before a session that broke is tried again
LEFT_MAX: Final = 100  # orders named in the latch

Tell = Callable[[str], None]


class PanicReport(msgspec.Struct, frozen=True, kw_only=True):
    """What it came to. Orders and positions in words."""

    verified: bool
    seconds: float
    cancelled: tuple[str, ...]
    left: tuple[str, ...]
    refused: dict[int, str]
    positions: tuple[str, ...]
    trader: str  # what a running trader answered
    latched: str  # the latch file, or why there is none
    reason: str  # why it is not verified
    attempts: int


class Panic:
    """One run. `tell` gets a line whenever something is worth reading."""

    def __init__(self, config: Config, tell: Tell, *, reason: str) -> None:
        self._config = config
        self._tell = tell
        self._state = StateDirectory(Path(config.state_dir))
        self._latch = now_latch(by="panic", reason=reason, operator=getpass.getuser())
        self._reason = reason
        self._cancelled: dict[int, str] = {}
        self._attempts = 0

    def run(self, *, deadline_s: float) -> PanicReport:
        """Until verified, or until the time is over. Raises nothing that a session can raise."""
        began_s = time.monotonic()
        latched = self._write(self._latch)
        trader = self._kill_trader()
        report, why, holdings = self._cancel(began_s + deadline_s)
        verified = report is not None and report.verified
        left = () if report is None else tuple(str(order) for order in report.left)
        self._write(
            msgspec.structs.replace(
                self._latch, verified=verified, cancelled=len(self._cancelled), left=left[:LEFT_MAX]
            )
        )
        return PanicReport(
            verified=verified,
            seconds=round(time.monotonic() - began_s, 3),
            cancelled=tuple(self._cancelled.values()),
            left=left,
            refused={} if report is None else report.refused,
            positions=tuple(_held(holding) for holding in holdings),
            trader=trader,
            latched=latched,
            reason=why if report is None else report.reason,
            attempts=self._attempts,
        )

    def _write(self, latch: GuardLatch) -> str:
        """A disk that fails must not keep the orders at the broker."""
        try:
            self._state.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_latch(self._state.path, latch)
        except OSError as fault:
            self._tell(f"NO LATCH could be written ({fault.strerror}): a trader started later will not know")
            return f"none: {fault.strerror}"
        return str(self._state.path)

    def _kill_trader(self) -> str:
        """A trader that runs latches, too; one that does not answer finds the kill file."""
        try:
            with connected(self._state.socket_in_use(), timeout_s=TRADER_S) as client:
                answer = bytes(client.request("kill", reason=f"panic: {self._reason}")).decode()
            self._tell(f"trader: {answer}")
            return answer
        except (QuantdError, Refused, OSError) as fault:
            self._tell(f"trader: {fault}")
            left = self._state.card_file.exists() and self._state.leave_kill_file(f"panic: {self._reason}")
            return f"{fault}" + ("; kill file left" if left else "")

    # ---- the broker --------------------------------------------------------------------------------------------
    def _cancel(self, deadline_s: float) -> tuple[CancelReport | None, str, list[Holding]]:
        """Sessions one after another until one has the proof."""
        settings, client_id = self._config.ib, self._config.panic.client_id
        report, why, holdings = None, "", list[Holding]()
        while True:
            self._attempts += 1
            try:
                with KillSession(settings, client_id=client_id) as session:
                    left_s = max(0.0, deadline_s - time.monotonic())
                    report = session.cancel_until_empty(everything=True, deadline_s=left_s)
                    self._cancelled |= {order.perm_id: str(order) for order in report.cancelled}
                    holdings = self._positions(session)
            except Trouble as fault:
                why = str(fault)
                self._tell(f"broker: {fault}; {fault.remedy}")
            if (report is not None and report.verified) or time.monotonic() >= deadline_s:
                return report, why, holdings
            time.sleep(RETRY_S)

    def _positions(self, session: KillSession) -> list[Holding]:
        return [held for held in session.positions() if held.account == self._config.account.id]


def _held(holding: Holding) -> str:
    cost = exact_text(holding.average_cost_nanos)
    return f"{exact_text(holding.qty_nanos)} {holding.symbol} ({holding.sec_type} {holding.currency}, cost {cost})"
