"""What closes a manual order's fills again: a limit order at its profit and a stop, for as much as the order has filled
and they have not closed yet. Decides when they are placed and cancelled; the gate judges them like every order.

The two are one one-cancels-all group at the broker: it lets one of them trade, and takes off the other what the one
filled, also while this process is away. Each is never for more than is left, so that whatever order fills, cancels and
restarts come in, they close what was opened and no more. What the entry fills later gets a pair of its own; too many
pairs are cancelled and become one. They reserve what one of them holds (core/reservations.py).
"""

from typing import Final

import msgspec

from core import commands as c
from core.engine.trading import SIZE_CONTROLS, StopWatch, Trading
from core.ids import oca_name
from core.latches import ACCOUNT, HALTED, LEVEL_NAMES, STRATEGY, SYMBOL
from core.manual import ManualOrder
from core.manual_commands import EndProtection
from core.money.state import READY
from core.notes import Refusal
from core.orders import Order, State
from core.sessions import REGULAR
from core.units import exact_text

MISSING: Final = "PROTECTION_MISSING"  # code of the alert
PAIRS_MAX: Final = 3  # of one order at once
PACE_NS: Final = 10**9  # between two pairs of an order; doubles with each that the gate or the broker did not keep
SETTLED_NS: Final = 10**9  # IBKR: an execution may be told after the cancel that it came before
REFUSED_MAX: Final = 6  # so many in a row end it until the day rolls
STEADY_NS: Final = 60 * 10**9  # one that has stood so long was taken
GRACE_NS: Final = 2 * 10**9  # the broker takes the other of a pair off by itself within this long
_LEG: Final = -4  # a slice of no schedule

Pair = list[Order]  # live and ended orders of one group


def follow(engine: Trading) -> None:
    """At every mark: each protected order has what it needs, or a person is told why not."""
    pairs = _pairs(engine)
    for kept in list(engine.money.manual.values()):
        if kept.protected and not kept.over:
            _look(engine, kept, pairs.get(kept.parent_id, []))


def on_order(engine: Trading, order: Order) -> None:
    """After any fact about an order: what its book holds may be more or less than is covered."""
    book = [kept for kept in engine.money.manual.values() if kept.protected and not kept.over]
    book = [kept for kept in book if (kept.strategy, kept.inst) == (order.strategy, order.inst)]
    pairs = _pairs(engine) if book else {}
    for kept in book:
        _look(engine, kept, pairs.get(kept.parent_id, []))


def end(engine: Trading, level: int, scope: str, reason: str) -> None:
    """Nothing follows the fills in a scope any more; whoever calls this cancels what works."""
    for kept in list(engine.money.manual.values()):
        covered = {SYMBOL: engine.symbols[kept.inst], STRATEGY: kept.strategy}
        assert level in LEVEL_NAMES, f"level {level}"
        if kept.protected and not kept.over and (level <= ACCOUNT or scope == covered[level]):
            engine.emit(EndProtection(parent_id=kept.parent_id, reason=reason))


def live_of(engine: Trading, parent_id: int) -> list[Order]:
    """What works to close an order's fills."""
    return [order for order in engine.money.live_orders.values() if order.bracket == parent_id]


def _pairs(engine: Trading) -> dict[int, list[Pair]]:
    """By manual order, oldest first."""
    if not engine.money.manual:
        return {}
    found: dict[int, dict[str, Pair]] = {}
    for order in sorted((x for x in engine.money.orders.values() if x.bracket), key=lambda x: x.order_id):
        found.setdefault(order.bracket, {}).setdefault(order.oca_group or str(order.order_id), []).append(order)
    return {parent_id: list(groups.values()) for parent_id, groups in found.items()}


def _room(engine: Trading, kept: ManualOrder) -> int:
    """What is open of an order's fills: no more than its book holds besides what older ones have open."""
    held = engine.money.ledger.held_nanos(kept.strategy, kept.inst) * kept.side
    for other in engine.money.manual.values():
        if other.parent_id >= kept.parent_id:
            break
        if (other.strategy, other.inst, other.side) == (kept.strategy, kept.inst, kept.side) and not other.over:
            held -= max(other.filled_nanos - other.closed_nanos, 0) if other.protected else 0
    return max(min(kept.filled_nanos - kept.closed_nanos, held), 0)


