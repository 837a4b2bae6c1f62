"""Kill, halt, flatten and resume in the middle of a fast replay of the real trader."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core import records as r
from core.latches import ACCOUNT, PROCESS, STRATEGY, SYMBOL
from daemon import cli
from daemon.control.client import ControlClient, connected, is_alive
from daemon.control.operations import TraderOperations
from daemon.recovery import verify_replay
from tests.fakes.operators import give_key
from tests.fakes.process import JournalSize, TraderProcess
from tests.fakes.trader import Rig, Slow, install

SENDING = (c.PlaceOrder, c.ReplaceOrder)
SCOPES: list[tuple[int, str]] = [(ACCOUNT, ""), (STRATEGY, "reversion"), (SYMBOL, "AAA")]


def scope_of(level: int, scope: str) -> dict[str, Any]:
    """Fields of an operator's fact."""
    return {"level": level, "scope": scope, "reason": "drill", "operator": "ann"}


def reached(rig: Rig, level: int, scope: str, seq: int) -> list[Any]:
    """Orders of a scope sent after a seq."""
    found = []
    for at, x in rig.records(r.COMMAND):
        if at > seq and isinstance(x, SENDING):
            intent = x.order.intent
            if level == ACCOUNT or scope in (intent.strategy, ("AAA", "CCC")[intent.inst]):
                found.append(x.order)
    return found


def busy(level: int, scope: str) -> Callable[[Slow], bool]:
    """Whether the scope has an order on the book and holds something."""

    def look(trader: Slow) -> bool:
        money = trader.active_runner.money
        inst = 0 if level == SYMBOL else None
        orders = [o for o in money.live_orders.values() if inst in (None, o.inst) and not o.busy]
        held = any(qty for i, qty in enumerate(money.ledger.holdings) if inst in (None, i))
        return bool(orders) and held

    return look


def at(condition: Callable[[Slow], bool], *actions: Callable[[Slow], None], rows: int = 0) -> Callable[[Slow], None]:
    """Do each action once: the first when the condition holds, each later one `rows` rows after the one before."""
    left = list(actions)
    since = [0]

    def look(trader: Slow) -> None:
        done = trader.active_runner.rows_done
        if left and (condition(trader) if len(left) == len(actions) else done - since[0] > rows):
            since[0] = done
            left.pop(0)(trader)

    return look


def step(event: Any, *, ok: bool = True, says: str = "") -> Callable[[Slow], None]:
    """An operator's command and its answer."""

    def act(trader: Slow) -> None:
        reply = TraderOperations(trader).operate(event)
        assert reply.ok is ok, reply.text
        assert says in reply.text

    return act


@pytest.mark.parametrize(("level", "scope"), SCOPES)
def test_kill_blocks_cancels_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: int, scope: str) -> None:
    """Latch first, then cancels, then proof by a sync; nothing new in the scope; `resume` needs reason and proof."""
    install(monkeypatch)
    rig = Rig(tmp_path)
    kill = e.OperatorKilled(**scope_of(level, scope))
    resume = e.OperatorResumed(**scope_of(level, scope))
    early = step(resume, ok=False, says="not verified")
    look = at(busy(level, scope), lambda trader: (step(kill)(trader), early(trader))[0])
    run = rig.run(look)
    money = run.active_runner.money
    commands = rig.records(r.COMMAND)
    killed = next(seq for seq, x in commands if type(x) is c.MoveLadder and x.code == "KILL")
    cancels = [seq for seq, x in commands if seq > killed and isinstance(x, c.CancelOrder | c.CancelAllOrders)]
    proof = next(seq for seq, x in commands if type(x) is c.VerifyKill)
    assert killed < cancels[0] < proof
    assert reached(rig, level, scope, killed) == []
    assert all(kill.verified_ns for kill in money.kills)
    assert [order for order in money.live_orders.values() if level == ACCOUNT] == []
    if level == SYMBOL:
        assert reached(rig, SYMBOL, "CCC", killed), "the other symbol trades on"
    assert verify_replay(rig.journal).difference == ""


