"""kill -9 of a trader that trades through the paper gateway: what it sent is its own again, once, to the last cent."""

import asyncio
import contextlib
import random
from collections import Counter
from pathlib import Path

import pytest

from core.units import parse_nanos
from daemon.config import load_config
from daemon.control.client import CommandFailed, ControlClient, NotReachable
from daemon.status.picture import Status
from tests.fakes.pair import DEADLINE_S, TRADER, Pair, install, run
from tests.fakes.process import TraderProcess, verify

KILLS = 3
START_S = 240.0  # its kernels may have to be compiled


async def picture_of(socket: Path) -> Status | None:
    """The trader's status; None while it does not answer."""
    with contextlib.suppress(NotReachable, CommandFailed, OSError):
        return await asyncio.to_thread(_ask, socket)
    return None


def _ask(socket: Path) -> Status:
    with contextlib.closing(ControlClient(socket)) as client:
        return client.status()


def _halt(socket: Path) -> None:
    with contextlib.closing(ControlClient(socket)) as client:
        client.request("halt", reason="test")


async def until(socket: Path, trader: TraderProcess, seconds: float, condition: object) -> Status:
    """Wait for a picture that fulfils the condition."""
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while True:
            now = await picture_of(socket)
            if now is not None and condition(now):
                return now
            assert trader.process.poll() is None, trader.process.communicate()[1][-2000:]
            await asyncio.sleep(0.02)


@pytest.mark.slow
def test_kill9(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at random moments and started again: no order twice, no fill lost or booked twice, the venue's books."""
    install(monkeypatch)
    chance = random.Random(5)

    async def story(pair: Pair) -> None:
        await pair.start_gateway()
        path = pair.folder / "trader.toml"
        path.write_text(TRADER.format(**pair.settings))
        config = load_config(path)
        socket = Path(config.control.socket)
        fills = 0
        for _ in range(KILLS):
            with TraderProcess(path) as trader:
                wanted = chance.randrange(4, 12)
                await until(socket, trader, START_S, lambda now, wanted=wanted: now.counters.fills >= wanted)
                await asyncio.sleep(chance.random() * 0.05)
                trader.process.kill()
        with TraderProcess(path) as trader:
            ready = await until(socket, trader, START_S, lambda now: now.link == "READY")
            assert ready.epoch == KILLS + 1
            assert not ready.differences
            await asyncio.to_thread(_halt, socket)
            await until(socket, trader, DEADLINE_S, lambda now: not now.children and _same(pair, now))
            fills = sum(record.executions for record in pair.records())
            assert fills > KILLS
            refs = Counter(record.request.text("orderRef") for record in pair.records())
            assert set(refs.values()) == {1}, "an order was sent twice"
            trader.process.terminate()
            summary = await asyncio.to_thread(trader.summary)
        assert parse_nanos(summary["cash"], field="cash") == pair.cash_nanos
        await pair.stop_gateway()

    verify(run(tmp_path, story).folder / "journal")


def _same(pair: Pair, now: Status) -> bool:
    held = [0, 0]
    for row in now.positions:
        held[("AAA", "CCC").index(row.symbol)] += parse_nanos(row.qty, field="qty")
    return held == pair.holdings and parse_nanos(now.cash, field="cash") == pair.cash_nanos
