"""What the drill `execution` trades: books, each with one algorithm and one symbol, and for each a seeded list of
moments and sizes; and the files of gateway and trader that let it. Knows no result.

Pairs: a `vwap` and a `twap` book get the same sizes, sides, slices and execution settings. One of the two begins half a
slice after the other, so that neither finds the size at the touch taken by its twin's slice; which of them is first
alternates from pair to pair, and the first of the day from day to day and symbol to symbol.
"""

import random
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.drills.execution_history import CURVE_DAYS
from tests.fakes.live_pair import ACCOUNT
from tests.fakes.wall import wall_limits

SEED: Final = 20131007
MINUTE_S: Final = 60
HOUR_S: Final = 3600
FIRST_S: Final = 15 * MINUTE_S  # of the window: volatility and volume are known, the what-ifs are answered
LAST_S: Final = 5 * MINUTE_S  # before the window's end everything is over
BETWEEN_S: Final = 150  # from a schedule's end to the next of its book: its grace, and a little
CASH: Final = 4_000_000_000
SIZES_BP: Final = (1_000, 500, 200, 100, 50)  # of the average day, of pairs that trade all day
ALL_DAY: Final = 3  # such pairs of a symbol a day
SLICE_S: Final = 120  # of the pair that trades all the window
DISPLAY: Final = {"BAC": 5_000, "IBM": 200}  # shares an iceberg shows


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One way to trade: which algorithm with which parameters, how long, how large, how often a day."""

    name: str
    algo: str
    horizon_s: int
    low_bp: float  # of the average day
    high_bp: float
    most: int = 3
    slices: int = 0
    params: dict[str, Any] = {}
    paired: bool = False  # `vwap` and `twap`, both
    late: bool = False  # in the window's last hour


KINDS: Final = (
    Kind(name="immediate", algo="immediate", horizon_s=120, low_bp=10, high_bp=15),
    Kind(name="2h", algo="", horizon_s=2 * HOUR_S, low_bp=30, high_bp=150, slices=30, paired=True),
    Kind(name="30m", algo="", horizon_s=1_800, low_bp=10, high_bp=50, slices=15, most=6, paired=True),
    Kind(name="10m", algo="", horizon_s=600, low_bp=10, high_bp=20, slices=10, most=6, paired=True),
    Kind(name="is", algo="is", horizon_s=HOUR_S, low_bp=30, high_bp=100, slices=20, params={"volatility_bp": 120}),
    Kind(name="pov", algo="pov", horizon_s=HOUR_S, low_bp=50, high_bp=150,
         params={"participation": 0.1, "interval_s": 30, "limit_bp": 100}),
    Kind(name="iceberg", algo="iceberg", horizon_s=HOUR_S, low_bp=10, high_bp=40, params={"jitter": 0.2}),
    Kind(name="adaptive", algo="adaptive", horizon_s=1_800, low_bp=10, high_bp=50, slices=15,
         params={"adverse_bp": 20}),
    Kind(name="auto", algo="auto", horizon_s=HOUR_S, low_bp=10, high_bp=30, params={"volatility_bp": 120}),
    Kind(name="capped", algo="twap", horizon_s=HOUR_S, low_bp=100, high_bp=200, slices=20, most=1,
         params={"participation": 0.03, "must_complete": False}),
    Kind(name="limited", algo="vwap", horizon_s=HOUR_S, low_bp=30, high_bp=60, slices=20, most=1,
         params={"limit_bp": 3, "must_complete": False}),
    Kind(name="ib_adaptive", algo="ib_adaptive", horizon_s=HOUR_S, low_bp=10, high_bp=15, most=1,
         params={"limit_bp": 30, "tags": {"adaptivePriority": "Normal"}}),
    Kind(name="ib_vwap", algo="ib_vwap", horizon_s=HOUR_S, low_bp=10, high_bp=15, most=1,
         params={"limit_bp": 30, "tags": {"maxPctVol": 0.2}}),
    Kind(name="ib_twap", algo="ib_twap", horizon_s=HOUR_S, low_bp=10, high_bp=15, most=1,
         params={"limit_bp": 30, "tags": {"strategyType": "Marketable"}}),
    Kind(name="close", algo="close", horizon_s=HOUR_S, low_bp=50, high_bp=100, slices=12, most=1, late=True),
)  # fmt: skip


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy of the trader: the symbol it trades, how, and when how much."""

    name: str
    symbol: str
    algo: str
    kind: str
    params: dict[str, Any]
    moments_s: list[int]  # UTC
    shares: list[int]  # signed
    pair: str = ""  # the same of both books of a pair
    first: bool = True  # of its pair to begin
    behind_s: int = 0  # how much later its pair's second begins


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of one day, in UTC seconds, and the average volumes known before it."""

    day: int  # 0, 1, …: sides, sizes and who is first change with it
    from_s: int
    until_s: int
    adv: dict[str, int]

    @property
    def length_s(self) -> int:
        """Seconds."""
        return self.until_s - self.from_s


def side_of(window: Window, place: int) -> int:
    """A symbol is bought one day and sold the next, and the two symbols the other way round: no two books of one
    symbol trade against each other.
    """
    return 1 if (window.day + place) % 2 == 0 else -1


def books_of(window: Window) -> list[Book]:
    """All books of a day, in the order in which they are asked."""
    found: list[Book] = []
    for place, symbol in enumerate(window.adv):
        chance = random.Random(f"{SEED} {window.day} {symbol}")
        pairs = window.day + place  # so far: who is first alternates
        for number, kind in enumerate((*_all_day(window, place), *KINDS)):
            moments = _moments(kind, window, number, place)
            shares = [side_of(window, place) * _size(kind, window.adv[symbol], chance) for _ in moments]
            if kind.paired:
                for turn in range(min(2, len(moments))):
                    found += _pair(kind, symbol, number, moments[turn::2], shares[turn::2], twap_first=pairs % 2 == 1)
                    pairs += 1
            elif moments:
                found.append(
                    Book(
                        name=f"{symbol.lower()}_{kind.name}", symbol=symbol, algo=kind.algo, kind=kind.name,
                        params=_params(kind, symbol), moments_s=moments, shares=shares,
                    )
                )  # fmt: skip
    return found


def _pair(
    kind: Kind, symbol: str, number: int, moments: list[int], shares: list[int], *, twap_first: bool
) -> list[Book]:
    """Both books of a pair; the second begins half a slice behind the first."""
    behind_s = kind.horizon_s // kind.slices // 2
    algos = ("twap", "vwap") if twap_first else ("vwap", "twap")
    return [
        Book(
            name=f"{symbol.lower()}_{kind.name}_{number}{algos[0][0]}_{algo}", symbol=symbol, algo=algo,
            kind=kind.name, params=_params(kind, symbol), moments_s=[moment + order * behind_s for moment in moments],
            shares=shares, pair=f"{symbol} {number} {algos[0]}", first=order == 0, behind_s=behind_s,
        )
        for order, algo in enumerate(algos)
    ]  # fmt: skip


def _all_day(window: Window, place: int) -> list[Kind]:
    """The pairs that take the whole window, where it is a day."""
    horizon_s = (window.length_s - FIRST_S - LAST_S) // SLICE_S * SLICE_S - SLICE_S  # the pairs begin one by one
    if window.length_s < 4 * HOUR_S:
        return []
    sizes = [SIZES_BP[(window.day + 2 * place + 2 * at) % len(SIZES_BP)] for at in range(ALL_DAY)]
    slices = horizon_s // SLICE_S
    return [
        Kind(name="day", algo="", horizon_s=horizon_s, low_bp=size, high_bp=size, slices=slices, paired=True)
        for size in sizes
    ]


def _moments(kind: Kind, window: Window, number: int, place: int) -> list[int]:
    """Evenly over the window; each kind some seconds later than the one before, so that not all begin at once. The
    first schedules ask the broker what they would bind, one a minute: for them the immediate ones begin earlier.
    """
    first = window.from_s + FIRST_S + 7 * number
    last = window.until_s - LAST_S - kind.horizon_s
    if kind.algo == "immediate":
        first = window.from_s + FIRST_S // 2 + 2 * MINUTE_S * place
    if kind.late:
        return [window.until_s - HOUR_S + 7] if window.length_s > 2 * HOUR_S else []
    least = kind.horizon_s + BETWEEN_S
    count = min(kind.most, (last - first) // least + 1)
    if count <= 0:
        return []
    step = max(least, (last - first) // max(count - 1, 1)) if count > 1 else 0
    return [first + step * at for at in range(count)]


def _size(kind: Kind, adv: int, chance: random.Random) -> int:
    """Shares, in hundreds; every size between low and high as likely as its half or its double."""
    part = kind.low_bp * (kind.high_bp / kind.low_bp) ** chance.random()
    return max(100, int(adv * part / 10_000) // 100 * 100)


def _params(kind: Kind, symbol: str) -> dict[str, Any]:
    found: dict[str, Any] = {"duration_s": kind.horizon_s}
    if kind.slices:
        found["slices"] = kind.slices
    if kind.algo == "iceberg":
        found["display_lots"] = DISPLAY.get(symbol, 500)
    return found | kind.params


# ---- files -----------------------------------------------------------------------------------------------------
def gateway_of(history: Path | None) -> str:
    """What follows on the gateway's `[gateway]` table."""
    text = f"start_cash = {CASH}\n[gateway.market]\nshortable_shares = 1_000_000_000\n"
    return text if history is None else f'{text}history = "{history}"\n'


