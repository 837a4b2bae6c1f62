"""Market data of the adapter: what its rows are made of, when they stop counting, and how they come back."""

import asyncio
import random

import numpy as np
import pytest

from broker.gateway.market.settings import MarketSettings
from broker.sim.conflator import conflate
from core import events as e
from core.profiles import L1_250
from core.rows import ALIVE, BAR, BAR_VOLUME, NOT_LAST, PRINT, QUOTE, ROW
from tests.fakes.ib_rig import Rig, running_rig
from tests.fakes.ib_script import error, scripted_rig
from tests.fakes.tape import SECOND, cents, shares


def traded(rig: Rig, inst: int = 0) -> int:
    """Volume of the adapter's prints."""
    return sum(row[6] for row in rig.sink.rows if row[1] == inst and row[2] == PRINT)


@pytest.mark.slow
async def test_l1_rows_are_those_of_the_conflator() -> None:
    """A random tape through the gateway: every quote told is one the conflator makes of the same rows, in order, the
    last one is the last, and not a share of volume is lost.
    """
    chance = random.Random(7)
    async with running_rig(speed=40.0) as rig:
        await rig.until(lambda: rig.sink.quotes() and rig.sink.quotes(1))
        first = len(rig.sink.quotes())
        tape, px = [], 1000
        for _ in range(300):
            px += chance.choice((-1, 0, 1))
            if chance.random() < 0.3:
                size = chance.randint(1, 9) * 100
                rig.gateway.trade(px + 1, size)
                tape.append((PRINT, cents(px + 1), 0, shares(size), 0))
            else:
                four = (cents(px), cents(px + 1), shares(chance.randint(1, 5)), shares(chance.randint(1, 5)))
                rig.gateway._row(0, QUOTE, *four)
                tape.append((QUOTE, *four))
            await asyncio.sleep(0.0005)  # the tape needs time to pass, however much
        volume = sum(row[3] for row in tape if row[0] == PRINT)
        last = [row[1:] for row in tape if row[0] == QUOTE][-1]
        await rig.until(lambda: traded(rig) == volume and rig.sink.quotes()[-1] == last)
        told = rig.sink.quotes()[first:]
        states = iter([row[1:] for row in tape if row[0] == QUOTE])
        assert all(any(state == quote for state in states) for quote in told), "a quote that never was, or out of order"
        rows = np.array([(at * 30_000_000, 0, 0, kind, 0, *four) for at, (kind, *four) in enumerate(tape)], ROW)
        conflated = conflate(rows, profile=L1_250)
        fewest = int((conflated["kind"] == QUOTE).sum()) // 2
        assert len(told) >= fewest, "the adapter drops quotes that the gateway sends"
        assert not [row for row in rig.sink.rows if row[2] == QUOTE and row[4] >= row[5] > 0], "a crossed quote"


async def test_an_unchanged_quote_is_proven_alive_once_a_second() -> None:
    """One line ticks, the other does not: it is told as alive, and never as new."""
    async with running_rig(speed=20.0) as rig:
        await rig.until(lambda: rig.sink.quotes() and rig.sink.quotes(1))
        px = 1000

        def tick() -> bool:
            nonlocal px
            px += 1
            rig.gateway.quote(px, px + 1)
            return len([row for row in rig.sink.rows if row[1] == 1 and row[2] == ALIVE]) >= 3

        start_ns = rig.clock.now_ns()
        await rig.until(tick)
        assert rig.clock.now_ns() - start_ns >= 2 * SECOND
        assert len(rig.sink.quotes(1)) == 1
        assert not rig.sink.of(e.FeedGapped)


@pytest.mark.slow
async def test_a_lone_quiet_line_is_asked_and_answers() -> None:
    """Nothing ticks anywhere: snapshots prove the quotes, nothing is blind."""
    async with running_rig(speed=20.0) as rig:
        await rig.until(lambda: rig.sink.quotes() and rig.sink.quotes(1))
        await rig.until(lambda: len([row for row in rig.sink.rows if row[2] == ALIVE]) >= 6)
        assert not rig.sink.of(e.FeedGapped)
        assert not rig.adapter.blind()


@pytest.mark.slow
async def test_an_unanswered_snapshot_blinds_within_five_seconds_and_is_repaired() -> None:
    """The feed stops without a word: told as gapped within silence + snapshot time, subscribed again, sees again."""
    async with scripted_rig(speed=20.0) as rig:
        lines = [fields[2] for fields in rig.script.of(1)]

        def tick_all(fields: list[str]) -> None:
            if fields[17] == "0" and "236" in fields[16]:
                rig.script.send_many((1, 6, fields[2], 1, "10", "5", 0), (1, 6, fields[2], 2, "10.01", "5", 0))

        for line in lines:
            rig.script.send_many((1, 6, line, 1, "10", "5", 0), (1, 6, line, 2, "10.01", "5", 0))
        await rig.until(lambda: len(rig.sink.rows) == 2)
        quiet_ns = rig.clock.now_ns()
        await rig.fact(e.FeedGapped, 2)
        assert rig.clock.now_ns() - quiet_ns < 20 * SECOND  # 5 s of the clock, and what the machine takes at 20x
        assert set(rig.adapter.blind()) == {"S0", "S1"}
        rig.script.answers["1"] = tick_all
        await rig.until(lambda: not rig.adapter.blind())
        assert len(rig.sink.quotes()) == 2


