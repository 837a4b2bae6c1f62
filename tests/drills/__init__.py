"""Drills: rehearsals that take longer than a test. Each runs in numbered parts, so that a drill that was broken off
goes on where it stopped, and leaves a record in docs/drills/. `python -m tests.drills` runs them all.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

PartResult = dict[str, Any]


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """One drill. `part(number)` runs one part and returns its counts; the key `failures` lists what went wrong."""

    name: str
    meaning: str
    parts: int  # how many, unless the command line says otherwise
    part: Callable[[int], PartResult]


def _faults(number: int) -> PartResult:
    from tests.drills.faults import run_part  # here, so that one drill does not load what only another needs

    return run_part(number)


def _kill9(number: int) -> PartResult:
    from tests.drills.kill9 import run_part

    return run_part(number)


def _follow(number: int) -> PartResult:
    from tests.drills.follow import run_part

    return run_part(number)


def _planted(number: int) -> PartResult:
    from tests.drills.planted import run_part

    return run_part(number)


def _gateway_days(number: int) -> PartResult:
    from tests.drills.gateway_days import run_part

    return run_part(number)


def _gateway_crash(number: int) -> PartResult:
    from tests.drills.gateway_crash import run_part

    return run_part(number)


def _fuzz(number: int) -> PartResult:
    from tests.drills.fuzz import run_part

    return run_part(number)


def _gateway_state(number: int) -> PartResult:
    from tests.drills.gateway_state import run_part

    return run_part(number)


def _algo_faults(number: int) -> PartResult:
    from tests.drills.algo_faults import run_part

    return run_part(number)


def _releases(number: int) -> PartResult:
    from tests.drills.releases import run_part

    return run_part(number)


def _ship(number: int) -> PartResult:
    from tests.drills.ship import run_part

    return run_part(number)


def _guard(number: int) -> PartResult:
    from tests.drills.guard import run_part

    return run_part(number)


def _kill(number: int) -> PartResult:
    from tests.drills.kill import run_part

    return run_part(number)


def _risk_days(number: int) -> PartResult:
    from tests.drills.risk_days import run_part

    return run_part(number)


def _execution(number: int) -> PartResult:
    from tests.drills.execution import run_part

    return run_part(number)


def _crowd(number: int) -> PartResult:
    from tests.drills.crowd import run_part

    return run_part(number)


def _stress(number: int) -> PartResult:
    from tests.drills.stress import run_part

    return run_part(number)


def _impact(number: int) -> PartResult:
    from tests.drills.impact import run_part

    return run_part(number)


def _impact_fit(number: int) -> PartResult:
    from tests.drills.impact_fit import run_part

    return run_part(number)


def _alerts(number: int) -> PartResult:
    from tests.drills.alerts import run_part

    return run_part(number)


def _units(number: int) -> PartResult:
    from tests.drills.units import run_part

    return run_part(number)


def _mqtt_kill(number: int) -> PartResult:
    from tests.drills.mqtt_kill import run_part

    return run_part(number)


def _isolation(number: int) -> PartResult:
    from tests.drills.isolation import run_part

    return run_part(number)


def _soak(number: int) -> PartResult:
    from tests.drills.soak import run_part

    return run_part(number)


# Another drill: one entry here.
DRILLS: Final = (
    Drill(
        name="isolation",
        meaning="recorded days at 50 times real time while database, MQTT broker and ops are killed in turn, /metrics "
        "is scraped and MQTT flooded: the same commands as undisturbed, every SQL row once; a part is a pair of runs "
        "over one hour, the last one over a whole day",
        parts=6,
        part=_isolation,
    ),
    Drill(
        name="soak",
        meaning="eight days of a made-up market with their nights, a weekend and the gateway's resets, with everything "
        "`quantd up` can start: memory, handles, threads and tasks are flat after two days, both ledgers equal, every "
        "SQL row once; a part is all of them, by one trader under `quantd up`, or by one that is started anew every "
        "night",
        parts=2,
        part=_soak,
    ),
    Drill(
        name="alerts",
        meaning="from an event in a real trader to a person's program, told by a guard or by ops in turn; a part is "
        "20 events",
        parts=4,
        part=_alerts,
    ),
    Drill(
        name="faults",
        meaning="2,000 seeded fault schedules (tests/simulation) with every invariant checked; a part is 20 of them",
        parts=100,
        part=_faults,
    ),
    Drill(
        name="kill9",
        meaning="kill -9 of the trader at 20 random points of the BAC and IBM days, with restart; a part is one point",
        parts=20,
        part=_kill9,
    ),
    Drill(
        name="follow",
        meaning="kill -9 of the follower or of its server at random moments, on SQLite and TimescaleDB in turn, until "
        "SQL is the journal row by row; a part is one kill",
        parts=50,
        part=_follow,
    ),
    Drill(
        name="planted",
        meaning="quantd train and quantd run on made-up markets, with a planted signal of information coefficient 0.03 "
        "(even parts: must gain net of costs) and without (odd parts: must not trade)",
        parts=6,
        part=_planted,
    ),
    Drill(
        name="gateway_days",
        meaning="the BAC and IBM days through the paper gateway over TCP at 100 times real time, both ledgers compared "
        "to the last cent; a part is one day",
        parts=5,
        part=_gateway_days,
    ),
    Drill(
        name="gateway_crash",
        meaning="200 kill -9 of trader or gateway with faults on the line: no order twice, no fill lost, both ledgers "
        "equal, every order accounted for within 10 s; a part is ten kills",
        parts=20,
        part=_gateway_crash,
    ),
    Drill(
        name="algo_faults",
        meaning="every algorithm at work in one trader at a paper gateway over TCP: kill -9 of "
        "either or both, pause and resume of a schedule by number; and in process every algorithm times every "
        "trouble on other markets; a part is two kills and one market",
        parts=4,
        part=_algo_faults,
    ),
    Drill(
        name="guard",
        meaning="a trader with fifty working orders under its guard: announced restart, SIGSTOP and SIGCONT, kill -9, "
        "one by one and by global cancel, a guard that dies over its cancels; all gone within 5 s of the lease's end, "
        "no order after it, HALTED at the start; a part is one story",
        parts=10,
        part=_guard,
    ),
    Drill(
        name="units",
        meaning="the units of systemd run as systemd would, with the paper gateway: order, READY, beats, a trader that "
        "hangs and is aborted by its watchdog, stop order, exit codes, nobody reading the log; a part is one life",
        parts=3,
        part=_units,
    ),
    Drill(
        name="ship",
        meaning="a trader whose journal is shipped, by a process that is killed at random, loses its state directory "
        "and is started in one made from the copy, without and with a tail that was not shipped; HALTED, equal to the "
        "broker to the cent, no order reference twice; a part is one story of two losses",
        parts=5,
        part=_ship,
    ),
    Drill(
        name="releases",
        meaning="a state directory taken up by this release after an earlier one, and by the earlier one after this, "
        "each by its own code: books exact and HALTED, or refused before a byte is written; a part is one earlier one",
        parts=3,
        part=_releases,
    ),
    Drill(
        name="fuzz",
        meaning="a million pieces of bad input (noise, cut, oversized and mutated frames) into the paper gateway (even "
        "parts) and into the adapter (odd parts): no crash, no hang, no order; a part is 20,000",
        parts=50,
        part=_fuzz,
    ),
    Drill(
        name="gateway_state",
        meaning="1,600 deaths of the paper gateway in the middle of random orders and faults: its whole state is the "
        "one of a gateway that lived, byte by byte; a part is one script with 8 deaths",
        parts=200,
        part=_gateway_state,
    ),
    Drill(
        name="kill",
        meaning="the scripted kill of 40 working orders (`quantd drill kill`) in real time: acknowledgements up to 3 s "
        "late, a cancel refused, the line cut; and 40 random runs around kills; a part is one of each",
        parts=10,
        part=_kill,
    ),
    Drill(
        name="risk_days",
        meaning="the five BAC and IBM days with every control on its factory limit: refusals by control and day, none "
        "unexplained; a part is the whole tape, with a strategy of its size and with one ten times as large",
        parts=2,
        part=_risk_days,
    ),
    Drill(
        name="execution",
        meaning="schedules of every algorithm on the BAC and IBM days, through the paper gateway over TCP: completion, "
        "exact totals, VWAP against TWAP; a part is one whole day at 45 times real time",
        parts=5,
        part=_execution,
    ),
    Drill(
        name="crowd",
        meaning="more than sixty schedules at once on six made-up symbols, through the paper gateway over TCP at 20 "
        "times real time: completion, exact totals; a part is one market, bought and sold the other way round",
        parts=2,
        part=_crowd,
    ),
    Drill(
        name="stress",
        meaning="trader and paper gateway over TCP at twice the highest counts of the recorded days (market rows, "
        "orders and other messages, fills) for 60 s, then a kill while it goes on: every row taken, no order lost or "
        "twice, no halt and no blind symbol that the load made; a part is one minute with another market",
        parts=2,
        part=_stress,
    ),
    Drill(
        name="impact",
        meaning="implementation shortfall against TWAP on mean + lambda x variance, on a venue with impact that is as "
        "the model says or a factor of two off it (exponent, decay, size, volatility); a part is one market, traded "
        "in every way on every venue; docs/is_against_twap.md says what came out",
        parts=40,
        part=_impact,
    ),
    Drill(
        name="impact_fit",
        meaning="schedules on a venue whose impact is known, their journal, and what quantd costs calibrate makes of "
        "it: how often the 95 % intervals hold the venue's parameters; a part is one history of 96 schedules",
        parts=20,
        part=_impact_fit,
    ),
    Drill(
        name="mqtt_kill",
        meaning="a kill from its publication at a real MQTT broker, through the real ops process, to its record in the "
        "real trader's journal, alone and under a flood of 1,000 messages a second of garbage: within 50 ms; by the "
        "control socket beside it: within 10 ms; a part is 60 kills of each",
        parts=3,
        part=_mqtt_kill,
    ),
)
