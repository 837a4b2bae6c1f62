"""What only the ops process sees and raises: each alert once, its end once it is known, also over a restart of ops."""

from pathlib import Path

import msgspec
import pytest

from daemon.alerts.left import LEFT, take_left
from daemon.config import Config
from daemon.ops import raised
from daemon.ops.metrics.catalogue import MQTT_DENIALS, MQTT_REASONS
from daemon.ops.metrics.drift import SAMPLES_MIN, SPACING_NS
from daemon.ops.metrics.scores import FILE_NAME, Scores
from daemon.ops.mqtt.counters import DENIALS, REASONS, denial_of
from daemon.ops.mqtt.standing import STEADY_S, Standing
from daemon.ops.raised import DRIFT, MQTT_DENIED, MQTT_LOST, OwnAlerts
from daemon.ops.view import MqttPicture, View
from daemon.status.measures import ModelMeasure, encode_measures
from tests.fakes.metrics_view import a_config, a_view, full_measures, full_seen


def bridged(tmp_path: Path, lost_s: float = 60.0) -> Config:
    """A config with an MQTT broker and a model."""
    config = a_config(tmp_path)
    mqtt = msgspec.structs.replace(config.ops.mqtt, host="mqtt.example", lost_s=lost_s)
    return msgspec.structs.replace(config, ops=msgspec.structs.replace(config.ops, mqtt=mqtt))


def begun(config: Config) -> tuple[View, OwnAlerts]:
    """As after a start, when nothing is known yet."""
    view = a_view(config, full_seen(drifts={"signal": None}))
    view.mqtt = None
    return view, OwnAlerts(config, view)


def left(own: OwnAlerts, tmp_path: Path) -> list[tuple[str, bool]]:
    """(code, over) of what this look leaves."""
    own.look()
    return sorted((one.code, one.over) for one in take_left(tmp_path))


def test_nothing_ends_before_it_is_known_to_have_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process before may have raised it. Then its end is left once, and again after it was raised again."""
    monkeypatch.setattr(raised, "DRIFT_S", 0.0)
    view, own = begun(bridged(tmp_path))
    assert left(own, tmp_path) == []
    view.mqtt = MqttPicture()
    view._seen = full_seen(drifts={"signal": 0.1})
    assert left(own, tmp_path) == [(DRIFT, True), (MQTT_DENIED, True), (MQTT_LOST, True)]
    assert left(own, tmp_path) == []
    view._seen = full_seen(drifts={"signal": 0.3})
    assert left(own, tmp_path) == [(DRIFT, False)]
    assert left(own, tmp_path) == []
    view._seen = full_seen(drifts={"signal": 0.1})
    assert left(own, tmp_path) == [(DRIFT, True)]


def test_what_is_raised_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broker, since when, why; topics; model and number."""
    monkeypatch.setattr(raised, "DRIFT_S", 0.0)
    view, own = begun(bridged(tmp_path))
    view.mqtt = MqttPicture(away_since_s=1e-9, sessions=7, fault="[code:142]", denied=("q/d/fills (quota)",))
    view._seen = full_seen(drifts={"signal": 0.3})
    own.look()
    found = {one.code: one for one in take_left(tmp_path)}
    assert {one.severity for one in found.values()} == {"warning"}
    assert found[DRIFT].text == "signal: stability index 0.30, above 0.25"
    assert found[MQTT_LOST].text.startswith("mqtt.example:1883: none of 7 sessions lasted 5 s for ")
    assert found[MQTT_LOST].text.endswith(" s: [code:142]")
    assert found[MQTT_DENIED].text == "mqtt.example:1883 does not take q/d/fills (quota)"


def test_a_broker_that_may_be_away_is_no_alert(tmp_path: Path) -> None:
    """`lost_s = 0`; and where there is no bridge any more, what an earlier one raised ends."""
    view, own = begun(bridged(tmp_path, lost_s=0.0))
    view.mqtt = MqttPicture(away_since_s=1e-9)
    assert left(own, tmp_path) == []
    _, own = begun(a_config(tmp_path))
    assert left(own, tmp_path) == [(MQTT_DENIED, True), (MQTT_LOST, True)]


