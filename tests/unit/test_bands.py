"""Price bands and breaker by the texts of the plans, with their worked examples; and the reference price that the
market kernel keeps for them.
"""

import numpy as np
import pytest

from core.bands import breaker_level, breaker_until_ns, restricts_shorts, width_nanos
from core.market import BAND_HOLD_NS, BAND_SLOT_NS, BAND_SLOTS, MarketReader, apply_row, new_market
from core.rows import NOT_LAST, PRINT, ROW
from core.units import NANO

CENT = NANO // 100
HOUR = 3_600 * NANO
OPEN = 1_700_000_000 * NANO
CLOSE = OPEN + 13 * HOUR // 2


@pytest.mark.parametrize(
    ("tier", "reference", "close", "doubled", "lower", "upper"),
    [
        (1, 10_000, 10_000, False, 9_500, 10_500),
        (1, 10_000, 10_000, True, 9_000, 11_000),  # 15:40
        (2, 10_000, 10_000, False, 9_000, 11_000),
        (2, 10_000, 10_000, True, 9_000, 11_000),  # tier 2 above 3.00 does not double
        (2, 300, 300, False, 240, 360),
        (2, 300, 300, True, 180, 420),
        (1, 300, 300, True, 180, 420),
        (1, 75, 75, False, 60, 90),
        (1, 60, 60, False, 45, 75),  # 15 cents are less than 75 % of it
        (2, 10, 10, False, 2.5, 17.5),  # and here more
        (2, 60, 60, True, 30, 90),
        (1, 310, 290, False, 248, 372),  # the class goes by the previous close
        (1, 10_000, 0, False, 9_500, 10_500),  # none known: by the reference
    ],
)
def test_bands(tier: int, reference: float, close: float, doubled: bool, lower: float, upper: float) -> None:
    """In cents, exactly."""
    px = round(reference * CENT)
    width = width_nanos(px, previous_close_nanos=round(close * CENT), tier=tier, doubled=doubled)
    assert (px - width, px + width) == (round(lower * CENT), round(upper * CENT))


def test_breaker_levels() -> None:
    """7, 13 and 20 % below the close, to the nano; nothing without a close."""
    close = 4_000 * NANO
    for level, share in ((1, 93), (2, 87), (3, 80)):
        edge = close * share // 100
        assert breaker_level(edge + 1, close) == level - 1
        assert breaker_level(edge, close) == level
    assert breaker_level(1, 0) == 0


def test_how_long_a_breaker_holds() -> None:
    """15 minutes before 15:25, nothing after; the third level holds whenever it comes."""
    until = {
        (level, before): breaker_until_ns(level, ts_ns=CLOSE - before, close_ns=CLOSE, forever_ns=-1)
        for level in (1, 2, 3)
        for before in (35 * 60 * NANO, 35 * 60 * NANO + 1)
    }
    at = CLOSE - 35 * 60 * NANO
    assert until[1, 35 * 60 * NANO] == until[2, 35 * 60 * NANO] == 0
    assert until[1, 35 * 60 * NANO + 1] == until[2, 35 * 60 * NANO + 1] == at - 1 + 15 * 60 * NANO
    assert until[3, 35 * 60 * NANO] == -1


def test_the_short_sale_restriction() -> None:
    """A decline of ten per cent or more from the close; nothing without a price or a close."""
    assert restricts_shorts(9_000, 10_000)
    assert not restricts_shorts(9_001, 10_000)
    assert not restricts_shorts(0, 10_000)
    assert not restricts_shorts(9_000, 0)


class Prints:
    """One instrument's market, fed with prints in cents at seconds after the open."""

    def __init__(self) -> None:
        self.reader = MarketReader(new_market(1))
        self.reader.set_session(0, OPEN, CLOSE)

    def at(self, seconds: float, cents: int, *, flags: int = 0) -> int:
        """A print; the reference price after it, in cents."""
        ts_ns = OPEN + round(seconds * NANO)
        row = np.array([(ts_ns, ts_ns, 0, PRINT, flags, cents * CENT, 0, NANO, 0)], ROW)
        apply_row(self.reader.state[0], row[0])
        return self.reader.get(0, "band_ref_nanos") // CENT


def test_the_reference_is_the_mean_of_five_minutes() -> None:
    """The first print stands for the opening; it moves by one per cent or more, and not within 30 seconds."""
    prints = Prints()
    hold = BAND_HOLD_NS / NANO
    assert prints.at(0, 10_000) == 10_000
    assert prints.at(1, 10_400) == 10_000  # the mean is two per cent away, but too soon
    assert prints.at(hold, 10_400) == 10_266
    assert prints.at(hold + 1, 20_000) == 10_266
    assert prints.at(2 * hold, 10_300) == (10_000 + 10_400 + 10_400 + 20_000 + 10_300) // 5
    held = prints.reader.get(0, "band_ref_nanos") // CENT
    window = BAND_SLOT_NS * BAND_SLOTS / NANO
    assert prints.at(3 * hold + window, held + held // 200) == held  # all else has left; half a per cent is no move
    assert prints.at(3 * hold + window + 1, held + held // 40) == held + (held // 200 + held // 40) // 2


def test_what_counts_for_low_and_bands() -> None:
    """Prints of regular hours that count for the last price; another day begins with nothing."""
    prints = Prints()
    assert prints.at(-1, 5_000) == 0
    assert prints.at(1, 9_000, flags=NOT_LAST) == 0
    assert prints.at(2, 10_000) == 10_000
    assert prints.at(3, 9_900) == 10_000
    assert prints.reader.get(0, "low_px_nanos") == 9_900 * CENT
    prints.reader.set_session(0, OPEN, CLOSE)
    assert prints.reader.get(0, "low_px_nanos") == 9_900 * CENT
    prints.reader.set_session(0, OPEN + 24 * HOUR, CLOSE + 24 * HOUR)
    assert prints.reader.get(0, "low_px_nanos") == prints.reader.get(0, "band_ref_nanos") == 0
    assert prints.at(4, 8_000) == 0  # of the day before
    assert prints.at(86_400, 8_000) == 8_000
