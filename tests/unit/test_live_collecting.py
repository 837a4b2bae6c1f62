"""When a trader on a live broker looks for garbage: little and often, and all of it when the trading day rolls."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from daemon import live


class Collector:
    """Stands for the module `gc`."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def collect(self, generation: int) -> None:
        """Remember it."""
        self.asked.append(generation)


def test_all_garbage_goes_when_the_day_rolls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The youngest at every look, the middle one every ten seconds, the oldest once a trading day."""
    collector = Collector()
    monkeypatch.setattr(live, "gc", collector)
    money = SimpleNamespace(trading_date=20260105)
    driver = SimpleNamespace(
        _collect_s=0.0, _collected_date=0, _trader=SimpleNamespace(active_runner=SimpleNamespace(money=money))
    )

    async def look(*, due: bool = False, date: int = 0) -> None:
        driver._collect_s = 0.0 if due else driver._collect_s
        money.trading_date = date or money.trading_date
        live.LiveDriver._collect(cast(Any, driver))

    async def day() -> None:
        await look()
        await look()
        await look(due=True)
        await look()
        await look(date=20260106)
        await look()

    asyncio.run(day())
    assert collector.asked == [2, 0, 1, 0, 2, 0]
