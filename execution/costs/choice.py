"""`algo = "auto"`: the algorithm, duration and slices with the least expected cost plus weighted risk, and why. Pure:
the caller says what is to be traded, in which market, until when, and which algorithms there are. Iceberg and close are
never chosen: they say what a person wants, not what is cheap.

Every candidate is a schedule that `estimate` prices, commissions with their minimum per child included, so a small
order is not cut into parts that each pay it. A simpler candidate comes first and wins a tie.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

from core.fees import FeeTable
from core.units import NANO, decimal_text
from execution.costs.charges import Order
from execution.costs.estimate import (
    COMMISSION,
    FEES,
    Conditions,
    Estimate,
    Pricer,
    Schedule,
    even_schedule,
    ratio,
)
from execution.costs.impact import ImpactModel

IMMEDIATE: Final = "immediate"
ADAPTIVE: Final = "adaptive"
TWAP: Final = "twap"
VWAP: Final = "vwap"
POV: Final = "pov"
IS: Final = "is"
KNOWN: Final = (IMMEDIATE, ADAPTIVE, TWAP, VWAP, POV, IS)
SECOND_NS: Final = NANO
IMMEDIATE_S: Final = 10  # what an order across the spread competes with: the volume of these seconds
ADAPTIVE_S: Final = 60
DURATION_S_MIN: Final = 60
CHILD_S: Final = 60  # a child trades within this, and slices are not shorter
BLOCKS_MAX: Final = 20
HASTY_SLICES_MAX: Final = 60  # an implementation shortfall has no more
HASTES: Final = (1.0, 2.0, 4.0, 8.0)  # kappa T of an implementation shortfall: how much earlier than even
RESTING: Final = 0.5  # part that still crosses where every child rests first
POV_MOST: Final = 0.5  # what a part-of-volume algorithm may be told to take
POV_FROM: Final = 0.05  # participation above which a schedule blind to the volume is not let run
DAY_S: Final = 23_400  # regular session
_E: Final = 2.718281828459045


class Situation(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What an automatic choice looks at beside order and market."""

    horizon_s: int  # the longest it may take, up to the close
    volume: tuple[float, ...] = ()  # of the average day, in equal slots from now over the horizon; () = not known
    risk_weight: float = 0.0  # cost one accepts to be rid of one standard deviation: urgency
    must_complete: bool = True
    day_s: int = DAY_S
    algos: tuple[str, ...] = KNOWN


