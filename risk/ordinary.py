"""The ordinary case: a new limit order of an entry, in regular hours, near what passed before. It is held against the
bounds of one earlier order that every check passed (risk/envelope.py) and against the state of this moment; inside all
of them every check passes, and none is asked. Any doubt is an answer of 0, and the checks are asked as ever: nothing is
refused here, and nothing passes here that they refuse (tests/property/test_ordinary.py).

A new control, or a change to a check or to what the view reads, has its part here: a test stops the change until then.
"""

from struct import Struct
from typing import Final

from core.commands import OrderIntent
from core.market import INDEX, VOLUME_INTERVAL_NS
from core.money.attempts import duplicate_key
from core.money.counters import NOBODY, NOTHING
from core.money.state import READY, Money
from core.ports import NOT_AWAITED, Context
from core.units import BP, NANO
from core.volume import traded_nanos
from risk.bounds import Resolved
from risk.checks.value_window import first_over
from risk.envelope import Envelope, envelope, is_plain
from risk.view import ROW_BYTES, GateView

# The fields of a market row that are compared, read in one go; the order is asserted below.
_VOLUME: Final = INDEX["volume_from_ns"]
_MARKET: Final = Struct(f"2q16xq8xq24x8q{(_VOLUME - 18) * 8}x4q")
_AT: Final = (0, 1, 4, 6, 10, 11, 12, 13, 14, 15, 16, 17)
assert tuple(tuple(INDEX)[at] for at in _AT) == (
    "bid_px_nanos", "ask_px_nanos", "usable", "alive_ts_ns", "blind", "halted", "jump_ts_ns", "changed_ts_ns",
    "resumed_ts_ns", "band_ref_nanos", "band_told_ts_ns", "low_px_nanos",
), "core.market.MARKET begins with these"  # fmt: skip
_TWICE_BP: Final = 2 * BP
_DOUBT: Final = 0

Key = tuple[str, int, int]  # strategy, instrument, side


