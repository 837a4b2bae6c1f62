"""How far an order may go that needs no closer look: bounds taken from one order that passed every check, each at least
as tight as the checks themselves while equity and price stay near. Made after such an order; risk/ordinary.py compares
the next ones with it. Decides nothing by itself.

A margin is left on purpose: equity may fall, and the price rise, by a part of `SLACK_PARTS` before the bounds end. All
shares of equity are taken at the lower equity, all values at the higher price, so what lies within is within the check.
"""

from typing import Final

import msgspec

from core.bands import restricts_shorts
from core.commands import DAY, INTENT_DISASTER, INTENT_PROTECT, LMT, OrderIntent
from core.events import OpenOrderReported, RiskMeasured
from core.market import FIELDS, INDEX
from core.money.conditions import Borrow, Funds
from core.money.counters import Tally
from core.ports import Context
from core.sessions import REGULAR
from core.units import BP, NANO
from risk.bounds import FREE
from risk.count_bounds import CountBounds
from risk.laid_down import EASY_MILLI
from risk.levels import floor_of
from risk.limit_rows import WORDS
from risk.rules import Rules
from risk.view import GateView

SLACK_PARTS: Final = 64
PEAK_PARTS: Final = 1_024  # equity may rise above its peak by one of these: the level of a drawdown rises with it
NEVER_LOW: Final = 1 << 62
_DENY: Final = WORDS["deny"]
_LOW: Final = INDEX["low_px_nanos"]


