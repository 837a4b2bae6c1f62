"""The broker's own algorithms: what a config may say, and the one child order they become."""

from typing import Any

import pytest

from core.errors import ConfigError
from core.units import NANO
from execution.algos import find_algo, read_params
from tests.fakes.trading_context import OPEN_NS, SHARE
from tests.unit.test_algos import act, bench_of


@pytest.mark.parametrize(
    ("algo", "tags", "message"),
    [
        ("ib_vwap", {"maxPctVol": 0.6}, r"p\.tags\.maxPctVol is '0.6': set it to between 0.1 and 0.5"),
        ("ib_vwap", {"maxPctVol": "nan"}, r"between 0.1 and 0.5"),
        ("ib_vwap", {"pctVol": 0.1}, r"pctVol is no tag of Vwap: use maxPctVol"),
        ("ib_twap", {"startTime": "09:30:00"}, r"p\.tags\.startTime is the schedule's"),
        ("ib_adaptive", {"adaptivePriority": "urgent"}, r"one of Urgent, Normal, Patient"),
        ("ib_darkice", {"displaySize": 0}, r"displaySize is '0': set it to a whole number"),
    ],
)
def test_bad_tags_name_field_and_remedy(algo: str, tags: dict[str, Any], message: str) -> None:
    """Before anything is sent, by the broker's own table."""
    with pytest.raises(ConfigError, match=message):
        read_params(find_algo(algo), {"limit_bp": 50, "tags": tags}, field="p")


def test_a_limit_is_required() -> None:
    """The broker works the child alone for its whole time."""
    with pytest.raises(ConfigError, match="limit_bp is 0"):
        read_params(find_algo("ib_twap"), {}, field="p")


def test_one_parent_is_one_child_that_is_never_replaced() -> None:
    """All of it at once, at the limit, with tags and times."""
    params = {"duration_s": 600, "limit_bp": 100, "tags": {"maxPctVol": 0.1, "noTakeLiq": True}}
    bench, settings = bench_of(algo="ib_vwap", params=params, child_lots_max=3)
    parent = bench.money.parents[bench.plan(7, settings)]
    action = act(bench, parent)
    assert action is not None
    assert action.place is not None
    intent = action.place
    assert (intent.qty_nanos, intent.broker_algo) == (7 * SHARE, "Vwap")
    assert dict(intent.broker_params)["noTakeLiq"] == "1"
    assert dict(intent.broker_params)["endTime"] == "20231114-22:23:20"
    bench.place(intent)
    for seconds in (1, 300, 599, 601):
        bench.ts_ns = OPEN_NS + seconds * NANO
        later = act(bench, parent)
        assert later is None or later.replace is None
