"""What the checks look at: the intent's world as plain integers, read once per order. Owns no rule; the only place in
risk/ that reads market, money and session state for the gate. Prices, quantities and cash are nanos, times UTC ns.
"""

from struct import Struct
from typing import Final

from core.commands import INTENT_DISASTER, LMT, LOC, MKT, OrderIntent
from core.errors import Bug
from core.latches import ACTIVE
from core.market import FIELDS, INDEX
from core.money.attempts import added
from core.orders import Order
from core.ports import NOT_AWAITED, Context
from core.reservations import contribution
from core.sessions import CLOSED, POST, PRE, REGULAR
from core.units import BP, NANO, share_of
from risk.bounds import Bounds, Resolved
from risk.crowds import Crowded, Crowds
from risk.foreign import ForeignOrders
from risk.history import History
from risk.holdings import Holdings
from risk.levels import Levels
from risk.rules import NO_RULES, Rules

# The leading fields of a market row and those of its volume, read in one go; the order is asserted below.
_VOLUME: Final = INDEX["volume_from_ns"]
_MARKET: Final = Struct(f"2q16x3q1q8x8q{(_VOLUME - 17) * 8}x4q")
_MARKET_FIELDS: Final = (
    "bid_px_nanos", "ask_px_nanos", "bid_qty_nanos", "ask_qty_nanos", "usable", "quote_ts_ns", "alive_ts_ns",
    "last_px_nanos", "last_qty_nanos", "last_ts_ns", "blind", "halted", "jump_ts_ns", "changed_ts_ns", "resumed_ts_ns",
    "band_ref_nanos", "band_told_ts_ns",
)  # fmt: skip
assert tuple(INDEX)[:17] == _MARKET_FIELDS, "the view reads the head of core.market.MARKET in this order"
assert tuple(INDEX)[_VOLUME : _VOLUME + 4] == (
    "volume_from_ns", "volume_nanos", "volume_before_nanos", "volume_since_ns",
), "and its volume in this one"  # fmt: skip
_ALIVE: Final = INDEX["alive_ts_ns"]
ROW_BYTES: Final = FIELDS * 8
_NEVER: Final = 1 << 62
_SIDES: Final = (1, -1)
_TWICE_BP: Final = 2 * BP  # the spread is judged against bid + ask, twice the mid
EASY_MILLI: Final = 2_500  # level above which shares are there without asking (IB tick 46: 2.5)

# What unacknowledged differences of the last synchronisation block.
NO_DIFFERENCE: Final = 0
BLOCKS_ENTRIES: Final = 1
BLOCKS_ALL: Final = 2


