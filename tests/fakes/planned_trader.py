"""A trader whose strategies do what a list says: at a moment, so many shares more or fewer. `python -m
tests.fakes.planned_trader run --config FILE` is `daemon.app` with one more kind of strategy, `planned`; all behind the
strategy (desk, schedules, gate, adapter, journal) is the trader's own. Knows no assertion.
"""

import sys
from typing import Any, Final

import msgspec

from daemon.kernels import configure

configure()  # before numba is imported, which reads its settings once

from core.errors import ConfigError  # noqa: E402 - after configure, as all below
from core.market import FIELDS, INDEX  # noqa: E402
from core.notes import Decision  # noqa: E402
from core.ports import Context, Strategy, Verdict  # noqa: E402
from core.units import NANO  # noqa: E402
from strategies import kinds, registry  # noqa: E402
from strategies.guarded import Guarded  # noqa: E402
from strategies.pipeline import KernelPipeline  # noqa: E402
from strategies.slots import Slot, SlotParams  # noqa: E402

KIND: Final = "planned"
LOOK_NS: Final = NANO  # it is asked at the first quote after so long
_BID: Final = INDEX["bid_px_nanos"]
_ASK: Final = INDEX["ask_px_nanos"]
_NOTHING: Final = Verdict()


class PlannedParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Two columns: UTC seconds, ascending; and signed shares."""

    moments_s: list[int]
    shares: list[int]

    def validate(self, field: str) -> None:
        """Both as long, and in order."""
        if len(self.moments_s) != len(self.shares) or self.moments_s != sorted(self.moments_s):
            raise ConfigError(f"{field}.moments_s must ascend and be as many as shares")

    def slot_params(self) -> SlotParams:
        """A slot that asks at every look: it wants the long side, and its strategy never says that it is there."""
        return SlotParams(
            tau_ns=NANO, enter=-1e9, leave=0.0, sd_floor_nanos=10**6, short_side=-1, cadence_ns=LOOK_NS, warm_ns=0,
            n_min=1, gap_ns=86_400 * NANO,
        )  # fmt: skip


class Planned:
    """Implements core.ports.Strategy, for one instrument. A moment waits while a schedule of its own is not over."""

    def __init__(self, context: Context, slot: Slot, params: PlannedParams) -> None:
        self._context = context
        self._slot = slot
        self._params = params
        self._next = 0

    @property
    def name(self) -> str:
        """Config name."""
        return self._slot.strategy

    @property
    def instruments(self) -> tuple[int, ...]:
        """Instruments it trades."""
        return self._slot.instruments

    def decide(self, ts_ns: int, inst: int) -> Verdict:
        """What is held and the next line of the list, when its moment has come."""
        params, at = self._params, self._next
        if inst not in self._slot.instruments or at >= len(params.moments_s) or ts_ns < params.moments_s[at] * NANO:
            return _NOTHING
        money = self._context.money
        if any(parent.strategy == self.name for parent in money.live_parents.values()):
            return _NOTHING
        self._next += 1
        held = money.ledger.held_nanos(self.name, inst)
        market, place = self._context.market.view, inst * FIELDS
        return Verdict(
            decision=Decision(
                strategy=self.name,
                inst=inst,
                features=(),
                score=0.0,
                target_nanos=held + params.shares[at] * NANO,
                bid_px_nanos=market[place + _BID],
                ask_px_nanos=market[place + _ASK],
            )
        )

    def forget(self, inst: int) -> None:
        """Its list does not change."""

    def adopt(self) -> None:
        """It is not restarted."""


def install() -> None:
    """Make the kind known, before the composition root is imported."""
    build = registry.build

    def built(slot: Any, params: Any, context: Context, pipeline: KernelPipeline) -> Strategy:
        if isinstance(params, PlannedParams):
            return Guarded(Planned(context, slot, params))
        return build(slot, params, context, pipeline)

    known: Any = kinds._BY_NAME  # the registry has no door, on purpose; this is a process of the tests
    known[KIND] = kinds.Kind(name=KIND, params_type=PlannedParams)  # type: ignore[arg-type]
    registry.build = built


if __name__ == "__main__":
    sys.modules["scipy"] = None  # type: ignore[assignment]  # as daemon.app does
    sys.modules["rich"] = None  # type: ignore[assignment]
    install()
    from daemon.app import main

    sys.exit(main())
