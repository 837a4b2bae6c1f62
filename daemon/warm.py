"""A dry run of the order path on a shadow, so that the first order after a silence finds warm caches: code that has not
run for two milliseconds is three times as slow. Off by default (`engine.keep_warm`).

Nothing of it can leave. The shadow is a second machine with books, market and time of its own: it has no venue and no
port, its frames are built in memory that is no file, and it shares nothing with the trader but code. Its one strategy
wants the other side of one round lot every time, so that a beat decides, ends a schedule, opens the next, passes the
gate, journals and dispatches to nobody. Not warmed: the trader's own objects, and its strategies' decisions.
"""

import asyncio
from typing import Any, Final, Literal, cast

from structlog.typing import FilteringBoundLogger

from core import events as e
from core.engine import Engine
from core.instruments import LotRule, rule_on
from core.notes import Decision
from core.ports import NOT_AWAITED, Pipeline, Verdict
from core.rows import QUOTE
from core.sessions import Session
from core.units import NANO
from daemon.build import build_machine
from daemon.config import Config
from daemon.journal import JournalWriter
from daemon.journal.frames import FrameBuilder
from daemon.journal.layout import FRAME_HEADER_BYTES
from daemon.machine import DECIDE, SESSION_READY
from daemon.reference.tables import ReferenceTables
from daemon.runner import Rolls, Runner
from daemon.status.build import Tally

SLEEP_S_MIN: Final = 0.0002
SLEEP_S_MAX: Final = 0.05
BEAT_S: Final = 0.001  # between two beats
SCRATCH_BYTES: Final = 1 << 16  # one beat needs about two thousand
PX_NANOS: Final = 100 * NANO  # where the reference knows no previous close
ADV_NANOS: Final = 10**12 * NANO


class Scratch(FrameBuilder):
    """Frames in memory of its own, each beat over the one before. It knows no file, so nothing can be recorded."""

    durability: Literal["os"] = "os"

    class Page:
        """Where the next frame starts; nobody asks."""

        end = 0

    def __init__(self) -> None:
        self._segment = self.Page()
        self._view = memoryview(bytearray(SCRATCH_BYTES))
        self._words = self._view.cast("I")
        self._limit = SCRATCH_BYTES - FRAME_HEADER_BYTES
        self._seq = self.last_seq = self.committed_offset = self._base = 0
        self.rewind()

    def rewind(self) -> None:
        """Start over; seqs go on."""
        self._start = 0
        self._cursor = FRAME_HEADER_BYTES

    def _roll(self, seq: int, ts_ns: int, need: int) -> None:
        self.rewind()


class Flip:
    """Wants the other side of what it wanted last: implements core.ports.Strategy under a configured name."""

    def __init__(self, name: str, inst: int, qty_nanos: int) -> None:
        self.name = name
        self.instruments = (inst,)
        self._target_nanos = qty_nanos

    def decide(self, ts_ns: int, inst: int) -> Verdict:
        """Always a decision."""
        self._target_nanos = -self._target_nanos
        return Verdict(
            decision=Decision(
                strategy=self.name, inst=inst, features=(("z", 0.0),), score=0.0, target_nanos=self._target_nanos,
                bid_px_nanos=0, ask_px_nanos=0,
            )
        )  # fmt: skip

    def forget(self, inst: int) -> None:
        """It remembers nothing of a position."""

    def adopt(self) -> None:
        """The books of a shadow are empty."""


