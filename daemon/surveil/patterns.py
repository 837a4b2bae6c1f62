"""What a day's orders look like to a regulator: layering, wash trades, ramping, quote stuffing (RTS 6 art. 13(7)). Each
search is a plain rule with its thresholds beside it; a finding is a question for a person, not a verdict. Pure.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

import msgspec

from core.ids import SIDE_NAMES
from core.units import BP, NANO, exact_text
from daemon.status.rows import symbol_of
from daemon.surveil.trails import Day, Execution, Message, Trail

ORDERS_NAMED_MAX: Final = 50  # in one finding
# Layering: so many orders of one side at different prices at once, hardly filled and soon gone, while the other side
# trades. A schedule of ours has one child at a time: three at once are nobody's plan.
LAYERS_MIN: Final = 3
LAYER_LIFE_NS: Final = 60 * NANO
LAYER_FILLED_BP_MAX: Final = 500
# Wash: ours bought what ours sold, at one price within a second.
WASH_NS: Final = NANO
# Ramping: trades of one side, each at a worse price than the one before, that move the price so far; then the other
# side is taken.
RAMP_TRADES_MIN: Final = 5
RAMP_ORDERS_MIN: Final = 3
RAMP_NS: Final = 300 * NANO
RAMP_BP_MIN: Final = 50
RAMP_TURN_NS: Final = 1_800 * NANO
# Stuffing: messages in one instrument within a second, without an execution. The account's own rate limit is 25.
STUFFING_MESSAGES: Final = 20


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One suspicion: which orders, when, and the story."""

    pattern: str
    symbol: str
    from_ns: int
    until_ns: int
    orders: tuple[int, ...]
    strategies: tuple[str, ...]
    story: str


def search(day: Day) -> list[Finding]:
    """All findings of a day, by time."""
    found = [finding for pattern in PATTERNS for finding in pattern(day)]
    return sorted(found, key=lambda finding: (finding.from_ns, finding.pattern, finding.orders))


def _finding(day: Day, pattern: str, inst: int, span: tuple[int, int], orders: list[int], story: str) -> Finding:
    named = list(dict.fromkeys(orders))
    strategies = dict.fromkeys(day.orders[order_id].strategy for order_id in named)
    return Finding(
        pattern=pattern,
        symbol=symbol_of(day.symbols, inst),
        from_ns=span[0],
        until_ns=span[1],
        orders=tuple(named[:ORDERS_NAMED_MAX]),
        strategies=tuple(strategies),
        story=story,
    )


def layering(day: Day) -> Iterator[Finding]:
    """Layers on one side while the other side trades."""
    for execution in day.executions:
        layers = [
            trail
            for trail in day.orders.values()
            if trail.inst == execution.inst and trail.side != execution.side and _is_layer(trail, execution, day.end_ns)
        ]
        if len({trail.px_nanos for trail in layers}) < LAYERS_MIN:
            continue
        span = (min(trail.sent_ns for trail in layers), max(trail.until(day.end_ns) for trail in layers))
        side = SIDE_NAMES[layers[0].side]
        story = (
            f"{len(layers)} {side} orders at {len({x.px_nanos for x in layers})} prices stood and were taken away "
            f"unfilled while order {execution.order_id} {SIDE_NAMES[execution.side]} traded "
            f"{exact_text(execution.qty_nanos)} at {exact_text(execution.px_nanos)}"
        )
        orders = [trail.order_id for trail in layers]
        yield _finding(day, "layering", execution.inst, span, [execution.order_id, *orders], story)


def _is_layer(trail: Trail, execution: Execution, end_ns: int) -> bool:
    """It worked when the other side traded, and went soon, hardly filled."""
    ended = trail.until(end_ns)
    small = trail.filled_nanos * BP <= trail.qty_nanos * LAYER_FILLED_BP_MAX
    return trail.sent_ns <= execution.ts_ns < ended and ended - trail.sent_ns <= LAYER_LIFE_NS and small


