"""One schedule of one algorithm, and one trouble in the middle of it: the world, the run, and what was seen of it.

A stock stands still, jumps once, and stands still again: the strategy wants one position and nothing else, so that
there is one schedule to look at. All parts are the trader's own; the venue is the simulated one.
"""

from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from core import commands as c
from core import events as e
from core import records as r
from core.parents import Parent
from core.reference import ConfigResolved, SessionsLoaded
from core.rows import PRINT, QUOTE, ROW
from core.units import NANO
from daemon.config import Config, parse_config
from daemon.config.schema import EngineIntervals
from daemon.machine import Machine
from daemon.reference.tables import ReferenceTables
from tests.fakes.operators import ONE_PERSON
from tests.simulation.checkers import Limits, Watch, check_parents, check_settled
from tests.simulation.rig import Rig
from tests.simulation.schedule import MS, SHARED, Act, Schedule
from tests.simulation.world import CENT, START_NS, tables

QTY: Final = 3_000 * NANO
JUMP_S: Final = 12
TROUBLE_S: Final = 35  # in the middle of what is left of the minute
OVER_S: Final = 50
AFTER_S: Final = 56  # resumed after a pause: time is left
CLOSE_S: Final = 100  # of the day on which `close` trades
CUTOFF_S: Final = 85
END_S: Final = 125
DURATION_S: Final = 60
ROWS_PER_SECOND: Final = 5
SENT: Final = (c.PlaceOrder, c.ReplaceOrder, c.CancelOrder, c.CancelAllOrders)
LIMITS: Final = Limits(
    order_nanos=10_000 * NANO, position_nanos=10_000 * NANO, gross_nanos=1_000_000 * NANO, working=50
)

# Every name of the registry is here: a new algorithm fails the matrix until it has parameters.
PLANS: Final[dict[str, dict[str, Any]]] = {
    "immediate": {"duration_s": DURATION_S, "limit_bp": 1.0},
    "twap": {"duration_s": DURATION_S, "slices": 12, "jitter": 0.3},
    "vwap": {"duration_s": DURATION_S, "slices": 12},
    "pov": {"duration_s": DURATION_S, "interval_s": 5, "participation": 0.5, "interval_part": 0.25, "limit_bp": 100.0},
    "is": {"duration_s": DURATION_S, "slices": 12, "risk_aversion": 0.1, "volatility_bp": 200.0},
    "iceberg": {"duration_s": DURATION_S, "display_lots": 150, "jitter": 0.3},
    "adaptive": {"duration_s": DURATION_S, "slices": 12, "urgency": "normal", "must_complete": False},
    "close": {"duration_s": 80, "slices": 12, "auction_part": 0.3, "lead_s": 5},
    "resting": {"duration_s": DURATION_S, "limit_bp": 1.0},
    "auto": {"duration_s": DURATION_S, "volatility_bp": 200.0},
    "ib_adaptive": {"duration_s": DURATION_S, "limit_bp": 20.0, "tags": {"adaptivePriority": "Normal"}},
    "ib_vwap": {"duration_s": DURATION_S, "limit_bp": 20.0, "tags": {"maxPctVol": 0.3}},
}

_CONFIG: Final = (
    """
[account]
id = "DU0000001"
tag = "sim"
start_cash = 1_000_000
[feed]
kind = "synthetic"
[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
[[instruments]]
symbol = "BBB"
tick = 0.01
round_lot = 100
[strategies.alpha]
kind = "meanrev"
symbols = ["AAA"]
params = { half_life_s = 3600, enter_z = 2, leave_z = 0, position_shares = 3000, cadence_s = 1, warm_up_s = 10, \
quotes_min = 20, sd_floor = 0.02 }
execution = { algo = "twap", patience = 0.5, chase_s = 1, backoff_s = 1, grace_s = 20, edge_policy = "off" }
"""
    + ONE_PERSON
    + """
[limits.account]
order_quantity_max = 10000
position_long_max = 10000
position_short_max = 10000
position_equity_bp_max = 10000
order_equity_bp_max = 10000
gross_max = 1000000
halt_quiet_seconds = 4
errors_soft = 40
errors_hard = 80
age_seconds_max_regular = 20
"""
)


@cache
def _base() -> Config:
    return parse_config(_CONFIG, file="one schedule", folder=Path.cwd())


