"""The trader process: named stages from config to READY, the loop over the tape, and the way out.

Owns the order of start and stop, pacing and progress. Decides nothing about money: that is the engine's. Everything the
operator asks for goes through `operate` as one stamped fact.
"""

import asyncio
import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

from broker.feeds.client import FeedClient
from broker.feeds.merge import ControlFact
from broker.feeds.protocol import FeedEnd, RowsBatch
from core import events as e
from core import records as r
from core.errors import Bug
from core.latches import STRATEGY
from daemon.config import Config
from daemon.config.feed_spec import feed_spec
from daemon.control.operations import TraderOperations
from daemon.control.server import ControlServer
from daemon.journal import JournalWriter, next_epoch
from daemon.log import AlertLog, open_log
from daemon.machine import SESSION_READY
from daemon.pace import TapeClock
from daemon.recovery import Recovered, recover, runner_state, take_snapshot
from daemon.reference.tables import ReferenceTables, build_reference, covered_days, day_rolls
from daemon.runner import Rolls, Runner, StepError
from daemon.state_dir import StateDirectory, TraderCard
from daemon.warm import KeepWarm, doze, keep_warm

SLICE_ROWS: Final = 2048  # rows between two looks at the socket at full speed: a few milliseconds
END_GRACE_NS: Final = 60 * 10**9  # after the last row: answers in flight still arrive
DRAIN_NS: Final = 10 * 10**9  # tape time a stop waits for its cancels
FLATTEN_NS: Final = 60 * 10**9  # tape time a stop waits for positions that are to be closed
PROGRESS_S: Final = 0.2
VENUE_IN_PROCESS: Final = True


