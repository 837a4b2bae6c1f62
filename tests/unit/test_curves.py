"""Volume curves: what a day's volume looks like, from past days of one name and of all."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.feeds.spec import SyntheticInstrument, SyntheticSpec
from broker.feeds.synthetic import read_rows
from core.curves import (
    DAYS_MIN,
    PPM,
    Curve,
    DayKind,
    DayVolume,
    curve_of,
    day_level,
    kind_of,
    rest_nanos,
)
from core.errors import ConfigError
from core.rows import NOT_LAST, PRINT
from core.units import NANO
from research.curves import SLOTS as RESEARCH_SLOTS
from research.curves import day_volumes, leave_one_day_out, main
from tests.fakes.tape import Tape, at

SLOTS = 13
TODAY = 20260301
U = [0.55 + 1.35 * (2 * (slot + 0.5) / SLOTS - 1) ** 2 + 1.35 / (3 * SLOTS**2) for slot in range(SLOTS)]
TRUE = np.array(U) / sum(U)


def date(number: int) -> int:
    return 20260101 + number if number < 31 else 20260201 + number - 31


def made_days(rng: np.random.Generator, true: np.ndarray, *, days: int, noise: float) -> list[DayVolume]:
    found = []
    for number in range(days):
        slots = true * np.exp(rng.normal(0.0, noise, len(true)) - noise**2 / 2) * rng.uniform(0.5, 2.0) * 1e6
        found.append(DayVolume(date=date(number), kind="full", slots=tuple(int(slot) for slot in slots)))
    return found


def test_kinds_of_days() -> None:
    """Half days by the calendar, the third Friday by its date."""
    assert kind_of(20251128, half_day=True) == "half"
    assert [kind_of(day, half_day=False) for day in (20260116, 20260109, 20260123, 20260115)] == [
        "expiry", "full", "full", "full",
    ]  # fmt: skip


@settings(max_examples=20)
@given(
    days=st.lists(st.lists(st.integers(0, 10**15), min_size=5, max_size=5), min_size=0, max_size=40),
    others=st.lists(st.lists(st.integers(0, 10**15), min_size=5, max_size=5), min_size=0, max_size=40),
)
def test_any_curve_sums_to_one(days: list[list[int]], others: list[list[int]]) -> None:
    """Whatever traded, shares are not negative and sum to exactly 10^6."""
    own, more = (
        [DayVolume(date=date(at), kind="full", slots=tuple(slots)) for at, slots in enumerate(each)]
        for each in (days, others)
    )
    found = curve_of(own, own + more, kind="full", today=TODAY, slots=5)
    assert sum(found.shares_ppm) == PPM
    assert min(found.shares_ppm) >= 0
    assert bool(found.told) == (found.source != "own")


def test_falls_back_and_says_so() -> None:
    """Too few days, no new day for two weeks, or another kind of day: the common curve, then even parts, with why."""
    rng = np.random.default_rng(1)
    days, others = (made_days(rng, TRUE, days=30, noise=0.1) for _ in range(2))
    few = days[: DAYS_MIN - 1]
    assert curve_of(days, days + others, kind="full", today=20260131, slots=SLOTS).source == "own"
    pooled = curve_of(few, few + others, kind="full", today=20260131, slots=SLOTS)
    assert (pooled.source, pooled.days, pooled.told) == (
        "pooled", 19, "19 full days, 20 are needed: the curve of all names",
    )  # fmt: skip
    stale = curve_of(days, days + others, kind="full", today=20260214, slots=SLOTS)
    assert (stale.source, stale.told) == ("pooled", "its last day is 20260130: the curve of all names")
    even = curve_of(days, days + others, kind="half", today=20260131, slots=SLOTS)
    assert (even.source, even.shares_ppm[0], even.told) == (
        "even", 76_923, "0 half days, 20 are needed, and 0 of all names: even parts",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="has 13 slots, 14 are needed"):
        curve_of(days, days, kind="full", today=20260131, slots=14)


def test_only_days_before_today_count() -> None:
    """The present and later days are not known yet."""
    rng = np.random.default_rng(2)
    days = made_days(rng, TRUE, days=31, noise=0.1)
    odd = DayVolume(date=date(30), kind="full", slots=(10**9,) + (0,) * (SLOTS - 1))
    found, without = (curve_of(d, d, kind="full", today=date(30), slots=SLOTS) for d in ([*days[:30], odd], days[:30]))
    assert found == without
    assert found.version == date(29)


def test_shrinking_gives_noise_to_the_pool_and_keeps_what_differs() -> None:
    """A noisy name of the common shape gets the common curve; one that truly differs keeps its own."""
    rng = np.random.default_rng(3)
    pool = [day for _ in range(10) for day in made_days(rng, TRUE, days=25, noise=0.3)]
    alike = made_days(rng, TRUE, days=25, noise=0.3)
    other = made_days(rng, TRUE[::-1] * np.linspace(0.2, 1.8, SLOTS), days=25, noise=0.05)
    weak, strong = (curve_of(d, pool + d, kind="full", today=date(25), slots=SLOTS) for d in (alike, other))
    assert weak.own_ppm < 500_000
    assert strong.own_ppm > 950_000


def test_shrunk_is_better_than_static_out_of_sample() -> None:
    """Against the true curves of names that differ a little: the error of the shrunk curve is below that of each name's
    own history and of one common curve.
    """
    rng = np.random.default_rng(4)
    truths = [TRUE * np.exp(rng.normal(0.0, 0.08, SLOTS)) for _ in range(12)]
    truths = [true / true.sum() for true in truths]
    history = [made_days(rng, true, days=25, noise=0.4) for true in truths]
    everything = [day for days in history for day in days]
    common = curve_of([], everything, kind="full", today=date(25), slots=SLOTS)
    error = {"shrunk": 0.0, "own": 0.0, "pooled": 0.0}
    for true, days in zip(truths, history, strict=True):
        shares = np.array([np.array(day.slots) / sum(day.slots) for day in days])
        own = np.median(shares, axis=0)
        shrunk = np.array(curve_of(days, everything, kind="full", today=date(25), slots=SLOTS).shares_ppm) / PPM
        pooled = np.array(common.shares_ppm) / PPM
        for name, curve in (("shrunk", shrunk), ("own", own / own.sum()), ("pooled", pooled)):
            error[name] += float(((curve - true) ** 2).sum())
    assert error["shrunk"] < 0.8 * error["own"]
    assert error["shrunk"] < error["pooled"]


SESSION_NS = 23_400 * NANO
HALF_NS = 12_600 * NANO
FIRST_NS = 1_767_623_400 * NANO  # 2026-01-05 14:30 UTC
SYMBOLS, DAYS, FRESH = 6, 25, 6


def traded(lengths_ns: list[int], slots: int, *, symbols: int, day_spread: float = 0.0) -> np.ndarray:
    """Volume of a made-up market by name, session and slot; each session has as many slots."""
    sessions = tuple(
        (FIRST_NS + day * 86_400 * NANO, FIRST_NS + day * 86_400 * NANO + length)
        for day, length in enumerate(lengths_ns)
    )
    spec = SyntheticSpec(
        seed=5,
        instruments=tuple(
            SyntheticInstrument(
                inst=inst, symbol=f"S{inst}", px_nanos=100 * NANO, tick_nanos=NANO // 100, lot_nanos=100 * NANO,
                events_per_second=1.0, day_spread=day_spread,
            )
            for inst in range(symbols)
        ),
        sessions=sessions,
    )  # fmt: skip
    volume = np.zeros((symbols, len(sessions), slots), np.int64)
    lengths = np.array(lengths_ns)
    for rows in read_rows(spec):
        prints = rows[(rows["kind"] == PRINT) & (rows["flags"] == 0)]
        since = prints["ts_ns"] - FIRST_NS
        day = since // (86_400 * NANO)
        slot = since % (86_400 * NANO) * slots // lengths[day]
        np.add.at(volume, (prints["inst"], day, slot), prints["bid_qty_nanos"])
    return volume


def days_of(volume: np.ndarray, kinds: list[DayKind]) -> list[list[DayVolume]]:
    return [
        [DayVolume(date=date(at), kind=kind, slots=tuple(map(int, name[at]))) for at, kind in enumerate(kinds)]
        for name in volume
    ]


@pytest.mark.slow
def test_the_synthetic_market_s_curve_is_recovered_and_its_days_are_followed() -> None:
    """The made-up market's U is found within five per cent in every slot, from its prints. On six days it has not seen,
    whose volume differs from the usual by a third, it tracks the shares better than even parts do; and what is left of
    the day is told better with what was seen so far than by the same curve left as it is, at every slot.
    """
    volume = traded([SESSION_NS] * (DAYS + FRESH), SLOTS, symbols=SYMBOLS, day_spread=0.33)
    days = days_of(volume[:, :DAYS], ["full"] * DAYS)
    everything = [one for each in days for one in each]
    even = tracked = 0.0
    static, updated = np.zeros(SLOTS), np.zeros(SLOTS)
    for inst in range(SYMBOLS):
        curve = curve_of(days[inst], everything, kind="full", today=date(DAYS), slots=SLOTS)
        shares = np.array(curve.shares_ppm) / PPM
        assert np.abs(shares / TRUE - 1.0).max() < 0.05
        adv = int(volume[inst, :DAYS].sum(axis=1).mean())
        for fresh in volume[inst, DAYS:]:
            done = (fresh / fresh.sum()).cumsum()
            tracked += float(np.abs(done - shares.cumsum()).mean())
            even += float(np.abs(done - np.full(SLOTS, 1 / SLOTS).cumsum()).mean())
            for slot in range(1, SLOTS):
                seen, rest = int(fresh[:slot].sum()), int(fresh[slot:].sum())
                usual = adv * curve.part_ppm(0, slot) // PPM
                for error, so_far in ((static, usual), (updated, seen)):
                    told = rest_nanos(curve, slot=slot, seen_nanos=so_far, adv_nanos=adv)
                    error[slot] += abs(told - rest) / adv
    assert tracked < 0.5 * even
    assert (updated[1:] < static[1:]).all()
    assert updated[SLOTS // 2] < 0.5 * static[SLOTS // 2]


@pytest.mark.slow
def test_half_days_have_a_curve_of_their_own() -> None:
    """Among full days, 22 half days of seven slots: their U is recovered from them alone, within seven per cent; a day
    of the other kind never counts.
    """
    kinds: list[DayKind] = ["half", "full"] * 22
    volume = traded([HALF_NS if kind == "half" else SESSION_NS for kind in kinds], 7, symbols=3)
    days = days_of(volume, kinds)
    own = [0.55 + 1.35 * (2 * (slot + 0.5) / 7 - 1) ** 2 + 1.35 / (3 * 7**2) for slot in range(7)]
    for each in days:
        curve = curve_of(each, [one for name in days for one in name], kind="half", today=date(44), slots=7)
        assert (curve.source, curve.days) == ("own", 22)
        assert np.abs(np.array(curve.shares_ppm) / PPM / (np.array(own) / sum(own)) - 1.0).max() < 0.07
        alone = [day for day in each if day.kind == "half"]
        pool = [day for name in days for day in name if day.kind == "half"]
        assert curve_of(alone, pool, kind="half", today=date(44), slots=7) == curve


def test_the_level_of_a_day_follows_what_was_seen() -> None:
    """Twice the usual volume by noon: nearly twice for the rest, drawn towards usual and bounded; unknown: usual."""
    curve = Curve(kind="full", shares_ppm=(PPM // 4,) * 4, source="even")
    adv = 1000 * NANO
    usual = rest_nanos(curve, slot=2, seen_nanos=500 * NANO, adv_nanos=adv)
    busy = rest_nanos(curve, slot=2, seen_nanos=1000 * NANO, adv_nanos=adv)
    assert usual == 500 * NANO
    assert busy == pytest.approx(500 * NANO * 1.1 / 0.6, rel=1e-5)
    assert day_level(seen_nanos=10**6 * NANO, expected_ppm=PPM, adv_nanos=adv) == 4.0
    assert day_level(seen_nanos=0, expected_ppm=PPM, adv_nanos=adv) == 0.25
    assert day_level(seen_nanos=0, expected_ppm=0, adv_nanos=adv) == 1.0
    assert day_level(seen_nanos=5, expected_ppm=0, adv_nanos=0) == 1.0


def test_the_updated_forecast_beats_the_static_one() -> None:
    """On days whose level differs, the rest of the day at noon is forecast better with what was seen."""
    rng = np.random.default_rng(6)
    curve = Curve(kind="full", shares_ppm=(PPM // 4,) * 4, source="even")
    static = updated = 0.0
    for _ in range(200):
        slots = np.exp(rng.normal(0.0, 0.4)) * np.exp(rng.normal(0.0, 0.2, 4)) * 250 * NANO
        seen, rest = int(slots[:2].sum()), float(slots[2:].sum())
        static += abs(rest_nanos(curve, slot=2, seen_nanos=500 * NANO, adv_nanos=1000 * NANO) - rest)
        updated += abs(rest_nanos(curve, slot=2, seen_nanos=seen, adv_nanos=1000 * NANO) - rest)
    assert updated < 0.8 * static


def test_leave_one_day_out() -> None:
    """Days of a common shape are told better by the days of all than by even parts; one day alone tells nothing."""
    rng = np.random.default_rng(8)
    names = [made_days(rng, TRUE, days=5, noise=0.3) for _ in range(3)]
    errors = {error.name: error for error in leave_one_day_out(names)}
    assert RESEARCH_SLOTS == SLOTS
    assert errors["pooled"].days == 15
    assert errors["pooled"].tracking_error_mean < errors["even"].tracking_error_mean
    with pytest.raises(ConfigError, match="fewer than two days"):
        leave_one_day_out([names[0][:1]])


def test_volumes_by_slot_are_of_regular_prints() -> None:
    """Prints within the session count where they fall; quotes, odd prints and other hours do not."""
    hour = 3600 * NANO
    tape = Tape().print(-1, 1000, 5).print(0, 1000, 7).quote(1, 1000, 1001).print(1801, 1000, 2)
    tape = tape.print(1802, 1000, 9, flags=NOT_LAST).print(23_400, 1000, 4)
    (days,) = day_volumes([tape.array()], [(at(0), at(0) + 13 * hour // 2)], 1)
    assert [day.slots[:3] for day in days] == [(7 * NANO, 2 * NANO, 0)]


@pytest.mark.slow
def test_the_command_on_recorded_days(market_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints n and the errors of recorded days; the test asks for the sentence, not for a result."""
    files = sorted((market_data / "lean" / "equity_tick_trades").glob("*.parquet"))
    assert main([*map(str, files), "--symbols", "BAC", "IBM"]) == 0
    told = capsys.readouterr().out
    assert told.count(" n=10 days, 13 slots of 30 min") == 3
    assert main([str(files[0]), "--symbols", "NONE"]) == 2
