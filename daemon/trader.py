"""The trader process: named stages from config to READY, and the way out.

Owns the order of start and stop, and progress. What drives it is a tape (daemon/tape.py) or a live broker
(daemon/live.py): where rows, facts and time come from. Decides nothing about money: that is the engine's. Everything
the operator asks for goes through `operate` as one stamped fact.
"""

import asyncio
import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final, Protocol

from core import events as e
from core import records as r
from core.commands import STANDING
from core.errors import Bug
from core.latches import PROCESS, STRATEGY
from core.manual import MANUAL
from daemon.authority.sealing import Sealing
from daemon.authority.verify import Authority
from daemon.config import Config
from daemon.control.operations import TraderOperations
from daemon.control.server import ControlServer
from daemon.journal import JournalWriter, next_epoch
from daemon.kill_switch import KillSwitch
from daemon.killer.latch import put_aside, read_latch
from daemon.log import AlertLog, ProcessLog, open_log, tell_orders
from daemon.machine import SESSION_READY
from daemon.notify import Notifier
from daemon.presence import Presence
from daemon.recovery import Recovered, recover, refuse_later
from daemon.reference.tables import ReferenceTables, date_at, day_rolls
from daemon.runner import Rolls, Runner
from daemon.snapshots import Snapshots
from daemon.state_dir import StateDirectory, TraderCard
from daemon.status.measuring import Measuring
from daemon.vitals import Vitals
from daemon.warm import KeepWarm, keep_warm

END_GRACE_NS: Final = 60 * 10**9  # after the last row: answers in flight still arrive
DRAIN_NS: Final = 10 * 10**9  # tape time a stop waits for its cancels
FLATTEN_NS: Final = 60 * 10**9  # tape time a stop waits for positions that are to be closed
PROGRESS_S: Final = 0.2


class Driver(Protocol):
    """Where rows, facts and time come from. Each stage is called once, in this order."""

    @property
    def link_why(self) -> str:
        """Why there is no link, as far as the source knows; "" = it does not say."""
        ...

    async def open(self) -> ReferenceTables:
        """Reach the source as far as it takes to know which days it covers; the tables of these days."""
        ...

    async def resume(self, recovered: Recovered) -> None:
        """The journal says how far an earlier run came."""
        ...

    async def first_ns(self, now_ns: int, *, fresh: bool) -> int:
        """When this run begins; the journal stands at `now_ns`."""
        ...

    async def run(self) -> bool:
        """Run until the end of the tape (True) or until a stop has drained."""
        ...

    def catch_up(self) -> int:
        """Let everything happen that is due by now, before an operator's fact; the present time."""
        ...

    def acted(self) -> None:
        """An operator's fact was stepped: deadlines may have moved."""
        ...

    async def close(self) -> None:
        """Let go of the source. Also called when a stage before failed."""
        ...


