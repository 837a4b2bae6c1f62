"""The signal strategy on real features and a real model: when it is asked, what it answers, how large it trades."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from core import commands as c
from core.errors import Bug, ConfigError
from core.market import new_market
from core.ports import Verdict
from core.rows import BAR, BAR_VOLUME, PRINT, QUOTE, ROW
from core.units import NANO
from strategies.kernels import DECIDE
from strategies.kinds import find_kind, read_params
from strategies.registry import Seat, build, build_pipeline, slots_of
from strategies.signal.params import SignalParams
from strategies.signal.pipeline import ScoredPipeline
from strategies.signal.state import wanted_side
from tests.fakes.signals import line_card, line_onnx
from tests.fakes.strategy_rows import START_NS, synthetic_rows
from tests.fakes.trading_context import CENT, CLOSE_NS, OPEN_NS, SHARE, Bench

SMALL = {"model": "m.onnx", "profile": "tbt", "position_dollars": 5000, "fee_bp": 0, "cost_multiple": 0, "enter_bp": 2}
pytestmark = pytest.mark.slow  # the first model of a process takes a second: LightGBM and the converter are loaded


class Given:
    """A model as the composition root hands it in."""

    def __init__(self, **fields: Any) -> None:
        self.card = line_card(**fields)
        self.onnx = line_onnx(width=self.card.width)


def params_of(**fields: Any) -> SignalParams:
    params = read_params(find_kind("signal"), SMALL | fields, field="p")
    assert isinstance(params, SignalParams)
    return params


class Room:
    """A pipeline over a bench's market with one signal strategy; its model sells what is far above its mean."""

    def __init__(self, *, model: dict[str, Any] | None = None, warm: int = 300, **fields: Any) -> None:
        self.bench = Bench()
        context = self.bench.context
        params = params_of(**fields)
        seats = [Seat(strategy="alpha", instruments=(0,), params=params, field="p")]
        slots = slots_of(seats, {"alpha": Given(**(model or {}))}, context.instruments)
        state = context.market.state
        watch = np.zeros(len(state), np.int64)
        pipeline = build_pipeline(slots, market=state, watch=watch, buffer=np.zeros(1, ROW), profile=params.profile)
        assert isinstance(pipeline, ScoredPipeline)
        self.pipeline = pipeline
        for inst in range(len(state)):
            pipeline.session(inst, OPEN_NS, CLOSE_NS)
        pipeline.fence("alpha", 0, OPEN_NS, CLOSE_NS)
        self.strategy = build(slots[0], params, context, pipeline)
        self.ts_ns = OPEN_NS
        for k in range(warm):
            self.quote(1000 + k % 2)
            self.decide()

    def quote(self, mid_cents: int, *, inst: int = 0, size: int = 100, after_ns: int = NANO) -> int:
        self.ts_ns += after_ns
        bid, ask = (mid_cents - 1) * CENT, (mid_cents + 1) * CENT
        return self.pipeline.quote(0, self.ts_ns, self.ts_ns, inst, QUOTE, 0, bid, ask, size * SHARE, size * SHARE)

    def decide(self) -> Verdict:
        return self.strategy.decide(self.ts_ns, 0)

    def number(self, name: str) -> float:
        value: float = self.pipeline.signals[0, 0][name].item()
        return value


def target(verdict: Verdict) -> int:
    assert verdict.error == ""
    assert verdict.decision is not None
    return verdict.decision.target_nanos // SHARE