class Envelope(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Of one strategy, instrument and side. It ends with its time, and when one of the named things is another one."""

    book: tuple[str, int]
    from_ns: int
    until_ns: int
    # what must still be the same
    borrow: Borrow
    clock_offset_ns: int
    clock_ts_ns: int
    date: int
    day_base: int
    days: int
    foreign: dict[int, OpenOrderReported]
    funds: Funds | None
    funds_awaited: bool
    instruments: int  # how many the strategy has sent orders in
    previous_close: int
    risk: RiskMeasured | None
    rules: Rules
    tally: Tally
    # state of the account
    equity_bp: int
    equity_max: int
    equity_min: int
    low_min: int
    peak_max: int
    profit_floor: int
    rate_bp_max: int
    risk_age_ns: int
    # market and price
    adv_min: int
    age_ns_max: int
    collar_bp: int
    collar_spreads: int
    frozen_ns_max: int
    halt_quiet_ns: int
    jump_quiet_ns: int
    lot: int
    participation_bp: int
    px_max: int
    spread_bp_max: int
    tick: int
    # the order
    notional_max: int
    qty_max: int
    qty_min: int
    schedule_max: int
    # what was sent
    account_counts: CountBounds
    account_slack_ns: int
    changes_max: int
    children_bp: int
    children_extra: int
    counts: CountBounds
    messages_min: int
    messages_ratio: int
    messages_second: int
    orders_day_max: int
    strategy_rate_key: str
    strategy_slack_ns: int
    symbol_rate_key: str
    symbol_slack_ns: int
    # what it adds up to
    exposure_max: int
    net_max: int
    own_gross_max: int
    own_worst_max: int
    side_count_max: int
    uncrowded_max: int
    working_max: int
    worst_max: int


def is_plain(o: OrderIntent) -> bool:
    """A new limit order for the day: what an envelope speaks of."""
    if o.order_type != LMT or o.tif != DAY:
        return False
    return not (
        o.version
        or o.gtd_ts_ns
        or o.stop_px_nanos
        or o.outside_rth
        or o.broker_algo
        or o.oca_group
        or o.purpose == INTENT_DISASTER
        or o.purpose == INTENT_PROTECT
    )


def envelope(o: OrderIntent, v: GateView, context: Context) -> Envelope | None:
    """From an order that every check has just passed, and its view; None = such orders are looked at one by one."""
    a, b, rules, d = v.account, v.bounds, v.rules, v.history.deployment
    tally, px_max = v.history.tally, v.value_px + v.value_px // SLACK_PARTS
    equity_min = _equity_min(v)
    bp = equity_min // BP  # one basis point of the least equity
    if not is_plain(o) or v.reduce_only or not _is_calm(o, v) or px_max <= 0 or v.equity < equity_min:
        return None
    conditions, book, low = v.money.conditions, b.book, context.market.view[o.inst * FIELDS + _LOW]
    adv, close = v.volumes.adv_nanos[o.inst], context.previous_close_nanos[o.inst]
    least_bp = min(a.gross_equity_bp_max, v.free_bp)
    most, own_most = _positions_max(o, v)
    return Envelope(
        book=(o.strategy, o.inst),
        from_ns=rules.open_ns, until_ns=_until(o, v),
        borrow=conditions.borrow[o.inst],
        clock_offset_ns=conditions.clock_offset_ns, clock_ts_ns=conditions.clock_ts_ns,
        date=rules.date,
        day_base=v.day_base,
        days=tally.days,
        foreign=v.money.foreign,
        funds=conditions.funds, funds_awaited=conditions.funds_awaited,
        instruments=len(tally.instruments),
        previous_close=close,
        risk=v.money.risk,
        rules=rules,
        tally=tally,
        equity_bp=bp,
        equity_max=v.equity + v.equity // SLACK_PARTS,
        equity_min=equity_min,
        low_min=_low_min(low, close),
        peak_max=_peak_max(v),
        profit_floor=-v.day_base_bp * book.day_loss_soft_bp,
        rate_bp_max=a.margin_flat_bp_max,
        risk_age_ns=v.levels.age_ns,
        adv_min=adv, age_ns_max=b.age_ns_max_regular,
        collar_bp=b.collar_bp, collar_spreads=b.collar_spreads,
        frozen_ns_max=b.frozen_ns_max,
        halt_quiet_ns=a.halt_quiet_ns,
        jump_quiet_ns=b.jump_quiet_ns, lot=rules.lot_increment,
        participation_bp=b.participation_bp_max,
        px_max=min(px_max, d.px_max_nanos),
        spread_bp_max=b.spread_bp_max,
        tick=rules.increment,
        notional_max=min(b.order_notional_max_nanos, bp * b.order_equity_bp_max, d.order_notional_max_nanos),
        qty_max=b.order_quantity_max_nanos,
        qty_min=max(1, rules.lot_minimum),
        schedule_max=adv * b.adv_order_bp_max // BP,
        account_counts=a.counts, account_slack_ns=a.account_slack_ns,
        changes_max=a.changes_day_max,
        children_bp=book.counts.children_slices_bp_max, children_extra=book.counts.children_extra_max,
        counts=book.counts,
        messages_min=a.order_trade_messages_min, messages_ratio=a.order_trade_ratio_max,
        messages_second=a.order_messages_second_max,
        orders_day_max=d.orders_day_max,
        strategy_rate_key=b.strategy_rate_key or "s" + o.strategy,
        strategy_slack_ns=a.strategy_slack_ns,
        symbol_rate_key=b.symbol_rate_key,
        symbol_slack_ns=a.symbol_slack_ns,
        exposure_max=min(a.gross_max_nanos, bp * least_bp, v.funds_free),
        net_max=a.net_max_nanos,
        own_gross_max=_own_gross_max(v, bp),
        own_worst_max=min(own_most, _shares(min(bp * b.book_equity_bp_max, d.position_notional_max_nanos), px_max)),
        side_count_max=b.working_per_side_max,
        uncrowded_max=bp * v.crowds.tightest_bp[o.inst],
        working_max=a.working_orders_max,
        worst_max=min(most, _shares(bp * b.position_equity_bp_max, px_max)),
    )  # fmt: skip


def _is_calm(o: OrderIntent, v: GateView) -> bool:
    """Nothing is open that a later order of the same kind would have to be asked about again."""
    if v.phase != REGULAR or v.foreign.any_known or v.limit_fault or v.levels.over or v.bounds.restriction != FREE:
        return False
    if v.account.pattern_day_trader == _DENY or not v.rules.increment or v.rules.lot_increment <= 0:
        return False
    return o.side > 0 or not (v.short_restricted or v.borrow_level <= EASY_MILLI)


def _until(o: OrderIntent, v: GateView) -> int:
    """The first moment at which something named is over, or too old."""
    rules, conditions = v.rules, v.money.conditions
    until = min(rules.close_ns, rules.until_ns, v.clock_until_ns + 1)
    if conditions.funds_awaited and conditions.funds is not None:
        until = min(until, conditions.funds.ts_ns + v.account.funds_ns_max + 1)
    return until if o.side > 0 else min(until, conditions.borrow[o.inst].ts_ns + v.account.borrow_ns_max + 1)


def _peak_max(v: GateView) -> int:
    peak = v.levels.peak
    return peak + peak // PEAK_PARTS if peak > 0 else 0


def _equity_min(v: GateView) -> int:
    """Above every level at which a loss stops entries, with the peak that may still come."""
    lost = v.day_base - v.day_base_bp * v.account.day_loss_soft_bp
    return max(1, lost + 1, floor_of(_peak_max(v), v.account) + 1, v.equity - v.equity // SLACK_PARTS)


def _positions_max(o: OrderIntent, v: GateView) -> tuple[int, int]:
    """Shares of account and book; a short sale is bound by what can be borrowed too."""
    b = v.bounds
    if o.side > 0:
        return b.position_long_max_nanos, b.book_long_max_nanos
    most = b.position_short_max_nanos
    return most if v.borrow_shares < 0 else min(most, v.borrow_shares), b.book_short_max_nanos


def _own_gross_max(v: GateView, equity_bp: int) -> int:
    """Control 6 for the book, and control 7's share of what control 6 lets the account hold."""
    a, book = v.account, v.bounds.book
    most = min(book.gross_max_nanos, equity_bp * book.gross_equity_bp_max)
    if book.gross_share_bp_max >= BP:
        return most
    account = min(a.gross_max_nanos, equity_bp * a.gross_equity_bp_max)
    return min(most, book.gross_share_bp_max * account // BP)


def _low_min(low: int, previous_close: int) -> int:
    """A low of the day down to here restricts no short sale."""
    if not low:
        return NEVER_LOW
    slack = low - low // SLACK_PARTS
    return low if restricts_shorts(slack, previous_close) else slack


def _shares(value_nanos: int, px_nanos: int) -> int:
    """As many as are surely worth no more."""
    return value_nanos * NANO // px_nanos
