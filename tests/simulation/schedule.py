"""A fault schedule: everything one simulated run is told, made from a seed alone, and small enough to print.

Owns what may go wrong and when; knows no engine. Times are milliseconds of tape after the start. Message faults strike
before `CALM_MS`; outages, crashes and operators too; after it the tape goes on in peace until everything is settled.
"""

from random import Random
from typing import Final

import msgspec

from broker.sim.config import LatencyConfig, VenueConfig
from broker.sim.faults import DEGRADED, FACT_KINDS, LOST, FaultPlan, LinkFault, MessageFault
from core.latches import ACCOUNT, PROCESS, STRATEGY, SYMBOL
from tests.simulation.world import START_NS, STRATEGIES, SYMBOLS

MS: Final = 1_000_000
CALM_MS: Final = 70_000
# READY for 60 s and two syncs 30 s apart settle what is unknown; then a stop, and a last sync.
STOP_MS: Final = 185_000
END_MS: Final = 220_000

COMMANDS: Final = ("PlaceOrder", "ReplaceOrder", "CancelOrder", "CancelAllOrders", "RequestSync")
SHARED: Final = "in process"  # the venue dies with the trader and is recovered through the journal
APART: Final = "apart"  # the broker outlives the trader
CRASH_POINTS: Final = ("between", "before commit", "before dispatch", "within dispatch")
LOST_TAIL: Final = "lost tail"  # a power cut takes the last frames, whose commands had left: broker apart only
COLD: Final = "cold"
RESTEPPED: Final = "restepped"


