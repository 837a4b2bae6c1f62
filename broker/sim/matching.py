"""Which executions a market moment gives one order: pure functions over an order, its book and a quote or print.

Taking: the displayed size at the touch that we have not used up yet; a limit order's rest stays, a market order walks
on, `impact_ticks_per_size` ticks for every further displayed size, the last of `walk_levels_max` levels taking the
rest. Resting: the opposite quote at or through our price fills at our price up to the displayed size (an offer at our
bid could not be shown without trading with us); a print through our price fills all; a print at our price fills what
is left of it behind our queue place, times `participation_ppm`, in whole size increments. The caller drops rows that
must not fill by themselves: locked, crossed, one-sided, without size, suspicious, duplicate, and prints that do not
count as last.
"""

from broker.sim.book import TRAIL, Book, Quote, SimOrder, take, taken_nanos
from broker.sim.chance import PPM
from broker.sim.config import VenueConfig
from core.commands import LMT, MOC, STP, STP_LMT
from core.events import PRE_SUBMITTED
from core.ids import BUY
from core.instruments import Instrument, increment_at, rule_on

Cut = tuple[int, int]  # qty_nanos, px_nanos


def tick_nanos(instrument: Instrument, px_nanos: int, date: int) -> int:
    """The price increment of the day at a price; 0 if no rule speaks for the day."""
    rule = rule_on(instrument.ticks, date)
    return increment_at(rule, px_nanos) if rule is not None else 0


def marketable(order: SimOrder, quote: Quote) -> bool:
    """Whether an order would trade at once against a sane quote."""
    if order.working_type != LMT:
        return True
    if order.side == BUY:
        return quote.ask_px_nanos <= order.limit_px_nanos
    return quote.bid_px_nanos >= order.limit_px_nanos


def within_limit(order: SimOrder, px_nanos: int) -> bool:
    """Whether a price is no worse than the order's limit, if it has one."""
    return not order.limit_px_nanos or (order.limit_px_nanos - px_nanos) * order.side >= 0


def touch(order: SimOrder, quote: Quote) -> tuple[int, int]:
    """Price and displayed size of the side an order takes from."""
    if order.side == BUY:
        return quote.ask_px_nanos, quote.ask_qty_nanos
    return quote.bid_px_nanos, quote.bid_qty_nanos


def available_nanos(order: SimOrder, book: Book, quote: Quote, config: VenueConfig, ts_ns: int) -> int:
    """Displayed size at the touch that our own orders have not used up."""
    px, shown = touch(order, quote)
    used = taken_nanos(
        book, side=order.side, px_nanos=px, shown_nanos=shown, ts_ns=ts_ns, refill_ns=config.refill_ns
    )  # fmt: skip
    return max(0, shown - used)


def take_limit(
    order: SimOrder, book: Book, quote: Quote, config: VenueConfig, *, ts_ns: int, resting: bool
) -> list[Cut]:
    """What a marketable limit order gets: at the touch on arrival, at its own price once it rested."""
    qty = min(order.remaining_nanos, available_nanos(order, book, quote, config, ts_ns))
    if qty <= 0:
        return []
    take(book, side=order.side, qty_nanos=qty, ts_ns=ts_ns)
    return [(qty, order.limit_px_nanos if resting else touch(order, quote)[0])]


def take_market(
    order: SimOrder, book: Book, quote: Quote, config: VenueConfig, *, instrument: Instrument, date: int, ts_ns: int
) -> list[Cut]:
    """All of a market order, from the touch outwards. A price never goes below one tick."""
    px, shown = touch(order, quote)
    available_nanos(order, book, quote, config, ts_ns)
    used = book.ask_taken_nanos if order.side == BUY else book.bid_taken_nanos
    tick = tick_nanos(instrument, px, date)
    left = order.remaining_nanos
    cuts: list[Cut] = []
    for number in range(1, config.walk_levels_max + 1):
        level, gone = divmod(used, shown)
        qty = left if number == config.walk_levels_max else min(left, shown - gone)
        worse = level * config.impact_ticks_per_size * tick * order.side
        cuts.append((qty, max(tick, px + worse)))
        used += qty
        left -= qty
        if not left:
            break
    take(book, side=order.side, qty_nanos=order.remaining_nanos, ts_ns=ts_ns)
    return cuts


def print_cut(order: SimOrder, *, px_nanos: int, qty_nanos: int, participation_ppm: int) -> int:
    """Quantity a resting limit order gets from a print, which `qty_nanos` has not given to earlier orders of ours."""
    through = (order.limit_px_nanos - px_nanos) * order.side
    if through > 0:
        return order.remaining_nanos
    if through < 0 or order.queue_ahead_nanos < 0:
        return 0
    order.printed_nanos += qty_nanos
    excess = qty_nanos - order.queue_ahead_nanos
    if excess <= 0:
        order.queue_ahead_nanos -= qty_nanos
        return 0
    order.queue_ahead_nanos = 0
    step = order.increment_nanos
    return min(order.remaining_nanos, excess * participation_ppm // PPM // step * step)


def triggers(order: SimOrder, px_nanos: int) -> bool:
    """Whether a print releases a waiting stop (IBKR's default for stocks: the last price at or through the stop)."""
    if order.status != PRE_SUBMITTED or order.order_type not in (STP, STP_LMT, TRAIL) or px_nanos <= 0:
        return False
    return (px_nanos - order.stop_px_nanos) * order.side >= 0


def follow_trail(order: SimOrder, px_nanos: int, tick: int) -> None:
    """Move a trailing stop behind a print: an amount or a part of the price away, rounded away to whole ticks, never
    backwards.
    """
    if px_nanos <= 0 or tick <= 0:
        return
    away = order.trail_nanos or px_nanos * order.trail_ppm // PPM
    behind = (px_nanos + away * order.side) * -order.side // tick * tick * -order.side
    if not order.stop_px_nanos or (order.stop_px_nanos - behind) * order.side > 0:
        order.stop_px_nanos = max(tick, behind)


def closing_px_nanos(quote: Quote, instrument: Instrument, date: int) -> int:
    """The price of the simulated closing auction: the last print, else the mid rounded down to a tick, else 0."""
    if quote.last_px_nanos > 0:
        return quote.last_px_nanos
    if not quote.sane:
        return 0
    mid = (quote.bid_px_nanos + quote.ask_px_nanos) // 2
    tick = tick_nanos(instrument, mid, date)
    return mid // tick * tick if tick else 0


def auction_fills(order: SimOrder, px_nanos: int) -> bool:
    """Whether an on-close order trades at the closing price."""
    if px_nanos <= 0:
        return False
    return order.order_type == MOC or (order.limit_px_nanos - px_nanos) * order.side >= 0
