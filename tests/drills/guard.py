"""The drill `guard`: a gateway, a guard and a trader as processes, and a tap that writes down what is said.
A trader with fifty working orders restarts on purpose, is stopped with SIGSTOP and let go again, and is killed with
kill -9 while its guard dies over the cancels; what the broker still lists, what left after the lease, and how the
trader starts again is looked at each time. A part is one such story, by its seed.
"""

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from broker.ib.config import IbSettings
from core.errors import Refused
from core.units import NANO
from daemon.control.client import CommandFailed
from daemon.killer.latch import is_latched, read_latch
from daemon.killer.session import KillSession, OpenOrder
from daemon.lease import boottime_ns, read_lease
from daemon.probes.finding import Trouble
from daemon.status.guard import DONE, IDLE, read_guard
from tests.fakes.live_pair import ROOT, Pair, new_pair
from tests.fakes.wire_tap import WireTap

WORKING: Final = 50
LEASE_S: Final = 2.0
CANCELLED_WITHIN_S: Final = 5.0  # of the lease's end
ASKED_MAX: Final = 4
TRADER: Final = 11
GUARD: Final = 12
WITNESS: Final = 21
PLACE, CANCEL, CANCEL_ALL = b"3", b"4", b"58"
SYMBOLS: Final = ("AAA", "BBB", "CCC", "DDD", "EEE")
RESTING: Final = 18  # strategies whose orders rest in the first four symbols; one trades all the time in the last

FEED: Final = """
[feed]
kind = "synthetic"
speed = "5x"
[feed.synthetic]
seed = {seed}
start_date = "2026-10-05"
endless = true
print_share = 0.0
jumps_per_hour = 0.0
"""
MARKET: Final = """
[[feed.synthetic.instruments]]
symbol = "{symbol}"
px = {px}
events_per_second = 2.0
spread_ticks = {spread}
volatility_bp_per_hour = 1.0
reversion_ticks = 2.0
"""
INSTRUMENT: Final = """
[[instruments]]
symbol = "{symbol}"
tick = 0.01
round_lot = 100
"""
STRATEGY: Final = """
[strategies.{name}]
kind = "meanrev"
symbols = [{symbols}]
on_stop = "hold"
[strategies.{name}.params]
half_life_s = {half_life}
enter_z = 0.1
leave_z = 0.0
cadence_s = {cadence}
warm_up_s = 5
quotes_min = 5
position_dollars = {dollars}
[strategies.{name}.execution]
algo = "twap"
params = {{ duration_s = {duration}, slices = {slices} }}
patience = 1.0
chase_s = 3600
"""
# Answers may take long on a machine that others use: those missed count as errors (control 35), for ten minutes, and
# until then nobody resumes.
LIMITS: Final = """
[engine]
ack_timeout_s = 60.0
[limits.account]
working_per_side_max = 20
working_orders_max = 100
rate_strategy_orders = 25
[guard]
lease_s = 2.0
global_cancel_after_s = 1.0
"""


def strategies() -> str:
    """Eighteen that send one order a symbol and wait, and one that is busy."""
    resting = ", ".join(f'"{symbol}"' for symbol in SYMBOLS[:4])
    found = [
        STRATEGY.format(
            name=f"rest{at}", symbols=resting, half_life=5 + at, cadence=36_000, dollars=1_000 + 150 * at,
            duration=20_000, slices=1,
        )
        for at in range(RESTING)
    ]  # fmt: skip
    busy = STRATEGY.format(
        name="busy", symbols=f'"{SYMBOLS[4]}"', half_life=5, cadence=1, dollars=2_000, duration=10, slices=5
    )
    return "\n".join([*found, busy])