# What an operator sets who trades a tenth of a day's volume in two names out of one account of four billion; each is
# on. What is not here has its factory value. Errors: a moment in which this machine does something else is minutes of
# the market, and what is late then counts as missing answers.
LIMITS: Final = f"""
[limits.account]
order_quantity_max = 1_000_000
order_notional_max = 25_000_000
deployment_order_notional_max = 25_000_000
position_long_max = 50_000_000
position_short_max = 50_000_000
position_equity_bp_max = 2_000
issuer_equity_bp_max = 2_000
gross_max = 2_500_000_000
net_max = 2_000_000_000
deployment_position_notional_max = 500_000_000
adv_order_bp_max = 1_500
participation_bp_max = 5_000
value_second_max = 250_000_000
value_minute_max = {CASH}
value_hour_max = {CASH}
quantity_second_max = 20_000_000
quantity_minute_max = 200_000_000
quantity_hour_max = 1_000_000_000
rate_symbol_orders = 240
orders_minute_soft = 600
orders_minute_hard = 1_200
changes_day_max = 60_000
working_per_side_max = 20
slippage_soft_bp = 300
slippage_hard_bp = 600
exit_days_soft = 15
exit_days_hard = 40
errors_soft = 50
errors_hard = 200
"""

STRATEGY: Final = """
[strategies.{name}]
kind = "planned"
symbols = ["{symbol}"]
[strategies.{name}.params]
moments_s = {moments_s}
shares = {shares}
[strategies.{name}.execution]
algo = "{algo}"
chase_s = 20
grace_s = 60
params = {params}
"""


def trader_of(speed: int) -> str:
    """What follows on the trader's `[ib]` table: what compares the market's clock with this machine has the value on
    the wall that it has at real time, or more: the machine has other work, and a sync lists all orders of the day.
    """
    return (
        f"history_days = {CURVE_DAYS}\nsync_timeout_s = {30 * speed}\n"
        f"snapshot_timeout_s = {5 * speed}\nsilence_s = {3 * speed}\n"
        f"ping_interval_s = 30\nping_timeout_s = 20\n"
        f"[engine]\nack_timeout_s = {min(600, 10 * speed)}\nreconcile_s = {60 * speed}\n"
    )


def strategies_of(books: list[Book], *, speed: int) -> str:
    """The trader's tables: a strategy per book, and the limits."""
    tables = [
        STRATEGY.format(
            name=book.name, symbol=book.symbol, moments_s=book.moments_s, shares=book.shares, algo=book.algo,
            params=_toml(book.params),
        )
        for book in books
    ]  # fmt: skip
    return "".join(tables) + LIMITS + wall_limits(speed)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


__all__ = ["ACCOUNT", "Book", "Window", "books_of", "gateway_of", "side_of", "strategies_of", "trader_of"]
