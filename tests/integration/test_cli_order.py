"""`quantd order` over the real socket, into the engine of a trader at a scripted broker."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core.ids import BUY, SELL
from core.manual import MANUAL
from core.units import NANO
from daemon.control.server import Reply
from daemon.status.manual import manual_rows
from daemon.why import why
from execution.algos import find_algo, read_params, written
from tests.fakes.live import LiveWorld
from tests.fakes.operations import FakeOperations
from tests.fakes.operators import give_key
from tests.integration.test_cli import Running, quantd
from tests.unit.test_live_runner import verified
from tests.unit.test_manual import part, quiet


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A running fake; $QUANTD_STATE points at it."""
    monkeypatch.setenv("QUANTD_STATE", str(tmp_path))
    give_key(tmp_path)
    running = Running(tmp_path / "control.sock")
    yield running
    running.close()


class World(FakeOperations):
    """Operations of a real engine."""

    def __init__(self, world: LiveWorld) -> None:
        super().__init__()
        self.world = world

    def operate(self, event: e.AnyEvent) -> Reply:
        """Step it."""
        self.world.tell(event)
        return Reply(*self.world.runner.engine.reply)

    def orders(self) -> list[dict[str, Any]]:
        """Of its books."""
        return manual_rows(self.world.runner.money)


def test_words_become_one_signed_fact(daemon: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Every option, with an algorithm's parameters as a config file would hold them."""
    words = ("--limit", "19.5", "--tif", "gtc", "--take-profit", "21", "--stop", "18.25", "--reason", "r")
    assert quantd(capsys, "order", "buy", "BAC", "100", *words)[0] == 0
    slow = ("--algo", "twap", "--params", "duration_s=60,slices=4", "--params", "jitter=0.2", "--reason", "r")
    assert quantd(capsys, "order", "sell", "IBM", "7.5", *slow, "--strategy", "meanrev")[0] == 0
    native = ("--algo", "ib_vwap", "--params", "limit_bp=10,tags.maxPctVol=0.1,tags.noTakeLiq=true", "--reason", "r")
    assert quantd(capsys, "order", "buy", "BAC", "100", *native)[0] == 0
    assert quantd(capsys, "order", "cancel", "3", "--reason", "r")[0] == 0
    rest, twap, vwap, gone = daemon.operations.events
    assert isinstance(rest, e.OrderGiven)
    assert isinstance(twap, e.OrderGiven)
    assert isinstance(vwap, e.OrderGiven)
    assert (rest.algo, rest.tif, rest.strategy, rest.side) == ("resting", c.GTC, MANUAL, BUY)
    prices = (rest.limit_px_nanos, rest.take_profit_px_nanos, rest.stop_px_nanos)
    assert prices == (19_500_000_000, 21 * NANO, 18_250_000_000)
    assert rest.authority.startswith("signed:")
    assert (twap.side, twap.inst, twap.qty_nanos, twap.strategy) == (SELL, 1, 7_500_000_000, "meanrev")
    as_config = read_params(find_algo("twap"), {"duration_s": 60, "slices": 4, "jitter": 0.2}, field="p")
    assert twap.params == written(as_config)
    assert json.loads(vwap.params)["tags"] == {"maxPctVol": 0.1, "noTakeLiq": True}
    assert isinstance(gone, e.OrderWithdrawn)
    assert gone.parent_id == 3


@pytest.mark.parametrize(
    ("arguments", "code", "why_not"),
    [
        (["buy", "ZZZ", "1", "--limit", "5"], 4, "symbol 'ZZZ': this trader knows BAC, IBM"),
        (["buy", "BAC", "1"], 4, "limit: say how it is to trade: --limit PX, --market-style, or --algo NAME"),
        (["buy", "BAC", "-1", "--limit", "5"], 2, ""),
        (["buy", "BAC", "0", "--limit", "5"], 4, "qty: '0' must be above 0"),
        (["buy", "BAC", "1", "--algo", "vwop"], 4, "algo is 'vwop': use one of immediate, twap"),
        (["buy", "BAC", "1", "--algo", "twap", "--params", "slices=0"], 4, "params.slices is 0: set it between 1"),
        (["buy", "BAC", "1", "--algo", "twap", "--params", "slices"], 4, "params 'slices': write NAME=VALUE"),
        (["buy", "BAC", "1", "--algo", "twap", "--market-style"], 2, "--market-style: is an algorithm itself"),
        (["buy", "BAC", "1", "--algo", "twap", "--tif", "gtc"], 4, "tif gtc: is for an order that rests"),
        (["buy", "BAC", "1", "--limit", "5", "--tif", "ioc"], 2, "ioc"),
        (["buy", "BAC", "1", "--limit", "5", "--strategy", "x"], 4, "strategy 'x': no such book: one of manual"),
        (["buy", "BAC", "1", "--limit", "5", "--oca", "a b"], 4, "oca 'a b': a name of 1 to 16"),
        (["cancel", "0"], 4, "ID: a positive number"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    daemon: Running, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, why_not: str
) -> None:
    """Field and remedy; nothing reaches the engine."""
    found, _, err = quantd(capsys, "order", *arguments, "--reason", "r")
    assert (found, len(err.splitlines())) == (code, 1), err
    assert why_not in err
    assert daemon.operations.events == []


def test_an_order_from_the_prompt_to_the_book(
    daemon: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Given, listed, filled, explained, taken back; what the engine refuses comes back with exit code 4."""
    world = quiet(tmp_path / "trader")
    daemon.server.operations = World(world)
    daemon.server.symbols = ("AAA", "CCC")
    code, out, _ = quantd(capsys, "order", "buy", "AAA", "100", "--limit", "19.99", "--reason", "a view")
    assert code == 0
    (order,) = world.broker.orders()
    assert out == f"order 1: BUY 100 AAA by resting at 19.99 for manual, sent as order {order.order_id}\n"
    part(world, order, 30 * NANO, 1)
    (row,) = json.loads(quantd(capsys, "order", "list", "--json")[1])
    assert (row["id"], row["filled"], row["order"], row["by"]) == (1, "30", order.order_id, "ann")
    assert "a view" in quantd(capsys, "order", "list")[1]
    code, _, err = quantd(capsys, "order", "buy", "AAA", "100", "--limit", "19.995", "--reason", "r")
    assert (code, err) == (4, "quantd: limit 19.995: off the tick: give 19.99 or 20\n")
    code, out, _ = quantd(capsys, "order", "cancel", "1", "--reason", "enough")
    assert (code, "30 of 100 filled" in out) == (0, True)
    world.runner.flush()
    told = why(world.directory, str(order.order_id))
    assert told.strategy == MANUAL
    assert [step.what.split(":")[0] for step in told.because][:2] == ["OrderGiven", "schedule 1 (resting, 1 slices)"]
    assert "reason a view" in told.because[0].what
    assert "operator ann" in told.because[0].what
    verified(world)
