"""The drill `gateway_state`: the paper gateway dies at random moments and must come back to the state it had."""

import asyncio
import logging
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.fakes.gateway_script import STEPS, compared

DEATHS: Final = 8  # a part
FIRST_SEED: Final = 10_000


def run_part(number: int) -> dict[str, Any]:
    """One script of requests with its deaths."""
    seed = FIRST_SEED + number
    logging.disable(logging.WARNING)
    try:
        with TemporaryDirectory() as folder:
            one, other = asyncio.run(compared(Path(folder), seed, deaths=DEATHS))
    except Exception:  # edge: a drill goes on and reports
        return {"seed": seed, "counts": {}, "failures": [f"seed {seed}: {traceback.format_exc()}"]}
    finally:
        logging.disable(logging.NOTSET)
    desk = one.built.commands.desk
    same = one.built.machine.dump() == other.built.machine.dump()
    counts = {"deaths": DEATHS, "steps": STEPS, "orders": len(desk.listed()), "executions": len(desk.executions())}
    return {"seed": seed, "counts": counts, "failures": [] if same else [f"seed {seed}: another state after a death"]}
