"""Control 47: limits stand in the last hop. Who decides cannot send, and the broker's own precautions stay on."""

import ast
from pathlib import Path

import pytest
from ib_async.contract import Contract
from ib_async.order import Order

from broker.gateway.wire import frame_of
from broker.ib.codec import Codec
from broker.ib.frames import OrderFrames
from broker.ib.wrapper import Wrapper
from core import commands as c
from tests.fakes.context import build_context

ROOT = Path(__file__).resolve().parents[2]
BYPASS = "overridePercentageConstraints"
SENDERS = {"BrokerPort", "BrokerSink", "PlaceOrder", "ReplaceOrder", "ApprovedOrder", "submit", "dispatch"}
CONTRACT = Contract(
    conId=4, symbol="BAC", secType="STK", exchange="SMART", primaryExchange="NYSE", currency="USD",
    localSymbol="BAC", tradingClass="BAC",
)  # fmt: skip


def fields_of(frame: bytes) -> list[str]:
    """The texts of one frame."""
    return frame[4:].decode().split("\0")


@pytest.mark.parametrize("kind", sorted(c.ORDER_TYPE_NAMES))
def test_no_order_bypasses_the_precautions(kind: int) -> None:
    """The field that switches the broker's own size and price checks off is off in every kind of order we encode."""
    codec = Codec(Wrapper())
    codec.feed(frame_of(178, "20260105 09:31:00 EST"))
    plain = fields_of(codec.encode("placeOrder", 1, CONTRACT, Order(action="BUY", totalQuantity=1, orderType="LMT")))
    bold = Order(action="BUY", totalQuantity=1, orderType="LMT", overridePercentageConstraints=True)
    bypassing = fields_of(codec.encode("placeOrder", 1, CONTRACT, bold))
    (place,) = [at for at, (one, other) in enumerate(zip(plain, bypassing, strict=True)) if one != other]
    intent = build_context().intent(order_type=kind, stop_px_nanos=1 if kind in (c.STP, c.STP_LMT) else 0)
    ours = fields_of(OrderFrames(codec, CONTRACT, "DU1").frame(1, intent, "q-t-1-1"))
    assert bypassing[place] == "1"
    assert ours[place] == plain[place] == "0"


def test_nobody_names_the_bypass() -> None:
    """Only the paper gateway knows the field, because its clients may send it."""
    named = [
        path.relative_to(ROOT).as_posix()
        for package in ("broker", "core", "daemon", "execution", "risk", "strategies")
        for path in (ROOT / package).rglob("*.py")
        if BYPASS in path.read_text(encoding="utf-8")
    ]
    assert named
    assert all(path.startswith("broker/gateway/") for path in named), named


@pytest.mark.parametrize("package", ["strategies", "execution", "risk"])
def test_who_decides_knows_no_sender(package: str) -> None:
    """Strategies, algos and checks name neither port nor order command; the gate alone names what it makes."""
    found = set()
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_bytes())
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
        if names & SENDERS:
            found.add((path.relative_to(ROOT).as_posix(), *sorted(names & SENDERS)))
    assert found == ({("risk/gate.py", "ApprovedOrder")} if package == "risk" else set())
