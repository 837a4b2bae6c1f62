"""Writes docs/metrics.md from the catalogue: `python -m daemon.ops.metrics.page > docs/metrics.md`."""

from typing import Final

from daemon.instruments import BOUNDS_NS
from daemon.ops.metrics.catalogue import ABSENT, GROUPS, Metric
from daemon.ops.metrics.collect import STALE_S
from daemon.status.measures import MODELS_MAX, STRATEGIES_MAX, SYMBOLS_MAX

HEAD: Final = f"""# Metrics

`quantd ops` answers `GET /metrics` for Prometheus ([its configuration](../deploy/prometheus/prometheus.yml)); with
`ops.metrics_token_file` it wants that token as a bearer. Written by `python -m daemon.ops.metrics.page`.

- **Never a frozen number.** The trader is asked twice a second. When its last answer is older than {STALE_S:g} s,
  `quantd_up` is 0 and everything that comes from it is absent, not old; so it is with a follower or guard that does not
  run. A rule over an absent metric does not fire: the rules on `quantd_up`, `quantd_follower_up`, `quantd_guard_up` do.
- **Amounts** are in the account's currency, which `quantd_trader_info` names, to the hundredth: the journal is exact.
- **Ages** are by the trader's clock: of a paper gateway that runs a market at 50x they pass 50 times as fast.
- **Counters** begin at 0 with the process, or with the journal; use `rate` and `increase`, which know that.
- **Histograms** have {len(BOUNDS_NS)} buckets that double, {BOUNDS_NS[0] / 1e3:g} µs to {BOUNDS_NS[-1] / 1e9:.1f} s: a
  quantile is within a factor of two.
- **Labels** are bounded: no order, no price, no text. Symbols beyond {SYMBOLS_MAX}, strategies
  beyond {STRATEGIES_MAX} and pairs of model and symbol beyond {MODELS_MAX} are left out.

| where it comes from | when it is absent |
|---|---|
"""


def page() -> str:
    """The whole page."""
    sources = "".join(f"| {source} | {text} |\n" for source, text in ABSENT.items())
    groups = "".join(_group(title, metrics) for title, metrics in GROUPS)
    return HEAD + sources + groups


def _group(title: str, metrics: tuple[Metric, ...]) -> str:
    rows = "".join(_row(metric) for metric in metrics)
    return f"\n## {title}\n\n| metric | kind | from | labels | meaning |\n|---|---|---|---|---|\n{rows}"


def _row(metric: Metric) -> str:
    labels = "; ".join(
        f"`{label.name}`: {', '.join(value for value in label.values) or label.bound}" for label in metric.labels
    )
    return f"| `{metric.name}` | {metric.kind} | {metric.source} | {labels} | {metric.help} |\n"


if __name__ == "__main__":
    print(page(), end="")
