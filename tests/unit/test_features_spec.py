"""The catalogue, the spec and its hash, external features, and the state's own checks."""

from typing import Any

import msgspec
import numpy as np
import pytest

from core.errors import Bug, ConfigError
from core.market import new_market
from core.profiles import BAR, L1_250, PROFILE_NAMES, PROFILES, TBT
from core.units import NANO
from strategies.decay import exp_minus, keep_of, log_ratio
from strategies.features import spec as spec_module
from strategies.features.catalogue import CATALOGUE, COUNT, INDEX, NAMES, bits, defined_in
from strategies.features.kernels import external_emit, feature_emit
from strategies.features.spec import FeatureSpec
from strategies.features.state import new_external_state, new_feature_state, set_session

SPEC = FeatureSpec(profile="l1_250", names=("ret_1s", "leader_ret_16s"), leader="BAC", external=("ext.mood",))


def changed(**fields: Any) -> FeatureSpec:
    return msgspec.structs.replace(SPEC, **fields)


def test_profiles_have_fixed_numbers() -> None:
    """Journals and spec hashes carry them."""
    assert PROFILES == {"tbt": 1, "l1_250": 2, "bar": 3}
    assert PROFILE_NAMES == {TBT: "tbt", L1_250: "l1_250", BAR: "bar"}


def test_the_catalogue_keeps_its_order() -> None:
    """Places are bits and columns of models: this list is only ever appended to."""
    assert NAMES == (
        "ret_1s", "ret_4s", "ret_16s", "ret_64s", "ret_256s",
        "ema_gap_4s", "ema_gap_16s", "ema_gap_64s", "ema_gap_256s",
        "vol_64s", "vol_256s", "spread", "spread_ratio", "micro_gap",
        "queue_imbalance", "queue_imbalance_4s", "queue_imbalance_64s", "ofi_4s", "ofi_16s", "ofi_64s",
        "trade_imbalance_4s", "trade_imbalance_16s", "trade_imbalance_64s", "vwap_gap", "vwap_gap_256s",
        "trade_rate_16s", "quote_rate_16s", "volume_ratio", "z_64s", "z_256s", "leader_correlation", "leader_ret_16s",
        "day_fraction", "to_close",
        "rsi_14", "macd_histogram", "bollinger_position", "atr_14", "parkinson_20", "garman_klass_20",
    )  # fmt: skip
    assert len(INDEX) == COUNT
    assert defined_in(BAR) == bits(*NAMES[32:])
    assert defined_in(TBT) == defined_in(L1_250) == (1 << COUNT) - 1
    assert all(feature.formula and feature.source for feature in CATALOGUE)


def test_a_good_spec_says_what_kernels_need() -> None:
    """Inputs in order, columns, mask."""
    SPEC.validate("models.x.spec")
    assert SPEC.inputs == ("ret_1s", "leader_ret_16s", "ext.mood")
    assert SPEC.columns == (0, 31)
    assert SPEC.ready_mask == 1 | 1 << 31


@pytest.mark.parametrize(
    "other",
    [
        {"profile": "tbt"},
        {"names": ("leader_ret_16s", "ret_1s")},
        {"names": ("ret_4s", "leader_ret_16s")},
        {"leader": "IBM"},
        {"external": ()},
        {"external": ("ext.moods",)},
    ],
)
def test_the_hash_covers_everything(other: dict[str, Any]) -> None:
    """Profile, names and their order, leader and external names each change it."""
    assert changed(**other).digest != SPEC.digest
    assert changed().digest == SPEC.digest