def _look(engine: Trading, kept: ManualOrder, known: list[Pair]) -> None:
    watch = engine.brackets.setdefault(kept.parent_id, StopWatch())
    pairs = [pair for pair in known if any(order.live for order in pair)]
    room = _room(engine, kept)
    parent = engine.money.live_parents.get(kept.parent_id)
    if not room and not pairs and parent is None:
        engine.emit(EndProtection(parent_id=kept.parent_id, reason="closed" if kept.filled_nanos else "nothing filled"))
        engine.brackets.pop(kept.parent_id, None)
        return
    _count(engine, watch, known)  # before anything is cancelled
    for pair in pairs:
        _drop_widow(engine, pair)
    _drop_excess(engine, watch, pairs, room)
    fault = _cover(engine, kept, watch, known, room)
    if fault and fault != watch.told:
        severity = "critical" if watch.refused >= REFUSED_MAX else "warning"
        text = f"order {kept.parent_id} in {engine.symbols[kept.inst]}: {fault}"
        engine.alert(MISSING, severity, text)
    if fault is not None:
        watch.told = fault


def _count(engine: Trading, watch: StopWatch, known: list[Pair]) -> None:
    """An order that ended by itself, unfilled, was not kept by the broker: the next one waits longer."""
    if engine.money.trading_date != watch.date:
        watch.date, watch.refused = engine.money.trading_date, 0
    for pair in known:
        for order in pair:
            if order.live:
                watch.refused = 0 if engine.ts_ns - order.sent_ts_ns >= STEADY_NS else watch.refused
            elif order.order_id > watch.order_id:
                watch.order_id = order.order_id
                watch.refused += 0 if order.filled_nanos or order.cancel_ts_ns or _is_over(pair) else 1


def _is_over(pair: Pair) -> bool:
    """Whether the group has traded, or stood for a while: then that one of it ended is no refusal."""
    return any(order.filled_nanos or order.changed_ts_ns - order.sent_ts_ns >= STEADY_NS for order in pair)


def _drop_widow(engine: Trading, pair: Pair) -> None:
    """One of two has ended and the other works: filled, the broker takes the other off, and we do when it does not;
    ended otherwise, a new pair takes the place of both.
    """
    ended = [order for order in pair if not order.live]
    if not ended:
        return
    filled = any(order.state is State.FILLED for order in ended)
    if not filled or engine.ts_ns >= max(order.changed_ts_ns for order in ended) + GRACE_NS:
        _drop(engine, pair, "the other of its group has ended")


def _cancel(engine: Trading, order: Order, reason: str) -> None:
    if engine.ts_ns >= order.cancel_ts_ns + GRACE_NS:
        engine.cancel(order.order_id, reason)


def _least(pair: Pair) -> int:
    """What a pair may close for certain; nothing of one that is over, where the broker takes the other off."""
    if any(order.state is State.FILLED for order in pair):
        return 0
    return min(order.remaining_nanos for order in pair if order.live)


def _most(pair: Pair) -> int:
    return max(order.reserved_nanos for order in pair if order.live)


def _drop_excess(engine: Trading, watch: StopWatch, pairs: list[Pair], room: int) -> None:
    """What would close more than is open goes at once, the newest first; what only looks so, because the broker has
    told of one of a pair and not yet of the other, when nothing is told of it for a while.
    """
    if sum(_most(pair) for pair in pairs) <= room:
        watch.since_ns = 0
        return
    watch.since_ns = watch.since_ns or engine.ts_ns
    waits = engine.ts_ns < watch.since_ns + GRACE_NS
    covered = 0
    for pair in pairs:
        part = _least(pair) if waits else _most(pair)
        if covered + part > room:
            _drop(engine, pair, "less is open")
        else:
            covered += part


def _drop(engine: Trading, pair: Pair, reason: str) -> None:
    for order in pair:
        if order.live:
            _cancel(engine, order, reason)


def _unsettled(engine: Trading, order: Order) -> bool:
    """Whether a fill of it may still be told: its cancel is on its way, or was answered a moment ago."""
    if order.live:
        return order.state is State.CANCELLING
    return order.state is State.CANCELLED and engine.ts_ns < order.changed_ts_ns + SETTLED_NS


