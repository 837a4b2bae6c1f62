"""Contracts and the numbers of the day: one contract or none, its market rule, and what history says."""

import asyncio

import pytest

from core import commands as c
from core import events as e
from core.errors import ConfigError
from tests.fakes.ib_rig import running_rig
from tests.fakes.ib_script import details_of, error, scripted_rig
from tests.fakes.sim_driver import order
from tests.fakes.tape import CENT, DATES, cents


async def test_market_rule_is_told_and_prices_must_conform() -> None:
    """The increments of the venue we route to; an order off the grid does not leave, a price on it does."""
    async with running_rig() as rig:
        rule = await rig.fact(e.MarketRuleChanged)
        assert rule.increments == ((0, CENT // 100), (100 * CENT, CENT))
        assert "market rule" in rig.submit(c.PlaceOrder(order=order(5, limit=999.5)))
        rig.place(limit=999)
        await rig.fact(e.OrderAcknowledged)


@pytest.mark.parametrize("candidates", [((1000, "NYSE"), (1000, "NYSE")), ((1000, "ARCA"),), ()])
async def test_a_contract_must_be_one_and_the_one_of_the_config(candidates: tuple[tuple[int, str], ...]) -> None:
    """Twice the same answer is one contract; another listing or none ends the run before anything is traded."""
    async with scripted_rig(start=False) as rig:

        def answer(fields: list[str]) -> None:
            con_id = int(fields[3])
            found = candidates if con_id == 1000 else ((con_id, "NYSE"),)
            made = [details_of(fields[2], number, primary=place) for number, place in found]
            rig.script.send_many(*made, (52, 1, fields[2]))

        rig.script.answers["9"] = answer
        await rig.adapter.start()
        if len(candidates) == 2:
            await rig.ready()
            return
        assert rig.adapter.ended is not None
        with pytest.raises(ConfigError, match=r"^instruments\.S0: .*set con_id"):
            await asyncio.wait_for(asyncio.shield(rig.adapter.ended), 5.0)


async def test_an_unknown_contract_names_the_symbol() -> None:
    """Code 200."""
    async with scripted_rig(start=False) as rig:
        rig.script.answers["9"] = lambda fields: rig.script.send(*error(int(fields[2]), 200, "No security definition"))
        await rig.adapter.start()
        assert rig.adapter.ended is not None
        with pytest.raises(ConfigError, match=r"^instruments\.S0: No security definition \(code 200\)"):
            await asyncio.wait_for(asyncio.shield(rig.adapter.ended), 5.0)


@pytest.mark.slow
async def test_the_numbers_of_the_day_come_after_the_orders() -> None:
    """Nothing is fetched before the first complete synchronisation; then previous close, volume and curve are told."""
    async with running_rig(speed=20.0) as rig:
        rig.adapter.fetch_reference(DATES[0])
        assert not rig.adapter.history._open
        await rig.sync()
        arrived = [await rig.fact(e.ReferenceArrived, number) for number in (1, 2)]
        assert {fact.inst for fact in arrived} == {0, 1}
        for fact in arrived:
            assert fact.missing == ""
            assert fact.effective_from == DATES[0]
            assert fact.previous_close_nanos == cents(1000)
            assert fact.adv_nanos > 0
            assert abs(sum(fact.curve_ppm) - 1_000_000) < 400
            assert len(fact.curve_ppm) <= 390


async def test_history_without_enough_days_says_what_is_missing() -> None:
    """Answered with one daily bar and no minutes: the close is told, the rest is named, and asked for again later."""
    async with scripted_rig(speed=50.0) as rig:
        rig.script.empty_account()
        bars = ("20260102", "10", "11", "9", "10.5", "500", "10.1", 3)

        def answer(fields: list[str]) -> None:
            daily = "1 day" in fields
            rig.script.send(17, fields[1], "a", "b", 1 if daily else 0, *(bars if daily else ()))

        rig.script.answers["20"] = answer
        rig.adapter.fetch_reference(DATES[0])
        assert (await rig.sync())[-1].complete
        arrived = await rig.fact(e.ReferenceArrived)
        assert arrived.previous_close_nanos == cents(1050)
        assert arrived.missing == "average volume, volume curve"
