"""What the trader offers to its control socket: one stamped fact per command, its status, why an order would not go."""

import os
import time
from typing import TYPE_CHECKING, Any

import msgspec

from core.events import AnyEvent, CommandRefused, DeployArmed, LeaseGranted
from core.notes import Failure
from daemon.authority.deploy import running
from daemon.control.server import Reply
from daemon.recovery import deploy_digest
from daemon.runner import StepError
from daemon.status.adoption import adoption_of
from daemon.status.build import ProcessFacts, build_status
from daemon.status.cash import corporate_rows
from daemon.status.kills import kill_reports
from daemon.status.limits import limit_lines
from daemon.status.manual import manual_rows
from daemon.status.measures import Measures
from daemon.status.picture import Status

if TYPE_CHECKING:
    from daemon.trader import Trader


class TraderOperations:
    """Implements daemon.control.Operations."""

    def __init__(self, trader: "Trader") -> None:
        self._trader = trader

    def operate(self, event: AnyEvent) -> Reply:
        """Step one operator fact at the tape's present time."""
        runner = self._trader.active_runner
        runs = deploy_digest(self._trader.tables)
        if type(event) is DeployArmed and event.digest != runs:
            text = f"{event.digest} is not what runs: it is {runs}"
            self.refused(CommandRefused(command="arm", operator=event.operator, authority=event.authority, why=text))
            return Reply(ok=False, text=text)
        if type(event) is LeaseGranted:
            presence = self._trader.presence
            refusal = "this trader has no broker to be kept from" if presence is None else presence.granted(event)
            if refusal:
                return Reply(ok=False, text=refusal)
        runner.engine.reply = (True, "done")
        try:
            runner.step(event, self._trader.driver.catch_up())
        except StepError as fault:
            self._trader.failure = fault  # the loop leaves with it at its next look
            return Reply(ok=False, text=f"the engine stopped on this command: {fault}; the trader ends")
        self._trader.driver.acted()
        ok, text = runner.engine.reply
        return Reply(ok=ok, text=text)

    def refused(self, event: CommandRefused) -> None:
        """Journal a command that never became a fact."""
        runner = self._trader.active_runner
        try:
            runner.step(event, self._trader.driver.catch_up())
        except StepError as fault:
            self._trader.failure = fault
            return
        self._trader.driver.acted()

    def status(self) -> Status:
        """The picture of this moment."""
        runner = self._trader.active_runner
        return build_status(
            runner.engine.context,
            runner.tally,
            ProcessFacts(
                pid=os.getpid(),
                mode=self._trader.config.mode,
                state=self._trader.phase,
                seq=runner.engine.seq,
                ts_ns=runner.now_ns,
                wall_ns=time.time_ns(),
                speed="" if self._trader.config.broker_feed else self._trader.config.feed.speed,
                link_why=self._trader.driver.link_why,
                clock=self._trader.config.ib.clock if self._trader.config.broker_feed else "",
                rows_done=runner.rows_done,
                rows_total=self._trader.rows_total,
                journal_dir=str(self._trader.state.journal),
                config=str(self._trader.config_path),
                deploy_digest=deploy_digest(self._trader.tables),
                changed=self._trader.changed,
                running=running(self._trader.tables),
                authority=self._trader.authority.told,
                control_errors=0 if self._trader.control is None else self._trader.control.malformed,
            ),
        )

    def measures(self) -> Measures:
        """Counters and latencies."""
        return self._trader.measuring.measures()

    def why_not(self, symbol: str | None) -> list[dict[str, Any]]:
        """Every blocker of a new order, in gate order, then what the desk waits for."""
        runner = self._trader.active_runner
        engine = runner.engine
        found: list[dict[str, Any]] = []
        for inst, name in enumerate(engine.symbols):
            if symbol is not None and name != symbol:
                continue
            for strategy in engine.traders[inst]:
                who = {"symbol": name, "strategy": strategy.name}
                blockers = engine.gate.blockers(inst, strategy.name, runner.now_ns)
                found += [who | msgspec.structs.asdict(failure) for failure in blockers]
                waiting = engine.blocked.get((strategy.name, inst))
                if waiting:
                    waits = Failure(
                        control=0, code="DESK_WAITS", value=waiting, limit="", lift="nobody: it goes on by itself"
                    )
                    found.append(who | msgspec.structs.asdict(waits))
        return found

    def limits(self, symbol: str | None, strategy: str | None) -> list[dict[str, Any]]:
        """Limits as configured, changed and in force."""
        context = self._trader.active_runner.engine.context
        return limit_lines(context, self._trader.config.limits, symbol=symbol, strategy=strategy)

    def kills(self) -> list[dict[str, Any]]:
        """The report of every kill."""
        return kill_reports(self._trader.active_runner.engine)

    def adoption(self) -> dict[str, Any]:
        """What the broker holds and our books lack."""
        return adoption_of(self._trader.active_runner.engine)

    def corporate(self) -> list[dict[str, Any]]:
        """Corporate actions, oldest first."""
        return corporate_rows(self._trader.active_runner.money)

    def orders(self) -> list[dict[str, Any]]:
        """Manual orders, oldest first."""
        return manual_rows(self._trader.active_runner.money)
