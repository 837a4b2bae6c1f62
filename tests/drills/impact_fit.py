"""The drill `impact_fit`: histories of schedules on a venue whose impact is known, written to a journal, read again by
`quantd costs calibrate`. A part is one history; its record says whether each 95 % interval holds the venue's parameter.
"""

import tempfile
from pathlib import Path
from typing import Any, Final

from daemon.calibration import fit, usable
from daemon.tca.reading import read
from tests.fakes import impact_history as history

INSTRUMENTS: Final = 12
TRUTH: Final = {"gamma": history.GAMMA, "eta": history.ETA, "beta": history.BETA}


def run_part(number: int) -> dict[str, Any]:
    """One history."""
    with tempfile.TemporaryDirectory(prefix="quantd-fit-") as name:
        state = Path(name)
        wanted = history.made(state, seed=1_000 + number, instruments=INSTRUMENTS)
        used = usable(read(state / "journal"), state / "journal")
        told = fit(used.trades)
    held = {name: int(told[name]["low"] <= truth <= told[name]["high"]) for name, truth in TRUTH.items()}
    return {
        "fit": {name: [round(told[name][key], 4) for key in ("value", "low", "high")] for name in TRUTH},
        "residual": round(told["residual"], 3),
        "counts": {"histories": 1, "schedules": wanted} | {f"{name} held": held[name] for name in TRUTH},
        "failures": [] if len(used.trades) == wanted else [f"part {number}: {len(used.trades)} of {wanted} usable"],
    }
