"""Collects values under the names of the catalogue, and makes of them what prometheus_client writes. A name or a label
that the catalogue lacks is a bug here, so that nothing unbounded gets out.
"""

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from daemon.instruments import BOUNDS_NS
from daemon.ops.metrics.catalogue import METRICS

_BOUNDS = tuple(f"{bound / 1e9:.9g}" for bound in BOUNDS_NS)


class Samples:
    """Of one exposition."""

    def __init__(self) -> None:
        self._values: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        self._times: dict[str, list[tuple[tuple[str, ...], Sequence[int], int]]] = {}

    def put(self, name: str, value: float, *labels: str) -> None:
        """One value; `name` without `quantd_`."""
        self._values.setdefault(self._known(name, labels), []).append((labels, value))

    def one_of(self, name: str, value: str, values: Sequence[str]) -> None:
        """A state: 1 for the present one, 0 for the others."""
        for each in values:
            self.put(name, float(each == value), each)

    def times(self, name: str, counts: Sequence[int], sum_ns: int, *labels: str) -> None:
        """A histogram of daemon.instruments; zeros at the end may be missing."""
        self._times.setdefault(self._known(name, labels), []).append((labels, counts, sum_ns))

    @staticmethod
    def _known(name: str, labels: tuple[str, ...]) -> str:
        full = f"quantd_{name}"
        for label, value in zip(METRICS[full].labels, labels, strict=True):
            assert not label.values or value in label.values, f"{full}: {label.name} is never {value!r}"
        return full

    def families(self) -> Iterator[Metric]:
        """In the order of the catalogue; what has no value is left out."""
        for name, metric in METRICS.items():
            names = [label.name for label in metric.labels]
            if name in self._times:
                family = HistogramMetricFamily(name, metric.help, labels=names)
                for labels, counts, sum_ns in self._times[name]:
                    family.add_metric(labels, _buckets(counts), sum_ns / 1e9)
                yield family
            elif name in self._values:
                kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                plain: CounterMetricFamily | GaugeMetricFamily = kind(name, metric.help, labels=names)
                for labels, value in self._values[name]:
                    plain.add_metric(labels, value)
                yield plain


def _buckets(counts: Sequence[int]) -> list[tuple[str, float]]:
    """Cumulated, as Prometheus wants them."""
    found: list[tuple[str, float]] = []
    total = 0
    for at, bound in enumerate((*_BOUNDS, "+Inf")):
        total += counts[at] if at < len(counts) else 0
        found.append((bound, float(total)))
    return found
