"""The disaster stop (control 30): while the account holds a symbol, one stop order that only reduces stands at the
broker and outlives this process. Decides when it is placed and cancelled; the gate judges it like every order.

It rests far from the market and must not keep a real exit from leaving, so core/reservations.py leaves it out. A fill
of both could pass zero: its first execution halts the symbol and takes the other orders off. Flattening is for people.
"""

from typing import Final

from core import commands as c
from core.engine import ladder
from core.engine.trading import Trading
from core.ids import BUY, SELL
from core.instruments import increment_at, rule_on
from core.latches import HALTED, SYMBOL
from core.ledger import UNCLAIMED
from core.money.state import READY
from core.orders import Order
from core.sessions import REGULAR
from core.units import BP

DISASTER_STOP: Final = "DISASTER_STOP"  # code of the latch that its execution sets
MISSING: Final = "DISASTER_STOP_MISSING"  # code of the alert
PACE_NS: Final = 10 * 10**9  # between two changes of one symbol's stop: a reject or a growing position must not flood
_SLICE: Final = -2  # of no schedule: the duplicate window never holds back what follows a cancel


def stops_of(engine: Trading, inst: int) -> list[Order]:
    """Live disaster stops of an instrument: one, except while a cancelled one revives."""
    live = engine.money.live_orders.values()
    return [order for order in live if order.inst == inst and order.purpose == c.INTENT_DISASTER]


def on_execution(engine: Trading, order_id: int, inst: int) -> None:
    """After every fill: a stop that was executed halts its symbol; one that exceeds the position goes."""
    order = engine.money.orders.get(order_id)
    if order is not None and order.purpose == c.INTENT_DISASTER:
        symbol = engine.symbols[inst]
        ladder.halt(engine, DISASTER_STOP, f"order {order_id} was executed", level=SYMBOL, scope=symbol)
        for other in list(engine.money.live_orders.values()):
            if other.inst == inst and other.purpose != c.INTENT_DISASTER:
                engine.cancel(other.order_id, DISASTER_STOP)
    _drop_excess(engine, inst)


def _drop_excess(engine: Trading, inst: int) -> None:
    held = engine.money.ledger.holdings[inst]
    for stop in stops_of(engine, inst):
        if held * stop.side >= 0 or stop.remaining_nanos > abs(held):
            engine.cancel(stop.order_id, "the position is smaller")


def follow(engine: Trading) -> None:
    """At every mark: each held symbol that asks for a stop has one of its size, or a person is told why not."""
    faults = []
    for inst, held in enumerate(engine.money.ledger.holdings):
        _drop_excess(engine, inst)
        fault = _cover(engine, inst, held) if held else ""
        if fault:
            faults.append(f"{engine.symbols[inst]}: {fault}")
    text = "; ".join(faults)
    told = engine.money.alerts.get(MISSING)
    if text and (told is None or told.text != text):
        engine.alert(MISSING, "warning", text)


def _cover(engine: Trading, inst: int, held: int) -> str:
    """Place or renew one symbol's stop; returns why it has none."""
    owner = _owner(engine, inst, held)
    distance_bp = engine.gate.disaster_stop_bp(owner, inst)
    stops = stops_of(engine, inst)
    if not distance_bp:
        for stop in stops:
            engine.cancel(stop.order_id, "no disaster stop is asked for any more")
        return ""
    if owner == UNCLAIMED:
        return "more than one book holds it: it takes a stop only where one strategy trades it"
    if not _may_act(engine, owner, inst) or engine.ts_ns < _quiet_until_ns(engine, inst):
        return ""
    intent = _intent(engine, owner, inst, held, distance_bp)
    if intent is None:
        return "no price, tick or lot rule"
    if stops:
        if len(stops) > 1 or intent.qty_nanos > stops[0].remaining_nanos:
            for stop in stops:
                engine.cancel(stop.order_id, "the position is larger")
        return ""
    verdict = engine.gate.approve(intent, engine.ts_ns, engine.seq + 1)
    if not isinstance(verdict, c.ApprovedOrder):
        return f"refused by {verdict.failures[0].code}"
    engine.emit(c.PlaceOrder(order=verdict))
    engine.monitor.on_order(engine.ts_ns)
    return "" if intent.qty_nanos == abs(held) else "larger than one order may be: partly covered"


def _owner(engine: Trading, inst: int, held: int) -> str:
    """The one strategy that holds all of it; nobody where there are several."""
    ledger = engine.money.ledger
    for name in engine.strategies:
        if ledger.held_nanos(name, inst) == held:
            return name
    return UNCLAIMED


def _may_act(engine: Trading, owner: str, inst: int) -> bool:
    """Regular hours, link ready and synchronised, nothing halted. What stands under a halt keeps standing."""
    money = engine.money
    if engine.stopping or engine.unsynced or money.safe or money.sendable() != READY:
        return False
    if engine.context.calendars[inst].phase(engine.ts_ns) != REGULAR:
        return False
    return money.latches.effective(strategy=owner, symbol=engine.symbols[inst]) != HALTED


def _quiet_until_ns(engine: Trading, inst: int) -> int:
    last = 0
    for order in engine.money.orders.values():
        if order.purpose == c.INTENT_DISASTER and order.inst == inst:
            last = max(last, order.changed_ts_ns, order.cancel_ts_ns, order.sent_ts_ns)
    return last + PACE_NS if last else 0


def _intent(engine: Trading, owner: str, inst: int, held: int, distance_bp: int) -> c.OrderIntent | None:
    side = SELL if held > 0 else BUY
    mark = engine.market.mark_nanos(inst)
    tick = rule_on(engine.context.instruments[inst].ticks, engine.money.trading_date)
    most = engine.gate.slice_max_nanos(owner, inst, side, engine.ts_ns)
    if mark <= 0 or tick is None or most <= 0:
        return None
    px = mark + side * (mark * distance_bp // BP)
    step = increment_at(tick, px)
    px = px // step * step if side < 0 else -(-px // step) * step  # away from the market
    if px <= 0:
        return None
    return c.OrderIntent(
        order_id=engine.money.next_order_id,
        parent_id=0,
        slice_no=_SLICE,
        strategy=owner,
        inst=inst,
        side=side,
        qty_nanos=min(abs(held), most),
        order_type=c.STP,
        stop_px_nanos=px,
        tif=c.GTC if engine.gate.outlives_day else c.DAY,
        purpose=c.INTENT_DISASTER,
    )