@pytest.mark.parametrize(("level", "scope"), SCOPES)
def test_a_kill_is_resumed_with_a_reason_once_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: int, scope: str
) -> None:
    """After the proof: refused with a blank reason, done with one, and the scope trades again."""
    install(monkeypatch)
    rig = Rig(tmp_path)
    blank = msg(e.OperatorResumed, level, scope, reason=" ")
    look = at(
        busy(level, scope),
        step(e.OperatorKilled(**scope_of(level, scope))),
        step(blank, ok=False, says="reason"),
        step(e.OperatorResumed(**scope_of(level, scope)), says="resumed"),
        rows=400,
    )
    rig.run(look)
    lifted = next(seq for seq, x in rig.records(r.COMMAND) if type(x) is c.MoveLadder and x.state == 0)
    assert reached(rig, level, scope, lifted)
    assert verify_replay(rig.journal).difference == ""


def msg(kind: Any, level: int, scope: str, **changes: Any) -> Any:
    """An operator's fact with other fields."""
    return kind(**(scope_of(level, scope) | changes))


@pytest.mark.parametrize(("level", "scope"), SCOPES)
def test_halt_blocks_and_resume_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: int, scope: str
) -> None:
    """No new order in the scope while it stands; the schedules it paused end with their full quantity afterwards."""
    install(monkeypatch)
    rig = Rig(tmp_path)
    paused: list[int] = []

    def remember(trader: Slow) -> None:
        step(e.OperatorHalted(**scope_of(level, scope)))(trader)
        paused.extend(p.parent_id for p in trader.active_runner.money.live_parents.values() if p.paused)

    run = rig.run(at(busy(level, scope), remember, step(e.OperatorResumed(**scope_of(level, scope))), rows=64))
    moves = [seq for seq, x in rig.records(r.COMMAND) if type(x) is c.MoveLadder]
    while_halted = reached(rig, level, scope, moves[0])
    after = reached(rig, level, scope, moves[1])
    assert len(while_halted) == len(after) > 0
    assert paused
    parents = run.active_runner.money.parents
    for parent_id in paused:
        parent = parents[parent_id]
        fills = sum(o.filled_nanos for o in run.active_runner.money.orders.values() if o.parent_id == parent_id)
        assert fills == parent.filled_nanos <= parent.qty_nanos
    assert verify_replay(rig.journal).difference == ""


@pytest.mark.parametrize(("level", "scope"), SCOPES)
def test_flatten_closes_with_orders_that_only_reduce(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: int, scope: str
) -> None:
    """Flat at the end; every order after the latch is reduce-only."""
    install(monkeypatch)
    rig = Rig(tmp_path)
    run = rig.run(at(busy(level, scope), step(e.OperatorFlattened(**scope_of(level, scope)))))
    latched = next(seq for seq, x in rig.records(r.COMMAND) if type(x) is c.MoveLadder and x.code == "FLATTEN")
    orders = reached(rig, level, scope, latched)
    assert orders
    assert all(order.reduce_only for order in orders)
    positions = run.active_runner.money.ledger.positions.values()
    assert not [p for p in positions if p.qty_nanos and (level != SYMBOL or p.inst == 0)]
    assert verify_replay(rig.journal).difference == ""


