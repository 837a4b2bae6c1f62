"""The feed profiles: what kind of market rows a feed serves. Names for configuration, numbers for kernels and hashes.

Knows no feed and no feature. A number never changes its meaning: spec hashes and journals carry it.
"""

from typing import Final

TBT: Final = 1  # tick by tick: every quote and every print
L1_250: Final = 2  # as a market-data line serves: quotes at most each 250 ms, prints as volume increments
BAR: Final = 3  # 5-second trade bars, with the quotes of l1_250 for marks and execution

PROFILES: Final[dict[str, int]] = {"tbt": TBT, "l1_250": L1_250, "bar": BAR}
PROFILE_NAMES: Final[dict[int, str]] = {number: name for name, number in PROFILES.items()}
