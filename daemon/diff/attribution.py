"""Splits the difference of two runs' profit over one span into five parts that add up to it exactly.

Profit of a run, for one strategy and instrument, between the two moments of the span:

    sum over positions that were there       q * (M - m(t))       q signed, t = start of the span, or taken over at t
  + sum over executions                      q * (M - px)
  - commissions and fees

M is the mark at the end of the span, m(t) the mark at a moment, both from the run's own market rows (daemon/diff/
marks.py). A live run L is compared with a shadow S. A decision (daemon/diff/day.py) executed Q at a cash value V, its
first schedule began at t with the mid a, and its target changed by D. With both sides' names behind the letters:

a decision of both runs (daemon/diff/align.py)
    data      Q_L * [(M_L - M_S) - (m_L(t_L) - m_S(t_L))]            what L did, in the other run's market
    timing    - Q_L * [a_L - a_S - m_L(t_L) + m_S(t_L)]              what S's market did between the two arrivals
    signal    (D_L - D_S) * (M_S - a_S)                              they wanted different quantities
    fill      (Q_L * a_L - V_L) - (Q_S * a_S - V_S)                  prices paid against the own arrival
              + [(Q_L - D_L) - (Q_S - D_S)] * (M_S - a_S)            and what was wanted and did not execute
    cost      - (commissions_L - commissions_S)
a decision of one run only
    data      as above, for L
    fill      (Q - D) * (M_S - a_S)                                  what was wanted and did not execute, or made up for
    signal    all the rest of its profit: had it not been made, none of it would be there
    cost      its commissions
positions that were there, or were taken over
    data      as above; signal: that they differ
cash that moved without a trade (interest, fees for data, differences that were booked)
    cost      an owner's deposit is no profit and stands nowhere

So in runs on the same rows `data` is zero, with the same decisions `signal` is zero, with the same moments `timing` is,
with the same executions `fill` is, with the same charges `cost` is. `signal` is the difference of two portfolios that
follow their targets at once, at the arrival mid: so D is the change of the target and not what a schedule set out to
trade. What one decision left undone and a later one made up for is `fill` in both, and cancels but for the price
between.

Everything is an integer product of a quantity and a price (nanos times nanos), added up exactly and rounded once for
people, half-even; the rest of a nano is with `fill`.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from core.units import NANO, div_half_even
from daemon.diff.align import align
from daemon.diff.day import Carried, Day, Decision

Mark = Callable[[int, int], int]  # (instrument, ts_ns) -> nanos
NOBODYS_CASH: Final = -1  # as an instrument


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Five signed amounts in nanos times nanos."""

    data: int = 0
    signal: int = 0
    timing: int = 0
    fill: int = 0
    cost: int = 0

    def __add__(self, other: "Parts") -> "Parts":
        return Parts(
            data=self.data + other.data,
            signal=self.signal + other.signal,
            timing=self.timing + other.timing,
            fill=self.fill + other.fill,
            cost=self.cost + other.cost,
        )

    @property
    def total(self) -> int:
        """Their sum."""
        return self.data + self.signal + self.timing + self.fill + self.cost

    def nanos(self) -> dict[str, int]:
        """The parts and their total in nanos of cash; they add up to it."""
        found = {name: div_half_even(getattr(self, name), NANO) for name in ("data", "signal", "timing", "cost")}
        total = div_half_even(self.total, NANO)
        found["fill"] = total - sum(found.values())
        return {name: found[name] for name in ("data", "signal", "timing", "fill", "cost")} | {"total": total}


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of both runs, or of one, with what it made of the difference."""

    live: Decision | None
    shadow: Decision | None
    parts: Parts


class Row(msgspec.Struct, kw_only=True):
    """One strategy in one instrument: both profits (nanos times nanos) and the parts of their difference."""

    strategy: str
    inst: int
    live: int = 0
    shadow: int = 0
    parts: Parts = Parts()
    pairs: list[Pair] = []


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One run: what it did, its market, and the end of the span."""

    day: Day
    mark: Mark
    end_ns: int

    def end(self, inst: int) -> int:
        """The mark at the end."""
        return self.mark(inst, self.end_ns)

    def arrival(self, decision: Decision) -> int:
        """The mid its first schedule met."""
        return decision.arrival_nanos or self.mark(decision.inst, decision.open_ns or decision.ts_ns)


