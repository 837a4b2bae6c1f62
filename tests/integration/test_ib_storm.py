"""Both sides' books after a storm: random orders through faults of every kind, then the same ledger to the nano."""

import asyncio
import random

import pytest

from broker.gateway.orders.settings import OrderSettings
from tests.fakes.ib_books import FAULTS, Books, agree
from tests.fakes.ib_rig import running_rig

SETTINGS = {
    "backoff_min_s": 0.05, "backoff_max_s": 0.1, "fault_quiet_s": 0.05, "faults_max": 1000, "sync_timeout_s": 4.0,
    "repair_min_s": 0.5,
}  # fmt: skip
STEPS = 120


async def storm(seed: int) -> list[str]:
    """One run; what differs at its end."""
    chance = random.Random(seed)
    orders = OrderSettings(orders_per_side_max=1000, price_protection_ppm=0, silent_modify_of_filled=False)
    async with running_rig(speed=20.0, orders=orders, settings=SETTINGS) as rig:
        books = Books(rig)
        books.money.link = 2
        await rig.until(lambda: rig.sink.quotes() and rig.sink.quotes(1))
        price, active = 1000, 0
        for step in range(STEPS):
            if step % 15 == 5:
                name, given = chance.choice(FAULTS)
                rig.gateway.fault(name, given)
                active += 1
            elif step % 15 == 12:
                rig.gateway.clear()
            price += chance.choice((-1, 0, 1))
            for inst in range(2):
                rig.gateway.quote(price, price + 1, chance.randint(10, 90), chance.randint(10, 90), inst=inst)
                if chance.random() < 0.5:
                    rig.gateway.trade(price + chance.choice((0, 1)), chance.randint(1, 9) * 10, inst=inst)
            books.trade(chance, price)
            await asyncio.sleep(0.002 * chance.random())
        rig.gateway.clear()
        found = await agree(books)
        assert active >= STEPS // 15
        return [f"seed {seed}: {text}" for text in found]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_books_agree_after_a_storm(seed: int) -> None:
    """Positions, cash and working orders, with every fault of the list possible; nothing is settled by hand."""
    assert await storm(seed) == []
