"""The drill `planted`: training and trading a made-up market whose small hidden signal is planted, and one without, by
the shipped commands. A part is one market of its own seed: the even ones hide a signal, the odd ones nothing.
"""

import tempfile
from pathlib import Path
from typing import Any

from tests.fakes import planted

TRAIN_DAYS = 32
TRADE_DAYS = 10


def run_part(number: int) -> dict[str, Any]:
    """Train on some days, trade others; a planted signal must gain net of costs, noise must not trade at all."""
    signal_bp = planted.SIGNAL_BP if number % 2 == 0 else 0.0
    with tempfile.TemporaryDirectory(prefix="quantd-planted-") as name:
        folder = Path(name)
        found = planted.train(folder, signal_bp=signal_bp, seed=1_000 + number, days=TRAIN_DAYS)
        result: dict[str, Any] = {
            "signal_bp_per_hour": signal_bp,
            "information_coefficient": round(found["information_coefficient"], 4),
            "information_coefficient_t": round(found["information_coefficient_t"], 2),
            "tradable": found["tradable"],
            "verdict": found["verdict"],
        }
        if found["tradable"] != bool(signal_bp):
            return result | {"failures": [f"part {number}: tradable is {found['tradable']}: {found['verdict']}"]}
        traded = planted.trade(
            folder, signal_bp=signal_bp, seed=2_000 + number, days=TRADE_DAYS, allow_untradable=not signal_bp
        )
    gain = planted.net_gain(traded)
    result |= {"fills": traded["fills"], "net_gain": round(gain, 2), "fees": traded["fees"]}
    return result | {"failures": _failures(number, signal=bool(signal_bp), fills=traded["fills"], gain=gain)}


def _failures(number: int, *, signal: bool, fills: int, gain: float) -> list[str]:
    if signal:
        return [] if fills and gain > 0.0 else [f"part {number}: the planted signal gained {gain:.2f} in {fills} fills"]
    return [f"part {number}: noise traded, {fills} fills"] if fills else []