def attribute(live: Side, shadow: Side, *, within_ns: int) -> list[Row]:
    """One row for each strategy and instrument that either run touched. Raises AssertionError when the parts do not
    make up the difference.
    """
    rows = []
    for strategy, inst in _keys(live.day, shadow.day):
        row = Row(strategy=strategy, inst=inst)
        if inst == NOBODYS_CASH:
            row.live, row.shadow = _moved(live.day), _moved(shadow.day)
            row.parts = Parts(cost=row.live - row.shadow)
        else:
            _fill_row(row, live, shadow, within_ns)
        assert row.parts.total == row.live - row.shadow, f"{strategy} {inst}: the parts are not the difference"
        rows.append(row)
    return rows


def moments(day: Day, *, start_ns: int, end_ns: int) -> list[tuple[int, int]]:
    """Where the marks of both markets are needed for what this run did."""
    found = [(decision.inst, decision.open_ns or decision.ts_ns) for decision in day.decisions]
    found += [(one.inst, one.ts_ns) for one in day.carried]
    insts = dict.fromkeys(inst for inst, _ in found)
    return found + [(inst, moment) for inst in insts for moment in (start_ns, end_ns)]


def _keys(live: Day, shadow: Day) -> list[tuple[str, int]]:
    found: dict[tuple[str, int], None] = {}
    for day in (live, shadow):
        found |= {(decision.strategy, decision.inst): None for decision in day.decisions}
        found |= {(carried.strategy, carried.inst): None for carried in day.carried}
    if live.moved or shadow.moved:
        found["", NOBODYS_CASH] = None
    return sorted(found)


def _moved(day: Day) -> int:
    return sum(amount for _, amount, _ in day.moved) * NANO


def _fill_row(row: Row, live: Side, shadow: Side, within_ns: int) -> None:
    ours, theirs = _of(live.day.decisions, row), _of(shadow.day.decisions, row)
    held, other_held = _carried(live.day.carried, row), _carried(shadow.day.carried, row)
    row.live = _profit(live, ours, held, row.inst)
    row.shadow = _profit(shadow, theirs, other_held, row.inst)
    row.parts = _there(live, shadow, held, other_held, row.inst)
    matched = align(ours, theirs, within_ns=within_ns)
    for at, other in matched:
        row.pairs.append(_pair(live, shadow, ours[at], theirs[other]))
    mine, others = {at for at, _ in matched}, {other for _, other in matched}
    row.pairs += [_alone(live, shadow, one) for at, one in enumerate(ours) if at not in mine]
    row.pairs += [_missed(shadow, one) for other, one in enumerate(theirs) if other not in others]
    for pair in row.pairs:
        row.parts += pair.parts


def _of(decisions: Sequence[Decision], row: Row) -> list[Decision]:
    mine = [one for one in decisions if (one.strategy, one.inst) == (row.strategy, row.inst)]
    return sorted(mine, key=lambda one: one.ts_ns)


def _carried(carried: Sequence[Carried], row: Row) -> list[Carried]:
    return [one for one in carried if (one.strategy, one.inst) == (row.strategy, row.inst)]


def _profit(side: Side, decisions: Sequence[Decision], held: Sequence[Carried], inst: int) -> int:
    end = side.end(inst)
    found = sum(one.qty_nanos * (end - side.mark(inst, one.ts_ns)) for one in held)
    found += sum(one.qty_nanos * end - one.paid for one in decisions)
    return found - sum(one.cost_nanos for one in decisions) * NANO