class Ordinary:
    """Envelopes by strategy, instrument and side. `value` asks, `learn` makes one after a full look."""

    __slots__ = ("_by_key", "_context", "_money", "_resolved", "_view")

    def __init__(self, context: Context, view: GateView, resolved: Resolved) -> None:
        self._context = context
        self._money: Money = context.money
        self._view = view
        self._resolved = resolved
        self._by_key: dict[Key, Envelope] = {}
        context.on_rules(self._forget)
        context.concentration.watch(self._by_key.clear)

    def bind(self, resolved: Resolved, fault: str) -> None:
        """Limits that may have changed."""
        if fault or resolved is not self._resolved:
            self._resolved = resolved
            self._by_key.clear()

    def _forget(self, inst: int) -> None:
        """Rules or volume of one instrument changed."""
        self._by_key.clear()

    def learn(self, o: OrderIntent) -> None:
        """The view's order passed every check: the next one may be measured by it."""
        made = envelope(o, self._view, self._context)
        if made is None:
            self._by_key.pop((o.strategy, o.inst, o.side), None)
        else:
            self._by_key[o.strategy, o.inst, o.side] = made

    def value(self, o: OrderIntent, ts_ns: int) -> int:
        """The order's value, if every check surely passes it as an entry; 0 = ask them."""
        k = self._by_key.get((o.strategy, o.inst, o.side))
        if k is None or not is_plain(o) or not k.from_ns <= ts_ns < k.until_ns or not self._is_same(k, ts_ns):
            return _DOUBT
        value_px = self._price(o, k, ts_ns)
        if not value_px or value_px > k.px_max:
            return _DOUBT
        notional = -(-value_px * o.qty_nanos // NANO)
        if notional > k.notional_max or not self._has_room(o, k, notional):
            return _DOUBT
        return notional if self._was_within(o, k, notional, ts_ns) else _DOUBT

    def _is_same(self, k: Envelope, ts_ns: int) -> bool:
        """State of account, link and ladder: as it was, or as no order needs to look at (controls 18, 24, 25, 29, 32,
        33, 36, 48, 49).
        """
        m = self._money
        if m.latches.any_held or m.link != READY or m.last_sync_ts_ns < m.link_since_ns or m.differences:
            return False
        if m.safe or not m.disk_available or m.foreign is not k.foreign or m.risk is not k.risk:
            return False
        if not k.equity_min <= m.equity_nanos <= k.equity_max or not 0 < m.high_water_nanos <= k.peak_max:
            return False
        if m.day_base_equity_nanos != k.day_base:
            return False
        if ts_ns - m.risk_since_ns > k.risk_age_ns and (self._context.exposure.gross or m.reservations.count):
            return False
        told = m.conditions
        if told.clock_ts_ns != k.clock_ts_ns or told.clock_offset_ns != k.clock_offset_ns:
            return False
        if told.funds is not k.funds or told.funds_awaited != k.funds_awaited:
            return False
        return ts_ns >= told.index_until_ns

    def _price(self, o: OrderIntent, k: Envelope, ts_ns: int) -> int:
        """What a share counts as, if market, price and quantity are in order (controls 1, 3, 4, 8, 21, 22)."""
        inst, side, limit, qty = o.inst, o.side, o.limit_px_nanos, o.qty_nanos
        context, rules = self._context, k.rules
        (
            bid, ask, usable, alive, blind, halted, jump, changed, resumed, ref, told, low, slot_ns, slot_qty,
            slot_before, since,
        ) = _MARKET.unpack_from(context.market.view, inst * ROW_BYTES)  # fmt: skip
        spread = ask - bid
        if not usable or blind or halted or spread <= 0 or bid <= 0:
            return 0
        if ts_ns - alive > k.age_ns_max or ts_ns - changed > k.frozen_ns_max:
            return 0
        if ts_ns - jump < k.jump_quiet_ns or ts_ns - resumed < k.halt_quiet_ns:
            return 0
        if spread * _TWICE_BP > (ask + bid) * k.spread_bp_max:
            return 0
        if ref != rules.band_ref or told != rules.band_told or ts_ns >= rules.band_until_ns:
            return 0
        if ask >= rules.edge_high or bid <= rules.edge_low:
            return 0
        if not k.qty_min <= qty <= k.qty_max or qty % k.lot or limit <= 0 or limit % k.tick:
            return 0
        reference = (bid + ask) // 2
        away = limit - reference if side > 0 else reference - limit
        if away > k.collar_spreads * spread and away * BP > reference * k.collar_bp:
            return 0
        if side < 0 and not self._may_sell(inst, k, low):
            return 0
        if context.volumes.adv_nanos[inst] < k.adv_min:
            return 0
        # What is part of the five minutes suffices: first the running slot, then what the check itself would count.
        if ts_ns - slot_ns >= VOLUME_INTERVAL_NS or qty * BP > slot_qty * k.participation_bp:
            if since:
                volume = traded_nanos(ts_ns, slot_ns, slot_qty, slot_before)
            else:
                volume = rules.expected_nanos if ts_ns < rules.expected_until_ns else 0
            if qty * BP > volume * k.participation_bp:
                return 0
        return limit if limit > ask else ask

    def _may_sell(self, inst: int, k: Envelope, low: int) -> bool:
        """Control 17; how much is among the bounds."""
        told, context = self._money.conditions, self._context
        if told.borrow[inst] is not k.borrow or told.short_until[inst] >= k.date:
            return False
        return context.previous_close_nanos[inst] == k.previous_close and (low >= k.low_min or not low)

    def _has_room(self, o: OrderIntent, k: Envelope, notional: int) -> bool:
        """What it adds up to with positions and working orders (controls 5, 6, 7, 13, 15, 17 to 19, 34, 43). An order
        against the account's position may be an exit: that is looked at.
        """
        inst, qty, limit, book, strategy = o.inst, o.qty_nanos, o.limit_px_nanos, k.book, o.strategy
        m, context = self._money, self._context
        r, ledger, exposure = m.reservations, m.ledger, context.exposure
        held = ledger.holdings[inst]
        position = ledger.positions.get(book)
        own = 0 if position is None else position.qty_nanos
        if o.side > 0:
            worst = held + r.buy_qty[inst] + qty
            own_worst = own + r.buy_qty_by_book.get(book, 0) + qty
            net = exposure.net + r.buy_notional
            resting, count = r.sell_limits[inst], r.buy_count[inst]
            crosses = resting and limit >= resting[0]
        else:
            worst = r.sell_qty[inst] + qty - held
            own_worst = r.sell_qty_by_book.get(book, 0) + qty - own
            net = r.notional - r.buy_notional - exposure.net
            resting, count = r.buy_limits[inst], r.sell_count[inst]
            crosses = resting and limit <= resting[-1]
            held = -held
        if held < 0 or worst > k.worst_max or own_worst > k.own_worst_max or crosses:
            return False
        if count >= k.side_count_max or r.count >= k.working_max or r.in_doubt[inst]:
            return False
        if net + notional > k.net_max or exposure.unmarked or exposure.rate_bp_max > k.rate_bp_max:
            return False
        gross = exposure.gross + r.notional + notional
        if gross > k.exposure_max:
            return False
        if gross > k.uncrowded_max:
            view = self._view
            if view.crowds.crowded(inst, notional, view.foreign.by_bucket, k.equity_bp) is not None:
                return False
        gross = exposure.strategy_gross.get(strategy, 0) + r.notional_by_strategy.get(strategy, 0) + notional
        if gross > k.own_gross_max:
            return False
        own_book = ledger.books.get(strategy)
        if own_book is None or not own_book.enabled:
            return False
        profit = own_book.realised_nanos - own_book.fees_nanos - own_book.day_base_nanos
        return profit + exposure.strategy_unrealised.get(strategy, 0) > k.profit_floor

    def _was_within(self, o: OrderIntent, k: Envelope, notional: int, ts_ns: int) -> bool:
        """What was sent before (controls 8 to 12, 14, 43)."""
        m, context, qty = self._money, self._context, o.qty_nanos
        if o.order_id < m.next_order_id or duplicate_key(o) in m.duplicates.keys:
            return False
        tats = m.tats
        if tats.get("a", 0) - ts_ns > k.account_slack_ns or tats.get(k.symbol_rate_key, 0) - ts_ns > k.symbol_slack_ns:
            return False
        if tats.get(k.strategy_rate_key, 0) - ts_ns > k.strategy_slack_ns:
            return False
        counters, counts = m.counters, k.counts
        tally, day = counters.tallies.get(o.strategy, NOBODY), counters.day
        if tally is not k.tally or tally.days != k.days or len(tally.instruments) != k.instruments:
            return False
        if tally.orders_day >= k.orders_day_max:
            return False
        if tally.parents_day > counts.parents_day_max or tally.parents_unattended > counts.parents_unattended_max:
            return False
        if tally.duplicates_day >= counts.duplicate_refusals_max or day.changes >= k.changes_max:
            return False
        if day.sent >= k.messages_min and day.sent >= k.messages_ratio * (day.trades or 1):
            return False
        if counters.messages.qty >= k.messages_second:
            return False
        parent, schedule = m.live_parents.get(o.parent_id), qty
        if parent is not None:
            if parent.sent >= parent.slices * k.children_bp // BP + k.children_extra:
                return False
            schedule = parent.qty_nanos if parent.qty_nanos > qty else qty
        if schedule > k.schedule_max or context.reference_dates[o.inst] not in (NOT_AWAITED, k.date):
            return False
        a, account, own = k.account_counts, counters.account, counters.windows.get(o.strategy, NOTHING)
        if account.hour.value + notional > a.value_least_nanos or account.hour.qty + qty > a.quantity_least_nanos:
            if first_over("account", account, a, ts_ns, notional, qty) is not None:
                return False
        if own.hour.value + notional <= counts.value_least_nanos and own.hour.qty + qty <= counts.quantity_least_nanos:
            return True
        return first_over("strategy", own, counts, ts_ns, notional, qty) is None
