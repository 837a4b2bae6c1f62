"""What the gateway keeps on disk: a death at any moment leads to the very state it had, to the byte."""

import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from ib_async import LimitOrder, MarketOrder, StopOrder

from core.errors import BrokerFault, ConfigError
from daemon.gateway.store import Store
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


async def _played(
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


async def _die(run: Run) -> None:
    run.die()
    await run.start()


async def _leave(run: Run) -> None:
    run.leave()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 4])
async def test_death_at_any_moment_changes_nothing(tmp_path: Path, seed: int) -> None:
    """A gateway that died four times stands where one stands that only lost its connections at those moments: orders,
    ids, executions, cash, faults, quotes.
    """
    chance = random.Random(seed)
    deaths, saves = set(chance.sample(range(STEPS), 4)), set(chance.sample(range(STEPS), 6))
    one = await _played(tmp_path / "died", seed, deaths=deaths, end=_die, saves=saves)
    other = await _played(tmp_path / "left", seed, deaths=deaths, end=_leave, saves=set())
    assert one.built.machine.dump() == other.built.machine.dump()
    assert one.built.machine.rows_done > 3_900
    assert one.built.commands.desk.executions()
    one.store.close()
    other.store.close()


async def test_sessions_of_a_snapshot_go_on(tmp_path: Path) -> None:
    """A snapshot in mid-session: what client 0 asked for before it holds for what came after it and before a death."""
    run = Run(tmp_path, random_rows(1, count=200, seconds=30))
    await run.start()
    await run.until(5)
    run.ask(0, lambda encoder: encoder.reqAutoOpenOrders(True))
    run.save()
    run.built.machine.operate(SELL_BY_HAND)
    [bound] = [row["orderId"] for row in run.built.commands.desk.listed()]
    run.store.flush()
    run.die()
    assert await run.start() == 3
    assert [row["orderId"] for row in run.built.commands.desk.listed()] == [bound]
    assert not run.built.registry.connected
    run.store.close()


async def test_what_was_never_transmitted_ends_with_the_gateway(tmp_path: Path) -> None:
    """A death takes kept-back orders along; a snapshot does not."""
    run = Run(tmp_path, random_rows(1, count=200, seconds=30))
    await run.start()
    await run.until(5)
    run.place(5, 1, LimitOrder("BUY", 100, 9.0, transmit=False))
    run.save()
    assert len(run.built.commands.desk.listed()) == 1
    run.die()
    await run.start()
    assert run.built.commands.desk.listed() == []
    run.store.close()


async def test_a_second_start_repeats_nothing(tmp_path: Path) -> None:
    """The inputs of a log are in the snapshot that the restart wrote."""
    run = Run(tmp_path, random_rows(1, count=200, seconds=30))
    await run.start()
    await run.until(5)
    run.place(5, 3, MarketOrder("BUY", 100))
    await run.until(6)
    counts = []
    for _ in range(3):
        run.die()
        counts.append(await run.start())
        await run.until(6)
        assert len(run.built.commands.desk.executions()) == 1
        assert run.built.registry.next_valid_id(5) == 4
    assert counts == [2, 0, 0]
    assert sorted(os.listdir(tmp_path)) == ["gateway.lock", "gateway.state", "gateway.toml"]
    run.store.close()


async def test_a_state_of_something_else_is_refused(tmp_path: Path) -> None:
    """Other instruments, or bytes that are no state: the file is named, and what to do."""
    run = Run(tmp_path, random_rows(1, count=20, seconds=30))
    await run.start()
    run.store.close()
    other = Store(run.config.state_dir, config_digest="another")
    with pytest.raises(ConfigError, match=r"gateway.state: made under another feed, instruments, accounts or venue"):
        other.load()
    other.path.write_bytes(b"what is this")
    with pytest.raises(ConfigError, match="remove the file to begin anew"):
        other.load()


async def test_a_feed_that_gives_other_rows_is_found_out(tmp_path: Path) -> None:
    """Recorded inputs have their places among rows; a feed that cannot get there stops the start."""
    run = Run(tmp_path, random_rows(1, count=200, seconds=30, halts=2))
    await run.start()
    await run.until(30)
    run.place(5, 1, MarketOrder("BUY", 100))
    run.die()
    run.rows = random_rows(1, count=200, seconds=30)
    with pytest.raises(BrokerFault, match="does not repeat what it gave before"):
        await run.start()
    run.store.close()


async def test_two_gateways_never_share_a_state(tmp_path: Path) -> None:
    """The second is turned away before it reads or writes anything; a dead one keeps nobody out."""
    run = Run(tmp_path, random_rows(1, count=20, seconds=30))
    await run.start()
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    with pytest.raises(ConfigError, match="a gateway is running there: stop it"):
        await Run(tmp_path, run.rows).start()
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before
    run.die()
    await run.start()
    run.store.close()