class Trader:
    """One run of one account on a recorded or made-up market."""

    def __init__(self, config: Config, config_path: Path, *, quiet: bool) -> None:
        self.config = config
        self.config_path = config_path
        self.state = StateDirectory(Path(config.state_dir))
        self.quiet = quiet
        self.phase = "starting"
        self.stop_reason = ""
        self.failure: StepError | None = None  # raised by an operator's command
        self.rows_total = 0
        self.run_s = 0.0
        self.first_rows = 0  # rows that were in the journal before this run
        self.runner: Runner | None = None
        self.control: ControlServer | None = None
        self.log = open_log()
        self._alerts = AlertLog(self.log)
        self._clock = TapeClock(config.feed.speed_factor)
        self._warm: KeepWarm | None = None
        self._drain_until_ns = 0
        self._flatten_until_ns = 0
        self._next_progress_s = 0.0
        self._next_snapshot_seq = 0

    # ---- stages ------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Start, run to the end of the tape or to a stop, leave in order. Raises ConfigError, StepError and faults."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.request_stop, signal.Signals(number).name)
        self.state.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        feed, tables = await self._open_feed()
        try:
            recovered = self._recover(tables)
            if recovered.rows:
                await feed.aclose()
                feed = await self._feed(tables, skip_rows=recovered.rows)
            self.rows_total = self._expected_rows(feed, recovered)
            await self._go(feed, tables, recovered)
        finally:
            await feed.aclose()
            if self.control is not None:
                await self.control.close()
            if self.runner is not None:
                self.runner.journal.close()

    async def _open_feed(self) -> tuple[FeedClient, ReferenceTables]:
        """The feed knows which days it covers, or the config does; the tables cover those days."""
        if self.config.feed.kind == "synthetic":
            first, last = covered_days(self.config)
            tables = build_reference(self.config, first=first, last=last)
            return await self._feed(tables, skip_rows=0), tables
        feed = await self._feed(None, skip_rows=0)
        first, last = covered_days(self.config, first_ns=feed.header.first_ns, last_ns=feed.header.last_ns)
        return feed, build_reference(self.config, first=first, last=last)

    async def _feed(self, tables: ReferenceTables | None, *, skip_rows: int) -> FeedClient:
        sessions = None if tables is None else tables.session_table(self.config.instruments[0].calendar)
        contracts = () if tables is None else tables.contracts
        client = FeedClient(feed_spec(self.config, instruments=contracts, sessions=sessions, skip_rows=skip_rows))
        await client.start()
        return client

    def _expected_rows(self, feed: FeedClient, recovered: Recovered) -> int:
        estimate = feed.header.rows_estimate
        if estimate == 0 or self.config.feed.start or self.config.feed.end:
            return 0  # endless, or a part of a tape: nobody knows how many
        return max(estimate, recovered.rows)

    def _recover(self, tables: ReferenceTables) -> Recovered:
        """Continue the journal that is there, or begin one; a tape that ended makes room for a new run."""
        directory = self.state.journal
        begin = not (directory.is_dir() and any(directory.glob("segment-*.qj")))
        journal = self._journal(directory, begin=begin)
        recovered = recover(directory, self.config, tables)
        if recovered.feed_ended:
            journal.close()
            directory.rename(directory.with_name(f"journal-{recovered.epoch}"))
            journal = self._journal(directory, begin=True)
            recovered = recover(directory, self.config, tables)
        rolls = Rolls(self._rolls(tables))
        self.runner = Runner(recovered.machine, journal, recovered.tally, roll=rolls)
        self.runner.rows_done = self.first_rows = recovered.rows
        self._alerts.start_at(recovered.tally)
        self.runner.controls_here = list(recovered.controls)
        rolls.skip_past(recovered.machine.engine.money.trading_date)
        return recovered

    def _journal(self, directory: Path, *, begin: bool) -> JournalWriter:
        settings = self.config.journal
        segment_bytes, reserve_bytes = settings.segment_mib << 20, settings.reserve_mib << 20
        if begin:
            return JournalWriter(
                directory,
                now_ns=time.time_ns(),
                durability=settings.durability,
                segment_bytes=segment_bytes,
                reserve_bytes=reserve_bytes,
            )
        return JournalWriter.open_existing(
            directory, durability=settings.durability, segment_bytes=segment_bytes, reserve_bytes=reserve_bytes
        )

    def _rolls(self, tables: ReferenceTables) -> tuple[tuple[int, int], ...]:
        account = self.config.account
        return day_rolls(tables.sessions[0].table, day_roll=account.day_roll, timezone=account.timezone)

    async def _go(self, feed: FeedClient, tables: ReferenceTables, recovered: Recovered) -> None:
        runner = self.active_runner
        item = await feed.next()
        fresh = recovered.ended == "new"
        self._begin(item, tables, recovered, fresh=fresh)
        self.control = ControlServer(
            Path(self.config.control.socket),
            TraderOperations(self),
            symbols=self.config.symbols,
            strategies=tuple(self.config.strategies),
            features=runner.pipeline.external_names,
        )
        await self.control.start()
        self.state.write_card(
            TraderCard(
                pid=os.getpid(),
                socket=self.config.control.socket,
                journal=str(self.state.journal),
                config=str(self.config_path),
            )
        )
        self._warm = keep_warm(self.config, tables, self.log)
        self.phase = "ready"
        self.log.info("ready", socket=self.config.control.socket, journal=str(self.state.journal))
        gc.collect()
        gc.freeze()
        gc.disable()
        began = time.monotonic()
        controls = list(recovered.controls)
        while not isinstance(item, FeedEnd):
            if isinstance(item, RowsBatch):
                controls = []
                if not await self._run_rows(item.rows):
                    break
            elif isinstance(item, ControlFact):
                if (item.ts_ns, item.event) in controls:
                    controls.remove((item.ts_ns, item.event))  # repeated by the feed at the place we left it
                else:
                    if not await self._wait_for(item.ts_ns):
                        break
                    runner.advance_to(item.ts_ns)
                    runner.step(item.event, item.ts_ns)
            item = await feed.next()
            self._leave_on_failure()
        self._end(tables, recovered, ended=isinstance(item, FeedEnd))
        self.run_s = time.monotonic() - began

    @property
    def active_runner(self) -> Runner:
        if self.runner is None:
            raise Bug("the runner is used before recovery")
        return self.runner

    def _begin(self, item: Any, tables: ReferenceTables, recovered: Recovered, *, fresh: bool) -> None:
        """Reference records, then the first inputs of this run, at the tape's time."""
        runner = self.active_runner
        first_ns = _first_ns(item)
        now_ns = max(runner.machine.now_ns, first_ns if fresh else 0)
        epoch = next_epoch(self.state.path, at_least=recovered.epoch)
        seq = runner.engine.seq
        for record in tables.records():
            seq += 1
            runner.journal.add(r.REFERENCE, seq, now_ns, 0, r.encode(record))
        runner.journal.commit()
        runner.engine.seq = seq
        runner.step(
            e.TraderStarted(
                epoch=epoch,
                mode=self.config.mode,
                ended=recovered.ended,
                after_crash=self.config.start.after_crash,
                guard_fired=False,
                changed="" if fresh else recovered.changed,
                safe=recovered.safe,
                venue_in_process=VENUE_IN_PROCESS,
            ),
            now_ns,
        )
        # Asked of the books, not of `fresh`: a crash may have come before either was recorded.
        if not runner.money.trading_date:
            runner.step(e.DayRolled(date=runner.roll.skip_to(now_ns) or _date_at(tables, now_ns)), now_ns)
        if not runner.money.link_since_ns:
            runner.step(e.LinkRestored(reason=SESSION_READY), now_ns)
        if not fresh and recovered.changed:
            self._snapshot(tables, recovered)
        self.log.info("started", epoch=epoch, ended=recovered.ended, changed=recovered.changed, rows=recovered.rows)
        if runner.journal.torn is not None:
            self.log.warning("journal tail cut", **runner.journal.torn._asdict())
        self._next_snapshot_seq = runner.engine.seq + self.config.journal.snapshot_every
        self.tables = tables
        self._recovered = recovered
        self.changed = recovered.changed

    # ---- the loop ----------------------------------------------------------------------------------------------
    async def _run_rows(self, rows: Any) -> bool:
        """Run one batch at the configured speed; False when a stop has drained."""
        if self._clock.factor:
            return await self._run_paced(rows)
        runner = self.active_runner
        for lo in range(0, len(rows), SLICE_ROWS):
            runner.run_batch(rows, lo, min(lo + SLICE_ROWS, len(rows)))
            await asyncio.sleep(0)
            self._tend()
            if self._drained():
                return False
        return True

    async def _run_paced(self, rows: Any) -> bool:
        """Rows at their own times; False when a stop has drained."""
        runner, times, at = self.active_runner, rows["ts_ns"], 0
        while at < len(rows):
            if not await self._wait_for(int(times[at])):
                return False
            upto = max(at + 1, int(times.searchsorted(self._clock.now_ns(0), side="right")))
            runner.run_batch(rows, at, upto)
            at = upto
            await asyncio.sleep(0)
        self._tend()
        return not self._drained()

    async def _wait_for(self, ts_ns: int) -> bool:
        """Let the tape's clock come to `ts_ns` (at once at full speed), stepping what is due before; False when a stop
        has drained.
        """
        runner, clock = self.active_runner, self._clock
        while clock.factor:
            self._tend()
            if self._drained():
                return False
            tape_ns = clock.now_ns(max(runner.now_ns, ts_ns))
            if tape_ns >= ts_ns:
                break
            if tape_ns > runner.now_ns:
                runner.advance_to(tape_ns)
            due_ns = min(ts_ns, runner.next_ns)
            await doze(clock.wall_s(due_ns - tape_ns), self._warm)
        return True

    def _tend(self) -> None:
        """Between steps: disk, snapshot, progress."""
        runner = self.active_runner
        runner.watch_disk()
        self._tell_alerts()
        if runner.engine.seq >= self._next_snapshot_seq:
            self._snapshot(self.tables, self._recovered)
            self._next_snapshot_seq = runner.engine.seq + self.config.journal.snapshot_every
        if not self.quiet:
            self._progress()

    def _snapshot(self, tables: ReferenceTables, recovered: Recovered, *, ended: str = "crash") -> None:
        runner = self.active_runner
        money = runner.money
        feed_ended = self.phase == "ended"
        state = runner_state(
            recovered,
            runner.tally,
            rows=runner.rows_done,
            ended=ended,
            epoch=money.epoch,
            feed_ended=feed_ended,
            controls=runner.controls_here,
        )
        runner.journal.sync()
        take_snapshot(self.state.journal, runner.machine, runner.tally, tables, state)

    def request_stop(self, reason: str) -> None:
        """Ask for a clean stop; the loop steps it. A second signal changes nothing."""
        self.stop_reason = self.stop_reason or reason

    def _drained(self) -> bool:
        """Step a requested stop once, then run on until its cancels are answered."""
        self._leave_on_failure()
        if not self.stop_reason:
            return False
        runner = self.active_runner
        if not self._drain_until_ns:
            if self._flattening_at_stop():
                return False
            self.phase = "draining"
            self._drain_until_ns = runner.now_ns + DRAIN_NS
            runner.step(e.TraderStopped(reason=self.stop_reason), runner.now_ns)
        return not runner.money.live_orders or runner.now_ns >= self._drain_until_ns

    def _leave_on_failure(self) -> None:
        """After every await: an operator's command may have broken the engine, and nothing may be stepped on it."""
        if self.failure is not None:
            raise self.failure

    def _flattening_at_stop(self) -> bool:
        """Whether strategies with on_stop = flatten are still closing; they stay latched until an operator resumes."""
        runner = self.active_runner
        names = [name for name, strategy in self.config.strategies.items() if strategy.on_stop == "flatten"]
        if not self._flatten_until_ns:
            self._flatten_until_ns = runner.now_ns + FLATTEN_NS
            for name in names:
                event = e.OperatorFlattened(level=STRATEGY, scope=name, reason="on_stop", operator="trader")
                runner.step(event, runner.now_ns)
        held = any(p.qty_nanos for p in runner.money.ledger.positions.values() if p.strategy in names)
        return held and runner.now_ns < self._flatten_until_ns

    def _end(self, tables: ReferenceTables, recovered: Recovered, *, ended: bool) -> None:
        runner = self.active_runner
        if ended:
            runner.advance_to(runner.now_ns + END_GRACE_NS)
            runner.step(e.FeedEnded(rows=runner.rows_done), runner.now_ns)
            runner.step(e.TraderStopped(reason="the tape ended"), runner.now_ns)
            self.phase = "ended"
        self._snapshot(tables, recovered, ended="clean")
        self._tell_alerts()
        if not self.quiet:
            self._progress(last=True)
        self.log.info("stopped", tape_ended=ended, asked_by=self.stop_reason, open_orders=len(runner.money.live_orders))

    def _tell_alerts(self) -> None:
        """Log new alerts; on a terminal the progress line makes room."""
        tally = self.active_runner.tally
        if self._alerts.has_news(tally):
            if not self.quiet and sys.stderr.isatty():
                sys.stderr.write("\r\x1b[K")
            self._alerts.tell(tally)

    def _progress(self, *, last: bool = False) -> None:
        """One line on stderr, five times a second; only for a terminal."""
        now_s = time.monotonic()
        if not sys.stderr.isatty() or (now_s < self._next_progress_s and not last):
            return
        self._next_progress_s = now_s + PROGRESS_S
        tally, done, total = self.active_runner.tally, self.active_runner.rows_done, self.rows_total
        share = min(1.0, done / total) if total else 0.0
        bar = f"[{'#' * int(share * 30):<30}] {share:4.0%} " if total else ""
        text = f"{bar}{done:,} rows {tally.children} orders {tally.fills} fills"
        sys.stderr.write(f"\r{text:<78}" + ("\n" if last else ""))
        sys.stderr.flush()


def _first_ns(item: Any) -> int:
    if isinstance(item, RowsBatch):
        return int(item.rows[0]["ts_ns"])
    return item.ts_ns if isinstance(item, ControlFact) else 0


def _date_at(tables: ReferenceTables, ts_ns: int) -> int:
    """The trading date of a moment before the first roll of the table."""
    for session in tables.sessions[0].table.sessions:
        if ts_ns < session.post_close_ns:
            return session.date
    return 0
