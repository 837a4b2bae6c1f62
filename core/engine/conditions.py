"""What market and broker lay down for orders, as it comes about: the short-sale restriction, the market-wide breaker,
and schedules that wait for the broker's what-if answer (AWAITING_MARGIN). What is allowed under it is for the gate.
"""

from typing import Final

from core import commands as c
from core import events as e
from core.bands import breaker_level, breaker_until_ns, restricts_shorts
from core.engine.deadlines import NEVER
from core.engine.scope import reconcile_all
from core.engine.trading import Trading
from core.parents import Parent
from core.sessions import REGULAR
from core.units import exact_text

WATCH_NS: Final = 60 * 10**9  # between two looks while nothing else makes us look


def watch(engine: Trading) -> None:
    """Look at the day's lows and at the index proxy. Ordered by instrument."""
    context = engine.context
    for inst, calendar in enumerate(context.calendars):
        low = engine.market.get(inst, "low_px_nanos")
        if not low or not restricts_shorts(low, context.previous_close_nanos[inst]):
            continue
        session = calendar.session(engine.ts_ns)
        if session is None or engine.market.get(inst, "open_ns") != session.open_ns:
            continue  # another day's low
        _restrict(engine, inst, low, calendar.date_after(session.date))
    if engine.settings.index_inst >= 0:
        _watch_index(engine, engine.settings.index_inst)


def _restrict(engine: Trading, inst: int, low: int, until: int) -> None:
    if engine.money.conditions.short_until[inst] >= until:
        return
    close = engine.context.previous_close_nanos[inst]
    engine.emit(c.RestrictShorts(inst=inst, until=until, low_px_nanos=low, previous_close_nanos=close))
    text = f"{engine.symbols[inst]}: {exact_text(low)} after a close of {exact_text(close)}; until {until}"
    engine.alert("SHORTS_RESTRICTED", "warning", text)


def _watch_index(engine: Trading, inst: int) -> None:
    """The proxy's last trade and the mid of its quote must both be down: one bad tick trips nothing."""
    market, context = engine.market, engine.context
    session = context.calendars[inst].session(engine.ts_ns)
    if session is None or not session.open_ns <= engine.ts_ns < session.close_ns:
        return
    last, close = market.get(inst, "last_px_nanos"), context.previous_close_nanos[inst]
    if not last or market.get(inst, "last_ts_ns") < session.open_ns:
        return
    px = max(last, market.mark_nanos(inst))
    level = breaker_level(px, close)
    if level <= engine.money.conditions.index_level:
        return
    until_ns = breaker_until_ns(level, ts_ns=engine.ts_ns, close_ns=session.close_ns, forever_ns=NEVER)
    engine.emit(c.TripBreaker(level=level, until_ns=until_ns, px_nanos=px, previous_close_nanos=close))
    text = f"level {level}: {engine.symbols[inst]} at {exact_text(px)} after a close of {exact_text(close)}"
    engine.alert("MARKET_BREAKER", "critical", text)


def arm_watch(engine: Trading) -> None:
    """A session has opened or closed, or a look is done: the next one."""
    regular = any(calendar.phase(engine.ts_ns) == REGULAR for calendar in engine.context.calendars)
    engine.timers.watch_ns = engine.ts_ns + WATCH_NS if regular else NEVER


def on_halt(engine: Trading, event: e.HaltChanged) -> None:
    """Everything waits while it lasts; after it for the first quote, and entries for longer (the gate says)."""
    engine.market.set_halt(event.inst, event.halted, engine.ts_ns)
    engine.pipeline.gap(event.inst)
    if not event.halted:
        reconcile_all(engine)


def on_bands(engine: Trading, event: e.BandChanged) -> None:
    """Price bands as the broker tells them."""
    lower, upper = event.lower_px_nanos, event.upper_px_nanos
    engine.market.set_bands(event.inst, lower, upper, event.limit_state, engine.ts_ns)


# ---- the broker's what-if -----------------------------------------------------------------------------------------
def on_answered(engine: Trading, event: e.WhatIfAnswered) -> None:
    """The rate is known from now on; the schedule that asked goes on, or ends if the account cannot carry it."""
    rates = engine.money.conditions.rates
    engine.exposure.set_rates(rates)
    parent = _asker(engine, event.request_id)
    if parent is None:
        return
    rate = rates.get((event.inst, event.side))
    if rate is not None and rate.refused:
        after, equity = exact_text(event.initial_margin_after_nanos), exact_text(event.equity_with_loan_nanos)
        engine.refuse_parent(parent, f"the broker's what-if: initial margin {after} of an equity of {equity}")
    else:
        engine.work(parent)


def on_refused(engine: Trading, event: e.WhatIfRefused) -> None:
    """The broker would not take the order at all."""
    parent = _asker(engine, event.request_id)
    if parent is not None:
        engine.refuse_parent(parent, f"the broker's what-if: code {event.code}: {event.text}")


def _asker(engine: Trading, request_id: int) -> Parent | None:
    for parent in engine.money.live_parents.values():
        if parent.what_if == request_id and parent.active:
            return parent
    return None


def on_fill(engine: Trading) -> None:
    """Tell of a day trade from the count on at which a small account must make no more, where they are counted."""
    warned, conditions = engine.settings.day_trades_warned, engine.money.conditions
    if warned and conditions.day_traded_ns == engine.ts_ns and conditions.day_trade_count() >= warned:
        engine.alert("DAY_TRADES", "warning", f"{conditions.day_trade_count()} day trades in five days")
