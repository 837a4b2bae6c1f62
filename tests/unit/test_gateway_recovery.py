"""What the gateway keeps on disk: a death at any moment leads to the very state it had, to the byte."""

import os
from pathlib import Path

import pytest
from ib_async import LimitOrder, MarketOrder

from core.errors import BrokerFault, ConfigError
from daemon.gateway.store import Store
from tests.fakes.gateway_built import Run, random_rows
from tests.fakes.gateway_script import SELL_BY_HAND, compared


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 4])
async def test_death_at_any_moment_changes_nothing(tmp_path: Path, seed: int) -> None:
    """A gateway that died four times stands where one stands that only lost its connections at those moments: orders,
    ids, executions, cash, faults, quotes.
    """
    one, other = await compared(tmp_path, seed, deaths=4)
    assert one.built.machine.dump() == other.built.machine.dump()
    assert one.built.machine.rows_done > 3_900
    assert one.built.commands.desk.executions()


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