class Choice(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An algorithm with its parameters, why in words, and what it is expected to cost (None: nobody can say)."""

    algo: str
    params: dict[str, Any]
    why: str
    expected: Estimate | None
    weights: tuple[float, ...] = ()  # of its schedule; () = even
    haste: float = 0.0  # kappa T, where the choice is an implementation shortfall


class _Candidate(msgspec.Struct, frozen=True, kw_only=True):
    algo: str
    params: dict[str, Any]
    schedule: Schedule
    uneven: bool = False
    haste: float = 0.0


_Entry = tuple[float, int, _Candidate, Estimate]


def choose(order: Order, conditions: Conditions, situation: Situation, *, fees: FeeTable, model: ImpactModel) -> Choice:
    """The candidate with the least cost. Without price, average volume or volatility: even parts over all the time."""
    horizon = max(situation.horizon_s, 1)
    missing = conditions.missing()
    if missing:
        slices = _slices(order, horizon)[0]
        return Choice(
            algo=TWAP, params={"duration_s": horizon, "slices": slices}, expected=None,
            why=f"{TWAP} over {horizon} s: nobody knows the {missing}",
        )  # fmt: skip
    pricer = Pricer(order, conditions, fees=fees, model=model)
    ranking = _Ranking(order, situation, pricer)
    share = participation(order, conditions, situation)
    _consider(ranking, share)
    ranked = ranking.entries()
    if not ranked:
        return Choice(algo=TWAP, params={"duration_s": horizon, "slices": 1}, expected=None, why=f"{TWAP}: none other")
    best = min(ranked, key=_place)[2]
    found = pricer.price(best.schedule)
    return Choice(
        algo=best.algo,
        params=best.params,
        expected=found,
        weights=best.schedule.weights if best.uneven else (),
        haste=best.haste,
        why=_why(order, conditions, situation, ranked, best, found, share),
    )


def participation(order: Order, conditions: Conditions, situation: Situation) -> float:
    """Own part of all volume if it takes the whole horizon; 1 = there is no other volume."""
    others = sum(situation.volume) or situation.horizon_s / situation.day_s
    size = ratio(order.qty_nanos, conditions.adv_nanos)
    return size / (size + others)


def _place(entry: _Entry) -> tuple[float, int]:
    return entry[0], entry[1]


def _number(entry: _Entry) -> int:
    return entry[1]


class _Ranking:
    """Candidates with their price, in the order they came."""

    def __init__(self, order: Order, situation: Situation, pricer: Pricer) -> None:
        self.order = order
        self.situation = situation
        self.pricer = pricer
        self._entries: list[_Entry] = []
        self._looked_at = 0

    def entries(self) -> list[_Entry]:
        """What takes part."""
        return sorted(self._entries, key=_number)

    def price(self, candidate: _Candidate, like: Estimate | None = None) -> None:
        """Cost plus weighted risk; it takes part if its algorithm is there. `like`: pays the same charges."""
        charged = None if like is None else charged_in(like)
        self._enter(self._looked_at, candidate, self.pricer.price(candidate.schedule, charged))
        self._looked_at += 1

    def _enter(self, number: int, candidate: _Candidate, found: Estimate) -> _Entry:
        score = found.cost_nanos + self.situation.risk_weight * found.risk_nanos
        entry = (score, number, candidate, found)
        if candidate.algo in self.situation.algos:
            self._entries.append(entry)
        return entry

    def cheapest(self, seconds: int, numbers: list[int]) -> tuple[int, _Entry]:
        """The cheapest number of even slices, the smaller of those that cost the same. What cannot be it is not priced:
        the least that it may cost is more than another does.
        """
        pricer, situation = self.pricer, self.situation
        volume, days = _volume(situation, seconds), seconds / situation.day_s
        even_volume = not situation.volume or min(situation.volume) > 0.0
        bounds = []
        for at, slices in enumerate(numbers):
            blocks, children = _blocks(slices)
            passes = volume * _worked(blocks * children, seconds) if even_volume else 0.0
            bounds.append((pricer.least(blocks * children, passes, days, RESTING, situation.risk_weight), at))
        first, self._looked_at = self._looked_at, self._looked_at + len(numbers)
        best: tuple[float, int, _Entry] | None = None
        for bound, at in sorted(bounds):
            if best is not None and bound > best[0]:
                break
            candidate = _even(situation, seconds, numbers[at])
            entry = self._enter(first + at, candidate, pricer.price(candidate.schedule))
            if best is None or (entry[0], -at) < best[:2]:
                best = (entry[0], -at, entry)
        assert best is not None, "there is one number of slices at least"
        return numbers[-best[1]], best[2]


def charged_in(found: Estimate) -> tuple[int, int]:
    """Commission and other fees of an estimate."""
    return found.part_nanos(COMMISSION), found.part_nanos(FEES)


def _consider(ranking: _Ranking, share: float) -> None:
    situation = ranking.situation
    day, horizon = situation.day_s, max(situation.horizon_s, 1)
    for algo, seconds, crossing in ((IMMEDIATE, IMMEDIATE_S, 1.0), (ADAPTIVE, ADAPTIVE_S, RESTING)):
        if algo == IMMEDIATE or horizon >= seconds:
            schedule = even_schedule(1, days=seconds / day, volume=_volume(situation, seconds), crossing=crossing)
            params = {"duration_s": min(seconds, horizon)} | ({"slices": 1} if algo == ADAPTIVE else {})
            ranking.price(_Candidate(algo=algo, params=params, schedule=schedule))
    blind = not situation.volume and not situation.must_complete
    if blind and POV_FROM < share <= POV_MOST and POV in situation.algos:
        schedule = even_schedule(1, days=horizon / day, volume=_volume(situation, horizon), crossing=RESTING)
        paced = {"duration_s": horizon, "participation": round(share, 4)}
        ranking.price(_Candidate(algo=POV, params=paced, schedule=schedule))
        return
    for seconds in _durations(horizon):
        # How many parts is a question of commissions and time, answered by even ones for all.
        slices, (_, _, plain, even) = ranking.cheapest(seconds, _slices(ranking.order, seconds))
        if situation.volume and slices > 1:
            ranking.price(_along_volume(plain), even)
        if seconds == horizon and slices > 1:
            if slices > HASTY_SLICES_MAX:
                plain = _even(situation, seconds, HASTY_SLICES_MAX)
                even = ranking.pricer.price(plain.schedule)
            for haste in HASTES:
                ranking.price(_hasty(plain, haste), even)


def _even(situation: Situation, seconds: int, slices: int) -> _Candidate:
    blocks, children = _blocks(slices)
    worked = _worked(blocks * children, seconds)
    schedule = Schedule(
        weights=(1.0 / blocks,) * blocks,
        volume=tuple([part * worked for part in _cut(situation, seconds, blocks)]),
        slice_days=seconds / blocks / situation.day_s,
        crossing=RESTING,
        children=children,
    )
    return _Candidate(algo=TWAP, params={"duration_s": seconds, "slices": blocks * children}, schedule=schedule)


def _worked(orders: int, seconds: int) -> float:
    """Children that trade in `CHILD_S` each: a slice longer than that has no more volume than that."""
    return min(1.0, CHILD_S * orders / seconds)


def _along_volume(even: _Candidate) -> _Candidate:
    volume = even.schedule.volume
    total = sum(volume)
    weights = tuple(part / total if total > 0.0 else 1.0 / len(volume) for part in volume)
    return _reweighted(even, VWAP, weights)


def _hasty(even: _Candidate, haste: float) -> _Candidate:
    """What is left falls as sinh kappa (T - t) / sinh kappa T, as with Almgren and Chriss."""
    return _reweighted(even, IS, _falling(len(even.schedule.weights), haste), haste)


@lru_cache(len(HASTES) * BLOCKS_MAX)
def _falling(blocks: int, haste: float) -> tuple[float, ...]:
    left = [_sinh(haste * (1.0 - at / blocks)) for at in range(blocks + 1)]
    return tuple((left[at] - left[at + 1]) / left[0] for at in range(blocks))


def _reweighted(even: _Candidate, algo: str, weights: tuple[float, ...], haste: float = 0.0) -> _Candidate:
    """The same times and volumes, other parts."""
    schedule = msgspec.structs.replace(even.schedule, weights=weights)
    return _Candidate(algo=algo, params=even.params, schedule=schedule, uneven=True, haste=haste)


def _blocks(slices: int) -> tuple[int, int]:
    """What is looked at, and the children in each: more than `BLOCKS_MAX` change the cost by less than it is worth."""
    children = -(-slices // BLOCKS_MAX)
    return slices // children, children


def _sinh(x: float) -> float:
    grown = float(_E**x)
    return 0.5 * (grown - 1.0 / grown)


def _durations(horizon: int) -> list[int]:
    """All of the time, and shorter ones by halves."""
    found, seconds = [horizon], horizon // 2
    while seconds >= DURATION_S_MIN and len(found) < 4:
        found.append(seconds)
        seconds //= 2
    return found


def _slices(order: Order, seconds: int) -> list[int]:
    """Numbers of slices worth a look: never more than lots, nor faster than one in `CHILD_S`."""
    most = max(1, min(seconds // CHILD_S, order.qty_nanos // order.lot_nanos))
    return sorted({most, max(1, most // 2), max(1, most // 5), 1}, reverse=True)


def _volume(situation: Situation, seconds: int) -> float:
    """Share of the average day that trades in the next seconds."""
    if not situation.volume:
        return seconds / situation.day_s
    return sum(_cut(situation, min(seconds, situation.horizon_s), 1))


def _cut(situation: Situation, seconds: int, slices: int) -> tuple[float, ...]:
    """The volume of each slice; a slot gives its parts evenly."""
    if not situation.volume:
        return (seconds / situation.day_s / slices,) * slices
    volume = situation.volume
    slot_s, step = situation.horizon_s / len(volume), seconds / slices
    found, slot, start = [], 0, 0.0
    for at in range(1, slices + 1):
        end, total = at * step, 0.0
        while slot < len(volume):
            edge = (slot + 1) * slot_s
            if edge > end:
                total += volume[slot] * (end - start)
                break
            total += volume[slot] * (edge - start)
            start, slot = edge, slot + 1
        start = end
        found.append(total / slot_s)
    return tuple(found)


def _why(
    order: Order,
    conditions: Conditions,
    situation: Situation,
    ranked: list[_Entry],
    best: _Candidate,
    found: Estimate,
    part: float,
) -> str:
    """One line: what, what it costs, against what, for which size."""
    others: dict[str, _Entry] = {}
    for entry in ranked:
        algo = entry[2].algo
        if algo != best.algo and (algo not in others or entry[0] < others[algo][0]):
            others[algo] = entry
    against = ", ".join(
        f"{algo} {decimal_text(entry[3].cost_bp_nanos)} +- {decimal_text(entry[3].risk_bp_nanos)}"
        for algo, entry in others.items()
    )
    sliced = f" in {best.params['slices']} slices" if best.params.get("slices", 1) > 1 else ""
    size = f"{100.0 * ratio(order.qty_nanos, conditions.adv_nanos):.2g} % of a day"
    share = f"{100.0 * part:.2g} % of the volume of {situation.horizon_s} s"
    curve = "" if situation.volume else ", without a volume curve"
    text = (
        f"{best.algo} over {best.params['duration_s']} s{sliced}: {found.text()}, risk weighs {situation.risk_weight:g}"
    )
    return f"{text}; {size}, at most {share}{curve}" + (f"; against {against}" if against else "")
