"""`quantd surveil`: patterns planted in a journal written by hand are found with their orders; a clean day is clean."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core import records as r
from core.reference import ConfigResolved
from core.units import NANO
from daemon import cli
from daemon.journal import JournalWriter

CONFIG = {"account": {"id": "DU1", "tag": "t"}, "instruments": [{"symbol": "AAA"}, {"symbol": "BBB"}],
          "strategies": {"sig": {}, "two": {}}}  # fmt: skip
START_NS = 1_700_000_000 * NANO
CENT = NANO // 100
DAY = 20231114


class Tape:
    """Orders and what becomes of them, in one journal of two days."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.writer = JournalWriter(
            state / "journal", now_ns=START_NS, segment_bytes=1 << 20, reserve_bytes=0, background=False
        )
        self.seq = 0
        self.ts_ns = START_NS
        self.order_id = 0
        self.kept: dict[int, tuple[int, int]] = {}
        self.say(r.REFERENCE, ConfigResolved(json=json.dumps(CONFIG), digest="d"))
        self.say(r.INPUT, e.DayRolled(date=DAY))

    def say(self, kind: int, message: Any, wait_ms: int = 0) -> None:
        """One record, some time after the last."""
        self.seq += 1
        self.ts_ns += wait_ms * 10**6
        self.writer.add(kind, self.seq, self.ts_ns, 0, r.encode(message))
        self.writer.commit()

    def send(self, side: int, cents: int, *, shares: int = 100, strategy: str = "sig", wait_ms: int = 100) -> int:
        """A limit order of instrument 1; returns its id."""
        self.order_id += 1
        intent = c.OrderIntent(
            order_id=self.order_id, parent_id=0, slice_no=0, strategy=strategy, inst=1, side=side,
            qty_nanos=shares * NANO, order_type=c.LMT, limit_px_nanos=cents * CENT,
        )  # fmt: skip
        order = c.ApprovedOrder(  # approved-ok: a journal of what a gate once approved
            intent=intent, account="DU1", order_ref=f"q-t-1-{self.order_id}", reduce_only=False, notional_nanos=1,
            ladder_epoch=0,
        )  # fmt: skip
        self.kept[self.order_id] = (side, cents)
        self.say(r.COMMAND, c.PlaceOrder(order=order), wait_ms)
        return self.order_id

    def fill(self, order_id: int, shares: int = 100, wait_ms: int = 10) -> int:
        """An execution at the order's limit, told twice; the second time it is the sync's."""
        side, cents = self.kept[order_id]
        told: dict[str, Any] = {
            "order_id": order_id, "exec_id": f"x{order_id}.{shares}.{self.seq}", "side": side,
            "qty_nanos": shares * NANO, "px_nanos": cents * CENT, "inst": 1,
        }  # fmt: skip
        self.say(r.INPUT, e.OrderFilled(**told), wait_ms)
        self.say(r.INPUT, e.ExecutionReported(sync_id=1, **told))
        return order_id

    def cancel(self, order_id: int, wait_ms: int = 10) -> None:
        """Asked and done."""
        self.say(r.COMMAND, c.CancelOrder(order_id=order_id, reason="test"), wait_ms)
        self.say(r.INPUT, e.OrderCancelled(order_id=order_id), 5)

    def search(self, capsys: pytest.CaptureFixture[str], day: int = DAY) -> tuple[int, Any]:
        """Exit status and what the command says."""
        self.writer.close()
        capsys.readouterr()
        text = str(day)
        code = cli.main(["surveil", f"{text[:4]}-{text[4:6]}-{text[6:]}", "--state", str(self.state), "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else said.err


def layers(tape: Tape) -> list[int]:
    """Three offers stand, a buy trades, the offers go."""
    offers = [tape.send(-1, cents) for cents in (1005, 1006, 1007)]
    bought = tape.fill(tape.send(1, 1001, strategy="two"))
    for order_id in offers:
        tape.cancel(order_id)
    return [bought, *offers]


def both_sides(tape: Tape) -> list[int]:
    """One strategy buys what the other sells."""
    bought = tape.fill(tape.send(1, 1001, strategy="two"))
    return [bought, tape.fill(tape.send(-1, 1001), wait_ms=100)]


def ramp(tape: Tape) -> list[int]:
    """Five buys, each dearer, 60 basis points up; then a sell."""
    bought = [tape.fill(tape.send(1, 1000 + step * 2), wait_ms=9_000) for step in (0, 1, 2, 3)]
    return [*bought, tape.fill(tape.send(1, 1006), wait_ms=9_000), tape.fill(tape.send(-1, 1005), wait_ms=60_000)]


def stuff(tape: Tape) -> list[int]:
    """Thirteen orders and their cancels within a second."""
    orders = []
    for _ in range(13):
        orders.append(tape.send(1, 990, wait_ms=20))
        tape.cancel(orders[-1])
    return orders


def slices(tape: Tape) -> None:
    """What a schedule does: one child after another, some re-priced, a trend against it; the way back hours later."""
    for step in range(8):
        order_id = tape.send(1, 1000 + step * 3, wait_ms=60_000)
        if step % 3 == 1:
            tape.cancel(order_id, wait_ms=3_000)
            order_id = tape.send(1, 1001 + step * 3)
        tape.fill(order_id, 40)
        tape.fill(order_id, 60, wait_ms=2_000)
    tape.fill(tape.send(-1, 1030, wait_ms=7_200_000))


PLANTED: dict[str, Callable[[Tape], list[int]]] = {
    "layering": layers, "wash": both_sides, "ramping": ramp, "quote stuffing": stuff
}  # fmt: skip


@pytest.mark.parametrize("pattern", PLANTED)
def test_what_was_planted_is_found(pattern: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Among ordinary schedules: one finding, of this pattern, with its orders and its story; exit status 1."""
    tape = Tape(tmp_path)
    slices(tape)
    tape.ts_ns += 7_200 * NANO
    orders = PLANTED[pattern](tape)
    code, said = tape.search(capsys)
    assert code == 1
    assert [finding["pattern"] for finding in said["findings"]] == [pattern], said
    finding = said["findings"][0]
    assert finding["symbol"] == "BBB"
    assert set(finding["orders"]) == set(orders)
    assert START_NS < finding["from_ns"] <= finding["until_ns"] <= tape.ts_ns
    assert finding["story"]
    assert set(finding["strategies"]) <= {"sig", "two"}


def test_a_clean_day_is_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Schedules, re-pricing, a trend: nothing found, exit status 0; executions told twice count once."""
    tape = Tape(tmp_path)
    slices(tape)
    tape.say(r.INPUT, e.DayRolled(date=DAY + 1))
    layers(tape)
    code, said = tape.search(capsys)
    assert (code, said["findings"]) == (0, [])
    assert (said["orders"], said["executions"], said["messages"]) == (12, 17, 15)


def test_an_order_that_never_left_is_no_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the port refused was seen by nobody."""
    tape = Tape(tmp_path)
    for _ in range(25):
        order_id = tape.send(1, 990, wait_ms=10)
        tape.say(r.OUTCOME, c.NotSent(order_id=order_id, version=0, reason="ladder moved"))
    assert tape.search(capsys)[1]["orders"] == 0


def test_words_and_bad_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines for people; a day that is not there is an error that says which are."""
    tape = Tape(tmp_path)
    orders = both_sides(tape)
    code, said = tape.search(capsys, DAY + 7)
    assert code == 1
    assert f"holds {DAY} to {DAY}" in said
    assert cli.main(["surveil", "tomorrow", "--state", str(tmp_path)]) == 2
    assert cli.main(["surveil", str(DAY), "--state", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert f"wash in BBB by two, sig: order {orders[0]} BUY and order {orders[1]} SELL traded 100" in out
    assert "1 findings" in out
