"""A strategy's column of the feature array, in kernel units. Knows no kernel: parameters are also checked where nothing
trades (the guard, `quantd panic`), and loading numba for that cost a second.
"""

import msgspec


class SlotParams(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Parameters of one slot, in kernel units; fields as in `strategies.kernels.FEATURE`."""

    tau_ns: int
    enter: float
    leave: float
    sd_floor_nanos: int
    short_side: int
    cadence_ns: int
    warm_ns: int
    n_min: int
    gap_ns: int


class Slot(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One strategy's column of the feature array and the instruments it trades."""

    strategy: str
    slot: int
    instruments: tuple[int, ...]
    params: SlotParams
