"""The disaster stop (control 30): while the account holds a symbol, one stop order that only reduces stands at the
broker and outlives this process. Decides when it is placed and cancelled; the gate judges it like every order.

Where several books hold the symbol it is for what the account holds in all, and belongs to none of them: what it closes
is booked to those on the side of the account, each by its part. Books that add up to nothing have none.

It rests far from the market and must not keep a real exit from leaving, so core/reservations.py leaves it out. A fill
of both could pass zero: its first execution halts the symbol and takes the other orders off. Flattening is for people.
"""

from typing import Final

import msgspec

from core import commands as c
from core.engine import ladder
from core.engine.trading import SIZE_CONTROLS, StopWatch, Trading
from core.ids import BUY, SELL
from core.instruments import increment_at, rule_on
from core.latches import HALTED, SYMBOL
from core.ledger import UNCLAIMED
from core.manual_commands import ShareExecution
from core.money.state import DOWN, READY
from core.notes import Refusal
from core.orders import Order, State
from core.sessions import REGULAR
from core.units import BP, round_down

DISASTER_STOP: Final = "DISASTER_STOP"  # code of the latch that its execution sets
MISSING: Final = "DISASTER_STOP_MISSING"  # code of the alert
PACE_NS: Final = 10 * 10**9  # between two stops of a symbol; doubles with each that the broker did not keep
REFUSED_MAX: Final = 5  # so many in a row end it until the day rolls or the position is gone
STEADY_NS: Final = 60 * 10**9  # a stop that has stood so long was taken
ASK_AGAIN_NS: Final = 2 * 10**9  # a cancel of a stop that still stands
GROWN: Final = 2  # a stop that can't cover all is renewed when it can cover this many times what it does
_SLICE: Final = -2  # of no schedule


def on_execution(engine: Trading, order_id: int, inst: int, exec_id: str) -> None:
    """After every fill: a stop that was executed halts its symbol; one that exceeds the position goes."""
    order = engine.money.orders.get(order_id)
    if order is not None and order.purpose == c.INTENT_DISASTER:
        _share(engine, order, exec_id)
        _executed(engine, order)
    watch = engine.stops.get(inst)
    stop = None if watch is None else engine.money.live_orders.get(watch.order_id)
    if stop is not None:
        _drop_excess(engine, [stop])


