"""Whether this trader may send: its lease, renewed after every good turn of the loop; the cluster's, where one is asked
for; and what a guard or a panic has left in its place. Only with a broker: a venue in our own process dies with us.

Nothing here waits and nothing is renewed silently: who was away says so in the journal first, and is HALTED then.
"""

from pathlib import Path
from typing import Final

from core import events as e
from daemon.config.guarding import GuardSettings
from daemon.killer.latch import is_latched, put_aside, read_latch
from daemon.lease import TraderLease, boottime_ns, holder_name
from daemon.runner import Runner

RENEW_S: Final = 0.25


class Presence:
    """One run's. `turn` comes from the loop, `may_send` from right before the socket."""

    def __init__(self, directory: Path, settings: GuardSettings, runner: Runner) -> None:
        self._directory = directory
        self._settings = settings
        self._runner = runner
        self._lease = TraderLease(directory, lease_s=settings.lease_s, every_s=RENEW_S)
        self._cluster_until_ns = 0
        self._cluster_why = "the cluster has not said that we are the trader"
        self._cluster_lost = ""
        self.holder = holder_name(settings.holder)
        runner.machine.may_send = self._may_send_in_cluster if settings.cluster_lease else self._lease.may_send

    def turn(self) -> None:
        """After a good turn: the engine stepped what was due, the journal took it, nothing failed."""
        lease, money = self._lease, self._runner.money
        ladder, orders = money.latches.everywhere, len(money.live_orders)
        if not lease.held:
            lease.begin(money.epoch, ladder=ladder, open_orders=orders)
        latched = is_latched(self._directory)
        over = self._cluster_over()
        renewed = lease.renew(ladder=ladder, open_orders=orders)
        if renewed and not latched and not over:
            return
        self._tell(lease.late_ns() if not renewed else 0, latched=latched, reason=over)
        lease.begin(money.epoch, ladder=money.latches.everywhere, open_orders=len(money.live_orders))

    def _tell(self, late_ns: int, *, latched: bool, reason: str) -> None:
        """Journalled, on the disk, before the latch goes and before anything is renewed."""
        latch = read_latch(self._directory) if latched else None
        runner = self._runner
        runner.step(
            e.LeaseLapsed(
                late_ms=-(-late_ns // 1_000_000),
                guard_fired=latch is not None,
                reason=reason if latch is None else latch.text,
            ),
            runner.now_ns,
        )
        runner.journal.sync()
        if latch is not None:
            put_aside(self._directory, epoch=runner.money.epoch)

    def leave(self) -> None:
        """The run ends on purpose, and says so: what it left at the broker stays there."""
        self._lease.end()

    # ---- the cluster -------------------------------------------------------------------------------------------
    def granted(self, event: e.LeaseGranted) -> str:
        """Take the cluster's word on who trades; why it does not make us the trader, "" = it does."""
        if not self._settings.cluster_lease:
            return "guard.cluster_lease is off: this trader asks no cluster"
        if event.holder != self.holder:
            self._lose(f"the cluster's lease is held by {event.holder}, and we are {self.holder}")
            return self._cluster_why
        self._cluster_until_ns = event.until_ns
        return ""

    def _lose(self, why: str) -> None:
        if self._cluster_until_ns:
            self._cluster_lost = why
        self._cluster_until_ns, self._cluster_why = 0, why

    def _cluster_over(self) -> str:
        """What the cluster has taken from us since the last turn, in words."""
        if 0 < self._cluster_until_ns < boottime_ns():
            self._lose("the cluster's lease ran out and was not renewed")
        lost, self._cluster_lost = self._cluster_lost, ""
        return lost

    def _may_send_in_cluster(self) -> str:
        if boottime_ns() > self._cluster_until_ns:
            return self._cluster_why if not self._cluster_until_ns else "the cluster's lease is over"
        return self._lease.may_send()
