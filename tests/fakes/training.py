"""Training jobs on small made-up markets."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from broker.feeds.columns import Rows
from broker.feeds.merge import ControlFact
from broker.feeds.process import open_feed
from broker.feeds.spec import SyntheticInstrument, SyntheticSpec
from core.units import NANO
from research.job import TrainJob, TrainSettings

DAY_NS = 86_400 * NANO
OPEN_NS = 1_767_623_400 * NANO  # 2026-01-05 09:30 New York
CENT = NANO // 100
FEATURES = ("ret_4s", "ret_16s", "ema_gap_16s", "queue_imbalance", "queue_imbalance_4s", "ofi_4s", "z_64s")


def market(*, hours: float = 2.0, days: int = 2, seed: int = 1, **fields: Any) -> SyntheticSpec:
    """Two made-up shares, some hours a day; `fields` are of each instrument."""
    given: dict[str, Any] = {"events_per_second": 8.0, "reversion_ticks": 4.0, "reversion_seconds": 30.0} | fields
    return SyntheticSpec(
        seed=seed,
        instruments=tuple(
            SyntheticInstrument(
                symbol=symbol, inst=inst, px_nanos=px * NANO, tick_nanos=CENT, lot_nanos=100 * NANO, **given
            )
            for inst, (symbol, px) in enumerate((("AAA", 40), ("BBB", 90)))
        ),
        sessions=tuple(
            (OPEN_NS + day * DAY_NS, OPEN_NS + day * DAY_NS + int(hours * 3600 * NANO)) for day in range(days)
        ),
        profile="l1_250",
    )


def job(output: Path, feed: SyntheticSpec, **settings: Any) -> TrainJob:
    """A job that takes seconds."""
    given: dict[str, Any] = {
        "features": FEATURES, "horizon_s": 20.0, "sample_s": 1.0, "folds": 3, "trees_max": 30, "leaves": 7,
        "leaf_rows_min": 100, "embargo_s": 60.0,
    }  # fmt: skip
    return TrainJob(
        train=TrainSettings(output=str(output), **(given | settings)),
        feed=feed,
        symbols=tuple(instrument.symbol for instrument in feed.instruments),
        sessions=(feed.sessions,) * len(feed.instruments),
        code_revision="0" * 32,
    )


def signal_market(*, drift_bp: float, days: int) -> SyntheticSpec:
    """Restless shares of small spread whose displayed sizes lean to where a hidden signal drifts them; 0 = chance."""
    feed = market(
        hours=6.4, days=days, seed=5, reversion_ticks=0.0, signal_seconds=60.0, signal_bp_per_hour=drift_bp,
        signal_lean=0.6, volatility_bp_per_hour=240.0, events_per_second=4.0,
    )  # fmt: skip
    dear = tuple(msgspec.structs.replace(one, px_nanos=400 * NANO) for one in feed.instruments)
    return msgspec.structs.replace(feed, instruments=dear)


SIGNAL_SETTINGS: dict[str, Any] = {
    "features": ("queue_imbalance", "queue_imbalance_4s", "queue_imbalance_64s"), "horizon_s": 60.0, "sample_s": 5.0,
    "fee_bp": 0.1, "leaves": 4, "leaf_rows_min": 500, "trees_max": 60, "embargo_s": 300.0,
}  # fmt: skip


@lru_cache
def rows_of(feed: SyntheticSpec) -> Rows:
    """All market rows of a feed."""
    return np.concatenate([item for item in open_feed(feed).items() if not isinstance(item, ControlFact)])
