"""The mean reversion strategy: parameters, decisions, its guard and its registry."""

from typing import Any

import numpy as np
import pytest

from core import commands as c
from core.errors import ConfigError
from core.ports import Verdict
from core.units import NANO
from strategies.guarded import Guarded
from strategies.kernels import DECIDE
from strategies.kinds import find_kind, read_params
from strategies.meanrev.params import MeanReversionParams
from strategies.meanrev.strategy import MeanReversion
from strategies.pipeline import KernelPipeline
from strategies.registry import build, slot_of
from tests.fakes.trading_context import CENT, OPEN_NS, SHARE, Bench

SMALL = {"half_life_s": 20, "enter_z": 2, "leave_z": 0.5, "cadence_s": 1, "warm_up_s": 5, "quotes_min": 10,
         "position_shares": 100}  # fmt: skip


class Room:
    """A pipeline over a bench's market with one strategy on it."""

    def __init__(self, **fields: Any) -> None:
        self.bench = Bench()
        params = read_params(find_kind("meanrev"), SMALL | fields, field="p")
        assert isinstance(params, MeanReversionParams)
        slot = slot_of(strategy="alpha", slot=0, instruments=(0,), params=params)
        state = self.bench.context.market.state
        self.pipeline = KernelPipeline(state, np.zeros(len(state), np.int64), [slot])
        self.strategy = build(slot, params, self.bench.context, self.pipeline)
        self.bare = MeanReversion(self.bench.context, slot, params, self.pipeline.reader)
        self.ts_ns = OPEN_NS
        for k in range(40):
            assert self.quote(1000 + k % 2) == 0

    def quote(self, mid_cents: int) -> int:
        self.ts_ns += NANO
        bid, ask = (mid_cents - 1) * CENT, (mid_cents + 1) * CENT
        return self.pipeline.quote(0, self.ts_ns, self.ts_ns, 0, 1, 0, bid, ask, 100 * SHARE, 100 * SHARE)

    def decide(self) -> Verdict:
        return self.strategy.decide(self.ts_ns, 0)


def target(verdict: Verdict) -> int:
    assert verdict.decision is not None
    return verdict.decision.target_nanos // SHARE


def test_it_sells_a_rise_and_leaves_at_the_mean() -> None:
    """A jump up asks once, the answer is short; back at the mean it asks again, the answer is flat."""
    room = Room()
    assert room.quote(1010) == DECIDE
    verdict = room.decide()
    assert verdict.error == ""
    assert target(verdict) == -100
    decision = verdict.decision
    assert decision is not None
    features = dict(decision.features)
    assert decision.score == features["z"] > 2
    assert features["mid"] == 10.10
    assert 10.0 <= features["mean"] <= 10.01
    assert (decision.bid_px_nanos, decision.ask_px_nanos) == (1009 * CENT, 1011 * CENT)
    assert room.quote(1010) == 0
    assert room.quote(1001) == DECIDE
    assert target(room.decide()) == 0


def test_long_only_and_dollar_positions() -> None:
    """No short side; dollars become whole shares at the mid of the decision."""
    room = Room(long_only=True, position_shares=0, position_dollars=5000)
    assert room.quote(1010) == 0
    for _ in range(200):
        room.quote(1000)
    assert room.quote(990) == DECIDE
    assert target(room.decide()) == 5000 * 100 // 990


def test_it_answers_only_when_its_kernel_asked() -> None:
    """Another slot's wake-up on the same instrument is not its own."""
    room = Room()
    assert room.decide() == Verdict()
    room.quote(1010)
    assert room.decide().decision is not None
    assert room.decide() == Verdict()


def test_forget_starts_from_flat_and_adopt_from_the_books() -> None:
    """After a flatten the kernel asks anew; after a cold start it stands where its target stands."""
    room = Room()
    room.quote(1010)
    room.decide()
    assert room.pipeline.reader.integer(0, 0, "side") == -1
    room.strategy.forget(0)
    assert room.pipeline.reader.integer(0, 0, "side") == 0
    assert room.quote(1020) == DECIDE
    room.bench.fold(c.SetTarget(strategy="alpha", inst=0, qty_nanos=100 * SHARE))
    room.bare.adopt()
    assert room.pipeline.reader.integer(0, 0, "side") == 1


class Broken:
    """A strategy with a mistake in it."""

    name = "broken"
    instruments = (0,)

    def decide(self, ts_ns: int, inst: int) -> Verdict:
        raise ValueError(f"no opinion on {inst}")

    def adopt(self) -> None:
        """Nothing to stand on."""

    def forget(self, inst: int) -> None:
        """Nothing to forget."""


def test_a_strategys_exception_becomes_a_verdict() -> None:
    """Type, text, file and line, without the folder of this machine."""
    guarded = Guarded(Broken())
    verdict = guarded.decide(1, 3)
    assert verdict.decision is None
    assert verdict.error.startswith("ValueError: no opinion on 3 at test_meanrev.py:")
    assert (guarded.name, guarded.instruments) == ("broken", (0,))
    guarded.forget(0)


def test_registry_names_what_it_knows() -> None:
    """An unknown kind stops start-up."""
    with pytest.raises(ConfigError, match="kind is 'momentum': use one of meanrev"):
        find_kind("momentum")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"half_life_s": 0}, r"p\.half_life_s is 0"),
        ({"enter_z": float("nan")}, r"p\.enter_z is nan"),
        ({"leave_z": 2}, r"p\.leave_z is 2\S*: set it below enter_z"),
        ({"position_dollars": 10}, "exactly one of position_shares and position_dollars"),
        ({"position_shares": 0}, "exactly one of position_shares and position_dollars"),
        ({"quotes_min": 1}, r"p\.quotes_min is 1: set it between 2"),
        ({"sd_floor": 0}, r"p\.sd_floor is 0"),
        ({"half_live_s": 3}, r"p: .*half_live_s.*meanrev takes half_life_s"),
        ({"cadence_s": 0.0123456789123}, "more than nine decimals"),
    ],
)
def test_bad_parameters_name_field_and_remedy(fields: dict[str, Any], message: str) -> None:
    """One line that says what to change."""
    with pytest.raises(ConfigError, match=message):
        read_params(find_kind("meanrev"), SMALL | fields, field="p")


def test_default_parameters_need_only_a_size() -> None:
    """The rest has defaults within the bounds."""
    MeanReversionParams(position_shares=1).validate("p")