class Asking:
    """The shadow's pipeline as its runner sees it: the real kernel takes the row, and every row asks for a decision."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._quote = pipeline.quote

    def quote(self, *numbers: int) -> int:
        """Apply one live row."""
        self._quote(*numbers)
        return DECIDE


class KeepWarm:
    """`beat()` whenever there is nothing else to do; what comes meanwhile waits for it, as long as for another order.
    `fault` says why it cannot.
    """

    fault: str  # "" = it beats

    def __init__(self, config: Config, tables: ReferenceTables) -> None:
        """Build the shadow and try it once."""
        self.orders = 0
        self.fault = "no strategy is enabled"
        name, symbols = next(((n, s.symbols) for n, s in config.strategies.items() if s.enabled), ("", ()))
        if not name:
            return
        self._inst = inst = config.symbols.index(symbols[0])
        session = tables.session_table(config.instruments[inst].calendar).sessions[0]
        lot = rule_on(tables.contracts[inst].lots, session.date)
        if lot is None:
            self.fault = f"{symbols[0]} has no lot rule on {session.date}"
            return
        self.runner, self._scratch = _shadow(config, tables, Flip(name, inst, lot.round_lot_nanos))
        self._ts_ns = (session.open_ns + session.close_ns) // 2
        _ready(self.runner, session, self._ts_ns)
        self._row = _row(self.runner.engine, inst, lot, self._ts_ns)
        self.beat()
        refusals = list(self.runner.tally.refusals)
        blocked = list(self.runner.engine.blocked.values())
        self.fault = "" if self.orders else f"the shadow sends nothing: {', '.join(refusals + blocked) or 'no order'}"

    def beat(self) -> None:
        """By turns an order that goes nowhere and the report of its cancel; its time stands still."""
        runner, money = self.runner, self.runner.engine.money
        if money.live_orders:
            for order_id in list(money.live_orders):
                runner.step(e.OrderCancelled(order_id=order_id), self._ts_ns)
            money.tats.clear()  # without time rates and repetitions would only ever grow
            money.duplicates.load([])
            money.counters.forget()
        else:
            runner.on_quote(*self._row)
            self.orders += len(money.live_orders)
        self._scratch.rewind()


def _shadow(config: Config, tables: ReferenceTables, flip: Flip) -> tuple[Runner, Scratch]:
    machine = build_machine(config, tables, with_venue=False)
    assert machine.exchange is None, "the shadow must have no port"
    engine = machine.engine
    engine.strategies = {flip.name: flip}
    engine.traders = tuple((flip,) if inst in flip.instruments else () for inst in range(len(engine.symbols)))
    engine.context.reference_dates = [NOT_AWAITED] * len(engine.symbols)  # no broker delivers to a shadow
    scratch = Scratch()
    # The casts name what the runner's order path uses of both; all else of them is missing, which is the point.
    runner = Runner(machine, cast(JournalWriter, scratch), Tally(config.symbols), roll=Rolls(()))
    runner.pipeline = cast(Pipeline, Asking(engine.pipeline))
    return runner, scratch


def _ready(runner: Runner, session: Session, ts_ns: int) -> None:
    """The first inputs of a run and a first synchronisation of an empty account, in the middle of a session."""
    money = runner.money
    facts: tuple[Any, ...] = (
        e.TraderStarted(
            epoch=1, mode="paper", ended="new", after_crash="as_latched", guard_fired=False, changed="",
            venue_in_process=True,
        ),
        e.DayRolled(date=session.date),
        e.LinkRestored(reason=SESSION_READY),
        e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=0),  # what a broker or venue would tell beside orders
        *(e.ShortableChanged(inst=inst, level_milli=3_000) for inst in range(len(runner.engine.symbols))),
        e.SyncStarted(sync_id=1),
        e.CashReported(sync_id=1, currency=money.settings.currency, cash_nanos=money.settings.start_cash_nanos),
        e.SyncCompleted(sync_id=1, complete=True),
    )  # fmt: skip
    for fact in facts:
        runner.step(fact, ts_ns)
    volumes = runner.engine.context.volumes  # nobody tells a shadow what its names trade: more than any limit asks
    volumes.adv_nanos = [ADV_NANOS] * len(volumes.adv_nanos)


def _row(engine: Engine, inst: int, lot: LotRule, ts_ns: int) -> tuple[int, ...]:
    """A quote one tick wide on the grid, as `Runner.on_quote` takes it."""
    context = engine.context
    rule = rule_on(context.instruments[inst].ticks, context.money.trading_date)
    tick = rule.increments[-1][1] if rule is not None else NANO // 100
    bid = (context.previous_close_nanos[inst] or PX_NANOS) // tick * tick
    return ts_ns, ts_ns, inst, QUOTE, 0, bid, bid + tick, 10 * lot.round_lot_nanos, 10 * lot.round_lot_nanos


def keep_warm(config: Config, tables: ReferenceTables, log: FilteringBoundLogger) -> KeepWarm | None:
    """The shadow, where the config asks for one and it can send; else None, and the log says why."""
    if not config.engine.keep_warm:
        return None
    warm = KeepWarm(config, tables)
    if warm.fault:
        log.warning("engine.keep_warm is off", reason=warm.fault)
    return None if warm.fault else warm


async def doze(wall_s: float, warm: KeepWarm | None) -> None:
    """Sleep until something is due, at most SLEEP_S_MAX; with a shadow in short naps, beating while there is time."""
    if warm is None or wall_s <= BEAT_S:
        await asyncio.sleep(min(SLEEP_S_MAX, max(SLEEP_S_MIN, wall_s)))
    else:
        warm.beat()
        await asyncio.sleep(BEAT_S)