def _share(engine: Trading, order: Order, exec_id: str) -> None:
    """What the account's own stop closed is booked to those who held it, once, in parts of what each held: whole lots,
    and what that leaves over to the first who still holds some.
    """
    ledger, inst, side = engine.money.ledger, order.inst, order.side
    execution = ledger.executions.get(exec_id)
    if order.strategy != UNCLAIMED or execution is None or execution.shared or not execution.qty_nanos:
        return
    qty = execution.qty_nanos
    before = {name: ledger.held_nanos(name, inst) for name in ledger.books}
    before[UNCLAIMED] -= side * qty  # it is booked there
    held = {name: abs(nanos) for name, nanos in before.items() if nanos * side < 0}
    lot = rule_on(engine.context.instruments[inst].lots, engine.money.trading_date)
    step, total = (1 if lot is None else lot.increment_nanos), sum(held.values())
    parts = {name: min(nanos, round_down(qty * nanos // total, step)) for name, nanos in held.items()}
    rest = qty - sum(parts.values())
    for name, nanos in held.items():
        more = min(rest, nanos - parts[name])
        parts[name] += more
        rest -= more
    books = tuple((name, side * nanos) for name, nanos in parts.items() if nanos and name != UNCLAIMED)
    engine.emit(ShareExecution(exec_id=exec_id, books=books))
    engine.exposure.mark(inst, engine.market.mark_nanos(inst) or execution.px_nanos, ledger)


def _executed(engine: Trading, order: Order) -> None:
    symbol, text = engine.symbols[order.inst], f"disaster stop #{order.order_id} was executed"
    if any(latch.code == DISASTER_STOP for latch in engine.money.latches.held(SYMBOL, symbol)):
        return
    halted = engine.money.latches.scope_state(SYMBOL, symbol) == HALTED
    ladder.halt(engine, DISASTER_STOP, text, level=SYMBOL, scope=symbol)
    if halted:  # the ladder tells a move alone
        engine.alert(DISASTER_STOP, "critical", f"symbol {symbol}: {text}")
    for other in list(engine.money.live_orders.values()):
        if other.inst == order.inst and other.purpose != c.INTENT_DISASTER:
            engine.cancel(other.order_id, DISASTER_STOP)


def _drop_excess(engine: Trading, stops: list[Order]) -> None:
    """What would trade more than is held goes at once."""
    if engine.money.link == DOWN:
        return
    covered = 0
    for stop in stops:
        held = engine.money.ledger.holdings[stop.inst]
        if held * stop.side >= 0 or covered + stop.remaining_nanos > abs(held):
            _cancel(engine, stop, "the position is smaller")
        else:
            covered += stop.remaining_nanos


def _cancel(engine: Trading, stop: Order, reason: str) -> None:
    if engine.ts_ns >= stop.cancel_ts_ns + ASK_AGAIN_NS:
        engine.cancel(stop.order_id, reason)


def follow(engine: Trading) -> None:
    """At every mark: each held symbol that asks for a stop has one of its size, or a person is told why not."""
    live: dict[int, list[Order]] = {}
    for order in engine.money.live_orders.values():
        if order.purpose == c.INTENT_DISASTER:
            live.setdefault(order.inst, []).append(order)
    if not live and not engine.gate.disaster_stops:
        return
    for inst, held in enumerate(engine.money.ledger.holdings):
        stops = live.get(inst, [])
        _drop_excess(engine, stops)
        if not held:
            engine.stops.pop(inst, None)
            continue
        watch = engine.stops.setdefault(inst, StopWatch())
        _look(engine, watch, stops)
        fault = _cover(engine, watch, stops, inst, held)
        if fault is None:
            continue
        if fault and fault != watch.told:
            severity = "critical" if watch.refused >= REFUSED_MAX else "warning"
            engine.alert(MISSING, severity, f"{engine.symbols[inst]}: {fault}")
        watch.told = fault


def _look(engine: Trading, watch: StopWatch, stops: list[Order]) -> None:
    """How the last stop fared: one that ended by itself counts, one that stands for a while ends the count."""
    if engine.money.trading_date != watch.date:
        watch.date, watch.refused = engine.money.trading_date, 0
    if stops:
        watch.order_id = stops[0].order_id
        watch.sent_ns = max(watch.sent_ns, stops[0].sent_ts_ns)
        if engine.ts_ns - watch.sent_ns >= STEADY_NS:
            watch.refused = 0
        return
    ended = engine.money.orders.get(watch.order_id)
    watch.order_id = 0
    if ended is not None and ended.state is not State.FILLED and not ended.cancel_ts_ns:
        watch.refused += 1


def _cover(engine: Trading, watch: StopWatch, stops: list[Order], inst: int, held: int) -> str | None:
    """Place or renew one symbol's stop. Returns why it lacks one, "" = it does not, None = not to be said now."""
    ledger = engine.money.ledger
    books = [name for name in ledger.books if ledger.held_nanos(name, inst)]
    owner = books[0] if len(books) == 1 else UNCLAIMED  # of several it is the account's own
    distance_bp = max(engine.gate.disaster_stop_bp(name, inst) for name in books or (UNCLAIMED,))
    if not distance_bp:
        for stop in stops:
            _cancel(engine, stop, "no disaster stop is asked for any more")
        return ""
    if not _may_act(engine, inst):
        return None
    halted = engine.money.latches.effective(strategy=owner, symbol=engine.symbols[inst]) == HALTED
    covered = sum(stop.remaining_nanos for stop in stops)
    fault = _standing_fault(watch, stops, halted=halted)
    stray = [stop for stop in stops if stop.strategy != owner]  # its fills would be booked to others
    if fault or (covered >= abs(held) and not stray):
        return fault
    if halted or engine.ts_ns < watch.sent_ns + (PACE_NS << watch.refused if watch.sent_ns else 0):
        return None
    wanted = _approved(engine, _intent(engine, owner, inst, held, distance_bp))
    if isinstance(wanted, str):
        return wanted
    qty = wanted.intent.qty_nanos
    if not stops:
        engine.emit(c.PlaceOrder(order=wanted))
        engine.monitor.on_order(engine.ts_ns)
        watch.order_id, watch.sent_ns = wanted.intent.order_id, engine.ts_ns
    elif stray or (qty > covered and (qty == abs(held) or qty >= GROWN * covered)):
        for stop in stops:
            _cancel(engine, stop, "another one takes its place")
        return None
    return "" if qty == abs(held) else "more than one order may be: covered in part"


def _standing_fault(watch: StopWatch, stops: list[Order], *, halted: bool) -> str:
    """What waiting does not mend; "" = nothing."""
    if stops:
        doubted = [stop for stop in stops if stop.state in (State.INACTIVE, State.UNKNOWN)]
        return f"#{doubted[0].order_id} is {doubted[0].state.name} at the broker" if doubted else ""
    if halted:
        return "halted: none is placed before it is resumed"
    if watch.refused >= REFUSED_MAX:
        return f"the broker did not keep {watch.refused} in a row: none is sent before the day rolls"
    return ""


def _may_act(engine: Trading, inst: int) -> bool:
    """Regular hours, link ready and synchronised, neither stopping nor SAFE."""
    money = engine.money
    if engine.stopping or engine.unsynced or money.safe or money.sendable() != READY:
        return False
    return engine.context.calendars[inst].phase(engine.ts_ns) == REGULAR


def _approved(engine: Trading, whole: c.OrderIntent | None) -> c.ApprovedOrder | str:
    """The largest stop that one order may be, or why there is none."""
    if whole is None:
        return "there is no price for it"
    verdict = engine.gate.approve(whole, engine.ts_ns, engine.seq + 1)
    if isinstance(verdict, Refusal) and verdict.failures[0].control in SIZE_CONTROLS:
        most = engine.gate.slice_max_nanos(whole.strategy, whole.inst, whole.side, engine.ts_ns)
        if 0 < most < whole.qty_nanos:
            part = msgspec.structs.replace(whole, qty_nanos=most)
            verdict = engine.gate.approve(part, engine.ts_ns, engine.seq + 1)
    return f"refused by {verdict.failures[0].code}" if isinstance(verdict, Refusal) else verdict


def _intent(engine: Trading, owner: str, inst: int, held: int, distance_bp: int) -> c.OrderIntent | None:
    side = SELL if held > 0 else BUY
    mark = engine.market.mark_nanos(inst)
    tick = rule_on(engine.context.instruments[inst].ticks, engine.money.trading_date)
    if mark <= 0 or tick is None:
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
        qty_nanos=abs(held),
        order_type=c.STP,
        stop_px_nanos=px,
        tif=c.GTC if engine.gate.outlives_day else c.DAY,
        purpose=c.INTENT_DISASTER,
    )
