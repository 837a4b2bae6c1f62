"""What broker and market lay down for our orders and must survive a crash: shares to borrow, short-sale restrictions,
the market-wide breaker, the clock's offset, margin rates, the broker's own account values, day trades.

Part of money state: written by the folds alone. One object, and its own snapshot form. Decides nothing.
"""

from typing import Final

import msgspec

DAY_TRADE_DAYS: Final = 5  # FINRA 4210(f)(8)(B): day trades are counted over five business days


class Borrow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Shares to borrow as told last: level in thousandths (-1 = never told), shares (-1 = not told), and when."""

    level_milli: int = -1
    shares_nanos: int = -1
    ts_ns: int = 0


class MarginRate(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the broker binds per value of one instrument and side, in basis points, rounded up; by a what-if answer."""

    initial_bp: int
    maintenance_bp: int
    ts_ns: int
    refused: bool = False  # the answer said that the account cannot carry it


class Funds(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The broker's account values of the last synchronisation that told them."""

    equity_with_loan_nanos: int
    available_nanos: int  # for new positions
    excess_nanos: int  # before positions are closed
    ts_ns: int


class Conditions(msgspec.Struct, gc=False, kw_only=True):
    """All of it; lists are by instrument."""

    borrow: list[Borrow]
    short_until: list[int]  # last trading date (yyyymmdd) of the short-sale restriction; 0 = none
    opened: list[int]  # 1 = something was opened today: closing it is a day trade
    index_level: int = 0  # of the market-wide breaker, today
    index_until_ns: int = 0  # no new risk before; 0 = it holds nothing
    clock_offset_ns: int = 0
    clock_ts_ns: int = 0  # 0 = never measured
    rates: dict[tuple[int, int], MarginRate] = {}  # by (instrument, side)
    what_if_ns: int = 0  # when the last what-if was asked
    funds: Funds | None = None
    funds_awaited: bool = False  # a broker's account: unknown values deny
    day_trades: list[tuple[int, int]] = []  # (trading date, count), the newest last
    day_traded_ns: int = 0  # when the last was counted

    def day_trade_count(self) -> int:
        """Day trades of the days that count."""
        return sum(count for _, count in self.day_trades)


def widened(known: Conditions, instruments: int) -> Conditions:
    """A snapshot's, with room for instruments that have joined since."""
    room = fresh(max(0, instruments - len(known.borrow)))
    known.borrow += room.borrow
    known.short_until += room.short_until
    known.opened += room.opened
    return known


def fresh(instruments: int) -> Conditions:
    """Nothing told yet."""
    return Conditions(borrow=[Borrow()] * instruments, short_until=[0] * instruments, opened=[0] * instruments)
