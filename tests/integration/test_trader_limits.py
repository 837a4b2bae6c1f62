"""Limits changed in the middle of a fast replay of the real trader, by signed requests: in force at once, over by
themselves, the same after a restart and in a replay (controls 39 and 40).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import records as r
from core.latches import ACCOUNT
from core.units import NANO
from daemon.control.messages import RevertLimit, SetLimit
from daemon.journal import JournalReader
from daemon.recovery import verify_replay
from tests.fakes.operators import ANN, BOB, ask
from tests.fakes.trader import Rig, Slow, install
from tests.integration.test_trader_kill import at, busy

HOUR_NS = 3600 * NANO
BLOCK: dict[str, Any] = {"strategy": "reversion", "symbol": "AAA", "side": "buy", "qty": "100", "reason": "block"}


def request(
    command: str, *, ok: bool = True, says: str = "", prover: Any = ANN, **fields: Any
) -> Callable[[Slow], None]:
    """A signed request and its answer."""

    def act(trader: Slow) -> None:
        answer = ask(trader.control, command, prover=prover, **fields)
        assert answer["ok"] is ok, answer
        assert says in str(answer.get("result", answer.get("error"))), answer

    return act


@pytest.mark.slow
def test_limits_change_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tightening stops entries for its hour, not a second longer; raise and override take two; all of it replays."""
    install(monkeypatch)
    rig = Rig(tmp_path, persons=2, more="[limits.ceiling]\nnet_max = 1_000_000\n")
    story: list[Callable[[Slow], None]] = [
        request("limit-set", name="adv_min", value="90000000", until="1h", reason="news", says="1000 -> 90000000"),
        request(
            "limit-set", ok=False, says="above the ceiling", name="net_max", value="9000000", until="1h", reason="x"
        ),
        request("limit-set", ok=False, says="give --until", name="net_max", value="300000", reason="x"),
        request("limit-set", name="net_max", value="300000", until="30m", reason="more", says="second person"),
        request(
            "limit-set", ok=False, name="net_max", value="300000", until="30m", reason="x", says="another operator"
        ),
        request(
            "limit-set", prover=BOB, name="net_max", value="300000", until="30m", reason="yes", says="250000 -> 300000"
        ),
        request("limit-set", name="spread_bp_max", value="400", symbol="CCC", reason="thin", says="taken back"),
        request("override", control=48, ok=False, says="may not be overridden", **BLOCK),
        request("override", control=8, says="second person", **BLOCK),
        request("override", control=8, ok=False, says="another operator", **BLOCK),
        request("override", control=8, prover=BOB, says="once, until", **BLOCK),
    ]

    def tell(trader: Slow) -> None:
        for act in story:
            act(trader)

    run = rig.run(at(busy(ACCOUNT, ""), tell))
    commands = rig.records(r.COMMAND)
    times = {record.seq: record.ts_ns for record in JournalReader(rig.journal).records(frozenset({r.COMMAND}))}
    (tightened,) = [seq for seq, x in commands if type(x) is c.SetLimit and x.name == "adv_min"]
    (reverted,) = [seq for seq, x in commands if type(x) is c.RevertLimit and x.change_id == tightened]
    assert times[reverted] - times[tightened] == HOUR_NS
    orders = [(seq, x.order) for seq, x in commands if type(x) is c.PlaceOrder]
    assert all(o.reduce_only or o.override for seq, o in orders if tightened < seq < reverted)
    assert [o for seq, o in orders if seq > reverted and not o.reduce_only], "it trades on when the hour is over"
    (granted,) = [x for _, x in commands if type(x) is c.GrantOverride]
    assert (granted.by, granted.second) == ("bob", "ann")
    kept = run.active_runner.money.limit_changes
    assert [(x.scope, x.name, x.value, x.by) for x in kept.changes] == [("symbol.CCC", "spread_bp_max", "400", "ann")]
    assert rig.recover().machine.engine.money.limit_changes.changes == kept.changes
    assert verify_replay(rig.journal).difference == ""


def test_requests_may_be_decided_by_the_engine() -> None:
    """Without a proof a change of a limit may only tighten: that is the engine's to see."""
    assert SetLimit.ADDS_RISK
    assert SetLimit.ENGINE_DECIDES
    assert RevertLimit.ENGINE_DECIDES
