"""What drives the trader on a recorded or made-up market: feed process, clock of the tape, and the loop over its rows.

Owns pacing. The venue is simulated and runs along in the same process.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from broker.feeds.client import FeedClient, Item
from broker.feeds.merge import ControlFact
from broker.feeds.protocol import FeedEnd, RowsBatch
from core.errors import Bug
from daemon.config.feed_spec import feed_spec
from daemon.pace import TapeClock
from daemon.recovery import Recovered
from daemon.reference.tables import ReferenceTables, build_reference, covered_days
from daemon.riskworker.asking import MeasuredHere
from daemon.warm import doze

if TYPE_CHECKING:
    from daemon.trader import Trader

SLICE_ROWS: Final = 2048  # rows between two looks at the socket at full speed: a few milliseconds


class TapeDriver:
    """Implements daemon.trader.Driver."""

    def __init__(self, trader: "Trader") -> None:
        self._trader = trader
        self._config = trader.config
        self._clock = TapeClock(trader.config.feed.speed_factor)
        self._feed: FeedClient | None = None
        self._tables: ReferenceTables | None = None
        self._controls: list[tuple[int, Any]] = []  # of the feed, repeated by it at the place we left it
        self._item: Item | None = None

    # ---- stages ------------------------------------------------------------------------------------------------
    async def open(self) -> ReferenceTables:
        """The feed knows which days it covers, or the config does; the tables cover those days."""
        config = self._config
        if config.feed.kind == "synthetic":
            first, last = covered_days(config)
            tables = build_reference(config, first=first, last=last)
            self._feed = await self._open(tables, skip_rows=0)
        else:
            self._feed = feed = await self._open(None, skip_rows=0)
            first, last = covered_days(config, first_ns=feed.header.first_ns, last_ns=feed.header.last_ns)
            tables = build_reference(config, first=first, last=last)
        self._tables = tables
        return tables

    async def _open(self, tables: ReferenceTables | None, *, skip_rows: int) -> FeedClient:
        sessions = None if tables is None else tables.session_table(self._config.instruments[0].calendar)
        contracts = () if tables is None else tables.contracts
        client = FeedClient(feed_spec(self._config, instruments=contracts, sessions=sessions, skip_rows=skip_rows))
        await client.start()
        return client

    async def resume(self, recovered: Recovered) -> None:
        """Rows that are journalled are not asked for again. A worker on the wall's clock cannot follow a tape."""
        if self._tables is None:
            raise Bug("the tape is resumed before its tables are there")
        recovered.machine.measurer = MeasuredHere(self._config, self._tables)
        if recovered.rows:
            await self.close()
            self._feed = await self._open(self._tables, skip_rows=recovered.rows)
        self._controls = list(recovered.controls)
        self._trader.rows_total = self._expected_rows(recovered)

    def _expected_rows(self, recovered: Recovered) -> int:
        estimate = self._source.header.rows_estimate
        if estimate == 0 or self._config.feed.start or self._config.feed.end:
            return 0  # endless, or a part of a tape: nobody knows how many
        return max(estimate, recovered.rows)

    async def first_ns(self, now_ns: int, *, fresh: bool) -> int:
        """A new journal begins with the tape's first row, another goes on where it stands."""
        self._item = item = await self._source.next()
        return max(now_ns, _first_ns(item)) if fresh else now_ns

    @property
    def _source(self) -> FeedClient:
        if self._feed is None:
            raise Bug("the feed is used before it is open")
        return self._feed

    async def close(self) -> None:
        """End the feed process."""
        feed, self._feed = self._feed, None
        if feed is not None:
            await feed.aclose()

    # ---- the loop ----------------------------------------------------------------------------------------------
    async def run(self) -> bool:
        """The tape, in its order."""
        item, runner = self._item, self._trader.active_runner
        while not isinstance(item, FeedEnd):
            if isinstance(item, RowsBatch):
                self._controls = []
                if not await self._run_rows(item.rows):
                    return False
            elif isinstance(item, ControlFact):
                if (item.ts_ns, item.event) in self._controls:
                    self._controls.remove((item.ts_ns, item.event))
                else:
                    if not await self._wait_for(item.ts_ns):
                        return False
                    runner.advance_to(item.ts_ns)
                    runner.step(item.event, item.ts_ns)
            item = await self._source.next()
            self._trader.leave_on_failure()
        return True

    async def _run_rows(self, rows: Any) -> bool:
        """Run one batch at the configured speed; False when a stop has drained."""
        if self._clock.factor:
            return await self._run_paced(rows)
        runner = self._trader.active_runner
        for lo in range(0, len(rows), SLICE_ROWS):
            runner.run_batch(rows, lo, min(lo + SLICE_ROWS, len(rows)))
            await asyncio.sleep(0)
            if self._over():
                return False
        return True

    def _over(self) -> bool:
        """Tend; whether a stop has drained."""
        trader = self._trader
        trader.tend()
        over = trader.drained()
        trader.turned()
        return over

    async def _run_paced(self, rows: Any) -> bool:
        """Rows at their own times; False when a stop has drained."""
        runner, times, at = self._trader.active_runner, rows["ts_ns"], 0
        while at < len(rows):
            if not await self._wait_for(int(times[at])):
                return False
            upto = max(at + 1, int(times.searchsorted(self._clock.now_ns(0), side="right")))
            runner.run_batch(rows, at, upto)
            at = upto
            await asyncio.sleep(0)
        return not self._over()

    async def _wait_for(self, ts_ns: int) -> bool:
        """Let the tape's clock come to `ts_ns` (at once at full speed), stepping what is due before; False when a stop
        has drained.
        """
        trader, runner, clock = self._trader, self._trader.active_runner, self._clock
        while clock.factor:
            if self._over():
                return False
            tape_ns = clock.now_ns(max(runner.now_ns, ts_ns))
            if tape_ns >= ts_ns:
                break
            if tape_ns > runner.now_ns:
                runner.advance_to(tape_ns)
            due_ns = min(ts_ns, runner.next_ns)
            await doze(clock.wall_s(due_ns - tape_ns), trader.warm)
        return True

    def catch_up(self) -> int:
        """The tape's time is where it stands."""
        return self._trader.active_runner.now_ns

    link_why = ""  # the venue is in this process

    def acted(self) -> None:
        """The loop looks at every deadline anyway."""


def _first_ns(item: Item) -> int:
    if isinstance(item, RowsBatch):
        return int(item.rows[0]["ts_ns"])
    return item.ts_ns if isinstance(item, ControlFact) else 0