def test_the_hash_covers_the_version_and_the_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A raised version or another formula refuses old models; a comment on the source does not."""
    before = SPEC.digest
    rows = list(CATALOGUE)
    rows[0] = msgspec.structs.replace(rows[0], source="elsewhere")
    monkeypatch.setattr(spec_module, "CATALOGUE", tuple(rows))
    assert SPEC.digest == before
    rows[0] = msgspec.structs.replace(rows[0], formula="another")
    monkeypatch.setattr(spec_module, "CATALOGUE", tuple(rows))
    assert SPEC.digest != before
    monkeypatch.setattr(spec_module, "CATALOGUE", CATALOGUE)
    monkeypatch.setattr(spec_module, "SPEC_VERSION", 999)
    assert SPEC.digest != before


def test_the_hash_is_pinned() -> None:
    """Models on disk carry it: an accident here would refuse all of them."""
    assert SPEC.digest == "0e251f89546d414749d76e218caa603d"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"profile": "l2"}, r"m.profile: 'l2' is unknown; use one of tbt, l1_250, bar"),
        ({"names": (), "leader": "", "external": ()}, r"m.names: no feature"),
        ({"names": ("ret_2s",), "leader": ""}, r"m.names\[0\]: 'ret_2s' is unknown; use one of ret_1s"),
        (
            {"names": ("rsi_14", "spread"), "leader": "", "profile": "bar"},
            r"m.names\[1\]: spread is not defined",
        ),
        ({"leader": ""}, r"m.leader: leader_ret_16s needs one"),
        ({"names": ("ret_1s",)}, r"m.leader: no feature looks at BAC"),
        ({"external": ("mood",)}, r"m.external\[0\]: 'mood'; use ext.<name>"),
        ({"external": ("ext.Mood",)}, r"m.external\[0\]"),
        ({"external": ("ext.a", "ext.a")}, r"m: ext.a stands twice"),
        ({"names": ("ret_1s", "ret_1s"), "leader": ""}, r"m: ret_1s stands twice"),
        ({"external": tuple(f"ext.a{at}" for at in range(64))}, r"m.external: 64 features; at most 63"),
    ],
)
def test_what_cannot_be_computed_is_refused(fields: dict[str, Any], text: str) -> None:
    """One line that names the field and the remedy."""
    with pytest.raises(ConfigError, match=text):
        changed(**fields).validate("m")


def test_external_features_have_an_age_limit() -> None:
    """Not ready before the first value, ready up to and with the limit, never when it is no finite number."""
    E = new_external_state(2, 3, (10 * NANO, NANO, NANO))
    out = np.full(5, 7.0, np.float32)
    assert external_emit(E, 1, 10**18, out, 1) == 0
    assert out.tolist() == [7.0, 0.0, 0.0, 0.0, 7.0]
    E[1]["value"] = (0.25, -3.0, np.nan)
    E[1]["as_of_ns"] = 10**18
    assert external_emit(E, 1, 10**18 + NANO, out, 1) == 0b011
    assert out.tolist() == [7.0, 0.25, -3.0, 0.0, 7.0]
    assert external_emit(E, 1, 10**18 + NANO + 1, out, 1) == 0b001
    assert external_emit(E, 1, 10**18 + 10 * NANO + 1, out, 1) == 0
    E[1]["value"][0] = 1e300  # beyond float32
    assert external_emit(E, 1, 10**18, out, 1) == 0b010
    assert external_emit(E, 0, 10**18, out, 1) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: new_feature_state(2, 9, (-1, -1)),
        lambda: new_feature_state(2, TBT, (-1,)),
        lambda: new_feature_state(2, TBT, (-1, 2)),
        lambda: new_feature_state(2, TBT, (-2, 0)),
        lambda: set_session(new_feature_state(1, TBT, (-1,)), 0, 5, 5),
        lambda: new_external_state(1, 2, (1,)),
        lambda: new_external_state(1, 1, (0,)),
    ],
)
def test_state_that_a_kernel_would_follow_into_foreign_memory_is_refused(make: Any) -> None:
    """Leaders, profiles, sessions and limits are checked where they are written."""
    with pytest.raises(Bug):
        make()


def test_without_a_session_nothing_is_ready() -> None:
    """A fresh state and a fresh market."""
    out = np.full(COUNT, 7.0, np.float32)
    assert feature_emit(new_feature_state(1, TBT, (-1,)), new_market(1), 0, 10**18, out) == 0
    assert not out.any()


def test_short_decay_and_logarithm_match_the_library() -> None:
    """Within their documented errors, and exact where nothing moves."""
    xs = np.concatenate([np.linspace(0, 1 / 32, 2001), np.linspace(1 / 32, 3, 501)])
    assert max(abs(keep_of(x) / np.exp(-x) - 1) for x in xs) <= 2e-15
    assert keep_of(0.0) == 1.0
    assert keep_of(5.0) == exp_minus(5.0)
    for over, allowed in (*((at, 1e-15) for at in np.linspace(25.0, 100.0, 1001)), (0.5, 5e-15), (5000.0, 5e-15)):
        assert log_ratio(over, 50.0) == pytest.approx(np.log1p((over - 50.0) / 50.0), rel=allowed, abs=1e-16)
    assert log_ratio(50.0, 50.0) == 0.0
