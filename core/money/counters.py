"""What orders add up to over time: value sent in a second, a minute and an hour, messages of the day, and how often
each strategy acted without a person (controls 10, 11, 12, 14, 43). Folded from commands and facts alone, with no limit
in it: the gate judges.

The sums never under-count. Time is cut into buckets of a twentieth of each window, and a bucket counts until all of it
is out of the window: a sum may hold up to one bucket (5 % of the window) more than the window itself, never less.
"""

from collections import deque
from typing import Final

import msgspec

BUCKETS: Final = 20
WINDOWS_NS: Final = (10**9, 60 * 10**9, 3_600 * 10**9)  # of control 10; each a multiple of BUCKETS
WINDOW_NAMES: Final = ("second", "minute", "hour")
NEVER: Final = (1 << 63) - 1
# Latches that only a person lifts: who lifts one of a strategy has looked at it, and its counts begin anew.
ATTENDED: Final = ("REPEATED_EXECUTION", "DUPLICATE_ORDER", "HALT", "KILL", "FLATTEN")

Bucket = tuple[int, int, int]  # number, value and quantity in nanos


class Rolling:
    """Two sums over one window. `value` and `qty` are as of the last addition: an upper bound at any later time."""

    __slots__ = ("_buckets", "_width_ns", "due_ns", "qty", "value")

    def __init__(self, window_ns: int) -> None:
        self._width_ns = window_ns // BUCKETS
        self._buckets: deque[Bucket] = deque()  # at most BUCKETS + 1
        self.value = 0
        self.qty = 0
        self.due_ns = NEVER  # when the oldest bucket leaves

    def add(self, ts_ns: int, value: int, qty: int) -> None:
        """Count something that happens now."""
        if ts_ns >= self.due_ns:
            self._expire(ts_ns)
        buckets = self._buckets
        number = ts_ns // self._width_ns
        if not buckets:
            self.due_ns = (number + BUCKETS + 1) * self._width_ns
            buckets.append((number, value, qty))
        elif buckets[-1][0] >= number:
            last, has_value, has_qty = buckets[-1]
            buckets[-1] = (last, has_value + value, has_qty + qty)
        else:
            buckets.append((number, value, qty))
        self.value += value
        self.qty += qty

    def at(self, ts_ns: int) -> tuple[int, int]:
        """Both sums at a time; changes nothing, so that asking never differs from not asking."""
        value, qty = self.value, self.qty
        if ts_ns >= self.due_ns:
            oldest = ts_ns // self._width_ns - BUCKETS
            for number, old_value, old_qty in self._buckets:
                if number >= oldest:
                    break
                value -= old_value
                qty -= old_qty
        return value, qty

    def _expire(self, ts_ns: int) -> None:
        buckets = self._buckets
        oldest = ts_ns // self._width_ns - BUCKETS
        while buckets and buckets[0][0] < oldest:
            _, value, qty = buckets.popleft()
            self.value -= value
            self.qty -= qty
        self.due_ns = (buckets[0][0] + BUCKETS + 1) * self._width_ns if buckets else NEVER

    def state(self, ts_ns: int) -> list[Bucket]:
        """What still counts at a time, for a snapshot."""
        oldest = ts_ns // self._width_ns - BUCKETS
        return [bucket for bucket in self._buckets if bucket[0] >= oldest]

    def load(self, state: list[Bucket]) -> None:
        """From a snapshot."""
        self._buckets = deque(state)
        self.value = sum(value for _, value, _ in state)
        self.qty = sum(qty for _, _, qty in state)
        self.due_ns = (state[0][0] + BUCKETS + 1) * self._width_ns if state else NEVER


class ValueWindows:
    """Value and shares sent by one account or strategy within each of WINDOWS_NS."""

    __slots__ = ("hour", "minute", "second")

    def __init__(self) -> None:
        self.second, self.minute, self.hour = (Rolling(window_ns) for window_ns in WINDOWS_NS)

    def add(self, ts_ns: int, value_nanos: int, qty_nanos: int) -> None:
        """Count an order, or what a replace adds to one."""
        self.second.add(ts_ns, value_nanos, qty_nanos)
        self.minute.add(ts_ns, value_nanos, qty_nanos)
        self.hour.add(ts_ns, value_nanos, qty_nanos)

    def state(self, ts_ns: int) -> list[list[Bucket]]:
        """For a snapshot."""
        return [window.state(ts_ns) for window in (self.second, self.minute, self.hour)]

    def load(self, state: list[list[Bucket]]) -> None:
        """From a snapshot."""
        for window, buckets in zip((self.second, self.minute, self.hour), state, strict=True):
            window.load(buckets)


class Tally(msgspec.Struct, gc=False, kw_only=True):
    """What one strategy did. `parents_unattended` counts on until a person resumes the strategy; days do not end it."""

    strategy: str
    parents_day: int = 0
    parents_unattended: int = 0
    orders_day: int = 0
    duplicates_day: int = 0  # refused ones
    first_date: int = 0  # trading date (yyyymmdd) of its first order or cross; 0 = the date was not known, or none yet
    days: int = 0  # trading days begun since its first order
    orders: int = 0  # ever
    instruments: dict[int, int] = {}  # it ever traded -> trading date of the first order or cross


