"""Order and account requests with wrong, absurd and missing fields: refused or malformed, never a fault."""

import random
from collections import Counter

import pytest
from ib_async import LimitOrder, Order, StopLimitOrder

from broker.gateway.wire import FieldReader, Malformed, split_fields
from core.units import NANO
from tests.fakes.gateway_peer import Peer, market_rig

ABSURD = (
    "", "0", "1", "-1", "2147483647", "2147483648", "9223372036854775807", "-9223372036854775808", "1e300", "1E-9",
    "nan", "Infinite", "1.7976931348623157E308", "0.000000001", "99999999999", "-0.5", "x", "\\u0041", "ü", "BUY;DROP",
    "TRAIL", "MOC", "GTD", "OPG", "BAG", "PEG BENCH", "PEG BEST", "20260105 25:99:00", "20260105-15:00:00",
    "DU0000001", "S0", "A" * 5000,
)  # fmt: skip
SHORT = {
    4: 3, 5: 1, 6: 3, 7: 9, 15: 2, 16: 1, 58: 1, 61: 1, 62: 4, 63: 2, 64: 1, 74: 4, 75: 2, 76: 5, 77: 2, 92: 3, 93: 1,
    94: 4, 95: 1, 99: 1,
}  # fmt: skip


def orders() -> list[list[str]]:
    """Good placeOrders of several shapes, as fields."""
    peer = market_rig().client()
    written: list[str] = []
    peer.ask.sendMsg = written.append
    peer.place(1, LimitOrder("BUY", 10, 9.99, tif="DAY"))
    peer.place(2, StopLimitOrder("SELL", 10, 9.9, 9.91, tif="GTC", ocaGroup="g", ocaType=2))
    peer.place(3, Order(action="SELL", totalQuantity=10, orderType="TRAIL", auxPrice=0.1, parentId=1))
    peer.place(4, LimitOrder("BUY", 10, 9.99, whatIf=True, goodTillDate="20260105 10:00:00 US/Eastern", tif="GTD"))
    return [split_fields(text.encode()) for text in written]


def handle(peer: Peer, fields: list[str]) -> str:
    """How a request ends."""
    try:
        peer.rig.machine.handle(peer, int(fields[0]), FieldReader(fields, 1))
    except Malformed:
        return "malformed"
    return "answered"


@pytest.mark.parametrize("seed", [1, 2])
def test_absurd_orders_end_as_orders_or_not_at_all(seed: int) -> None:
    """One or two fields of a good order replaced, many times; the state can still be written down and read back."""
    chance = random.Random(seed)
    rig, shapes, ends = market_rig(master=7), orders(), Counter[str]()
    peer, old = rig.client(), rig.client(7, version=157)  # another client reads what the first one wrote
    for number in range(1, 251):
        fields = list(chance.choice(shapes))
        fields[1] = str(number)
        for _ in range(chance.choice((1, 1, 2))):
            fields[chance.randrange(1, len(fields))] = chance.choice(ABSURD)
        if not chance.randrange(20):
            del fields[chance.randrange(2, len(fields)) :]
        ends[handle(peer, fields)] += 1
        if not number % 50:
            rig.wait()
            peer.ears.heard.clear()
    assert min(ends["malformed"], ends["answered"]) > 30
    assert len(old.ears.heard) > 40
    rig.wait(1).restart()
    state = rig.world.exchange.account.state
    assert state.cash_nanos["USD"] > 900_000 * NANO


def test_absurd_questions_are_answered_or_malformed() -> None:
    """Every other request, with too few fields and with absurd ones."""
    chance = random.Random(3)
    peer = market_rig().client()
    for msg_id, width in SHORT.items():
        for _ in range(25):
            fields = [chance.choice(ABSURD) for _ in range(chance.randint(0, width))]
            assert handle(peer, [str(msg_id), *fields]) in ("answered", "malformed")
    peer.rig.wait(5)
