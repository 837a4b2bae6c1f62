"""What may go wrong on purpose: the fault plan as config, and nothing else. Which message it strikes is decided where
the message is sent, by counter-based chance; an empty plan loses, delays and invents nothing.
"""

from typing import Final

import msgspec

from core.errors import ConfigError

PPM: Final = 1_000_000

COMMAND_KINDS: Final = ("PlaceOrder", "ReplaceOrder", "CancelOrder", "CancelAllOrders", "RequestSync")
FACT_KINDS: Final = (
    "OrderAcknowledged", "OrderFilled", "ExecutionCorrected", "CommissionReported", "OrderCancelled", "OrderRejected",
    "OrderReplaced", "ReplaceRejected", "CancelRejected", "OrderInactivated",
)  # fmt: skip

DEGRADED: Final = "degraded"
LOST: Final = "lost"


class MessageFault(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Faults of one message kind, named as its struct. For commands only `drop_ppm` applies.

    drop: never arrives (a dropped command never reaches the broker). delay: later, and all later facts of the order
    wait behind it. duplicate: a second copy `delay_ns` after the first. reorder: later, and overtaken.
    """

    kind: str
    drop_ppm: int = 0
    delay_ppm: int = 0
    duplicate_ppm: int = 0
    reorder_ppm: int = 0
    delay_ns: int = 500_000_000

    def __post_init__(self) -> None:
        if self.kind not in COMMAND_KINDS and self.kind not in FACT_KINDS:
            raise ConfigError(f"faults.messages.kind: {self.kind!r} is no message of the venue; see FACT_KINDS")
        for name in ("drop_ppm", "delay_ppm", "duplicate_ppm", "reorder_ppm"):
            check_ppm(f"faults.messages.{self.kind}.{name}", getattr(self, name))
        if self.kind in COMMAND_KINDS and (self.delay_ppm or self.duplicate_ppm or self.reorder_ppm):
            raise ConfigError(f"faults.messages.{self.kind}: a command can only be dropped; use latency for delays")
        if self.delay_ns < 0:
            raise ConfigError(f"faults.messages.{self.kind}.delay_ns: must not be negative")


class LinkFault(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A scheduled outage [at_ns, at_ns + duration_ns).

    lost: the socket is gone: facts on their way are gone, commands are dropped. degraded: the broker's front answers
    but has no server: commands wait in it (or are dropped, `resubmit_queued`); facts come at the end, or never
    (`data_loss`).
    """

    at_ns: int
    duration_ns: int
    kind: str = LOST
    data_loss: bool = False

    def __post_init__(self) -> None:
        if self.kind not in (DEGRADED, LOST):
            raise ConfigError(f"faults.links.kind: {self.kind!r} is not degraded or lost")
        if self.duration_ns <= 0:
            raise ConfigError("faults.links.duration_ns: must be positive")


class FaultPlan(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """All faults of one run; probabilities in parts per million."""

    messages: tuple[MessageFault, ...] = ()
    links: tuple[LinkFault, ...] = ()
    reject_ppm: int = 0  # a good order is refused (201)
    late_fill_ppm: int = 0  # a cancelled order turns out to be filled, `late_fill_delay_ns` after the cancel
    late_fill_delay_ns: int = 200_000_000
    correction_ppm: int = 0  # an execution's price is corrected by one tick
    bust_ppm: int = 0  # an execution is taken back
    correction_delay_ns: int = 2_000_000_000
    commission_first_ppm: int = 0  # the commission report overtakes its execution
    sync_end_ppm: int = 0  # the executions End of a sync never comes
    resubmit_queued: bool = True  # commands sent while degraded leave at the end (the front's own default)
    until_ns: int = 0  # chance strikes before this moment only; 0 = always. Outages have times of their own

    def __post_init__(self) -> None:
        for name in (
            "reject_ppm",
            "late_fill_ppm",
            "correction_ppm",
            "bust_ppm",
            "commission_first_ppm",
            "sync_end_ppm",
        ):
            check_ppm(f"faults.{name}", getattr(self, name))
        if self.until_ns < 0:
            raise ConfigError("faults.until_ns: must not be negative; 0 = faults for ever")
        kinds = [fault.kind for fault in self.messages]
        if len(kinds) != len(dict.fromkeys(kinds)):
            raise ConfigError("faults.messages: a kind is named twice; merge its entries")
        for earlier, later in zip(self.links, self.links[1:], strict=False):
            if later.at_ns < earlier.at_ns + earlier.duration_ns:
                raise ConfigError("faults.links: outages must be in time order and not overlap")


def check_ppm(field: str, value: int) -> None:
    """Raise ConfigError unless 0 <= value <= 1,000,000."""
    if not 0 <= value <= PPM:
        raise ConfigError(f"{field}: {value} is not within 0..{PPM} parts per million")
