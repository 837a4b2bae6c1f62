"""The guard: watches the trader's lease from another process, and takes the trader's orders off the book when it runs
out. It never trades, and it does not trust what it sent: it looks until the broker's list is empty.

The latch is on the disk before the first cancel leaves, so that the next trader starts HALTED whatever happens to us.
A lease that was given back (a stop, an announced restart) is nobody's business: its orders stay.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from core.ids import is_own_ref
from core.units import NANO
from daemon.config.schema import Config
from daemon.killer.latch import GuardLatch, now_latch, read_latch, write_latch
from daemon.killer.session import CancelReport, KillSession, OpenOrder
from daemon.lease import Lease, boot_id, boottime_ns, read_lease
from daemon.probes.finding import Trouble
from daemon.probes.talk import ClientIdTaken
from daemon.status.guard import ACTING, DONE, IDLE, WATCHING

GRACE_NS: Final = NANO  # between the lease's end and the first cancel: the trader sends nothing in it
LOOK_S: Final = 0.1
ATTEMPT_S: Final = 20.0  # for one session's cancels to be verified; then a new session
BACKOFF_S_MIN: Final = 0.5
BACKOFF_S_MAX: Final = 10.0
NAMED_MAX: Final = 20  # orders named in a latch
FIRED: Final = "GUARD_FIRED"
VERIFIED: Final = "GUARD_VERIFIED"
UNREACHABLE: Final = "GUARD_UNREACHABLE"
STUCK: Final = "GUARD_NOT_VERIFIED"

Tell = Callable[[str, str, str], None]  # code, severity, text


class Guard:
    """One trader's guard. `look` is called again and again; it acts when it must."""

    def __init__(self, config: Config, directory: Path, log: Any, tell: Tell) -> None:
        self._config = config
        self._settings = config.guard
        self._directory = directory
        self._log = log
        self._tell = tell
        self._boot = boot_id()
        self._lease: Lease | None = None
        self._latch: GuardLatch | None = None  # of the lease that has run out
        self._fired_s = 0.0
        self._backoff_s = BACKOFF_S_MIN
        self._try_at_s = 0.0
        self._told = ""
        self._leaving = 0  # which renewal of the lease it was when a stop was asked for
        self.looked_s = time.monotonic()
        self.state, self.why = IDLE, "no trader has held a lease here"

    @property
    def lease_name(self) -> str:
        """Whose lease it looks at, for people."""
        return "" if self._lease is None else self._lease.name

    def may_leave(self) -> bool:
        """Whether nothing is left alone if this process ends: a trader that is being watched has to show first that it
        lives, by renewing its lease.
        """
        if self.state in (WATCHING, ACTING) and self._lease is not None:
            first = self._leaving = self._leaving or self._lease.sequence
            return self.state == WATCHING and self._lease.sequence > first
        return True

    # ---- looking -----------------------------------------------------------------------------------------------
    def look(self) -> None:
        """Read the lease, and act if it has run out."""
        self.looked_s = time.monotonic()
        lease = self._lease = read_lease(self._directory)
        if lease is None:
            self._rest(IDLE, "no trader has held a lease here")
        elif lease.announced:
            self._rest(IDLE, "the trader gave its lease back")
        elif lease.over_ns(boottime_ns(), self._boot) < GRACE_NS:
            self._rest(WATCHING, "")
        elif self.state != DONE or not self._is_of(lease):
            self._act(lease)

    def _rest(self, state: str, why: str) -> None:
        if self.state == ACTING:
            self._log.warning("guard hands over", lease=self.lease_name, why=why or "the trader is back, and HALTED")
        if self.state != state:
            self._log.info("guard", state=state, lease=self.lease_name, why=why)
        self.state, self.why = state, why
        self._latch = None

    def _is_of(self, lease: Lease) -> bool:
        latch = self._latch
        return latch is not None and (latch.boot_id, latch.lease_epoch, latch.lease_sequence) == (
            lease.boot_id.hex(), lease.epoch, lease.sequence,
        )  # fmt: skip

    # ---- acting ------------------------------------------------------------------------------------------------
    def _act(self, lease: Lease) -> None:
        """Latch first; then one attempt, and the next after a while."""
        if not self._is_of(lease):
            self._fire(lease)
            if self.state == DONE:
                return
        if time.monotonic() < self._try_at_s:
            return
        try:
            report = self._attempt()
        except Trouble as fault:
            self._again(UNREACHABLE, f"{fault.text}; {fault.remedy}")
            return
        if report.verified:
            self._conclude(report)
        else:
            self._again(STUCK, f"{report.reason}: {'; '.join(map(str, report.left[:NAMED_MAX]))}")

    def _fire(self, lease: Lease) -> None:
        """The lease is over and nobody has said so. A guard that died over it goes on where it was."""
        known = self._latch = read_latch(self._directory)
        if known is not None and self._is_of(lease):
            latch = known
            if latch.verified:
                self.state, self.why = DONE, latch.text
                return
        else:
            why = f"the lease of {lease.name} ran out with {lease.open_orders} orders open"
            if lease.boot_id != self._boot:
                why += ", and the machine has started anew"
            latch = self._latch = msgspec.structs.replace(
                now_latch(by="guard", reason=why),
                lease_epoch=lease.epoch,
                lease_sequence=lease.sequence,
                boot_id=lease.boot_id.hex(),
            )
            if known is None:  # a panic's own latch stays as it is: it halts the trader as well
                write_latch(self._directory, latch)
        self.state, self.why = ACTING, latch.reason
        self._fired_s, self._backoff_s, self._try_at_s, self._told = time.monotonic(), BACKOFF_S_MIN, 0.0, ""
        self._tell(FIRED, "critical", f"{latch.reason}: its orders are being cancelled")

    def _attempt(self) -> CancelReport:
        """One session: everything at once, or the trader's orders one by one under its own client id."""
        if self._settings.exclusive:
            return self._cancel(everything=True, in_scope=lambda order: True)
        try:
            report = self._cancel(everything=False, in_scope=self._is_ours)
        except ClientIdTaken as fault:
            if not self._may_cancel_all():
                raise Trouble(
                    f"{fault.text}: the trader hangs and still holds it", "end the trader's process, or `quantd panic`"
                ) from fault
        else:
            beyond = [order for order in report.left if order.client_id != self._config.ib.client_id]
            if not beyond or not self._may_cancel_all():
                return report
        self._log.warning("guard cancels everything: the trader's orders cannot be reached one by one")
        return self._cancel(everything=True, in_scope=self._is_ours)

    def _cancel(self, *, everything: bool, in_scope: Callable[[OpenOrder], bool]) -> CancelReport:
        client_id = self._settings.client_id if everything else self._config.ib.client_id
        with KillSession(self._config.ib, client_id=client_id) as session:
            return session.cancel_until_empty(everything=everything, in_scope=in_scope, deadline_s=ATTEMPT_S)

    def _is_ours(self, order: OpenOrder) -> bool:
        account = self._config.account
        return order.account == account.id and is_own_ref(order.order_ref, account.tag)

    def _may_cancel_all(self) -> bool:
        after_s = self._settings.global_cancel_after_s
        return after_s > 0 and time.monotonic() - self._fired_s >= after_s

    def _again(self, code: str, text: str) -> None:
        """Not yet: alert, and try again soon, then less soon."""
        self.why = text
        if text != self._told:
            self._told = text
            self._tell(code, "critical", f"orders may still be open: {text}")
        self._try_at_s = time.monotonic() + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, BACKOFF_S_MAX)

    def _conclude(self, report: CancelReport) -> None:
        """The broker's list is empty. A trader that is back has put the latch aside already: it is not made anew."""
        assert self._latch is not None, "fired before"
        cancelled = self._latch.cancelled + len(report.cancelled)
        self._latch = msgspec.structs.replace(self._latch, verified=True, cancelled=cancelled)
        present = read_latch(self._directory)
        if present is not None and present.by == self._latch.by:
            write_latch(self._directory, self._latch)
        self.state, self.why = DONE, self._latch.text
        others = f"; {len(report.others)} orders of others are open" if report.others else ""
        text = f"{cancelled} orders cancelled, none is open; verified in {report.seconds:.1f} s{others}"
        self._log.warning("guard verified", orders=[str(order) for order in report.cancelled[:NAMED_MAX]])
        self._tell(VERIFIED, "warning", text)
