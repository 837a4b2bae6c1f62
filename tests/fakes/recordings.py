"""Where recorded market data lies, if it does: beside the checkout, or where QUANTD_MARKET_DATA says."""

import os
from pathlib import Path


def recordings() -> Path | None:
    """The folder of recorded market data; None where it is absent."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("QUANTD_MARKET_DATA", beside))
    return folder if (folder / "lean").is_dir() else None
