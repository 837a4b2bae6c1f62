"""`/metrics`: what ops knows, in the words of the catalogue. Made when it is asked for, from the last look of the view;
reads no file and asks nobody, so that a scrape costs the trader nothing.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from broker.ib.windows import Windows
from core.units import NANO
from daemon.config import Config
from daemon.lease import boot_id, boottime_ns
from daemon.ops.metrics import catalogue as c
from daemon.ops.metrics.samples import Samples
from daemon.ops.metrics.scores import cards_of
from daemon.ops.metrics.trader import put_measures, put_status
from daemon.ops.view import View
from daemon.status.follower import SILENT_SECONDS_MAX as FOLLOWER_SILENT_S
from daemon.status.footprint import Footprint, footprint
from daemon.status.guard import SILENT_SECONDS_MAX as GUARD_SILENT_S
from daemon.status.measures import Measures, decode_measures
from daemon.status.processes import RUNNING
from daemon.status.ship import SILENT_SECONDS_MAX as SHIP_SILENT_S

STALE_S: Final = 5.0  # an older answer of the trader is no answer
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"  # what every Prometheus reads
DELIVERY_SILENT_S: Final = 5.0  # who delivers says so once a second
_MQTT: Final = {
    "mqtt_connected": "connected", "mqtt_connects_total": "connects", "mqtt_failures_total": "failures",
    "mqtt_published_total": "published", "mqtt_waiting": "waiting", "mqtt_received_total": "received",
    "mqtt_commands_total": "relayed",
    "mqtt_commands_refused_total": "relayed_refused", "mqtt_commands_unanswered_total": "unanswered",
    "mqtt_features_total": "features",
}  # fmt: skip


class MetricsPage:
    """One registry over one view. `render` is what a scrape gets."""

    def __init__(self, view: View) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(ViewCollector(view))

    def render(self) -> bytes:
        """The exposition of this moment."""
        return generate_latest(self._registry)


class ViewCollector(Collector):
    """Implements prometheus_client's collector."""

    def __init__(self, view: View) -> None:
        config = view.config
        self._view = view
        self._boot = boot_id()
        cards = cards_of(config)
        self._trained = {name: card.data.until_ns for name, card in cards.items()}
        self._windows = windows_of(config)

    def collect(self) -> Iterator[Metric]:
        """Every metric that has a value now."""
        samples = Samples()
        measures = self._trader(samples)
        self._restarts(samples)
        self._folder(samples)
        self._follower(samples)
        self._guard(samples)
        self._delivery(samples)
        self._beside(samples)
        self._mqtt(samples)
        self._ops(samples)
        if measures is not None:
            self._models(samples, measures)
        return samples.families()

    def _trader(self, samples: Samples) -> Measures | None:
        view, status = self._view, self._view.status
        age_s = view.status_age_s
        up = status is not None and age_s <= STALE_S and view.age_s <= STALE_S
        samples.put("up", up)
        if age_s < float("inf"):
            samples.put("status_age_seconds", age_s)
        if status is None or not up:
            return None
        put_status(samples, status)
        raw, measures = view.measures, None
        with contextlib.suppress(msgspec.DecodeError):  # of a trader of another release
            measures = None if raw is None else decode_measures(raw)
        samples.put("measures_up", measures is not None)
        if measures is not None:
            put_measures(samples, measures, broker=view.config.broker_feed)
        return measures

    def _restarts(self, samples: Samples) -> None:
        """When orders stop for a restart that is known in advance; by the trader's clock."""
        view = self._view
        if not self._windows:
            return
        if view.config.ib.clock == "wall":
            now_ns = time.time_ns()
        elif view.status is not None:
            now_ns = view.status.ts_ns
        else:
            return
        for name, login, windows in self._windows:
            start_ns, _ = windows.next(now_ns)
            samples.put("restart_window_active", bool(windows.now(now_ns)), name, login)
            samples.put("restart_window_start_seconds", max(0, start_ns - now_ns) / NANO, name, login)

    def _folder(self, samples: Samples) -> None:
        folder, config = self._view.seen.folder, self._view.config
        samples.put("disk_reserve_bytes", config.journal.reserve_mib << 20)
        if folder is None:
            return
        if folder.segments:
            samples.put("journal_segments", folder.segments)
            samples.put("journal_size_bytes", folder.size_bytes)
            samples.put("disk_free_bytes", folder.free_bytes)
        if folder.lease is not None:
            samples.put("lease_remaining_seconds", -folder.lease.over_ns(boottime_ns(), self._boot) / NANO)
            samples.put("lease_announced", folder.lease.announced)

    def _follower(self, samples: Samples) -> None:
        view = self._view
        picture, put = view.follower, samples.put
        silent_s = float("inf") if picture is None else (time.time_ns() - picture.wall_ns) / NANO
        runs = view.seen.follower_runs and silent_s <= FOLLOWER_SILENT_S
        put("follower_up", runs)
        if picture is None:
            return
        put("follower_differences_total", picture.differences)
        if not runs:
            return
        put_footprint(samples, "follower", picture.footprint)
        samples.one_of("follower_state", picture.state, c.FOLLOWER_STATES)
        for part, distance in (("compare", picture.restep), ("record", picture.database.part)):
            put("follower_lag_seconds", distance.lag_s, part)
            put("follower_lag_records", distance.lag_records, part)
        put("follower_database_up", not picture.database.fault)
        put("follower_database_retries", picture.database.retries)
        put("follower_snapshot_records", max(0, picture.head_seq - picture.snapshot_seq))
        put("follower_snapshot_fault", bool(picture.snapshot_fault))

    def _guard(self, samples: Samples) -> None:
        view = self._view
        picture, put = view.guard, samples.put
        silent_s = float("inf") if picture is None else (time.time_ns() - picture.wall_ns) / NANO + picture.silent_s
        runs = view.seen.guard_runs and silent_s <= GUARD_SILENT_S
        put("guard_up", runs)
        if picture is None or not runs:
            return
        put_footprint(samples, "guard", picture.footprint)
        samples.one_of("guard_state", picture.state, c.GUARD_STATES)

    def _delivery(self, samples: Samples) -> None:
        """Of whoever delivers alerts, which may be ops itself."""
        picture, put = self._view.seen.delivery, samples.put
        runs = picture is not None and (time.time_ns() - picture.wall_ns) / NANO <= DELIVERY_SILENT_S
        put("alert_delivery_up", runs)
        if picture is None or not runs:
            return
        put("alert_delivery_fault", bool(picture.fault))
        severities = [one.severity for one in picture.open]
        for severity in c.SEVERITIES:
            put("alert_delivery_open", severities.count(severity), severity)
        for target in picture.targets:
            put("alert_target_undelivered", target.undelivered, target.name)
            put("alert_target_failing_seconds", target.failing_s, target.name)
            put("alert_target_delivered_total", target.delivered, target.name)

    def _beside(self, samples: Samples) -> None:
        """Shipping, the cluster's lease, and the processes that `quantd up` keeps up."""
        folder, lease, put = self._view.seen.folder, self._view.lease, samples.put
        if lease is not None:
            put("cluster_lease_held", lease.held)
            put("cluster_lease_fault", bool(lease.fault))
            put("cluster_lease_untold", bool(lease.told))
            put("cluster_lease_remaining_seconds", lease.left_s)
        for one in () if folder is None or folder.up is None else folder.up.processes:
            put("process_up", one.state == RUNNING, one.name)
            put("process_restarts_total", one.restarts, one.name)
        if folder is None or folder.ship is None:
            return
        picture = folder.ship
        runs = folder.ships and (time.time_ns() - picture.wall_ns) / NANO <= SHIP_SILENT_S
        put("ship_up", runs)
        if runs:
            put_footprint(samples, "ship", picture.footprint)
            put("ship_lag_seconds", picture.part.lag_s)
            put("ship_lag_records", picture.part.lag_records)
            put("ship_lag_bytes", picture.behind_bytes)
            put("ship_fault", bool(picture.fault))
            put("ship_bytes_total", picture.shipped_bytes)

    def _mqtt(self, samples: Samples) -> None:
        counted, put = self._view.counted.get("mqtt"), samples.put
        if counted is None:
            return
        for name, key in _MQTT.items():
            put(name, counted.get(key, 0))
        for kind in c.MQTT_KINDS:
            put("mqtt_dropped_total", counted.get(f"dropped_{kind}", 0), kind)
        for reason in c.MQTT_REASONS:
            put("mqtt_refused_total", counted.get(f"refused_{reason}", 0), reason)
        for reason in c.MQTT_DENIALS:
            put("mqtt_denied_total", counted.get(f"denied_{reason}", 0), reason)
        picture = self._view.mqtt
        if picture is not None:
            put("mqtt_topics_denied", len(picture.denied))
            put("mqtt_away_seconds", time.monotonic() - picture.away_since_s if picture.away_since_s else 0.0)

    def _ops(self, samples: Samples) -> None:
        view, served = self._view, self._view.served
        put_footprint(samples, "ops", footprint())
        if served is not None:
            for (route, status), count in served.answers.items():
                samples.put("http_requests_total", count, route, status)
            for route, times in served.times.items():
                samples.times("http_request_seconds", times.counts, times.sum_ns, route)
            samples.put("http_wrong_tokens_total", served.wrong_tokens)
            samples.put("http_malformed_total", served.malformed)
        for part in view.parts:
            samples.put("ops_part_up", part not in view.faults, part)
            samples.put("ops_part_restarts_total", view.restarts.get(part, 0), part)

    def _models(self, samples: Samples, measures: Measures) -> None:
        for strategy, until_ns in self._trained.items():
            samples.put("model_trained_age_seconds", max(0, measures.ts_ns - until_ns) / NANO, strategy)
        for strategy, ratio in self._view.seen.drifts.items():
            if ratio is not None:
                samples.put("model_drift_ratio", ratio, strategy)


def put_footprint(samples: Samples, process: str, taken: Footprint | None) -> None:
    """What a process beside the trader says it takes; one of an earlier release says nothing."""
    if taken is not None:
        samples.put("beside_resident_memory_bytes", taken.resident_bytes, process)
        samples.put("beside_open_fds", taken.fds, process)
        samples.put("beside_threads", taken.threads, process)
        samples.put("beside_cpu_seconds_total", taken.cpu_s, process)


def windows_of(config: Config) -> list[tuple[str, str, Windows]]:
    """Each restart window by itself: its name, whether somebody must log in after it, and its calendar."""
    if not config.broker_feed:
        return []
    found = []
    for window in config.ib.windows:
        alone = msgspec.structs.replace(config.ib, windows=(window,))
        found.append((window.name, "yes" if window.login else "no", Windows(alone)))
    return found