def config_of(algo: str, venue: Any, execution: dict[str, Any], **params: Any) -> Config:
    """The world's config with an algorithm of its own, and changes of its execution."""
    base = _base()
    alpha = base.strategies["alpha"]
    changed = msgspec.structs.replace(alpha.execution, algo=algo, params=PLANS[algo] | params, **execution)
    return msgspec.structs.replace(
        base,
        strategies={"alpha": msgspec.structs.replace(alpha, execution=changed)},
        venue=venue,
        engine=EngineIntervals(reconcile_s=20, ack_timeout_s=2.0),
    )


def reference_of(algo: str) -> ReferenceTables:
    """The day of the tape; for `close` it ends soon, as a half day does."""
    found = short_day() if algo == "close" else tables()
    return _told(found)


def _told(found: ReferenceTables) -> ReferenceTables:
    """With a config that readers of the journal can read."""
    return msgspec.structs.replace(found, config=ConfigResolved(json='{"mode":"replay"}', digest=""))


def short_day(*, open_s: int = 0, close_s: int = CLOSE_S) -> ReferenceTables:
    """A day with its close, and its cut-off for the auction, within the tape; from `open_s` on, 0 = it has begun."""
    (loaded,) = tables().sessions
    day = loaded.table.sessions[0]
    first = msgspec.structs.replace(
        day,
        open_ns=START_NS + open_s * NANO if open_s else day.open_ns,
        close_ns=START_NS + close_s * NANO,
        moc_cutoff_ns=START_NS + (close_s - CLOSE_S + CUTOFF_S) * NANO,
    )
    table = msgspec.structs.replace(loaded.table, sessions=(first, *loaded.table.sessions[1:]))
    return _told(msgspec.structs.replace(tables(), sessions=(SessionsLoaded(table=table),)))


def tape(seed: int, *, side: int, silent: tuple[int, int] = (0, 0)) -> Any:
    """A stock that jumps at JUMP_S against `side` and stays: quotes and prints at the touch; nothing in `silent`."""
    draw = np.random.default_rng(seed)
    count = END_S * ROWS_PER_SECOND
    rows = np.zeros(count, ROW)
    rows["ts_ns"] = START_NS + np.sort(draw.integers(0, END_S * NANO, count))
    rows["exchange_ts_ns"] = rows["ts_ns"]
    rows["kind"] = kind = np.where(draw.random(count) < 0.4, PRINT, QUOTE)
    after = rows["ts_ns"] >= START_NS + JUMP_S * NANO
    bid = 3_000 - np.where(after, side * 40, draw.integers(-1, 2, count))
    ask = bid + 1
    printed = kind == PRINT
    sizes = draw.integers(1, 4, (2, count)) * np.where(printed, 20, 100) * NANO
    rows["bid_px_nanos"] = np.where(printed & (draw.random(count) < 0.5), ask, bid) * CENT
    rows["ask_px_nanos"] = np.where(printed, 0, ask * CENT)
    rows["bid_qty_nanos"] = sizes[0]
    rows["ask_qty_nanos"] = np.where(printed, 0, sizes[1])
    first, last = (START_NS + second * NANO for second in silent)
    return rows[(rows["ts_ns"] < first) | (rows["ts_ns"] >= last)].copy()


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A command that left, and how far its schedule was."""

    at_s: float
    command: Any
    filled_nanos: int = 0  # by the schedule
    open_nanos: int = 0  # of the order as it is from now on
    others_nanos: int = 0

    @property
    def decided(self) -> tuple[Any, ...]:
        """All of it but its reference, which names the life of the trader."""
        order = getattr(self.command, "order", None)
        return self.at_s, type(self.command), self.command if order is None else order.intent, self.filled_nanos


def _left(machine: Machine, command: Any, at_s: float) -> Left:
    if isinstance(command, c.PlaceOrder | c.ReplaceOrder):
        money, intent = machine.engine.money, command.order.intent
        parent, order = money.parents[intent.parent_id], money.orders[intent.order_id]
        return Left(
            at_s=at_s,
            command=command,
            filled_nanos=parent.filled_nanos,
            open_nanos=intent.qty_nanos - order.filled_nanos,
            others_nanos=parent.others_nanos,
        )
    return Left(at_s=at_s, command=command)


class Seen(Watch):
    """All the checks of the simulation, and what left the trader."""

    def __init__(self) -> None:
        super().__init__(LIMITS)
        self.left: list[Left] = []

    def before_send(self, machine: Machine, records: list[tuple[int, int, Any]], ts_ns: int) -> None:
        """Keep the broker's commands."""
        super().before_send(machine, records, ts_ns)
        for kind, _, message in records:
            if kind == r.COMMAND and isinstance(message, SENT):
                self.left.append(_left(machine, message, (ts_ns - START_NS) / NANO))


