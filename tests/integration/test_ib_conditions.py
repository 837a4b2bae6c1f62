"""What the broker lays down for orders, through the paper gateway and a real socket: margins by what-if, shares to
borrow, the account's own values, the time.
"""

from core import commands as c
from core import events as e
from core.ids import BUY, SELL
from core.units import NANO
from tests.fakes.ib_rig import running_rig
from tests.fakes.tape import cents, shares


def question(order_id: int, *, side: int = BUY, size: int = 100) -> c.AskWhatIf:
    """What a limit order at ten dollars would bind."""
    return c.AskWhatIf(
        order_id=order_id, parent_id=1, inst=0, side=BUY if side > 0 else SELL, qty_nanos=shares(size),
        limit_px_nanos=cents(1000), due_ns=0,
    )  # fmt: skip


async def test_margins_borrow_funds_and_time() -> None:
    """One connection tells all four; a question sends nothing, an order with its number is refused as used."""
    async with running_rig() as rig:
        told = await rig.fact(e.ShortableChanged)
        assert (told.inst, told.level_milli, told.shares_nanos) == (0, 3_000, shares(10_000_000))
        assert rig.submit(question(7)) == ""
        answer = await rig.fact(e.WhatIfAnswered)
        value = 100 * cents(1000)
        assert (answer.request_id, answer.side, answer.qty_nanos) == (7, BUY, shares(100))
        assert abs(answer.initial_margin_change_nanos - value // 2) <= cents(100)  # half, at the gateway's mark
        assert abs(answer.maintenance_margin_change_nanos - value // 4) <= cents(100)
        assert answer.initial_margin_after_nanos == answer.initial_margin_change_nanos
        assert answer.equity_with_loan_nanos > 900_000 * NANO
        assert rig.submit(question(8, size=10_000_000)) == ""
        refused = await rig.fact(e.WhatIfRefused)
        assert (refused.request_id, refused.code) == (8, 383)
        facts = await rig.sync()
        (funds,) = [fact for fact in facts if type(fact) is e.AccountValued]
        assert funds.equity_with_loan_nanos == funds.available_nanos == funds.excess_nanos == 1_000_000 * NANO
        assert not [fact for fact in facts if type(fact) is e.OpenOrderReported]
        offset = await rig.fact(e.ClockOffsetMeasured)
        assert offset.offset_ns == 0