def quantd(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and everything said of one command."""
    code = cli.main([*arguments, "--state", str(folder)])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_kill_through_the_socket_of_a_running_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`quantd kill` during a fast replay; the halt survives kill -9 and restart; `resume` is refused without reason."""
    rig = Rig(tmp_path, events_per_second=5.0)
    give_key(tmp_path)
    with TraderProcess(rig.config_path) as trader:
        size = JournalSize(rig.journal)
        wait_for(trader, lambda: size.bytes() >= 200_000)
        code, text = quantd(capsys, tmp_path, "kill", "--reason", "drill")
        assert (code, "killed" in text) == (0, True), text
        with connected(tmp_path / "control.sock") as client:
            wait_for(trader, lambda: any(latch.code == "KILL" for latch in client.status().latches))
        trader.kill_at(rig.journal, size.bytes() + 100_000)
    killed = next(seq for seq, x in rig.records(r.COMMAND) if type(x) is c.MoveLadder and x.code == "KILL")
    assert reached(rig, ACCOUNT, "", killed) == []
    with TraderProcess(rig.config_path) as trader:
        wait_for(trader, lambda: answers(tmp_path))
        assert quantd(capsys, tmp_path, "resume", "--reason", " ")[0] == 4
        said: list[tuple[int, str]] = []

        def resumed() -> bool:
            said.append(quantd(capsys, tmp_path, "resume", "--reason", "drill over"))
            return said[-1][0] != 4 or "not verified" not in said[-1][1]

        wait_for(trader, resumed)
        assert said[-1][0] == 0, said[-1]
        trader.process.terminate()
        summary = trader.summary()
    assert (summary["stopped_by"], summary["open_orders"]) == ("SIGTERM", 0)
    moves = [x.state for _, x in rig.records(r.COMMAND) if type(x) is c.MoveLadder]
    assert moves == [2, 0]
    assert [type(x) for _, x in rig.records(r.COMMAND) if type(x) is c.VerifyKill] == [c.VerifyKill]


def answers(folder: Path) -> bool:
    """Whether the trader listens."""
    return is_alive(folder / "control.sock")


def test_signals_and_the_kill_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SIGUSR1 and a file anybody made kill the account, each under its own name; SIGUSR2 ends the process with the
    proof; the next start is HALTED, and a kill file that lies there is latched before anything is sent.
    """
    rig = Rig(tmp_path, events_per_second=5.0)
    rig.config_path.write_text(rig.config_path.read_text().replace('speed = "max"', 'speed = "200x"'))
    with TraderProcess(rig.config_path) as trader:
        wait_for(trader, lambda: answers(tmp_path))
        with connected(tmp_path / "control.sock") as client:
            trader.process.send_signal(signal.SIGUSR1)
            wait_for(trader, lambda: by_of(client) == ["SIGUSR1"])
            wait_for(trader, lambda: all(kill.verified_ns for kill in client.status().kills))
            (tmp_path / "KILL").write_bytes(b"  the desk\ncalled \x00\xff ")
            wait_for(trader, lambda: not (tmp_path / "KILL").exists())
            assert by_of(client)[1].startswith("kill file of ")
        trader.process.send_signal(signal.SIGUSR2)
        summary = trader.summary()
    assert (summary["stopped_by"], summary["open_orders"]) == ("a kill of the process, verified", 0)
    assert len(list(tmp_path.glob("KILL.seen-*"))) == 1
    moves = [x for _, x in rig.records(r.COMMAND) if type(x) is c.MoveLadder]
    assert [(x.level, x.by.partition(" of ")[0]) for x in moves] == [
        (ACCOUNT, "SIGUSR1"), (ACCOUNT, "kill file"), (PROCESS, "SIGUSR2"),
    ]  # fmt: skip
    assert moves[1].reason == "the desk called \ufffd"
    seq = rig.records(r.COMMAND)[-1][0]
    os.mkfifo(tmp_path / "KILL")
    with TraderProcess(rig.config_path) as trader:
        wait_for(trader, lambda: answers(tmp_path))
        with connected(tmp_path / "control.sock") as client:
            assert client.status().ladder == "HALTED"
        assert quantd(capsys, tmp_path, "kill", "--process", "--reason", "over")[0] == 0
        assert trader.summary()["stopped_by"] == "a kill of the process, verified"
    again = [x.reason for at, x in rig.records(r.COMMAND) if at > seq and type(x) is c.MoveLadder]
    assert again == ["kill file (not a plain file)", "over"]
    assert reached(rig, ACCOUNT, "", seq) == []


def by_of(client: ControlClient) -> list[str]:
    """Who killed the account, in order."""
    return [report["by"] for report in json.loads(bytes(client.request("kills"))) if report["level"] == "account"]


def wait_for(trader: TraderProcess, condition: Callable[[], bool]) -> None:
    """Until it holds, as long as the trader lives; asked now and then, for a trader that starts needs the processor."""
    while not condition():
        assert trader.process.poll() is None, trader.errors()
        time.sleep(0.01)
