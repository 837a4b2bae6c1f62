"""The kill drill: one scripted acceptance test, in paper, timed. Three strategies with 35 working orders, five more of
another client (two good till cancelled, a bracket whose child is held), fills in flight, acknowledgements up to three
seconds late, one cancel refused, the line cut in the middle of the kill.

What counts is taken from outside the trader: the bytes on the wire, the gateway's own list, the journal on the disk.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from core import commands as c
from core import events as e
from core.latches import HALTED
from core.records import COMMAND, INPUT, decode
from daemon.control.client import CommandFailed, NotReachable
from daemon.drill import scene
from daemon.drill.pair import SOURCES, DrillFailed, Pair
from daemon.drill.relay import CANCELS, PLACE
from daemon.journal import JournalReader

MESSAGES_PER_SECOND: Final = 50  # the broker's limit
ALERT_S: Final = 5.0  # RTS 6 article 16(5)
VERIFY_S: Final = 60.0
REPLAY_S: Final = 300.0
CUT_AFTER_S: Final = 0.02  # the line is cut so long after the first cancel has left
OPEN: Final = ("Submitted", "PreSubmitted", "PendingSubmit", "PendingCancel", "ApiPending")
FAULTS: Final = (
    ("delay", {"message": "orderStatus", "chance": "0.5", "delay_s": "3"}),
    ("reject_cancel", {"times": "1"}),
)
LATE_FILL_S: Final = 2  # on the wall: long enough to see the fill at the gateway and give the command before it arrives


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that must hold."""

    name: str
    ok: bool
    found: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the drill came to; times in seconds after the command was given."""

    ok: bool
    checks: tuple[Check, ...]
    latched_s: float
    first_cancel_s: float
    last_cancel_s: float
    verified_s: float
    alert_s: float
    orders_open: int
    others_open: int
    partly_filled: int
    fills_after: int
    cancels: int
    sessions: int
    speed: int
    seed: int


class _Drill:
    """One run; `checks` fill up as it goes."""

    def __init__(self, pair: Pair, *, speed: int, seed: int) -> None:
        self._pair = pair
        self._speed, self._seed = speed, seed
        self.checks: list[Check] = []
        self._latched_on_disk = False
        self._before: list[dict[str, Any]] = []
        self._t0_ns = 0
        self._fills_after = 0

    def must(self, name: str, ok: bool, found: object) -> None:
        """Note one check."""
        self.checks.append(Check(name=name, ok=bool(ok), found=str(found)[:400]))

    # ---- before ------------------------------------------------------------------------------------------------
    def set_up(self) -> None:
        """Both processes, and 40 orders at the broker, one of them partly filled."""
        pair = self._pair
        pair.start_gateway()
        other = scene.OtherClient(pair.gateway_port)
        other.place()
        pair.start_trader()
        pair.wait(self._is_set, f"{scene.OWN_ORDERS} own orders work")
        other.close()
        late = ("late_execution", {"delay_s": str(LATE_FILL_S * self._speed)})
        for name, parameters in (*FAULTS, late):
            pair.gateway_command("fault", name=name, parameters=parameters)
        known = {fill["execId"] for fill in pair.gateway_command("executions")}
        pair.wait(lambda: self._is_filling(known), "one of them is partly filled, and the trader does not know it yet")

    def _open_orders(self) -> list[dict[str, Any]]:
        return [order for order in self._pair.gateway_command("orders") if order["status"] in OPEN]

    def _is_set(self) -> bool:
        """Every order is there."""
        self._before = found = self._open_orders()
        own = [order for order in found if order["clientId"] != scene.OTHERS_CLIENT]
        return len(own) >= scene.OWN_ORDERS and len(found) - len(own) == scene.OTHERS_ORDERS

    def _is_filling(self, known: set[str]) -> bool:
        """Set, and since the last look one of the orders was filled in part: an older fill would have arrived."""
        is_set = self._is_set()
        own = {order["permId"] for order in self._before if order["clientId"] != scene.OTHERS_CLIENT}
        fresh = [fill for fill in self._pair.gateway_command("executions") if fill["execId"] not in known]
        known.update(fill["execId"] for fill in fresh)
        return is_set and any(fill["permId"] in own for fill in fresh[-1:])

    # ---- the kill ----------------------------------------------------------------------------------------------
    def kill(self) -> dict[str, Any]:
        """Give the command and wait for the proof; the trader's own report."""
        pair = self._pair
        pair.relay.before_cancel = self._look_at_disk
        pair.relay.cut_after_cancel_s = CUT_AFTER_S
        self._t0_ns = time.monotonic_ns()
        pair.command("kill", reason="kill drill")
        self.latched_ns = time.monotonic_ns()
        pair.wait(lambda: bool(self._reports()[-1]["verified_ns"]), "the kill is verified", seconds=VERIFY_S)
        self.verified_ns = time.monotonic_ns()
        return self._reports()[-1]

    def wait_for_fills(self) -> None:
        """What was in flight arrives, or was asked for."""
        self._pair.wait(self._has_fills, "the fill in flight arrives", seconds=VERIFY_S)

    def _has_fills(self) -> bool:
        self._fills_after = int(self._reports()[-1]["fills_after"])
        return self._fills_after > 0

    def _reports(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self._pair.command("kills")
        except (NotReachable, CommandFailed) as fault:
            raise DrillFailed(f"drill: {fault}: {self._pair.last_words('trader')}") from fault
        return found

    def _look_at_disk(self) -> None:
        """In the relay's thread: the first cancel has left the trader and has not reached the gateway."""
        commands = [decode(COMMAND, x.payload) for x in JournalReader(self._journal).records({COMMAND})]
        self._latched_on_disk = any(type(x) is c.MoveLadder and x.code == "KILL" for x in commands)

    @property
    def _journal(self) -> Path:
        return self._pair.state / "journal"

    # ---- after -------------------------------------------------------------------------------------------------
    def check_wire(self) -> None:
        """No new order, and never more than the broker's message rate."""
        relay = self._pair.relay
        orders = relay.sent(PLACE, since_ns=self.latched_ns)
        self.must("no order bytes after the command, only cancels", not orders, f"{len(orders)} orders")
        between = relay.sent(PLACE, since_ns=self._t0_ns)
        self.must("nor while it was given", len(between) <= 1, f"{len(between)} orders on the wire already")
        most = relay.most_in(10**9 // self._speed, self._t0_ns)  # a second of the gateway's clock
        self.must("within the broker's message rate", most <= MESSAGES_PER_SECOND, f"{most} in a second")
        self.must("latch on the disk before the first cancel left", self._latched_on_disk, self._latched_on_disk)
        struck = {fault["name"]: fault["struck"] for fault in self._pair.gateway_command("faults")}
        self.must("one cancel was refused", struck.get("reject_cancel") == 1, f"{struck.get('reject_cancel')} refused")
        self.must("the line was cut in the middle", relay.cuts == 1, f"{relay.cuts} cuts, {relay.sessions} sessions")

    def check_orders(self, report: dict[str, Any]) -> None:
        """Every order that was open is off, by the gateway's own word, and in the report by its id."""
        found = {order["permId"]: order for order in self._pair.gateway_command("orders")}
        left = [perm_id for perm_id, order in found.items() if order["status"] in OPEN]
        self.must("no order is open at the broker", not left, left or "none")
        own = [order for order in self._before if order["clientId"] != scene.OTHERS_CLIENT]
        others = [order["permId"] for order in self._before if order["clientId"] == scene.OTHERS_CLIENT]
        gone = {order["permId"] for order in own if found[order["permId"]]["status"] in ("Cancelled", "Filled")}
        lacking = [o["orderId"] for o in own if o["permId"] in gone and str(o["orderId"]) not in report["orders"]]
        done = [o for o in lacking if self._filled_before(o)]
        self.must("every own order is reported by id", lacking == done, f"{len(own)} open, missing {lacking}")
        missing = [perm_id for perm_id in others if str(perm_id) not in report["foreign"]]
        self.must("every order of others is reported by permId", not missing, f"{len(others)} open, missing {missing}")
        self.must(
            "nothing is left in the report", not report["left_ids"] and not report["foreign_left"], report["left"]
        )

    def _filled_before(self, order_id: int) -> bool:
        """An order that ended between the list and the command."""
        found = [decode(INPUT, x.payload) for x in JournalReader(self._journal).records({INPUT})]
        for event in found:
            if type(event) is e.OperatorKilled:
                return False
            if isinstance(event, e.OrderFilled | e.OrderCancelled) and event.order_id == order_id:
                return True
        return False

    def check_alert(self) -> float:
        """Told within five seconds, outside the trader: in its log."""
        log = (self._pair.folder / "trader.log").read_text(errors="replace")
        told = [line for line in log.splitlines() if '"KILL"' in line]
        after = _seconds_after(told[0], self._t0_wall) if told else -1.0
        self.must("the alert came within five seconds", 0 <= after <= ALERT_S, f"{after:.2f} s")
        return after

    def check_latched(self) -> None:
        """HALTED now, after kill -9 and a new start; no person alone can lift it, and not without a proof."""
        pair = self._pair
        self._must_be_halted("HALTED after the kill")
        pair.kill("trader")
        pair.start_trader()
        self._must_be_halted("HALTED after kill -9 and a new start")
        self._nobody_alone()
        since = pair.relay.sent(PLACE, since_ns=self.latched_ns)
        self.must("no order bytes after the new start", not since, f"{len(since)} orders")

    def _must_be_halted(self, name: str) -> None:
        status = self._pair.status()
        held = [] if status is None else [latch.code for latch in status.latches]
        self.must(name, status is not None and status.ladder == "HALTED" and "KILL" in held, held)

    def _nobody_alone(self) -> None:
        """Unsigned, signed by one, and by the same one again."""
        said = [self._pair.resume(scene.OPERATOR if signed else "") for signed in (False, True, True)]
        status = self._pair.status()
        still = status is not None and status.ladder == "HALTED"
        asked = "second person" in said[1] and "another operator must" in said[2]
        self.must("one credential cannot re-arm", still and asked, "; ".join(said))

    def check_books(self) -> None:
        """Fills that came after are booked: positions and executions of the journal are the broker's."""
        from daemon.journal_fold import JournalFold

        pair = self._pair
        pair.wait(self._is_synced, "a synchronisation after the new start")
        pair.stop("trader")
        money = JournalFold(self._journal).money
        own = {order["permId"] for order in pair.gateway_command("orders") if order["clientId"] != scene.OTHERS_CLIENT}
        there = {fill["execId"] for fill in pair.gateway_command("executions") if fill["permId"] in own}
        lacking = sorted(there - set(money.ledger.executions))
        self.must("every fill of ours is booked", not lacking, f"{len(there)} executions, missing {lacking[:5]}")
        self.must("a fill came after the command", self._fills_after > 0, f"{self._fills_after} fills")
        self.must("no difference to the broker", not money.differences, money.differences)
        self.must("HALTED in the books", money.latches.everywhere == HALTED, [x.code for x in money.latches.held()])

    def _is_synced(self) -> bool:
        status = self._pair.status()
        return status is not None and status.link == "READY" and not status.unknown and not status.differences

    def check_replay(self) -> None:
        """The journal decides the same again, record by record."""
        command = [sys.executable, "-m", "daemon.cli", "replay", "verify", str(self._journal)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=REPLAY_S, cwd=SOURCES)
        said = (done.stdout + done.stderr).strip().splitlines()
        self.must("the journal replays to the same state", done.returncode == 0, " ".join(said[-3:]))

    _t0_wall = 0.0


def run_kill_drill(*, speed: int = 1, seed: int = scene.SEED, folder: Path | None = None) -> Report:
    """The whole drill in a folder of its own. Raises DrillFailed when it could not be carried out."""
    with tempfile.TemporaryDirectory(prefix="qd-", dir=folder) as name:
        market = scene.gateway_text(speed=speed, seed=seed)
        with Pair(Path(name), gateway_text=market, trader_text=scene.trader_text) as pair:
            return _run(_Drill(pair, speed=speed, seed=seed), pair, speed=speed, seed=seed)


def _run(drill: _Drill, pair: Pair, *, speed: int, seed: int) -> Report:
    drill.set_up()
    drill._t0_wall = time.time()
    report = drill.kill()
    drill.check_wire()
    drill.check_orders(report)
    alert_s = drill.check_alert()
    drill.wait_for_fills()
    drill.check_latched()
    drill.check_books()
    drill.check_replay()
    cancels = pair.relay.sent(*CANCELS, since_ns=drill._t0_ns)
    own = [order for order in drill._before if order["clientId"] != scene.OTHERS_CLIENT]

    def after(at_ns: int) -> float:
        return round((at_ns - drill._t0_ns) / 1e9, 4)

    return Report(
        ok=all(check.ok for check in drill.checks),
        checks=tuple(drill.checks),
        latched_s=after(drill.latched_ns),
        first_cancel_s=after(cancels[0]) if cancels else -1.0,
        last_cancel_s=after(cancels[-1]) if cancels else -1.0,
        verified_s=after(drill.verified_ns),
        alert_s=round(alert_s, 3),
        orders_open=len(own),
        others_open=len(drill._before) - len(own),
        partly_filled=sum(1 for order in own if float(order["filled"]) > 0),
        fills_after=drill._fills_after,
        cancels=len(cancels),
        sessions=pair.relay.sessions,
        speed=speed,
        seed=seed,
    )


def _seconds_after(line: str, wall_s: float) -> float:
    """How long after a time a line of the log was written."""
    from datetime import datetime

    stamp = json.loads(line)["timestamp"].replace("Z", "+00:00")
    return datetime.fromisoformat(stamp).timestamp() - wall_s
