"""The table `[ship]`: where the journal's copy goes. Decides nothing and reads no file."""

from typing import Annotated

import msgspec
from msgspec import Meta


class ShipSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The copy of the journal off the machine, by `quantd journal ship`."""

    # A folder of this trader alone on another machine's disk (mounted), or one that a tool of yours carries away;
    # empty = nothing is shipped. Made once by `quantd journal ship --new`, so that an unmounted disk is no empty copy.
    to: str = ""
    every_s: Annotated[float, Meta(ge=0.05, le=60.0)] = 0.5  # between two looks when there was nothing new
    behind_s_max: Annotated[float, Meta(ge=1.0, le=86_400.0)] = 60.0  # JOURNAL_SHIP_BEHIND when the copy is older