def _cover(engine: Trading, kept: ManualOrder, watch: StopWatch, known: list[Pair], room: int) -> str | None:
    """Place what lacks. Returns why something does, "" = nothing does, None = not to be said now."""
    pairs = [pair for pair in known if any(order.live for order in pair)]
    open_nanos = room - sum(_most(pair) for pair in pairs)
    lame = next((pair for pair in pairs if len(pair) < _size(kept) and all(order.live for order in pair)), None)
    if open_nanos <= 0 and lame is None:
        return ""
    if any(_unsettled(engine, order) for pair in known for order in pair):
        return None
    if not _may_act(engine, kept.inst):
        return None
    state = engine.money.latches.effective(strategy=kept.strategy, symbol=engine.symbols[kept.inst])
    if state == HALTED:
        return "halted: nothing closes its fills before it is resumed"
    if watch.refused >= REFUSED_MAX:
        return f"not kept {watch.refused} times in a row: nothing more is sent before the day rolls"
    if engine.ts_ns < watch.sent_ns + (PACE_NS << watch.refused if watch.sent_ns else 0):
        return None
    watch.sent_ns = engine.ts_ns
    if lame is not None:
        return _complete(engine, kept, watch, lame, _least(lame))
    if len(pairs) >= PAIRS_MAX:
        for pair in pairs:
            _drop(engine, pair, "one pair takes the place of several")
        return None
    return _complete(engine, kept, watch, [], open_nanos)


def _size(kept: ManualOrder) -> int:
    return (kept.take_profit_px_nanos > 0) + (kept.stop_px_nanos > 0)


def _complete(engine: Trading, kept: ManualOrder, watch: StopWatch, pair: Pair, qty_nanos: int) -> str:
    """Send what a pair lacks, the stop first: without a profit one can live. A size that one order may not have is cut,
    and the next pair has the rest.
    """
    group = pair[0].oca_group if pair else ""
    if not pair and _size(kept) > 1:
        tag = engine.money.settings.account_tag
        group = oca_name(tag, f"b{kept.parent_id}-{engine.money.next_order_id}")
    for kind, px in ((c.STP, kept.stop_px_nanos), (c.LMT, kept.take_profit_px_nanos)):
        if not px or any(order.order_type == kind for order in pair):
            continue
        verdict = _approved(engine, _intent(engine, kept, kind, px, qty_nanos, group))
        if isinstance(verdict, Refusal):
            engine.note(verdict)
            watch.refused += 1
            what = "stop" if kind == c.STP else "profit"
            return f"its {what} at {exact_text(px)} is refused by {verdict.failures[0].code}"
        engine.emit(c.PlaceOrder(order=verdict))
        engine.monitor.on_order(engine.ts_ns)
        qty_nanos = verdict.intent.qty_nanos
    return ""


def _intent(engine: Trading, kept: ManualOrder, kind: int, px: int, qty_nanos: int, group: str) -> c.OrderIntent:
    return c.OrderIntent(
        order_id=engine.money.next_order_id,
        parent_id=0,
        slice_no=_LEG,
        strategy=kept.strategy,
        inst=kept.inst,
        side=-kept.side,
        qty_nanos=qty_nanos,
        order_type=kind,
        limit_px_nanos=px if kind == c.LMT else 0,
        stop_px_nanos=px if kind == c.STP else 0,
        tif=c.GTC if engine.gate.outlives_day else c.DAY,
        purpose=c.INTENT_PROTECT,
        operator=kept.by,
        oca_group=group,
        oca_type=c.OCA_REDUCE_WITH_BLOCK if group else 0,
        bracket=kept.parent_id,
    )


def _approved(engine: Trading, whole: c.OrderIntent) -> c.ApprovedOrder | Refusal:
    verdict = engine.gate.approve(whole, engine.ts_ns, engine.seq + 1)
    if isinstance(verdict, Refusal) and verdict.failures[0].control in SIZE_CONTROLS:
        most = engine.gate.slice_max_nanos(whole.strategy, whole.inst, whole.side, engine.ts_ns)
        if 0 < most < whole.qty_nanos:
            part = msgspec.structs.replace(whole, qty_nanos=most)
            return engine.gate.approve(part, engine.ts_ns, engine.seq + 1)
    return verdict


def _may_act(engine: Trading, inst: int) -> bool:
    """Regular hours, link ready and synchronised, neither stopping nor SAFE."""
    money = engine.money
    if engine.stopping or engine.unsynced or money.safe or money.sendable() != READY:
        return False
    return engine.context.calendars[inst].phase(engine.ts_ns) == REGULAR