def test_what_cannot_be_left_is_left_later(tmp_path: Path) -> None:
    """The folder was full, or its disk."""
    view, own = begun(bridged(tmp_path))
    view.mqtt = MqttPicture(away_since_s=1e-9)
    (tmp_path / LEFT).write_text("in the way")
    own.look()
    (tmp_path / LEFT).unlink()
    assert left(own, tmp_path) == [(MQTT_LOST, False)]


# ---- how the bridge stands -----------------------------------------------------------------------------------------
def test_only_a_session_that_lasts_counts() -> None:
    """Two clients with one name throw each other off every second: that is no broker."""
    bridge = Standing(100.0)
    assert bridge.picture(101.0) == MqttPicture(away_since_s=100.0)
    bridge.connected(102.0)
    assert bridge.picture(102.0 + STEADY_S - 0.1).away_since_s == 100.0
    assert bridge.picture(102.0 + STEADY_S).away_since_s == 0.0
    bridge.lost(200.0, "taken over")
    for at in range(5):
        bridge.connected(201.0 + at)
        bridge.lost(201.5 + at, "taken over")
    assert bridge.picture(300.0) == MqttPicture(away_since_s=200.0, sessions=5, fault="taken over")
    bridge.lost(301.0)
    assert bridge.picture(302.0).fault == "taken over", "the end of the part is no new reason"


def test_a_topic_is_denied_until_it_is_taken() -> None:
    """News once; and what nothing waits for any more is not known."""
    bridge = Standing(0.0)
    assert bridge.denied("a", "not_authorized")
    assert not bridge.denied("a", "not_authorized")
    assert bridge.denied("a", "quota")
    bridge.denied("b", "quota")
    bridge.denied("c", "quota")
    bridge.taken("c")
    assert bridge.picture(1.0).denied == ("a (quota)", "b (quota)")
    bridge.keep_denied({"b"})
    assert bridge.picture(1.0).denied == ("b (quota)",)


def test_labels_are_those_that_the_bridge_counts() -> None:
    """Every answer of a broker has a word, also one that the standard does not know yet."""
    assert tuple(DENIALS.values()) == MQTT_DENIALS
    assert REASONS == MQTT_REASONS
    assert [denial_of(code) for code in (0, 0x10, 0x87, 0xFE)] == ["", "", "not_authorized", "unspecified"]


# ---- the scores of models ------------------------------------------------------------------------------------------
def looked(scores: Scores, count: int, *, from_ns: int) -> float | None:
    """The index after so many looks, each with a new score."""
    model = full_measures().models[0]
    for at in range(count):
        one: ModelMeasure = msgspec.structs.replace(model, scored_ns=from_ns + at * SPACING_NS)
        raw = msgspec.Raw(encode_measures(full_measures(models=(one,))))
        scores.look(raw, now_s=0.0)
        scores.look(raw, now_s=0.0)  # the same score again
    return scores.ratios["signal"]


def test_scores_are_sampled_at_each_look_and_outlive_a_restart(tmp_path: Path) -> None:
    """Of the same model; of another they say nothing. A market that is told again from before counts again."""
    config = a_config(tmp_path)
    scores = Scores(config)
    assert looked(scores, SAMPLES_MIN - 1, from_ns=10**18) is None
    scores.keep()
    again = Scores(config)
    ratio = looked(again, 1, from_ns=10**18 - SPACING_NS)
    assert ratio is not None
    again.keep()
    assert Scores(config).ratios == {"signal": ratio}
    kept = (tmp_path / FILE_NAME).read_text()
    (tmp_path / FILE_NAME).write_text(kept.replace('"onnx_digest":"', '"onnx_digest":"0'))
    assert Scores(config).ratios == {"signal": None}
    (tmp_path / FILE_NAME).write_text("{")
    assert Scores(config).ratios == {"signal": None}
