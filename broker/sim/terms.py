"""What an order asks for, as the broker's front takes it from anybody: our trader or a client of the paper gateway."""

import msgspec

from broker.sim.worked import Recipe


class OrderTerms(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One new order or, with a higher `version`, its next one. Constants as core.commands and broker.sim.book."""

    order_id: int  # never used before at this broker
    inst: int
    side: int
    qty_nanos: int
    order_type: int
    tif: int
    perm_id: int = 0  # one that `Exchange.new_perm_id` gave; 0 = the broker gives one
    order_ref: str = ""
    client_id: int = 0
    limit_px_nanos: int = 0
    stop_px_nanos: int = 0
    trail_nanos: int = 0
    trail_ppm: int = 0
    gtd_ts_ns: int = 0
    outside_rth: bool = False
    oca_group: str = ""
    oca_type: int = 0
    recipe: Recipe | None = None  # the broker's own algorithm that works it
    version: int = 0
    hours: bool = False  # of a replace: `tif`, `gtd_ts_ns` and `outside_rth` are meant too
