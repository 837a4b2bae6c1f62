"""Requests for data and contracts with fields changed, lost and added: answers that clients can read, or Malformed."""

import contextlib
import random

import pytest

from broker.gateway.market.settings import MarketSettings
from broker.gateway.part import Field
from broker.gateway.wire import FieldReader, Malformed, field_text
from tests.fakes.gateway_market import REFERENCE, DecodedClient, Market, history, line, stock
from tests.fakes.tape import Tape, at

REQUESTS: dict[int, tuple[Field, ...]] = {
    1: line(1, generics="233"), 2: (2, 1), 59: (1, 3),
    97: (1, *stock(), "BidAsk", 5, False), 98: (1,),
    10: (5, 1, *stock(), 5, True, ""), 11: (1, 1, True),
    50: (3, 1, *stock(), 5, "TRADES", True, ""), 51: (1, 1),
    20: history(1, "1 min", "1 D"), 25: (1, 1),
    87: (1, *stock(), False, True, "TRADES", 1), 90: (1,), 88: (1, *stock(), False, True, "1 day"), 89: (1,),
    96: (1, *stock(), False, "20260105-14:30:00", "", 10, "TRADES", True, False, ""),
    9: (8, 1, *stock(), False, "", "", ""), 91: (26,), 81: (1, "S"), 78: (1, "SPX", "", "IND", 416904), 82: (),
    83: (1, "9c0001"),
}  # fmt: skip
ODD = (
    "", "0", "-1", "2147483647", "1.7976931348623157e308", "Infinite", "9" * 30, "x", "ü", "1e-05", "100.0",
    "20260105-14:30:00", "99991231 23:59:59 UTC", "00010101 00:00:00", "1 D", "1 Y", "86400 S", "5 secs", "1 secs",
    "STK", "SMART", "S1", "TRADES", "BID_ASK", "MIDPOINT", "AllLast", "OPT", "ES", "FUT", "CONTFUT", "SPX", "IND",
    "CASH", "1M", "999999999999999999", "233,236", "3 days",
)  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_no_request_breaks_the_market(seed: int) -> None:
    """Nothing but Malformed is raised; whatever is sent, now or later, decodes at every version."""
    draw = random.Random(seed)
    market = Market(MarketSettings(pacing=False), slow=REFERENCE)
    clients = [DecodedClient(version, number=number) for number, version in enumerate((178, 176, 163, 157))]
    second = 0.0
    for _ in range(400):
        msg_id = draw.choice(list(REQUESTS))
        fields = [field_text(field) for field in REQUESTS[msg_id]]
        for _ in range(draw.choice((0, 1, 1, 2, 5))):
            if fields:
                at_field = draw.randrange(len(fields))
                how = draw.random()
                fields[at_field : at_field + (how < 0.85)] = [] if 0.7 < how < 0.85 else [draw.choice(ODD)]
        client = draw.choice(clients)
        with contextlib.suppress(Malformed):
            market.machine.handle(client, msg_id, FieldReader([str(msg_id), *fields], 1))
        second += draw.random() * 3
        bid = 1000 + draw.randrange(9)
        market.play(Tape().quote(second, bid, bid + 1, inst=draw.randrange(2)).print(second, bid, 5))
        if draw.random() < 0.02:
            market.fault(market_stopped=draw.random() < 0.3, history_stopped=draw.random() < 0.3)
    market.until(at(second + 60))
    assert sum(len(client.calls) for client in clients) > 400