def wash(day: Day) -> Iterator[Finding]:
    """Both sides of one trade are ours, or look as if they were."""
    for inst in _instruments(day):
        recent: list[Execution] = []
        for execution in (x for x in day.executions if x.inst == inst):
            recent = [x for x in recent if execution.ts_ns - x.ts_ns <= WASH_NS]
            for other in recent:
                if other.side != execution.side and other.px_nanos == execution.px_nanos:
                    qty = min(other.qty_nanos, execution.qty_nanos)
                    story = (
                        f"order {other.order_id} {SIDE_NAMES[other.side]} and order {execution.order_id} "
                        f"{SIDE_NAMES[execution.side]} traded {exact_text(qty)} at {exact_text(execution.px_nanos)} "
                        f"within {(execution.ts_ns - other.ts_ns) // 10**6} ms"
                    )
                    span = (other.ts_ns, execution.ts_ns)
                    yield _finding(day, "wash", inst, span, [other.order_id, execution.order_id], story)
            recent.append(execution)


def ramping(day: Day) -> Iterator[Finding]:
    """A run of one side at ever worse prices, and then the other side."""
    for inst in _instruments(day):
        run: list[Execution] = []
        for execution in (x for x in day.executions if x.inst == inst):
            if run and execution.side != run[-1].side:
                if execution.ts_ns - run[-1].ts_ns <= RAMP_TURN_NS and _is_ramp(run):
                    yield _ramp(day, run, execution)
                run = []
            elif run and not _worse(run[-1], execution):
                run = []
            run = [x for x in run if execution.ts_ns - x.ts_ns <= RAMP_NS] + [execution]


def _worse(before: Execution, now: Execution) -> bool:
    return (now.px_nanos - before.px_nanos) * now.side >= 0


def _is_ramp(run: list[Execution]) -> bool:
    first, last = run[0], run[-1]
    moved = abs(last.px_nanos - first.px_nanos) * BP >= first.px_nanos * RAMP_BP_MIN
    return moved and len(run) >= RAMP_TRADES_MIN and len({x.order_id for x in run}) >= RAMP_ORDERS_MIN


def _ramp(day: Day, run: list[Execution], turn: Execution) -> Finding:
    first, last = run[0], run[-1]
    story = (
        f"{len(run)} {SIDE_NAMES[first.side]} trades from {exact_text(first.px_nanos)} to {exact_text(last.px_nanos)}, "
        f"then order {turn.order_id} {SIDE_NAMES[turn.side]} at {exact_text(turn.px_nanos)}"
    )
    orders = [x.order_id for x in run] + [turn.order_id]
    return _finding(day, "ramping", first.inst, (first.ts_ns, turn.ts_ns), orders, story)


def stuffing(day: Day) -> Iterator[Finding]:
    """Many messages within a second and nothing traded; seconds in a row are one finding."""
    for inst in _instruments(day):
        burst: list[Message] = []
        window: list[Message] = []
        for message in (x for x in day.messages if x.inst == inst):
            window = [x for x in window if message.ts_ns - x.ts_ns < NANO] + [message]
            if len(window) < STUFFING_MESSAGES:
                continue
            if burst and window[0].ts_ns > burst[-1].ts_ns:
                yield from _stuffed(day, inst, burst)
                burst = []
            burst += [x for x in window if not burst or x.ts_ns > burst[-1].ts_ns or x is message]
        yield from _stuffed(day, inst, burst)


def _stuffed(day: Day, inst: int, burst: list[Message]) -> Iterator[Finding]:
    if not burst:
        return
    span = (burst[0].ts_ns, burst[-1].ts_ns)
    if any(x.inst == inst and span[0] <= x.ts_ns <= span[1] + NANO for x in day.executions):
        return
    gaps = [after.ts_ns - before.ts_ns for before, after in pairwise(burst)]
    story = f"{len(burst)} messages in {sum(gaps) // 10**6} ms and no execution"
    yield _finding(day, "quote stuffing", inst, span, [x.order_id for x in burst], story)


def _instruments(day: Day) -> list[int]:
    return sorted({trail.inst for trail in day.orders.values()})


PATTERNS: Final[tuple[Callable[[Day], Iterator[Finding]], ...]] = (layering, wash, ramping, stuffing)