class GateView(Holdings):
    """One order's world. `refresh` overwrites every field, so nothing of the order before can be seen."""

    __slots__ = (  # noqa: RUF023 - grouped by where they come from
        # the machine's own
        "_context", "_foreign_of", "_instruments", "_resolved", "_rules",
        # sums that outlast an order
        "crowds", "history", "volumes", "levels",
        # limits and scope
        "account", "bounds", "limit_fault", "rules", "ts_ns",
        # session: phase of core.sessions, 1 = the table speaks for this time
        "phase", "unready",
        # market
        "age_ns", "age_ns_max", "ask", "bid", "blind", "good", "halted", "jump_ns", "last", "last_ts_ns", "quote_ts_ns",
        "slot_before", "slot_ns", "slot_qty", "spread_wide", "stale", "usable", "volume_since_ns", "changed_ns",
        "edges", "frozen", "resumed_ns",
        # state of orders and account
        "day_base", "day_base_bp", "differences", "equity", "equity_bp", "free_nanos", "id_used",
        "ladder", "link",
        "replace_legal", "tat_account", "tat_strategy", "tat_symbol",
        # this order: reduce-only, its price as judged, its reference and band, its value and what it would reserve
        "band", "exposure_new", "limited", "notional", "notional_new", "px", "reduce_only", "reference",
        "qty_added", "value_added", "value_px",
    )  # fmt: skip

    def __init__(self, context: Context, resolved: Resolved) -> None:
        super().__init__(context)
        self._context = context
        self.money = context.money
        self._resolved = resolved
        self._rules = [NO_RULES for _ in context.instruments]
        self._instruments = len(self._rules)
        context.on_rules(self._forget)
        self._foreign_of: object = None  # the report that `foreign` sums
        self.foreign = ForeignOrders()
        self.levels = Levels()
        self.volumes = context.volumes
        self.account = resolved.account
        self.limit_fault = ""
        context.concentration.set_clusters(resolved.clusters)
        self.crowds = Crowds(context.concentration, resolved.account)
        context.concentration.watch(self._read_buckets)
        self.bounds: Bounds = resolved.strangers[0]
        self.history = History(context, self.bounds)
        self.day_base = self.day_base_bp = 0
        self.rules = NO_RULES

    def bind(self, resolved: Resolved, fault: str) -> None:
        """Take limits that changed; `fault` = why some could not be applied."""
        self.limit_fault = fault
        if resolved is self._resolved:
            return
        self._resolved = resolved
        self.account = resolved.account
        self._rules = [NO_RULES for _ in self._rules]  # bands by the old margin
        self.forget_told()
        self.levels.forget()
        self.crowds.take(resolved.account)

    def refresh(self, o: OrderIntent, ts_ns: int, *, entry: bool = False) -> None:
        """Read everything one order needs. `entry` judges it by the entry profile even if it would reduce."""
        inst = o.inst
        if not 0 <= inst < self._instruments or o.side not in _SIDES:
            raise Bug(f"order {o.order_id}: instrument {inst} of {self._instruments}, side {o.side}")
        self.ts_ns = ts_ns
        resolved = self._resolved
        bounds = resolved.by_strategy.get(o.strategy)
        self.bounds = (resolved.strangers if bounds is None else bounds)[inst]
        self.limited = 1 if o.order_type == LMT or o.order_type == LOC else 0
        self._read_session(inst, ts_ns)
        self._read_market(inst, ts_ns)
        self._read_money(o, ts_ns)
        # Flat is the ordinary case of an entry.
        self.reduce_only = 0 if entry or not self.position else self._reduces(o)
        self._set_reference(o)
        self._value(o)

    def _read_session(self, inst: int, ts_ns: int) -> None:
        rules = self._rules[inst]
        if not rules.from_ns <= ts_ns < rules.until_ns:
            rules = self._find_rules(inst, ts_ns)
        self.rules = rules
        ready = self._context.reference_dates[inst]
        self.unready = 1 if ready != NOT_AWAITED and ready != rules.date and rules.date else 0
        if rules.open_ns <= ts_ns < rules.close_ns:
            self.phase = REGULAR
        elif rules is NO_RULES:
            self.phase = CLOSED
        else:
            self.phase = PRE if ts_ns < rules.open_ns else POST

    def covered(self, inst: int) -> bool:
        """Whether the session table speaks for this time."""
        return self._context.calendars[inst].covers(self.ts_ns)

    def _forget(self, inst: int) -> None:
        self._rules[inst] = NO_RULES

    def _find_rules(self, inst: int, ts_ns: int) -> Rules:
        """The rules of the session that holds a time, remembered; none outside sessions and outside the table."""
        calendar = self._context.calendars[inst]
        session = calendar.session(ts_ns)
        if session is None or not calendar.covers(ts_ns):
            return NO_RULES
        rules = self._rules[inst] = Rules(self._context.instruments[inst], session)
        rules.from_ns = max(session.pre_open_ns, calendar.table.from_ns)
        rules.until_ns = min(session.post_close_ns, calendar.table.until_ns)
        return rules

    def _read_market(self, inst: int, ts_ns: int) -> None:
        b = self.bounds
        context = self._context
        (
            bid, ask, usable, self.quote_ts_ns, alive, self.last, self.last_ts_ns, blind, self.halted, jump, changed,
            resumed, ref, told, self.slot_ns, self.slot_qty, self.slot_before, self.volume_since_ns,
        ) = _MARKET.unpack_from(context.market.view, inst * ROW_BYTES)  # fmt: skip
        self.bid = bid
        self.ask = ask
        self.blind = blind
        self.usable = usable
        self.jump_ns = ts_ns - jump if jump else _NEVER
        self.age_ns = age = ts_ns - alive
        self.age_ns_max = most = b.age_ns_max_regular if self.phase == REGULAR else b.age_ns_max_extended
        self.stale = stale = 0 if age <= most else self._silent(age, most, ts_ns)
        self.spread_wide = wide = 1 if usable and (ask - bid) * _TWICE_BP > (ask + bid) * b.spread_bp_max else 0
        self.good = 0 if blind or stale or wide else usable
        self.changed_ns = unchanged = ts_ns - changed
        self.frozen = 0 if unchanged <= b.frozen_ns_max else self._is_frozen(context)
        self.resumed_ns = ts_ns - resumed if resumed else _NEVER
        rules = self.rules
        if self.phase != REGULAR:  # the plan binds in regular hours alone
            self.edges = NO_RULES
            return
        self.edges = rules
        if rules.band_ref != ref or rules.band_told != told or ts_ns >= rules.band_until_ns:
            self._set_bands(context, inst, ref, told)

    def reference_text(self, inst: int) -> str:
        """What the broker's reference of an instrument is, as far as it has come."""
        slow = self._context.arrivals.slow.get(inst)
        if slow is None:
            return "no reference from the broker"
        return f"that of {slow.effective_from}" + (f" lacks {slow.missing}" if slow.missing else "")

    def _silent(self, age: int, most: int, ts_ns: int) -> int:
        """An unchanged price is not stale: other lines that tick prove the feed alive, for a while."""
        if age > self.account.line_ns_max:
            return 1
        view = self._context.market.view
        newest = max(view[_ALIVE::FIELDS])
        return 0 if ts_ns - newest <= most else 1

    def _read_money(self, o: OrderIntent, ts_ns: int) -> None:
        """State, live orders and books in one pass: each further method costs 50 ns of a 5 us budget."""
        context = self._context
        money = context.money
        b = self.bounds
        inst, strategy = o.inst, o.strategy
        self.link = money.link if money.last_sync_ts_ns >= money.link_since_ns else money.sendable()
        latches = money.latches
        self.ladder = latches.effective(strategy=strategy, symbol=b.symbol) if latches.any_held else ACTIVE
        self.differences = self._difference_level(inst) if money.differences else NO_DIFFERENCE
        tats = money.tats
        self.tat_account = tats.get("a", 0)
        self.tat_strategy = tats.get(b.strategy_rate_key or "s" + strategy, 0)
        self.tat_symbol = tats.get(b.symbol_rate_key, 0)
        self._read_told(context, o.side, inst)
        self.equity = equity = money.equity_nanos
        self.equity_bp = share = equity // BP  # one basis point of it, down: shares of equity are small products of it
        self.free_nanos = share * self.free_bp
        base = money.day_base_equity_nanos
        if base != self.day_base:
            self.day_base = base
            self.day_base_bp = base // BP
        levels = self.levels
        if money.high_water_nanos != levels.peak or money.risk is not levels.risk:
            levels.read(money, self.account)
        foreign = self.foreign
        if money.foreign is not self._foreign_of:
            foreign.sum(context)
            self._foreign_of = money.foreign
        self.history.read(o, b, ts_ns)
        self._read_books(o, (strategy, inst))
        self.id_used = 0
        self.replace_legal = 1
        if foreign.any_known:
            self._add_foreign(o)
        if o.purpose == INTENT_DISASTER:
            self._stand_alone(o)
        elif o.oca_group:
            self._join_group(o)
        if o.version:
            self._read_replaced(o)
        elif o.order_id < money.next_order_id:
            self.id_used = 1

    def _difference_level(self, inst: int) -> int:
        """A cash or foreign position difference leaves this position certain: exits pass."""
        for difference in self._context.money.differences:
            if difference.kind != "cash" and difference.inst in (inst, -1):
                return BLOCKS_ALL
        return BLOCKS_ENTRIES

    def _read_replaced(self, o: OrderIntent) -> None:
        """A replace is judged by what it adds: the order's own share leaves the sums of the others."""
        own = self._context.money.orders.get(o.order_id)
        held = None if own is None else contribution(own)
        if own is None or held is None or not _replaceable(own, o):
            self.replace_legal = 0
            return
        if own.qty_nanos == o.qty_nanos and own.limit_px_nanos == o.limit_px_nanos:
            self.history.duplicate = 1  # it changes nothing
        self.qty_new = new = (own.qty_nanos if own.qty_nanos > o.qty_nanos else o.qty_nanos) - own.filled_nanos
        change = new - o.qty_nanos - held.qty_nanos  # against a new order next to the old one
        self.worst += change
        self.own_worst += change
        self.count -= 1
        self.side_count -= 1
        self.reserved -= held.notional_nanos
        self.reserved_book -= held.notional_nanos
        self.reserved_side -= held.notional_nanos
        if o.side > 0:
            self.buy_qty -= held.qty_nanos
        else:
            self.sell_qty -= held.qty_nanos

    def _read_buckets(self) -> None:
        """Again when clusters were measured anew."""
        self.crowds.arrange()
        self._foreign_of = None  # summed by bucket too

    def crowded(self, o: OrderIntent) -> Crowded | None:
        """The first bucket that this order would take past its share of equity; a replaced order's own share leaves."""
        own = self._context.money.orders.get(o.order_id) if o.version else None
        held = None if own is None else contribution(own)
        added = self.notional_new - (0 if held is None else held.notional_nanos)
        return self.crowds.crowded(o.inst, added, self.foreign.by_bucket, self.equity_bp)

    def _reduces(self, o: OrderIntent) -> int:
        """1 if account and book stay on this side of zero with this and all other resting exits filled."""
        opposite = self.position * o.side < 0 and self.book_position * o.side < 0
        return 1 if opposite and self.worst <= 0 and self.own_worst <= 0 else 0

    def _set_reference(self, o: OrderIntent) -> None:
        """Control 3: mid of a good quote, else last trade, else previous close; an exit takes the last known."""
        a, b, ts_ns = self.account, self.bounds, self.ts_ns
        bid, ask = self.bid, self.ask
        spread = 0
        if self.good:
            self.reference = reference = (bid + ask) // 2
            spread = ask - bid
        elif self.reduce_only:
            self.reference = reference = self._last_known()
        elif self.last > 0 and ts_ns - self.last_ts_ns <= a.last_price_age_ns_max:
            self.reference = reference = self.last
        else:
            self.reference = reference = self._context.previous_close_nanos[o.inst]
        if self.limited:
            self.px = px = o.limit_px_nanos
        elif o.order_type == MKT:
            self.px = px = ask if o.side > 0 else bid
        else:
            self.px = px = reference  # an auction price is not known before
        # Spreads alone are part of the band: the price that lies within them needs the rest of it not.
        self.band = band = b.collar_spreads * spread
        if (px - reference if o.side > 0 else reference - px) > band:
            self.band = self._whole_band(reference, band)

    def _whole_band(self, reference: int, spreads: int) -> int:
        """Control 3: the widest of share, ticks and spreads; wider for an exit."""
        b, rules = self.bounds, self.rules
        band = reference * b.collar_bp // BP
        ticks = b.collar_ticks * (rules.increment or rules.increment_at(reference))
        band = max(band, ticks, spreads)
        return band * self.account.exit_collar_multiple if self.reduce_only else band

    def _last_known(self) -> int:
        """The youngest of last quote and last trade within the exit's age limit; a wide quote is no price."""
        oldest = self.ts_ns - self.account.exit_reference_ns_max
        bid, ask = self.bid, self.ask
        quoted = 0 < bid <= ask and self.quote_ts_ns >= oldest
        quoted = quoted and (ask - bid) * _TWICE_BP <= (ask + bid) * self.bounds.spread_bp_max
        traded = self.last > 0 and self.last_ts_ns >= oldest
        if quoted and (not traded or self.quote_ts_ns >= self.last_ts_ns):
            mid: int = (bid + ask) // 2
            return mid
        last: int = self.last if traded else 0
        return last

    def _value(self, o: OrderIntent) -> None:
        """Control 2: worst of limit and offer; without a limit worst of offer, last trade and reference. Rounded up.

        The offer counts for sells too: a short position is worth what it costs to buy back.
        """
        value = o.limit_px_nanos if self.limited else self.last
        if self.ask > value:
            value = self.ask
        if not self.limited and self.reference > value:
            value = self.reference
        self.value_px = value
        notional = -(-value * o.qty_nanos // NANO)
        self.notional = notional
        if not o.version or not self.replace_legal:
            self.notional_new = self.value_added = notional
            self.qty_added = o.qty_nanos
            self.exposure_new = self.exposure.gross + self.reserved + notional
            return
        own = self._context.money.orders[o.order_id]
        self.value_added, self.qty_added = added(own, o, notional)
        most = own.qty_nanos if own.qty_nanos > o.qty_nanos else o.qty_nanos
        dearest = own.notional_nanos if own.notional_nanos > notional else notional
        self.notional_new = share_of(dearest, self.qty_new, most)  # as core.reservations will hold it
        self.exposure_new = self.exposure.gross + self.reserved + self.notional_new


def _replaceable(own: Order, o: OrderIntent) -> bool:
    """Same order, no answer outstanding, a newer version, more than is filled already; and the same hands work it."""
    same = own.inst == o.inst and own.side == o.side and own.strategy == o.strategy and own.order_type == o.order_type
    same = same and not own.oca_group  # what its group left of it changes while a replace is on its way
    same = same and own.broker_algo == o.broker_algo and own.broker_params == o.broker_params
    return same and own.live and not own.busy and o.version > own.version and o.qty_nanos > own.filled_nanos
