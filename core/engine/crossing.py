"""Crossing between the books of one account: where one strategy wants to buy what another wants to sell, they trade
with each other at the mid, and only what is left goes to the market. What a book may have from others is the desk's to
say, whether it may is the gate's; both sides are asked, and either says no for both.

Each side's quantity belongs to a schedule: the one that runs, or one of this name that is opened and done at once.
"""

from typing import Final

from core import commands as c
from core.book_commands import CROSS, CrossBooks
from core.engine.trading import Trading
from core.ids import SIDE_NAMES
from core.market import FIELDS, INDEX
from core.notes import Blocked
from core.parents import ParentState
from core.ports import Wish
from core.units import div_half_even, exact_text

CROSSES_MAX: Final = 8  # of one book at one look: through zero, with several others
_BID: Final = INDEX["bid_px_nanos"]
_ASK: Final = INDEX["ask_px_nanos"]


def cross(engine: Trading, strategy: str, inst: int) -> None:
    """Give a book what others want to give, one after the other, the oldest decision first."""
    if engine.stopping or engine.unsynced or engine.money.safe:
        return
    passed: list[str] = []  # a pair meets once at a look for as much as one order may be
    running: dict[int, None] = {}
    refusal = ""
    for _ in range(CROSSES_MAX):
        wishes = engine.desk.wishes(inst, engine.ts_ns)
        own = next((wish for wish in wishes if wish.strategy == strategy), None)
        other = None if own is None else _next(wishes, own, passed)
        if own is None or other is None:
            break
        qty = _size(engine, own, other, inst)
        refusal = _refusal(engine, own, other, inst, qty)
        if refusal or qty < min(own.qty_nanos, other.qty_nanos):
            passed.append(other.strategy)
        if not refusal:
            _trade(engine, own, other, inst, qty)
            running |= dict.fromkeys(wish.parent_id for wish in (own, other) if wish.parent_id)
    _note(engine, strategy, inst, refusal)
    for parent_id in running:
        parent = engine.money.live_parents.get(parent_id)
        if parent is not None and parent.active:
            engine.work(parent)


def _next(wishes: tuple[Wish, ...], own: Wish, passed: list[str]) -> Wish | None:
    for wish in wishes:
        if wish.side != own.side and wish.strategy not in passed:
            return wish
    return None


def _size(engine: Trading, own: Wish, other: Wish, inst: int) -> int:
    """What both want, within what one order of either may be."""
    most = [engine.gate.cross_max_nanos(wish, inst, engine.ts_ns) for wish in (own, other)]
    return min(own.qty_nanos, other.qty_nanos, *most)


def mid_nanos(bid_px_nanos: int, ask_px_nanos: int) -> int:
    """Exact on any grid of two nanos or more; half a nano goes to the even one, so that neither side is favoured."""
    return div_half_even(bid_px_nanos + ask_px_nanos, 2)


def _quote(engine: Trading, inst: int) -> tuple[int, int]:
    view = engine.market.view
    return view[inst * FIELDS + _BID], view[inst * FIELDS + _ASK]


def _refusal(engine: Trading, own: Wish, other: Wish, inst: int, qty_nanos: int) -> str:
    """Why these two do not cross; "" = they do."""
    if qty_nanos <= 0:
        return f"{other.strategy}: no size within the limits"
    px_nanos = mid_nanos(*_quote(engine, inst))
    for wish in (own, other):
        found = engine.gate.cross_failure(wish, inst, qty_nanos, px_nanos, engine.ts_ns)
        if found is not None:
            whose = "" if wish is own else f" of {wish.strategy}"
            return f"{other.strategy}: {found.code}{whose}: {found.value} against {found.limit}"
    return ""


def _note(engine: Trading, strategy: str, inst: int, refusal: str) -> None:
    """Told once for as long as the same control refuses the same pair."""
    key, reason = (strategy, inst), ":".join(refusal.split(":")[:2])
    if not reason:
        engine.uncrossed.pop(key, None)
    elif engine.uncrossed.get(key) != reason:
        engine.uncrossed[key] = reason
        engine.note(Blocked(strategy=strategy, inst=inst, reason=f"not crossed with {refusal}"))


def _trade(engine: Trading, own: Wish, other: Wish, inst: int, qty_nanos: int) -> None:
    bid, ask = _quote(engine, inst)
    px = mid_nanos(bid, ask)
    buyer, seller = (own, other) if own.side > 0 else (other, own)
    ids = [wish.parent_id or _open(engine, wish, inst, qty_nanos, px) for wish in (buyer, seller)]
    told = [f"{w.strategy} {SIDE_NAMES[w.side]} {exact_text(w.qty_nanos)}" for w in (buyer, seller)]
    engine.emit(
        CrossBooks(
            inst=inst,
            buyer=buyer.strategy,
            seller=seller.strategy,
            qty_nanos=qty_nanos,
            px_nanos=px,
            bid_px_nanos=bid,
            ask_px_nanos=ask,
            reason=f"opposite wants: {' and '.join(told)}",
            buyer_parent=ids[0],
            seller_parent=ids[1],
        )
    )
    for wish, parent_id in zip((buyer, seller), ids, strict=True):
        if not wish.parent_id:
            engine.emit(c.EndParent(parent_id=parent_id, state=ParentState.DONE, reason="crossed"))
    engine.exposure.mark(inst, engine.market.mark_nanos(inst), engine.money.ledger)


def _open(engine: Trading, wish: Wish, inst: int, qty_nanos: int, px_nanos: int) -> int:
    """A schedule for exactly what is crossed; it counts as one of the strategy's (control 11)."""
    parent_id = engine.money.next_parent_id
    engine.emit(
        c.OpenParent(
            parent_id=parent_id,
            strategy=wish.strategy,
            inst=inst,
            side=wish.side,
            qty_nanos=qty_nanos,
            algo=CROSS,
            start_ts_ns=engine.ts_ns,
            end_ts_ns=engine.ts_ns,
            slices=1,
            arrival_mid_nanos=px_nanos,
            decision_mid_nanos=wish.decision_mid_nanos,
            decision_ts_ns=wish.decided_ns,
            why="with another book of the account, at the mid",
        )
    )
    return parent_id
