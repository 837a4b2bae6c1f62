"""Close: trades into the close, by the volume curve of the last `duration_s` seconds, and leaves `auction_part` for the
closing auction: a market-on-close order, or limit-on-close where the schedule has a limit, for all that is left,
`lead_s` before the day's cut-off. Without an auction, or when it is too late for one, it trades to the close.
"""

from core.units import NANO, div_half_even
from execution.algos.plan import (
    DURATION_S_MAX,
    WEIGHTS_MAX,
    Algo,
    AlgoParams,
    Plan,
    Terms,
    jitter_nanos,
    no_time,
    require_pace,
    require_range,
    slices_in,
)
from execution.algos.vwap import curve_weights
from execution.trajectory import shaken


class CloseParams(AlgoParams, frozen=True):
    """`slices` parts in the last `duration_s` seconds before the close, and the rest in the auction."""

    duration_s: int = 3600
    slices: int = 12
    auction: bool = True  # false = no on-close order
    auction_part: float = 0.5  # of the whole, left for the auction
    lead_s: int = 30  # the on-close order is sent so long before the cut-off

    def validate(self, field: str) -> None:
        """Bounds of each; the auction is at the close, so nothing may end it earlier."""
        AlgoParams.validate(self, field)
        require_pace(field, self.slices, self.duration_s, most=WEIGHTS_MAX - 1)
        require_range(f"{field}.auction_part", self.auction_part, low=0, high=1)
        require_range(f"{field}.lead_s", self.lead_s, low=5, high=DURATION_S_MAX)
        require_range(f"{field}.before_close_s", self.before_close_s, low=0, high=0 if self.auction else DURATION_S_MAX)

    @property
    def slices_max(self) -> int:
        """See `AlgoParams`: the auction is one more."""
        return self.slices + 1


class Close(Algo):
    """See `execution.algos.plan.Algo`."""

    name = "close"
    params_type = CloseParams

    def plan(self, params: AlgoParams, terms: Terms) -> Plan:
        """Slices until the auction's order is sent, and the auction as the last."""
        assert isinstance(params, CloseParams), f"close was given {type(params).__name__}"
        end = terms.close_ns - params.before_close_s * NANO
        start = max(terms.start_ns, end - params.duration_s * NANO)
        if params.after_open_s:
            start = max(start, terms.open_ns + params.after_open_s * NANO)
        if end <= start:
            return no_time(params)
        send = terms.cutoff_ns - params.lead_s * NANO
        if params.auction and start <= terms.cutoff_ns and terms.cutoff_ns < end:
            return _with_auction(params, terms, start, max(start, send), end)
        slices = slices_in(params.slices, terms.lots, start, end)
        weights, why = curve_weights(terms, start, end, slices)
        late = ", too late for the auction" if params.auction else ""
        weights = shaken(weights, jitter_nanos(params), terms.seed)
        return Plan(start_ns=start, end_ns=end, slices=slices, weights=weights, why=why + late)


def _with_auction(params: CloseParams, terms: Terms, start: int, send: int, end: int) -> Plan:
    before = NANO - round(params.auction_part * NANO)
    if send <= start or not before:
        only = max(start, send)
        return Plan(start_ns=only, end_ns=end, slices=1, weights=(NANO,), auction_ts_ns=only, why="all in the auction")
    slices = slices_in(params.slices, terms.lots, start, send)
    weights, why = curve_weights(terms, start, send, slices)
    weights = shaken(weights, jitter_nanos(params), terms.seed)
    return Plan(
        start_ns=start,
        end_ns=end,
        slices=slices + 1,
        weights=(*(div_half_even(weight * before, NANO) for weight in weights), NANO),
        auction_ts_ns=send,
        why=f"{why} until the auction's order",
    )
