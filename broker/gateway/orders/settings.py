"""The `[gateway.orders]` table: TWS's presets and what differs between real gateways."""

from typing import Annotated

import msgspec
from msgspec import Meta


class OrderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the gateway takes orders."""

    orders_per_side_max: Annotated[int, Meta(ge=1, le=10_000)] = 20  # active, by contract, side and account (201)
    # A limit this much through the far side of the market is taken and cancelled at once (202); 0 = never.
    price_protection_ppm: Annotated[int, Meta(ge=0, le=1_000_000)] = 30_000
    # A limit this far from the market on either side is refused (109) unless the order overrides it; 0 = never.
    price_precaution_ppm: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    order_shares_max: Annotated[int, Meta(ge=1, le=100_000_000)] = 1_000_000  # in one order; above: 383
    # A sale beyond the position and the shares that `[gateway.market]` calls shortable is held (404, "locate"); some
    # shares of those are found after this long, none never.
    locate_s: Annotated[int, Meta(ge=1, le=86_400)] = 60
    margin_check: bool = True  # refuse what the available funds do not carry (201)
    tell_default_tif: bool = True  # 10349 when an order without time in force becomes DAY
    rejects_show_inactive: bool = True  # a 201 comes with openOrder and orderStatus Inactive
    tell_pending_cancel: bool = True  # orderStatus PendingCancel between a cancel and its end
    silent_modify_of_filled: bool = True  # as seen on real gateways; false: 104
    cancel_across_clients: bool = False  # a client may cancel another's order by its id; false: 10147
    executions_of_all: bool = False  # reqExecutions of any client answers with the whole account's
    records_max: Annotated[int, Meta(ge=1_000, le=1_000_000)] = 100_000  # orders of the day and open ones; then 201