class Act(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing done to the trader at a moment. Which fields count depends on `kind`."""

    at_ms: int
    kind: str  # crash, restart, or as in rig._facts
    level: int = 0
    scope: str = ""
    point: str = ""  # crash: where in the step
    opinion: str = ""  # crash: how opinion comes back when the broker outlived us
    after: str = "as_latched"
    down_ms: int = 0  # crash: until the trader is back; trading halt: how long
    choice: int = 0  # which of the unknown orders, which outcome


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run."""

    seed: int
    venue: str = SHARED
    messages: tuple[MessageFault, ...] = ()
    links: tuple[tuple[int, int, str, bool], ...] = ()  # at_ms, for_ms, kind, data_loss
    chances: dict[str, int] = {}  # ppm by field of FaultPlan
    switches: tuple[str, ...] = ()  # odd ways of real gateways, fields of VenueConfig
    acts: tuple[Act, ...] = ()
    keep_queued: bool = True
    algo: str = ""  # of strategy alpha; "" = as the world has it
    reconcile_s: int = 15

    def venue_config(self, base: VenueConfig) -> VenueConfig:
        """The venue this schedule runs against."""
        links = tuple(
            LinkFault(at_ns=START_NS + at * MS, duration_ns=span * MS, kind=kind, data_loss=loss)
            for at, span, kind, loss in self.links
        )
        plan = FaultPlan(
            messages=self.messages,
            links=links,
            resubmit_queued=self.keep_queued,
            late_fill_delay_ns=900 * MS,
            correction_delay_ns=1_500 * MS,
            until_ns=START_NS + CALM_MS * MS,
            **self.chances,
        )
        odd = dict.fromkeys(self.switches, True)
        latency = LatencyConfig(up_ns=3 * MS, up_jitter_ns=20 * MS, down_ns=3 * MS, down_jitter_ns=20 * MS)
        return msgspec.structs.replace(base, seed=self.seed, latency=latency, faults=plan, **odd)


def make_schedule(seed: int) -> Schedule:
    """The schedule of a seed: each kind of trouble is there or not, in its own strength."""
    chance = Random(seed)
    venue = SHARED if chance.random() < 0.4 else APART
    return Schedule(
        seed=seed,
        venue=venue,
        messages=_messages(chance),
        links=_links(chance),
        chances=_chances(chance),
        switches=tuple(name for name in ("two_step_ack", "silent_replace_of_filled") if chance.random() < 0.3),
        acts=_acts(chance, venue),
        keep_queued=chance.random() < 0.7,
        reconcile_s=chance.choice((5, 15, 30)),
    )


def _messages(chance: Random) -> tuple[MessageFault, ...]:
    if chance.random() < 0.2:
        return ()
    found = []
    for kind in (*COMMANDS, *FACT_KINDS):
        if chance.random() < 0.35:
            ppm = chance.choice((20_000, 100_000, 400_000))
            drop = ppm if chance.random() < 0.5 else 0
            if kind in COMMANDS:
                found.append(MessageFault(kind=kind, drop_ppm=ppm))
                continue
            found.append(
                MessageFault(
                    kind=kind,
                    drop_ppm=drop,
                    delay_ppm=chance.choice((0, ppm)),
                    duplicate_ppm=chance.choice((0, ppm)),
                    reorder_ppm=chance.choice((0, ppm)),
                    delay_ns=chance.choice((50, 800, 7_000)) * MS,
                )
            )
    return tuple(found)


def _links(chance: Random) -> tuple[tuple[int, int, str, bool], ...]:
    found, at = [], 0
    for _ in range(chance.choice((0, 0, 1, 2, 4))):
        at += chance.randrange(2_000, 25_000)
        span = chance.choice((5, 300, 2_500, 9_000))
        if at + span >= CALM_MS:
            break
        found.append((at, span, chance.choice((DEGRADED, LOST, LOST)), chance.random() < 0.5))
        at += span
    return tuple(found)


def _chances(chance: Random) -> dict[str, int]:
    names = ("reject_ppm", "late_fill_ppm", "correction_ppm", "bust_ppm", "commission_first_ppm", "sync_end_ppm")
    return {name: chance.choice((20_000, 150_000)) for name in names if chance.random() < 0.3}


def _acts(chance: Random, venue: str) -> tuple[Act, ...]:
    found = [_act(chance, venue) for _ in range(chance.choice((0, 2, 4, 8, 12)))]
    found += [_crash(chance, venue) for _ in range(chance.choice((0, 0, 1, 1, 2, 4)))]
    if chance.random() < 0.6:  # an operator puts things right afterwards
        found += [Act(at_ms=145_000, kind="acknowledge"), Act(at_ms=146_000, kind="trade on")]
        scopes = [(ACCOUNT, ""), *((SYMBOL, name) for name in SYMBOLS), *((STRATEGY, name) for name in STRATEGIES)]
        found += [
            Act(at_ms=147_000 + number, kind="resume", level=level, scope=scope)
            for number, (level, scope) in enumerate(scopes)
        ]
    return tuple(sorted(found, key=lambda act: act.at_ms))


def _crash(chance: Random, venue: str) -> Act:
    return Act(
        at_ms=chance.randrange(1_000, CALM_MS),
        kind="crash",
        point=chance.choice((*CRASH_POINTS, LOST_TAIL) if venue == APART else CRASH_POINTS),
        opinion=chance.choice((COLD, RESTEPPED)),
        after=chance.choice(("as_latched", "as_latched", "halted")),
        down_ms=chance.choice((50, 2_000, 12_000)) if venue == APART else 0,
        choice=chance.randrange(1_000),
    )


_KINDS: Final = (
    "halt", "kill", "flatten", "resume", "resume", "resume", "resolve", "resolve", "acknowledge", "trading halt", "gap",
    "trip", "snapshot", "restart",
)  # fmt: skip


def _act(chance: Random, venue: str) -> Act:
    kind = chance.choice((*_KINDS, "foreign order") if venue == APART else _KINDS)
    level = chance.choice((PROCESS, ACCOUNT, SYMBOL, STRATEGY))
    scope = {SYMBOL: chance.choice(SYMBOLS), STRATEGY: chance.choice(STRATEGIES)}.get(level, "")
    return Act(
        at_ms=chance.randrange(1_000, CALM_MS),
        kind=kind,
        level=level,
        scope=scope,
        choice=chance.randrange(1_000),
        down_ms=chance.choice((100, 3_000)) if kind == "trading halt" else 0,
    )