async def test_delayed_and_refused_data_are_blind_and_never_traded_on() -> None:
    """Type 3, 10167 and 10089: told as gapped; ticks of a delayed stream are no quotes."""
    async with scripted_rig() as rig:
        one, two = (fields[2] for fields in rig.script.of(1)[:2])
        rig.script.send_many(*[(1, 6, line, kind, px, "5", 0) for line in (one, two) for kind, px in ((1, 9), (2, 10))])
        await rig.until(lambda: len(rig.sink.rows) == 2)
        rig.script.send_many((58, 1, one, 3), error(int(one), 10167, "Displaying delayed market data"))
        rig.script.send_many((1, 6, one, 1, "8", "5", 0), error(int(two), 354, "not subscribed"))
        await rig.fact(e.FeedGapped, 2)
        assert "delayed" in rig.adapter.blind()["S0"] or "10167" in rig.adapter.blind()["S0"]
        assert "354" in rig.adapter.blind()["S1"]
        assert len(rig.sink.rows) == 2


async def test_a_competing_session_blinds_and_orders_go_on() -> None:
    """10197 from the gateway: every line gapped, the link stays READY, and the data come back with the session."""
    async with running_rig(speed=50.0, settings={"repair_min_s": 0.5}) as rig:
        await rig.until(lambda: rig.sink.quotes() and rig.sink.quotes(1))
        rig.gateway.fault("competing_session")
        await rig.fact(e.FeedGapped, 2)
        rig.place(size=10, limit=900)
        await rig.fact(e.OrderAcknowledged)
        rig.gateway.clear()
        await rig.until(lambda: not rig.adapter.blind())
        assert not rig.sink.of(e.LinkDegraded)


async def test_halts_are_told_when_they_change_and_unknown_is_neither() -> None:
    """Tick 49: 0 at first, 2, -1 (says nothing), 0."""
    async with scripted_rig() as rig:
        line = rig.script.of(1)[0][2]
        for value in ("0", "0", "2", "-1", "2", "0"):
            rig.script.send(45, 6, line, 49, value)
        await rig.fact(e.HaltChanged, 3)
        assert [fact.halted for fact in rig.sink.of(e.HaltChanged)] == [0, 2, 0]
        rig.script.send_many((45, 6, line, 46, "2.6"), (2, 6, line, 89, "12500"))
        fact = await rig.fact(e.ShortableChanged)
        assert fact.level_milli == 2_600


@pytest.mark.slow
async def test_tick_by_tick_tells_every_tick_as_it_came() -> None:
    """Quotes and trades one by one, in their order; a trade that does not count for last is marked."""
    market = MarketSettings(tick_by_tick_max=10, pacing=False)
    settings = {"tick_streams_max": 10}
    async with running_rig(speed=100.0, profile="tbt", market=market, settings=settings) as rig:
        await rig.until(lambda: len(rig.adapter.market.trades) == 4)  # the second stream of each comes 15 s later
        await rig.until(lambda: rig.sink.quotes())

        def first() -> bool:
            rig.gateway.trade(1001, 1)
            return traded(rig) > 0

        await rig.until(first)
        await asyncio.sleep(0.01)  # those on the way
        before, sent = len(rig.sink.rows), traded(rig)
        for number in range(5):
            rig.gateway.quote(1001 + number, 1002 + number)
            rig.gateway.trade(1002 + number, 100 + number)
        await rig.until(lambda: traded(rig) == sent + shares(510))
        rows = [row for row in rig.sink.rows[before:] if row[1] == 0 and row[2] in (QUOTE, PRINT)]
        assert [row[2] for row in rows] == [QUOTE, PRINT] * 5
        assert [row[4] for row in rows] == [cents(x) for n in range(5) for x in (1001 + n, 1002 + n)]
        assert all(abs(row[0] - rig.clock.now_ns()) < 100 * SECOND for row in rows)  # the exchange's time, not ours
        line = next(iter(rig.adapter.market.trades))
        rig.adapter.market.tick_by_tick([b"99", line, b"1", b"1767623460", b"10", b"5", b"2", b"N", b"", b""])
        assert rig.sink.rows[-1][3] == NOT_LAST


@pytest.mark.slow
async def test_five_second_bars_are_two_rows_beside_the_quotes() -> None:
    """A bar of the trades, told at its end; no prints beside it."""
    async with running_rig(speed=20.0, profile="bar") as rig:
        await rig.until(lambda: rig.sink.quotes())

        def trade() -> bool:
            rig.gateway.trade(1001, 100)
            return len([row for row in rig.sink.rows if row[2] == BAR_VOLUME]) >= 1

        await rig.until(trade)
        at = next(number for number, row in enumerate(rig.sink.rows) if row[2] == BAR)
        bar, volume = rig.sink.rows[at], rig.sink.rows[at + 1]
        assert bar[4:] == (cents(1001),) * 4
        assert (volume[2], volume[4]) == (BAR_VOLUME, cents(1001))
        assert volume[6] == volume[7] * shares(100)
        assert bar[0] % (5 * SECOND) == 0
        assert not [row for row in rig.sink.rows if row[2] == PRINT]