class OneSchedule(Rig):
    """A run with its troubles, in seconds of the tape."""

    watch: Seen

    def __init__(
        self, algo: str, directory: Path, *, seed: int = 5, side: int = 1, schedule: Schedule | None = None,
        silent: tuple[int, int] = (0, 0), reference: ReferenceTables | None = None,
        execution: dict[str, Any] | None = None, **params: Any,
    ) -> None:  # fmt: skip
        schedule = schedule or Schedule(seed=seed, venue=SHARED)
        super().__init__(
            schedule,
            directory,
            config=config_of(algo, schedule.venue_config(_base().venue), execution or {}, **params),
            rows=tape(seed, side=side, silent=silent),
            reference=reference or reference_of(algo),
            watch=Seen(),
        )

    def run(self, *acts: Act | tuple[int, Any], until_s: int = END_S - 1) -> "OneSchedule":
        """Play acts of the simulation, and facts (at a second), in their order; the end is checked."""
        try:
            self._write_reference()
            self._start(ended="new", ts_ns=START_NS)
            for at_ns, act in sorted(((_at_ns(act), act) for act in acts), key=lambda pair: pair[0]):
                self._run_to(at_ns)
                if isinstance(act, Act):
                    self._do(act)
                else:
                    self.runner.step(act[1](self) if callable(act[1]) else act[1], max(self.runner.now_ns, at_ns))
            self._run_to(START_NS + until_s * NANO)
            self.runner.flush()
            self._check()
        finally:
            self.runner.journal.close()
        return self

    def _write_reference(self) -> None:
        """As a journal begins: readers of it need no more than itself."""
        for record in self.reference.records():
            self.runner.engine.seq += 1
            self.runner.journal.add(r.REFERENCE, self.runner.engine.seq, START_NS, 0, r.encode(record))
        self.runner.journal.commit()

    def _check(self) -> None:
        """What the children executed is what the schedules got; the books are the broker's."""
        assert not self.money.differences, self.money.differences
        check_settled(self.money, self.exchange, self.runner.now_ns)
        check_parents(self.money, strict=True)
        held = self.exchange.account.state.positions.get(0)
        assert self.money.ledger.holdings[0] == (0 if held is None else held.qty_nanos)

    # ---- what was seen -----------------------------------------------------------------------------------------
    @property
    def parents(self) -> list[Parent]:
        """All schedules, oldest first."""
        return list(self.money.parents.values())

    @property
    def first(self) -> Parent:
        """The one that met the trouble."""
        return self.parents[0]

    def sent(self, first_s: float, last_s: float, *kinds: type) -> list[Left]:
        """What left between two seconds, the ends excluded."""
        return [left for left in self.watch.left if first_s < left.at_s < last_s and isinstance(left.command, kinds)]

    def ordered_after(self, second: float) -> Left:
        """The first order after a trouble, or more of the one that is there."""
        return self.sent(second, END_S, c.PlaceOrder, c.ReplaceOrder)[0]

    def executed(self, first_s: float, last_s: float) -> int:
        """Quantity at the broker between two seconds, whoever had heard of it."""
        first, last = START_NS + round(first_s * NANO), START_NS + round(last_s * NANO)
        found = self.exchange.account.state.executions.values()
        return sum(execution.qty_nanos for execution in found if first < execution.ts_ns < last)


def _at_ns(act: Act | tuple[int, Any]) -> int:
    return START_NS + (act.at_ms * MS if isinstance(act, Act) else act[0] * NANO)


def steer(action: str) -> Any:
    """An operator's word on the first schedule."""
    return lambda rig: e.ScheduleSteered(
        parent_id=rig.first.parent_id, action=action, reason="simulated", operator="tester", authority="peer"
    )
