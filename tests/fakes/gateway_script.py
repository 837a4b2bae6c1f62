"""Random requests of clients and an operator to a whole gateway, with deaths in between. Knows no assertion."""

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

from ib_async import LimitOrder, MarketOrder, StopOrder

from tests.fakes.gateway_built import Run, random_rows

STEPS = 40
STEP_S = 3.0
SELL_BY_HAND = '{"command":"place","id":1,"symbol":"S1","side":"SELL","quantity":"50","limit":"10.1"}'


class Script:
    """Random requests of three clients and an operator; the same for the same seed."""

    def __init__(self, run: Run, seed: int) -> None:
        self.run = run
        self.chance = random.Random(seed)
        self.next_ids = {0: 1, 5: 1, 11: 1}

    def step(self) -> None:
        """A few things at once."""
        for _ in range(self.chance.randrange(3)):
            self.chance.choices(
                (self.place, self.modify, self.cancel, self.leave, self.fault, self.by_hand, self.bracket),
                (8, 3, 3, 1, 1, 1, 2),
            )[0]()

    def place(self) -> None:
        """A new order of some kind."""
        client_id = self.chance.choice(list(self.next_ids))
        price = round(10 + self.chance.randrange(-60, 60) / 100, 2)
        side, size = self.chance.choice(["BUY", "SELL"]), self.chance.choice([10, 100, 1_000])
        order = self.chance.choice(
            [MarketOrder(side, size), LimitOrder(side, size, price, tif="GTC"), StopOrder(side, size, price),
             LimitOrder(side, size, price, tif="IOC"), LimitOrder(side, size, price, transmit=False)]
        )  # fmt: skip
        self.run.place(client_id, self._new_id(client_id), order, symbol=self.chance.choice(["S0", "S1"]))

    def bracket(self) -> None:
        """A parent with two children, maybe never finished."""
        client_id = 5
        parent = self._new_id(client_id)
        self.run.place(client_id, parent, LimitOrder("BUY", 100, 10.02, transmit=False))
        if self.chance.random() < 0.8:
            self.run.place(
                client_id, self._new_id(client_id), LimitOrder("SELL", 100, 10.30, parentId=parent, transmit=False)
            )
            self.run.place(client_id, self._new_id(client_id), StopOrder("SELL", 100, 9.80, parentId=parent))

    def modify(self) -> None:
        """Some earlier order again, with other terms."""
        client_id = self.chance.choice(list(self.next_ids))
        order_id = self.chance.randrange(1, self.next_ids[client_id] + 1)
        price = round(10 + self.chance.randrange(-30, 30) / 100, 2)
        self.run.place(client_id, order_id, LimitOrder("BUY", 100, price, tif="GTC"))

    def cancel(self) -> None:
        """Some earlier order, or all."""
        client_id = self.chance.choice(list(self.next_ids))
        order_id = self.chance.randrange(1, self.next_ids[client_id] + 1)
        if self.chance.random() < 0.05:
            self.run.ask(client_id, lambda encoder: encoder.reqGlobalCancel())
        else:
            self.run.ask(client_id, lambda encoder: encoder.cancelOrder(order_id, ""))

    def leave(self) -> None:
        """A client hangs up."""
        self.run.hang_up(self.chance.choice(list(self.next_ids)))

    def fault(self) -> None:
        """A fault for some seconds."""
        name = self.chance.choice(["server_lost", "reject_modify", "fill_after_cancel", "lost_order", "nightly_reset"])
        line = f'{{"command":"fault","id":1,"name":"{name}","for_s":{self.chance.randrange(2, 9)}}}'
        self.run.built.machine.operate(line)

    def by_hand(self) -> None:
        """A person places an order, and binds to client 0 maybe."""
        self.run.built.machine.operate(SELL_BY_HAND)
        self.run.ask(0, lambda encoder: encoder.reqAutoOpenOrders(True))

    def _new_id(self, client_id: int) -> int:
        self.next_ids[client_id] += 1
        return self.next_ids[client_id] - 1


async def played(
    folder: Path, seed: int, *, deaths: set[int], end: Callable[[Run], Awaitable[None]], saves: set[int]
) -> Run:
    """One run of the script; at each step of `deaths` it ends by `end` and goes on."""
    run = Run(folder, random_rows(seed, count=4_000, seconds=STEPS * STEP_S, halts=6))
    await run.start()
    script = Script(run, seed)
    for step in range(STEPS):
        await run.until(step * STEP_S)
        script.step()
        run.store.flush()
        if step in saves:
            run.save()
        if step in deaths:
            await end(run)
    await run.until(STEPS * STEP_S)
    return run


async def die(run: Run) -> None:
    """kill -9, and back."""
    run.die()
    await run.start()


async def leave(run: Run) -> None:
    """The same without a death."""
    run.leave()


async def compared(folder: Path, seed: int, *, deaths: int) -> tuple[Run, Run]:
    """Two runs of one script: one dies so often, with snapshots in between; one only loses its connections then."""
    chance = random.Random(seed)
    moments, saves = set(chance.sample(range(STEPS), deaths)), set(chance.sample(range(STEPS), deaths + 2))
    one = await played(folder / "died", seed, deaths=moments, end=die, saves=saves)
    other = await played(folder / "left", seed, deaths=moments, end=leave, saves=set())
    one.store.close()
    other.store.close()
    return one, other