def test_it_sells_a_rise_and_leaves_when_the_score_is_gone() -> None:
    """A score beyond the hurdle asks once; the answer holds until the score no longer speaks for it."""
    room = Room()
    assert room.quote(1010) == DECIDE
    verdict = room.decide()
    assert target(verdict) == -(5000 * 100 // 1010)
    decision = verdict.decision
    assert decision is not None
    features = dict(decision.features)
    assert list(features) == ["z_64s", "spread", "queue_imbalance", "ret_4s", "hurdle_bp"]
    assert features["z_64s"] > 2
    assert features["spread"] == pytest.approx(2 / 1010 * 1e4)
    assert features["hurdle_bp"] == 2.0
    assert decision.score == room.number("score") < -2
    assert (decision.bid_px_nanos, decision.ask_px_nanos) == (1009 * CENT, 1011 * CENT)
    assert room.quote(1011) == 0, "the same side: nobody is asked"
    assert room.quote(998) == DECIDE
    assert target(room.decide()) == 0 or room.number("side") == 1


def test_a_score_equals_the_model_on_the_row_of_the_note() -> None:
    """What the note holds is what was scored."""
    room = Room()
    room.quote(1010)
    decision = room.decide().decision
    assert decision is not None
    row = np.array([[value for _, value in decision.features[:-1]]], np.float32)
    assert room.pipeline.scorers[0].scores(row)[0] == decision.score


def test_a_repeated_quote_is_not_scored() -> None:
    """Only a changed quote is news; a print scores where the config says so."""
    room = Room()
    scores = room.number("scores")
    room.quote(1000)
    room.quote(1000)
    assert room.number("scores") == scores + 1
    prints = Room(on="print", warm=100)
    assert prints.number("scores") == 0
    ts_ns = prints.ts_ns
    prints.pipeline.quote(0, ts_ns, ts_ns, 0, PRINT, 0, 1000 * CENT, 0, 100 * SHARE, 0)
    assert prints.number("scores") == 1


def test_the_cadence_bounds_scores() -> None:
    """At most one score in five seconds."""
    room = Room(cadence_s=5, warm=0)
    for k in range(200):
        room.quote(1000 + k % 2)
    assert room.number("scores") == pytest.approx((200 - 64) / 5, abs=1)


def test_nothing_is_asked_before_the_inputs_are_ready() -> None:
    """The slowest input takes 64 seconds; whatever the market does before, no score is made."""
    room = Room(warm=0)
    for k in range(64):
        assert room.quote(1000 + 20 * (k % 2)) == 0
    assert room.number("scores") == 0
    room.quote(1000)
    assert room.number("scores") == 1


def test_a_gap_and_a_halt_start_over() -> None:
    """After lost rows the tick features warm up again; while halted nothing is scored."""
    room = Room()
    scores = room.number("scores")
    room.pipeline.gap(0)
    for k in range(64):
        assert room.quote(1000 + 20 * (k % 2)) == 0
    assert room.number("scores") == scores
    room.quote(1000)
    assert room.number("scores") == scores + 1
    room.bench.context.market.set_halt(0, 1)
    room.quote(1010)
    assert room.number("scores") == scores + 1


def test_fences_bound_scores() -> None:
    """A fenced strategy is not scored: its model costs nothing."""
    room = Room()
    scores = room.number("scores")
    room.pipeline.fence("alpha", 0, 0, 0)
    assert room.quote(1010) == 0
    assert room.number("scores") == scores


def test_features_from_outside_have_an_age_limit() -> None:
    """Not ready before it came, ready for as long as it is fresh, not ready after; then asked again when it is new."""
    model = {"names": ("z_64s",), "external": ("ext.heat",)}
    room = Room(model=model)
    assert room.pipeline.external_names == ("ext.heat",)
    assert room.number("scores") == 0
    room.pipeline.external("ext.other", 0, 1.0, room.ts_ns, NANO)
    room.pipeline.external("ext.heat", 0, float("nan"), room.ts_ns, 10 * NANO)
    room.quote(1001)
    assert room.number("scores") == 0
    room.pipeline.external("ext.heat", -1, 0.25, room.ts_ns, 3 * NANO)
    for k in range(5):
        room.quote(1000 + k % 2)
    assert room.number("scores") == 3
    room.pipeline.external("ext.heat", 0, 0.5, room.ts_ns, 100 * NANO)
    assert room.quote(1015) == DECIDE
    decision = room.decide().decision
    assert decision is not None
    assert dict(decision.features)["ext.heat"] == 0.5


def test_costs_raise_the_hurdle() -> None:
    """Half a spread of 10 bp and a fee of 1 bp, twice, on top of the 2 bp."""
    room = Room(cost_multiple=1, fee_bp=1)
    room.quote(1000)
    assert room.number("hurdle_bp") == pytest.approx(2 * (10 + 1) + 2)
    assert room.quote(1010) == 0
    assert room.number("score") < -2


def test_long_only_never_goes_short() -> None:
    """A score for the other side closes, it does not turn."""
    room = Room(long_only=True)
    assert room.quote(1010) == 0
    for _ in range(3):
        room.quote(1001)
    assert room.quote(985) == DECIDE
    assert target(room.decide()) == 5000 * 100 // 985
    assert room.quote(1020) == DECIDE
    assert target(room.decide()) == 0


def test_a_position_is_held_for_its_time() -> None:
    """Whatever the score says meanwhile."""
    room = Room(hold_s=20)
    assert room.quote(1010) == DECIDE
    room.decide()
    for _ in range(19):
        assert room.quote(985) == 0
        assert room.quote(986, after_ns=0) == 0
    assert room.quote(985) == DECIDE


def test_a_position_without_a_score_is_left_when_stale() -> None:
    """By default it is held for ever; with a limit the first row after it asks for flat."""
    for limit, leaves in ((0, False), (30, True)):
        room = Room(stale_exit_s=limit)
        room.quote(1010)
        assert target(room.decide()) < 0
        room.pipeline.gap(0)
        codes = [room.quote(1010 + k % 2) for k in range(40)]
        assert codes.index(DECIDE) == 30 if leaves else not any(codes)
        if leaves:
            verdict = room.decide()
            assert target(verdict) == 0
            assert verdict.decision is not None
            assert verdict.decision.features == (("stale", 1.0),)
            assert room.quote(1011) == 0


def test_the_volatility_target_cuts_the_size() -> None:
    """Size times expected move over the horizon is bounded; a calm market leaves the limit as it is."""
    calm = Room(volatility_target_bp=100_000)
    calm.quote(1010)
    whole = -target(calm.decide())
    assert whole == 495
    room = Room(volatility_target_bp=20)
    room.quote(1010)
    size = -target(room.decide())
    expected_bp = room.number("volatility") * 30**0.5
    assert expected_bp > 20
    assert size == int(5000 * 100 / 1010 * 20 / expected_bp)


def test_a_score_that_is_no_number_is_an_error_of_the_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves every band, and the guard turns it into a verdict that disables the strategy."""
    room = Room()
    monkeypatch.setattr(room.pipeline, "_calls", (lambda: float("nan"),))
    assert room.quote(1000) == DECIDE
    assert "the model answers nan" in room.decide().error


def test_forget_and_adopt() -> None:
    """After a flatten it stands flat; after a cold start where its target stands, from that moment on."""
    room = Room()
    room.quote(1010)
    room.decide()
    assert room.number("side") == -1
    room.strategy.forget(0)
    assert (room.number("side"), room.number("asked")) == (0, 0)
    room.bench.fold(c.SetTarget(strategy="alpha", inst=0, qty_nanos=100 * SHARE))
    room.strategy.adopt()
    assert room.number("side") == 1
    assert room.number("since_ns") == room.bench.context.money.ts_ns


def test_hysteresis_table() -> None:
    """Enter beyond the hurdle, hold above the leave level, turn straight through."""
    cases = [(2.1, 0, 1), (2.0, 0, 0), (0.5, 1, 1), (0.4, 1, 0), (-2.1, 1, -1), (-0.5, -1, -1), (-0.4, -1, 0),
             (2.1, -1, 1)]  # fmt: skip
    for score, side, wanted in cases:
        assert wanted_side(score, side, 2.0, 0.5, -1) == wanted, (score, side)
    assert wanted_side(-3.0, 1, 2.0, 0.5, 0) == 0
    assert wanted_side(-3.0, 1, 5.0, -4.0, -1) == 1


def test_a_snapshot_continues_bit_for_bit() -> None:
    """State of one pipeline in another: what follows is the same; another layout is refused."""
    first, second = Room(), Room(warm=0)
    first.quote(1010)
    first.decide()
    second.pipeline.load(first.pipeline.dump())
    second.ts_ns = first.ts_ns
    for k in range(100):
        mid = 1000 + 7 * (k % 3)
        assert first.quote(mid) == second.quote(mid)
        assert first.decide() == second.decide()
    assert first.pipeline.dump() == second.pipeline.dump()
    with pytest.raises(Bug, match="another layout"):
        first.pipeline.load(b"\x90")
    with pytest.raises(Bug, match="another layout"):
        Room(model={"names": ("z_64s",), "external": ("ext.heat", "ext.cold")}, warm=0).pipeline.load(
            Room(model={"names": ("z_64s",), "external": ("ext.heat",)}, warm=0).pipeline.dump()
        )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": ""}, r"p: .*\$\.model"),
        ({"profile": "l2"}, r"p: .*l2.*\$\.profile"),
        ({"on": "tick"}, r"p: .*tick.*\$\.on"),
        ({"on": "bar"}, r"p\.on is 'bar'"),
        ({"profile": "bar", "on": "bar", "volatility_target_bp": 5}, r"p\.volatility_target_bp is 5"),
        ({"cadence_s": -1}, r"p: .*\$\.cadence_s"),
        ({"enter_bp": float("nan")}, r"p: .*\$\.enter_bp"),
        ({"leave_bp": 3}, r"p\.leave_bp is 3\S*: set it to at most 2"),
        ({"cost_multiple": 101}, r"p: .*\$\.cost_multiple"),
        ({"position_dollars": 0}, r"p: .*\$\.position_dollars"),
        ({"hold_s": 1e9}, r"p: .*\$\.hold_s"),
        ({"stale_exit_s": -2}, r"p: .*\$\.stale_exit_s"),
        ({"exit_bp": 3}, r"p: .*exit_bp.*signal takes model, profile"),
        ({"cadence_s": 0.0123456789123}, "more than nine decimals"),
    ],
)
def test_bad_parameters_name_field_and_remedy(fields: dict[str, Any], message: str) -> None:
    """One line that says what to change."""
    with pytest.raises(ConfigError, match=message):
        params_of(**fields)


def test_two_leaders_for_one_symbol_are_refused() -> None:
    """Feature state has one leader per instrument."""
    model = {"names": ("leader_ret_16s", "z_64s")}
    seats = [
        Seat(strategy=name, instruments=(0,), params=params_of(leader=leader), field=f"strategies.{name}.params")
        for name, leader in (("alpha", "AAA"), ("beta", "BBB"))
    ]
    models = {name: Given(**model, leader=leader) for name, leader in (("alpha", "AAA"), ("beta", "BBB"))}
    bench = Bench()
    state = bench.context.market.state
    slots = slots_of(seats, models, bench.context.instruments)
    with pytest.raises(ConfigError, match=r"strategies\.beta\.params\.leader: strategy alpha"):
        build_pipeline(slots, market=state, watch=np.zeros(2, np.int64), buffer=np.zeros(1, ROW), profile="tbt")


def test_a_strategy_without_its_model_is_a_bug() -> None:
    """The composition root must hand it in."""
    with pytest.raises(Bug, match="alpha needs its model"):
        slots_of([Seat(strategy="alpha", instruments=(0,), params=params_of(), field="p")], {}, ())


def test_in_profile_bar_whole_bars_are_scored() -> None:
    """Twenty minutes of five-second bars make the inputs ready; from then on each bar is a score, no quote is."""
    room = Room(model={"profile": "bar", "names": ("bollinger_position", "to_close")}, warm=0, profile="bar", on="bar")
    pipeline, ts_ns = room.pipeline, OPEN_NS
    for k in range(20 * 12 + 4):
        ts_ns += 5 * NANO
        px = (1000 + k % 9) * CENT
        room.ts_ns = ts_ns
        room.quote(1000 + k % 9, after_ns=0)
        pipeline.quote(0, ts_ns, ts_ns, 0, BAR, 0, px, px + CENT, px - CENT, px)
        pipeline.quote(0, ts_ns, ts_ns, 0, BAR_VOLUME, 0, px, 0, 100 * SHARE, 3)
    assert room.number("scores") == 4 + 1


def made_pipeline(**fields: Any) -> ScoredPipeline:
    """Both instruments of the synthetic rows, one slot, each warm from the first minute."""
    bench = Bench()
    params = params_of(**fields)
    seats = [Seat(strategy="alpha", instruments=(0, 1), params=params, field="p")]
    slots = slots_of(seats, {"alpha": Given(external=("ext.heat",))}, bench.context.instruments)
    made = build_pipeline(
        slots, market=new_market(2), watch=np.zeros(2, np.int64), buffer=np.zeros(1, ROW), profile="tbt"
    )
    assert isinstance(made, ScoredPipeline)
    for inst in range(2):
        made.session(inst, START_NS, START_NS + 10**15)
        made.fence("alpha", inst, START_NS, START_NS + 10**15)
    made.external("ext.heat", -1, -0.5, START_NS, 10**15)
    return made


def take_sides(pipeline: ScoredPipeline, code: int, seen: list[bytes]) -> None:
    """Answer as the strategy does, for whoever asked, and keep the inputs that it would note."""
    if code & DECIDE:
        seen.append(pipeline.values.tobytes())
        for row in pipeline.signals[:, 0]:
            if row["asked"]:
                row["asked"] = 0
                row["side"] = wanted_side(row["score"], row["side"], row["hurdle_bp"], row["leave_bp"], -1)
                row["since_ns"] = row["scored_ns"]


BETWEEN = (3_000, 6_001, 9_000, 9_500, 12_345, 15_000)


def come_between(pipeline: ScoredPipeline, row: int) -> None:
    """What the engine may do between two rows, each of which changes what is scored after it."""
    if row in (3_000, 12_345):
        pipeline.gap(row % 2)
    elif row == 6_001:
        pipeline.fence("alpha", 0, START_NS, START_NS + 10**15)
    elif row in (9_000, 9_500):
        until_ns = START_NS if row == 9_000 else START_NS + 10**15
        pipeline.fence("alpha", 1, START_NS, until_ns)
    elif row == 15_000:
        pipeline.external("ext.heat", -1, 0.5, START_NS, 10**15)


@pytest.mark.parametrize("count", [20_000])
def test_live_equals_batch_with_features_and_scores(count: int) -> None:
    """Same stops and the same bytes of market, features, signals and inputs, in every way a row can come in."""
    rows = synthetic_rows(count)
    live, batch, single, blocks = (made_pipeline() for _ in range(4))
    found: list[list[tuple[int, int]]] = [[], [], [], []]
    seen: list[list[bytes]] = [[], [], [], []]
    for number, row in enumerate(rows.tolist()):
        come_between(live, number)
        code = live.quote(0, *row)
        take_sides(live, code, seen[0])
        found[0] += [(number, code)] if code else []
    for number in range(count):
        come_between(single, number)
        code = single.step(rows[number : number + 1])
        take_sides(single, code, seen[1])
        found[1] += [(number, code)] if code else []
    for at, (pipeline, size) in enumerate(((batch, count), (blocks, 97)), start=2):
        edges = sorted({*range(0, count, size), *BETWEEN, count})
        for lo, hi in pairwise(edges):
            come_between(pipeline, lo)
            while lo < hi:
                lo = pipeline.run(rows, lo, hi, 1 << 62)
                take_sides(pipeline, pipeline.code, seen[at])
                found[at] += [(lo - 1, pipeline.code)] if pipeline.code else []
    assert found[0] == found[1] == found[2] == found[3]
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert len(found[0]) > 100
    for other in (batch, single, blocks):
        assert other.dump() == live.dump()
