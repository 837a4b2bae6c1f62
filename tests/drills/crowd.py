"""The drill `crowd`: more than sixty schedules at once in one trader, through the paper gateway over TCP, on a
made-up market of six symbols. What must hold is what the drill `execution` asks; and that so many really were at once.
"""

from datetime import UTC, datetime
from typing import Any, Final

from core.units import NANO
from tests.drills.execution import run_feed
from tests.drills.execution_plan import MINUTE_S, Book, Window, side_of

SPEED: Final = 20
SYMBOLS: Final = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")
AT_ONCE: Final = 60
HORIZON_S: Final = 1_800
FIRST_S: Final = 10 * MINUTE_S  # of the window: the what-ifs are answered, one symbol a minute
WINDOW_S: Final = FIRST_S + HORIZON_S + 5 * MINUTE_S
LEAD_S: Final = 15 * MINUTE_S  # a made-up market begins at its open: a slow trader has its history by then
DAY_S: Final = int(datetime(2026, 1, 5, 14, 30, tzinfo=UTC).timestamp())  # the open
ADV: Final = 1_000_000
SHARES: Final = 1_500
PLANS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("twap", {"slices": 15}),
    ("twap", {"slices": 30}),
    ("twap", {"slices": 10, "jitter": 0.3}),
    ("vwap", {"slices": 15}),
    ("vwap", {"slices": 30}),
    ("vwap", {"slices": 10, "jitter": 0.3}),
    ("is", {"slices": 20, "volatility_bp": 120}),
    ("is", {"slices": 15, "volatility_bp": 120, "risk_aversion": 0.1}),
    ("adaptive", {"slices": 15, "adverse_bp": 20}),
    ("adaptive", {"slices": 30, "urgency": "patient"}),
    ("pov", {"participation": 0.02, "interval_s": 30, "limit_bp": 300}),
    ("iceberg", {"display_lots": 50}),
)
FEED: Final = """
[feed]
kind = "synthetic"
speed = "{speed}x"
[feed.synthetic]
seed = {seed}
start_date = "2026-01-05"
days = 1
endless = true
jumps_per_hour = 0
"""
MARKET: Final = """
[[feed.synthetic.instruments]]
symbol = "{symbol}"
px = {px}
events_per_second = 3.0
reversion_ticks = 4.0
"""
INSTRUMENT: Final = """
[[instruments]]
symbol = "{symbol}"
primary_exchange = "NYSE"
sector = "sector {symbol}"
ticks = [{{ from = 20010409, increments = [[0, 0.0001], [1, 0.01]] }}]
round_lot = 100
reference = [{{ from = 20260105, previous_close = {px}, adv = {adv} }}]
"""


def run_part(number: int) -> dict[str, Any]:
    """One market."""
    from_s = DAY_S + LEAD_S
    window = Window(day=number, from_s=from_s, until_s=from_s + WINDOW_S, adv=dict.fromkeys(SYMBOLS, ADV))
    prices = {symbol: 30 + 20 * place for place, symbol in enumerate(SYMBOLS)}
    markets = [MARKET.format(symbol=symbol, px=px) for symbol, px in prices.items()]
    tables = [INSTRUMENT.format(symbol=symbol, px=px, adv=ADV) for symbol, px in prices.items()]
    ends_ns = (window.until_s + 5) * NANO
    found = run_feed(
        window, FEED.format(speed=SPEED, seed=number + 1) + "".join(markets), ends_ns, ends_ns + 600 * NANO,
        speed=SPEED, books=books_of(window), instruments="".join(tables),
    )  # fmt: skip
    del found["rows"]
    most = found["most_at_once"]
    if most < AT_ONCE:
        found["failures"].append(f"market {number + 1}: {most} schedules at once, wanted {AT_ONCE}")
    return found


def books_of(window: Window) -> list[Book]:
    """Per symbol one that asks the broker's what-if, and one for each plan; they begin a few seconds apart."""
    found = []
    for place, symbol in enumerate(window.adv):
        side = side_of(window, place)
        asks = window.from_s + (1 + place) * MINUTE_S
        found.append(_book(symbol, "asks", "immediate", {"duration_s": 120}, asks, side * 100))
        for number, (algo, params) in enumerate(PLANS):
            begins = window.from_s + FIRST_S + 5 * number + place
            found.append(
                _book(symbol, f"{number}_{algo}", algo, {"duration_s": HORIZON_S} | params, begins, side * SHARES)
            )
    return found


def _book(symbol: str, kind: str, algo: str, params: dict[str, Any], begins_s: int, shares: int) -> Book:
    return Book(
        name=f"{symbol.lower()}_{kind}", symbol=symbol, algo=algo, kind=kind, params=params, moments_s=[begins_s],
        shares=[shares],
    )  # fmt: skip
