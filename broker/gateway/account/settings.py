"""The `[gateway.account]` table: margin rates and how often account pages are told."""

from typing import Annotated

import msgspec
from msgspec import Meta

Percent = Annotated[int, Meta(ge=0, le=1_000)]


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A US Regulation T margin account of stocks, without portfolio margin or special cases."""

    # Federal Reserve Regulation T (12 CFR 220.12): half of a long position's value, 150 % of a short one's, of which
    # the sale brought in 100 %.
    initial_long_percent: Percent = 50
    initial_short_percent: Percent = 50  # the same rule, short
    # FINRA rule 4210(c): a quarter of the value long, 30 % short.
    maintenance_long_percent: Percent = 25
    maintenance_short_percent: Percent = 30  # the same rule, short
    day_leverage: Annotated[int, Meta(ge=1, le=10)] = 4  # buying power per unit of available funds
    refresh_s: Annotated[int, Meta(ge=1, le=86_400)] = 180  # account updates and summaries that did not change