class Trader:
    """One run of one account."""

    def __init__(
        self,
        config: Config,
        config_path: Path,
        *,
        quiet: bool,
        process: ProcessLog | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self.config = config
        self.config_path = config_path
        self.state = StateDirectory(Path(config.state_dir))
        self.quiet = quiet
        self.phase = "starting"
        self.stop_reason = ""
        self.failure: Exception | None = None  # raised where nobody could leave: a command, a broker's fact
        self.rows_total = 0
        self.run_s = 0.0
        self.first_rows = 0  # rows that were in the journal before this run
        self.runner: Runner | None = None
        self.control: ControlServer | None = None
        self._process = process
        self.log = open_log() if process is None else process.log
        self._alerts = AlertLog(self.log)
        self.warm: KeepWarm | None = None
        self.operations = TraderOperations(self)
        self.kill_switch = KillSwitch(self)
        self.authority = Authority(
            config.authority,
            account=config.account.id,
            epoch=lambda: self.active_runner.money.epoch,
            spent_step=lambda name: self.active_runner.money.code_steps.get(name, -1),
        )
        self.presence: Presence | None = None  # with a broker: the right to send
        self.measuring = Measuring(self, process)
        self.vitals = Vitals(self, notifier or Notifier())
        self.driver = self._driver()
        self._began_ns = 0
        self._drain_until_ns = 0
        self._flatten_until_ns = 0
        self._next_progress_s = 0.0

    # ---- stages ------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Start, run to the end of the tape or to a stop, leave in order. Raises ConfigError, StepError and faults."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.request_stop, signal.Signals(number).name)
        self.state.lock()
        self.kill_switch.listen(loop)
        try:
            tables = await self.driver.open()
            recovered = self._recover(tables)
            await self.driver.resume(recovered)
            await self._go(tables, recovered)
        finally:
            await self.driver.close()
            if self.control is not None:
                await self.control.close()
            if self.runner is not None:
                self.runner.journal.close()
            self.state.unlock()

    def _driver(self) -> Driver:
        if self.config.broker_feed:
            from daemon.live import LiveDriver

            return LiveDriver(self)
        from daemon.tape import TapeDriver

        return TapeDriver(self)

    def _recover(self, tables: ReferenceTables) -> Recovered:
        """Continue the journal that is there, or begin one; a tape that ended makes room for a new run."""
        directory = self.state.journal
        begin = not (directory.is_dir() and any(directory.glob("segment-*.qj")))
        if not begin:
            refuse_later(directory)
        journal = self._journal(directory, begin=begin)
        recovered = recover(directory, self.config, tables, alive=lambda: self.vitals.starting("recovering"))
        if recovered.feed_ended:
            journal.close()
            directory.rename(directory.with_name(f"journal-{recovered.epoch}"))
            journal = self._journal(directory, begin=True)
            recovered = recover(directory, self.config, tables)
        rolls = Rolls(self._rolls(tables))
        self.runner = Runner(recovered.machine, journal, recovered.tally, roll=rolls)
        self._sealing = Sealing(self.state, self.runner, self.log, one_for_ever=self.config.broker_feed)
        self.runner.rows_done = self.first_rows = recovered.rows
        self.measuring.begin()
        self._alerts.start_at(recovered.tally)
        self.runner.controls_here = list(recovered.controls)
        if self._process is not None:
            self.runner.orders = tell_orders(self._process, self.config.symbols, self.runner.money.live_orders.values())
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

    async def _go(self, tables: ReferenceTables, recovered: Recovered) -> None:
        runner = self.active_runner
        fresh = recovered.ended == "new"
        now_ns = await self.driver.first_ns(runner.machine.now_ns, fresh=fresh)
        self._begin(now_ns, tables, recovered, fresh=fresh)
        self.control = ControlServer(
            Path(self.config.control.socket),
            self.operations,
            self.authority,
            symbols=self.config.symbols,
            strategies=(*self.config.strategies, MANUAL),
            features=runner.pipeline.external_names,
            relayed=self.config.ops.mqtt.relayed,
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
        self.warm = keep_warm(self.config, tables, self.log)
        self.kill_switch.open()
        self.phase = "ready"
        self.log.info("authority", who=self.authority.told)
        self.log.info("ready", socket=self.config.control.socket, journal=str(self.state.journal))
        gc.collect()
        gc.freeze()
        gc.disable()
        began = time.monotonic()
        self._end(ended=await self.driver.run())
        self.run_s = time.monotonic() - began

    @property
    def active_runner(self) -> Runner:
        if self.runner is None:
            raise Bug("the runner is used before recovery")
        return self.runner

    def _begin(self, now_ns: int, tables: ReferenceTables, recovered: Recovered, *, fresh: bool) -> None:
        """Reference records, then the first inputs of this run."""
        runner = self.active_runner
        latch = read_latch(self.state.path) if self.config.guarded else None
        self._began_ns = now_ns
        epoch = next_epoch(self.state.path, at_least=recovered.epoch)
        if self._process is not None:
            self._process.bind(account=self.config.account.tag, epoch=epoch)
        seq = runner.engine.seq
        for record in tables.records():
            seq += 1
            payload = r.encode(record)
            runner.journal.add(r.REFERENCE, seq, now_ns, 0, payload)
            self._sealing.chain.add(r.REFERENCE, seq, now_ns, payload)
        runner.journal.commit()
        runner.engine.seq = seq
        runner.step(
            e.TraderStarted(
                epoch=epoch,
                mode=self.config.mode,
                ended=recovered.ended,
                after_crash=self.config.start.after_crash,
                guard_fired=latch is not None,
                changed="" if fresh else recovered.changed,
                safe=recovered.safe,
                venue_in_process=self.config.venue_in_process,
                guard_reason="" if latch is None else latch.text,
            ),
            now_ns,
        )
        self._sealing.tell_if_short(now_ns)
        if self.config.guarded:
            self.presence = Presence(self.state.path, self.config.guard, runner)
            runner.journal.sync()
            if latch is not None:
                put_aside(self.state.path, epoch=epoch)
        # Asked of the books, not of `fresh`: a crash may have come before either was recorded.
        if not runner.money.trading_date:
            runner.step(e.DayRolled(date=runner.roll.skip_to(now_ns) or date_at(tables, now_ns)), now_ns)
        if self.config.venue_in_process and not runner.money.link_since_ns:
            runner.step(e.LinkRestored(reason=SESSION_READY), now_ns)
        every = self.config.journal.snapshot_every
        self._snapshots = Snapshots(self.state.journal, runner, tables, recovered, every=every)
        if not fresh and recovered.changed:
            self._snapshots.take()
        self.log.info("started", epoch=epoch, ended=recovered.ended, changed=recovered.changed, rows=recovered.rows)
        if runner.journal.torn is not None:
            self.log.warning("journal tail cut", **runner.journal.torn._asdict())
        self.tables = tables
        self.changed = recovered.changed

    # ---- between steps -----------------------------------------------------------------------------------------
    def tend(self) -> None:
        """Between steps: kills, disk, snapshot, progress."""
        runner = self.active_runner
        self.measuring.turn()
        self.kill_switch.look()
        self._end_after_kill()
        runner.watch_disk()
        self._sealing.seal()
        self._tell_alerts()
        self._snapshots.tend()
        if not self.quiet:
            self._progress()

    def _end_after_kill(self) -> None:
        """A kill of the process ends it, once the broker was seen to be empty; until then it is needed for that."""
        for kill in self.active_runner.money.kills:
            if kill.level == PROCESS and not kill.over_ns and kill.verified_ns > self._began_ns:
                self.request_stop("a kill of the process, verified")

    def turned(self) -> None:
        """After a good turn of the loop: whoever watches us may know that it was."""
        if self.presence is not None:
            self.presence.turn()
        self.vitals.turn()

    def request_stop(self, reason: str) -> None:
        """Ask for a clean stop; the loop steps it. A second signal changes nothing."""
        self.stop_reason = self.stop_reason or reason

    def drained(self) -> bool:
        """Step a requested stop once, then run on until its cancels are answered."""
        self.leave_on_failure()
        if not self.stop_reason:
            return False
        runner = self.active_runner
        if not self._drain_until_ns:
            if self._flattening_at_stop():
                return False
            self.phase = "draining"
            self.vitals.stopping(self.stop_reason)
            self._drain_until_ns = runner.now_ns + DRAIN_NS
            runner.step(e.TraderStopped(reason=self.stop_reason), runner.now_ns)
        left = any(order.purpose not in STANDING for order in runner.money.live_orders.values())
        return not left or runner.now_ns >= self._drain_until_ns

    def leave_on_failure(self) -> None:
        """After every await: an operator's command may have broken the engine, and nothing may be stepped on it."""
        if self.failure is not None:
            raise self.failure

    def _flattening_at_stop(self) -> bool:
        """Whether strategies with on_stop = flatten are still closing; they stay latched until an operator resumes."""
        runner = self.active_runner
        names = [name for name, strategy in self.config.strategies.items() if strategy.on_stop == "flatten"]
        killed = [kill for kill in runner.money.kills if not kill.over_ns]
        names = [name for name in names if not any(kill.covers("", name) for kill in killed)]  # nobody asked for it
        if not self._flatten_until_ns:
            self._flatten_until_ns = runner.now_ns + FLATTEN_NS
            for name in names:
                event = e.OperatorFlattened(level=STRATEGY, scope=name, reason="on_stop", operator="trader")
                runner.step(event, runner.now_ns)
        held = any(p.qty_nanos for p in runner.money.ledger.positions.values() if p.strategy in names)
        return held and runner.now_ns < self._flatten_until_ns

    def _end(self, *, ended: bool) -> None:
        runner = self.active_runner
        if ended:
            runner.advance_to(runner.now_ns + END_GRACE_NS)
            runner.step(e.FeedEnded(rows=runner.rows_done), runner.now_ns)
            runner.step(e.TraderStopped(reason="the tape ended"), runner.now_ns)
            self.phase = "ended"
        self._sealing.seal()
        self._snapshots.take(ended="clean", feed_ended=ended)
        if self.presence is not None:
            self.presence.leave()
        self._tell_alerts()
        if not self.quiet:
            self._progress(last=True)
        self.log.info("stopped", tape_ended=ended, asked_by=self.stop_reason, open_orders=len(runner.money.live_orders))

    def _tell_alerts(self) -> None:
        """Log new alerts."""
        tally = self.active_runner.tally
        if self._alerts.has_news(tally):
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