def _market_gap(live: Side, shadow: Side, inst: int, ts_ns: int) -> int:
    """How much further the live market moved from a moment to the end than the shadow's."""
    return (live.end(inst) - shadow.end(inst)) - (live.mark(inst, ts_ns) - shadow.mark(inst, ts_ns))


def _there(
    live: Side, shadow: Side, held: Sequence[Carried], other_held: Sequence[Carried], inst: int
) -> Parts:  # fmt: skip
    data = sum(one.qty_nanos * _market_gap(live, shadow, inst, one.ts_ns) for one in held)
    end = shadow.end(inst)
    signal = sum(one.qty_nanos * (end - shadow.mark(inst, one.ts_ns)) for one in held)
    signal -= sum(one.qty_nanos * (end - shadow.mark(inst, one.ts_ns)) for one in other_held)
    return Parts(data=data, signal=signal)


def _pair(live: Side, shadow: Side, one: Decision, other: Decision) -> Pair:
    inst, end = one.inst, shadow.end(one.inst)
    arrival, other_arrival, began_ns = _arrivals(live, shadow, one, other)
    here, there = live.mark(inst, began_ns), shadow.mark(inst, began_ns)
    qty, other_qty = one.qty_nanos, other.qty_nanos
    wanted, other_wanted = one.change_nanos, other.change_nanos
    missing = (qty - wanted) - (other_qty - other_wanted)
    paid = (qty * arrival - one.paid) - (other_qty * other_arrival - other.paid)
    parts = Parts(
        data=qty * _market_gap(live, shadow, inst, began_ns),
        timing=-qty * (arrival - other_arrival - here + there),
        signal=(wanted - other_wanted) * (end - other_arrival),
        fill=paid + missing * (end - other_arrival),
        cost=-(one.cost_nanos - other.cost_nanos) * NANO,
    )
    return Pair(live=one, shadow=other, parts=parts)


def _arrivals(live: Side, shadow: Side, one: Decision, other: Decision) -> tuple[int, int, int]:
    """(arrival here, arrival there, when here). A side that opened no schedule takes the moment of the other, so that
    what it missed is a matter of fill and not of timing.
    """
    if one.open_ns and other.open_ns:
        return live.arrival(one), shadow.arrival(other), one.open_ns
    began = one if one.open_ns or not other.open_ns else other
    began_ns = began.open_ns or began.ts_ns
    gap = live.mark(one.inst, began_ns) - shadow.mark(one.inst, began_ns)
    if began is one:
        arrival = live.arrival(one)
        return arrival, arrival - gap, began_ns
    arrival = shadow.arrival(other)
    return arrival + gap, arrival, began_ns


def _alone(live: Side, shadow: Side, one: Decision) -> Pair:
    """Made by the live run only."""
    inst, began_ns = one.inst, one.open_ns or one.ts_ns
    data = one.qty_nanos * _market_gap(live, shadow, inst, began_ns)
    arrival = live.arrival(one) - live.mark(inst, began_ns) + shadow.mark(inst, began_ns)
    fill = (one.qty_nanos - one.change_nanos) * (shadow.end(inst) - arrival)
    profit = one.qty_nanos * live.end(inst) - one.paid
    parts = Parts(data=data, signal=profit - data - fill, fill=fill, cost=-one.cost_nanos * NANO)
    return Pair(live=one, shadow=None, parts=parts)


def _missed(shadow: Side, other: Decision) -> Pair:
    """Made by the shadow only."""
    end = shadow.end(other.inst)
    fill = -(other.qty_nanos - other.change_nanos) * (end - shadow.arrival(other))
    profit = other.qty_nanos * end - other.paid
    return Pair(
        live=None, shadow=other, parts=Parts(signal=-profit - fill, fill=fill, cost=other.cost_nanos * NANO)
    )  # fmt: skip
