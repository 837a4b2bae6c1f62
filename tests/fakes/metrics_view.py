"""A view of ops in which everything is there that can be: every metric of the catalogue has a value."""

import time
from pathlib import Path
from typing import Any

import msgspec

from daemon.config import Config, load_config
from daemon.config.schema import StrategySettings
from daemon.lease import Lease, boot_id, boottime_ns
from daemon.ops.http.counts import Counts
from daemon.ops.metrics import catalogue as c
from daemon.ops.metrics.folder import Folder
from daemon.ops.view import ANSWERS, LeasePicture, MqttPicture, Seen, View
from daemon.status import measures as m
from daemon.status.alerts import DeliveryPicture, TargetPicture
from daemon.status.follower import DatabasePicture, FollowerPicture, Part
from daemon.status.footprint import Footprint
from daemon.status.guard import GuardPicture
from daemon.status.processes import RUNNING, ProcessPicture, UpPicture
from daemon.status.ship import ShipPicture
from tests.fakes.operations import a_status

ROOT = Path(__file__).parents[2]
TIMES = ("receive", "decide", "gate", "journal", "hold", "dispatch", "wire", "market", "other", "read", "sync", "lag")


def a_config(state_dir: Path) -> Config:
    """A broker, its restart windows, and a strategy with the shipped model."""
    config = load_config(ROOT / "examples" / "ib_paper.toml", state_dir=state_dir)
    model = str(ROOT / "examples" / "models" / "demo.onnx")
    strategy = StrategySettings(kind="signal", symbols=config.symbols[:1], params={"model": model})
    return msgspec.structs.replace(config, strategies={"signal": strategy})


def full_measures(**changes: Any) -> m.Measures:
    """One value for everything."""
    fields: dict[str, Any] = {
        "ts_ns": 10**18, "times": {name: m.Times(sum_ns=3_000, counts=(1, 2, 0, 4)) for name in TIMES},
        "queues": {"cancels": 3}, "unsent_bytes": 17, "requests": {"place": 5}, "answers": {"acknowledged": 4},
        "refusals": {"16 PRICE_BAND": 2}, "raised": {"warning": 6}, "alerts_open": {"critical": 1}, "not_sent": 1,
        "orders": {"WORKING": 2, "UNKNOWN": 1}, "schedules": 1, "unanswered_ms": 1_500, "control_requests": 9,
        "equity_cents": 99_000_00, "cash_cents": 50_000_00, "day_profit_cents": -1_000_00, "peak_cents": 110_000_00,
        "gross_cents": 40_000_00, "net_cents": -2_000_50, "funds": m.Funds(available_cents=1, excess_cents=2, age_ms=3),
        "latches": (m.LatchMeasure(level="symbol", state="HALTED", count=2),), "kills": 1, "kill_age_ms": 2_000,
        "reconcile_age_ms": 12_000, "differences": 0, "risk_age_ms": 700, "approvals": 1,
        "clock_offset_ns": -40_000_000, "clock_age_ms": 5_000, "journal_seq": 1_234, "written_bytes": 5_000,
        "synced_bytes": 4_000,
        "process": m.Process(started_s=1e9, cpu_s=2.5, resident_bytes=1 << 27, fds=40, threads=7, tasks=5,
                             collections=(9, 3, 1)),
        "symbols": (
            m.SymbolMeasure(symbol="BAC", age_ms=250, state=m.USABLE, session=True, value_cents=-2_000_50),
            m.SymbolMeasure(symbol="IBM", age_ms=-1, state=m.UNUSABLE, session=True, value_cents=0),
        ),
        "strategies": (
            m.StrategyMeasure(name="signal", enabled=True, exposure_cents=1, unrealised_cents=2, realised_cents=3,
                              fees_cents=4),
            m.StrategyMeasure(name="", enabled=True, exposure_cents=0, unrealised_cents=0, realised_cents=0,
                              fees_cents=0),
        ),
        "models": (
            m.ModelMeasure(strategy="signal", symbol="BAC", score_bp=1.25, age_ms=90, scored_ns=10**18, scores=77),
        ),
    }  # fmt: skip
    return m.Measures(**(fields | changes))


def full_seen(**changes: Any) -> Seen:
    """A look that found everything well."""
    now_s, wall_ns = time.monotonic(), time.time_ns()
    taken = Footprint(resident_bytes=1 << 26, fds=20, threads=3, cpu_s=1.5)
    part = Part(seq=1_200, lag_records=34, lag_s=0.5)
    lease = Lease(
        sequence=1, epoch=1, pid=1, boot_id=boot_id(), written_ns=boottime_ns(), until_ns=boottime_ns() + 9 * 10**9,
        ladder=0, open_orders=0, announced=False,
    )  # fmt: skip
    desk = TargetPicture(name="desk", delivered=4, undelivered=1, failing_s=6.0)
    fields: dict[str, Any] = {
        "at_s": now_s, "trader": ANSWERS, "answered_s": now_s,
        "status": a_status(mode="paper", currency="USD", running={"version": "1"}),
        "measures": msgspec.Raw(m.encode_measures(full_measures())), "drifts": {"signal": 0.1},
        "follower_runs": True, "guard_runs": True,
        "follower": FollowerPicture(pid=2, wall_ns=wall_ns, head_seq=1_234, state="following", restep=part,
                                    snapshot_seq=1_000, database=DatabasePicture(part=part), footprint=taken),
        "guard": GuardPicture(pid=3, wall_ns=wall_ns, state="watching", footprint=taken),
        "folder": Folder(segments=2, size_bytes=1 << 20, free_bytes=1 << 33, lease=lease, ships=True,
                         ship=ShipPicture(pid=4, wall_ns=wall_ns, to="copy", part=part, behind_bytes=9,
                                          footprint=taken),
                         up=UpPicture(pid=5, processes=(ProcessPicture(name="trader", state=RUNNING),))),
        "delivery": DeliveryPicture(pid=3, by="guard", wall_ns=wall_ns, targets=(desk,)),
    }  # fmt: skip
    return Seen(**(fields | changes))


def a_view(config: Config, seen: Seen) -> View:
    """Without its threads: the look is the test's."""
    view = View(config)
    view.parts = ("http",)
    view.lease = LeasePicture(holder="pod-0", held=True, left_s=12.0)
    view.served = Counts()
    view.served.know(["/metrics"])
    view.served.answered("/metrics", 200, 3_000)
    view.mqtt = MqttPicture(denied=("quantd/du1/fills (not_authorized)",))
    view.counted["mqtt"] = {"connected": 1, "dropped_fill": 2, "refused_forged": 3}
    view._seen = seen
    return view


def catalogued(group: tuple[c.Metric, ...]) -> set[str]:
    """Names of a group."""
    return {metric.name for metric in group}