class DayCount(msgspec.Struct, gc=False, kw_only=True):
    """Messages and executions of the account's trading day."""

    sent: int = 0  # orders, replaces and cancels
    changes: int = 0  # replaces and cancels
    trades: int = 0


class CountersState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Snapshot form."""

    account: list[list[Bucket]]
    strategies: dict[str, list[list[Bucket]]]
    tallies: list[Tally]
    day: DayCount
    messages: list[Bucket]


NOBODY: Final = Tally(strategy="")  # what an unknown strategy did; never written
NOTHING: Final = ValueWindows()  # what it sent; never written


class Counters:
    """All counts of one account. Written by the folds alone."""

    __slots__ = ("account", "day", "messages", "tallies", "windows")

    def __init__(self) -> None:
        self.forget()

    def tally(self, strategy: str) -> Tally:
        """A strategy's counts, made on first use."""
        found = self.tallies.get(strategy)
        if found is None:
            found = self.tallies[strategy] = Tally(strategy=strategy)
        return found

    def place(self, ts_ns: int, date: int, strategy: str, inst: int, value_nanos: int, qty_nanos: int) -> None:
        """A new order is being sent."""
        tally = self.tally(strategy)
        tally.orders_day += 1
        tally.orders += 1
        self._meet(tally, inst, date)
        self.day.sent += 1
        self.messages.add(ts_ns, 0, 1)
        self._add(ts_ns, strategy, value_nanos, qty_nanos)

    def replace(self, ts_ns: int, strategy: str, value_nanos: int, qty_nanos: int) -> None:
        """A replace is being sent; value and quantity are what it adds."""
        self.day.sent += 1
        self.day.changes += 1
        self.messages.add(ts_ns, 0, 1)
        if value_nanos or qty_nanos:
            self._add(ts_ns, strategy, value_nanos, qty_nanos)

    def cross(self, ts_ns: int, date: int, strategy: str, inst: int, value_nanos: int, qty_nanos: int) -> None:
        """A strategy trades with another book: what it turns over counts, but the account sends nothing."""
        self._meet(self.tally(strategy), inst, date)
        self._windows_of(strategy).add(ts_ns, value_nanos, qty_nanos)

    @staticmethod
    def _meet(tally: Tally, inst: int, date: int) -> None:
        if inst not in tally.instruments:
            tally.instruments[inst] = date
            tally.first_date = tally.first_date or date

    def cancel(self, ts_ns: int) -> None:
        """A cancel is being sent."""
        self.day.sent += 1
        self.day.changes += 1
        self.messages.add(ts_ns, 0, 1)

    def _add(self, ts_ns: int, strategy: str, value_nanos: int, qty_nanos: int) -> None:
        self.account.add(ts_ns, value_nanos, qty_nanos)
        self._windows_of(strategy).add(ts_ns, value_nanos, qty_nanos)

    def _windows_of(self, strategy: str) -> ValueWindows:
        windows = self.windows.get(strategy)
        if windows is None:
            windows = self.windows[strategy] = ValueWindows()
        return windows

    def open(self, strategy: str) -> None:
        """A strategy starts a schedule."""
        tally = self.tally(strategy)
        tally.parents_day += 1
        tally.parents_unattended += 1

    def attend(self, strategy: str) -> None:
        """A person has looked at the strategy and lets it go on."""
        tally = self.tally(strategy)
        tally.parents_day = tally.parents_unattended = tally.duplicates_day = 0

    def forget(self) -> None:
        """Start from nothing (also the shadow of `daemon.warm`, whose time stands still)."""
        self.account = ValueWindows()
        self.windows: dict[str, ValueWindows] = {}  # by strategy
        self.tallies: dict[str, Tally] = {}
        self.day = DayCount()
        self.messages = Rolling(WINDOWS_NS[0])  # its qty counts messages

    def roll(self) -> None:
        """A trading day begins."""
        self.day = DayCount()
        for tally in self.tallies.values():
            tally.parents_day = tally.orders_day = tally.duplicates_day = 0
            tally.days += 1 if tally.orders else 0

    def state(self, ts_ns: int) -> CountersState:
        """What counts at a time."""
        strategies = {name: windows.state(ts_ns) for name, windows in sorted(self.windows.items())}
        return CountersState(
            account=self.account.state(ts_ns),
            strategies={name: state for name, state in strategies.items() if any(state)},
            tallies=list(self.tallies.values()),
            day=self.day,
            messages=self.messages.state(ts_ns),
        )

    def load(self, state: CountersState) -> None:
        """From a snapshot."""
        self.account.load(state.account)
        self.windows = {}
        for name, buckets in state.strategies.items():
            self.windows[name] = ValueWindows()
            self.windows[name].load(buckets)
        self.tallies = {tally.strategy: tally for tally in state.tallies}
        self.day = state.day
        self.messages.load(state.messages)