class Story:
    """One run of everything; `failures` says what went wrong, `times` how long what took, in seconds."""

    def __init__(self, pair: Pair, tap: WireTap) -> None:
        self.pair = pair
        self.tap = tap
        self.failures: list[str] = []
        self.times: dict[str, float] = {}
        self.orders = 0
        self.lapses = 0  # of the machine's own
        self.refusal = ""  # of the last resume that was not taken

    def check(self, holds: bool, what: str) -> None:
        """Remember a failure."""
        if not holds:
            self.failures.append(what)

    # ---- looking -----------------------------------------------------------------------------------------------
    def open_orders(self) -> list[OpenOrder]:
        """What the broker lists, of everybody. On a busy machine one question may not be answered in its time."""
        for _ in range(ASKED_MAX - 1):
            with suppress(Trouble):
                return self._open_orders()
        return self._open_orders()

    def _open_orders(self) -> list[OpenOrder]:
        with KillSession(IbSettings(port=self.pair.port), client_id=WITNESS) as witness:
            return witness.open_orders()

    def working(self) -> bool:
        """Whether fifty are. A machine too busy for so short a lease has halted the trader: it is resumed."""
        if self.latched() == {"LEASE"}:
            self.lapses += self.resumed()
        return len(self.open_orders()) >= WORKING

    def resumed(self) -> bool:
        """Whether an operator's resume was taken: after a synchronisation young enough."""
        try:
            self.pair.command("resume", reason="looked")
        except (CommandFailed, Refused) as fault:
            self.refusal = str(fault)
            return False
        return True

    def guard_is(self, *states: str) -> bool:
        """What the guard says of itself."""
        picture = read_guard(self.pair.trader_state)
        return picture is not None and picture.state in states

    def latched(self) -> set[str]:
        """Codes of the trader's latches."""
        status = self.pair.status()
        return set() if status is None else {row.code for row in status.latches}

    def until_ns(self) -> int:
        """When the present lease ends."""
        lease = read_lease(self.pair.trader_state)
        return 0 if lease is None else lease.until_ns

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Until it is so."""
        try:
            self.pair.wait(condition, what)
        except RuntimeError as fault:
            told = f"latched {self.latched()}; the last resume that was refused: {self.refusal}"
            raise RuntimeError(f"{fault}\n{told}") from fault

    # ---- the parts ---------------------------------------------------------------------------------------------
    def restart(self) -> None:
        """An announced restart: the lease ends, nothing is cancelled, the orders are the trader's again."""
        before = {order.perm_id for order in self.open_orders() if order.symbol != SYMBOLS[4]}
        self.pair.stop("trader")
        end_ns = self.until_ns()
        self.check(read_lease(self.pair.trader_state).announced, "a stop that is no announced one")  # type: ignore[union-attr]
        self.wait(lambda: boottime_ns() > end_ns + 2 * NANO and self.guard_is(IDLE), "the guard would have acted")
        after = {order.perm_id for order in self.open_orders()}
        self.check(before <= after, f"an announced stop lost orders {before - after}")
        self.check(not self.tap.of(GUARD, CANCEL_ALL), "the guard cancelled after an announced stop")
        self.pair.start("trader")
        self.check(
            not self.latched() & {"LEASE", "GUARD", "SECOND_TRADER"}, f"latched {self.latched()} after a restart"
        )

    def second(self) -> None:
        """Another trader on the same state folder is refused, by name."""
        running = self.pair.processes["trader"].pid
        command = [sys.executable, "-m", "daemon.app", "run", "--config", str(self.pair.trader_file), "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        self.check(done.returncode == 2, f"a second trader ended with {done.returncode}")
        self.check(f"pid {running}" in done.stderr, f"a second trader was told {done.stderr!r}")

    def stopped(self) -> None:
        """SIGSTOP: the guard cannot have the trader's client id, and cancels everything; SIGCONT: nothing leaves."""
        trader = self.pair.processes["trader"]
        self.wait(lambda: len(self.tap.of(TRADER, PLACE)) > WORKING + 3 and self.working(), "a busy trader")
        trader.send_signal(signal.SIGSTOP)
        end_ns = self.until_ns()
        try:
            self.emptied("stopped", end_ns)
            self.wait(lambda: self.guard_is(DONE), "the guard verified a stopped trader")
        finally:
            trader.send_signal(signal.SIGCONT)
        self.wait(lambda: self.latched() >= {"LEASE", "GUARD"}, "the trader saw that its lease was over")
        late = [one for one in self.tap.of(TRADER, PLACE) if one.ts_ns > end_ns]
        self.check(not late, f"{len(late)} orders left after the lease")
        self.check(not is_latched(self.pair.trader_state), "the latch is still there after it was journalled")
        self.check(self.until_ns() > end_ns, "no new lease")

    def killed(self, *, exclusive: bool) -> None:
        """kill -9 of the trader; of an exclusive account's guard too, over its cancels: another guard goes on. The next
        trader is HALTED.
        """
        self.pair.kill("trader")
        end_ns = self.until_ns()
        self.wait(lambda: bool(self.cancels_after(end_ns)), "the guard's first cancel")
        self.check(is_latched(self.pair.trader_state), "a cancel left before the latch was there")
        if exclusive:
            self.pair.kill("guard")
        self.emptied(f"killed_{'all' if exclusive else 'one_by_one'}", end_ns)
        if exclusive:
            self.pair.start("guard")
        self.wait(lambda: self.guard_is(DONE), "the guard verified")
        latch = read_latch(self.pair.trader_state)
        self.check(latch is not None and latch.verified, f"latch {latch}")
        self.pair.start("trader")
        self.check("GUARD" in self.latched(), f"started with {self.latched()} after the guard fired")
        self.check(not is_latched(self.pair.trader_state), "the latch is still there after the start")
        status = self.pair.status()
        self.check(status is not None and status.ladder == "HALTED", "not HALTED after the guard fired")
        parents = self.pair.books().money.live_parents.values()
        self.check(not any(parent.active for parent in parents), "schedules are alive after the guard fired")

    def cancels_after(self, end_ns: int) -> list[int]:
        """When cancels left, whoever sent them."""
        told = [one for who in (TRADER, GUARD) for one in self.tap.of(who, CANCEL, CANCEL_ALL)]
        return [one.ts_ns for one in told if one.ts_ns > end_ns]

    def emptied(self, name: str, end_ns: int) -> None:
        """Until the broker lists nothing; in time, and not before the guard's second of grace."""
        self.wait(lambda: not self.open_orders(), "every order is cancelled")
        took_s = round((boottime_ns() - end_ns) / NANO, 2)
        self.times[f"{name}_s"] = took_s
        self.check(took_s <= CANCELLED_WITHIN_S, f"{name}: the last order was gone {took_s} s after the lease's end")
        first_ns = min(self.cancels_after(end_ns), default=0)
        self.check(first_ns >= end_ns + NANO, f"{name}: the guard acted {(first_ns - end_ns) / NANO} s after the end")


def run_story(seed: int, *, kills: tuple[bool, ...]) -> dict[str, Any]:
    """The whole story; one kill for each of `kills`, which says whether the account is exclusive."""
    feed = FEED.format(seed=seed) + "".join(
        MARKET.format(symbol=symbol, px=20 + 10 * at, spread=20 if at < 4 else 1) for at, symbol in enumerate(SYMBOLS)
    )
    instruments = "".join(INSTRUMENT.format(symbol=symbol) for symbol in SYMBOLS)
    with (
        WireTap() as tap,
        new_pair(feed=feed, instruments=instruments, strategy=strategies() + LIMITS, dial=tap.port) as pair,
    ):
        tap.behind = pair.port
        story = Story(pair, tap)
        pair.start("gateway", "guard", "trader")
        story.wait(story.working, f"{WORKING} working orders")
        story.orders = len(story.open_orders())
        story.restart()
        story.second()
        story.stopped()
        for exclusive in kills:
            again(story, exclusive=exclusive)
        pair.stop("trader")
        story.check(pair.stop("guard") == 0, "the guard did not end well")
        counts = {"orders": story.orders, "lapses": story.lapses, "kills": len(kills)}
        return {"failures": story.failures, "counts": counts, "times": story.times}


def again(story: Story, *, exclusive: bool) -> None:
    """An operator has looked and resumes; then a kill under a guard of the one kind or the other."""
    pair = story.pair
    if exclusive:
        pair.stop("guard")
        pair.guard_file = pair.folder / "guard.toml"
        pair.guard_file.write_text(pair.trader_file.read_text() + "exclusive = true\n")
        pair.start("guard")
    story.wait(story.resumed, "resumed")
    story.wait(story.working, f"{WORKING} working orders")
    story.killed(exclusive=exclusive)


def run_part(number: int) -> dict[str, Any]:
    """One story, by the part's number."""
    return run_story(7_000 + number, kills=(False, True))
