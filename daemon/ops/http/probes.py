"""What /livez and /readyz say: plain values, made from one look. They say what they mean: whoever reads a failed probe
at night has only that. Knows no HTTP.
"""

import time
from typing import Any, Final

import msgspec

from daemon.ops.view import SILENT, View
from daemon.probes.finding import FAIL, Finding, fail, ok
from daemon.probes.running import Running, examine_running

SILENT_S_MAX: Final = 30.0  # a trader that listens and does not answer for so long hangs: its longest step takes 0.1 s
LOOK_S_MAX: Final = 5.0  # without a look readiness is nobody's guess
MEANING: Final = (
    "503 = the trader's process is there and its loop has not turned for "
    f"{SILENT_S_MAX:g} s: kill it, it restarts through recovery. "
    "A trader that starts, is away or is not ready is alive; a broker outage never fails this probe."
)
READY_MEANING: Final = "503 = the trader could not trade now. Nothing is mended by a restart: follow the remedies."


def liveness(view: View) -> tuple[bool, dict[str, Any]]:
    """(alive, body). The ops process is alive because it answers; the trader because it answered the last look."""
    seen = view.seen
    silent_s = time.monotonic() - seen.silent_since_s if seen.silent_since_s else 0.0
    alive = seen.trader != SILENT or silent_s <= SILENT_S_MAX
    return alive, {
        "alive": alive,
        "trader": seen.trader,
        "loop_lag_s": round(silent_s or seen.answer_s, 6),
        "looked_s_ago": round(view.age_s, 3),
        "meaning": MEANING,
    }


def own_liveness() -> dict[str, Any]:
    """Of the ops process alone: for whoever must not restart it because of the trader, nor the trader because of it."""
    return {"alive": True, "meaning": "the ops process answers; this says nothing about the trader"}


def readiness(view: View) -> tuple[bool, dict[str, Any]]:
    """(ready, body) with every check's text and remedy."""
    findings = _findings(view)
    ready = all(one.status != FAIL for one in findings)
    return ready, {"ready": ready, "checks": msgspec.to_builtins(findings), "meaning": READY_MEANING}


def _findings(view: View) -> list[Finding]:
    if view.age_s > LOOK_S_MAX:
        text = f"nothing has been seen for {view.age_s:.0f} s"
        return [fail("ops", text, "the state directory's disk hangs, or this process does: look at it, restart it")]
    seen = view.seen
    running = Running(
        config=view.config,
        status=view.status,
        fault=seen.fault,
        starting=seen.trader_runs and seen.trader != SILENT,
        follower_runs=seen.follower_runs,
        follower=seen.follower,
        guard=seen.guard_news,
    )
    return [*examine_running(running), *_lease(view)]


def _lease(view: View) -> list[Finding]:
    """Where a cluster says who may trade: whether that is this trader."""
    lease = view.lease
    if not view.config.ops.cluster.lease:
        return []
    if lease is None or not lease.held:
        text = "not ours" if lease is None or not lease.holder else f"held by {lease.holder}"
        why = f" ({lease.fault})" if lease is not None and lease.fault else ""
        return [fail("lease", f"{text}{why}", "wait until it runs out there; docs/ops.md: the cluster's lease")]
    if lease.told:
        return [fail("lease", f"ours, and the trader did not take it: {lease.told}", "read the trader's log")]
    return [ok("lease", f"ours for {lease.left_s:.0f} s")]
