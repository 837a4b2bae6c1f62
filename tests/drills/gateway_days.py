"""The drill `gateway_days`: the five BAC and IBM days through the paper gateway and the adapter over TCP, a day a part.
At the end of each day the trader's ledger must be the gateway's to the last cent. All controls are on.
"""

import time
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from tests.drills.gateway_crash import settle
from tests.fakes.live_pair import Pair, ledger_differences, new_pair, recorded, strategies_of_example

DAYS: Final = ("2013-10-07", "2013-10-08", "2013-10-09", "2013-10-10", "2013-10-11")
SPEED: Final = 100
AFTER_NS: Final = 5 * 10**9  # of market time after the last row: what is under way arrives
NEW_YORK: Final = ZoneInfo("America/New_York")

# Whatever a slow machine adds to an answer counts so many times in the market's time. These two limits keep on the wall
# what they are at real time; every other control stays as it comes.
WALL_LIMITS: Final = """
clock_offset_seconds_max = {offset}
age_seconds_max_regular = {age}
"""
OFFSET_S: Final = 0.5
AGE_S: Final = 5
ACCOUNT: Final = "[limits.account]\n"


def run_part(number: int) -> dict[str, Any]:
    """One day."""
    day = DAYS[number]
    return run_hours(f"{day}T09:25", f"{day}T16:05", speed=SPEED)


def run_hours(start: str, end: str, *, speed: int, strategy: str = "") -> dict[str, Any]:
    """A stretch of the recorded days at a multiple of real time, and the comparison of both ledgers at its end;
    `strategy`: other tables than the shipped example's, their last one `[limits.account]`.
    """
    feed = recorded(start, end, speed=f"{speed}x")
    if feed is None:
        return {"counts": {}, "failures": ["no recorded market data: set QUANTD_MARKET_DATA"]}
    until_ns = int(datetime.fromisoformat(end).replace(tzinfo=NEW_YORK).timestamp() * 10**9) + AFTER_NS
    began = time.monotonic()
    wall = WALL_LIMITS.format(offset=OFFSET_S * speed, age=AGE_S * speed)
    tables = strategy + wall if strategy else strategies_of_example().replace(ACCOUNT, ACCOUNT + wall)
    with new_pair(feed=feed, strategy=tables) as pair:
        pair.start("trader", "gateway")  # the trader waits for the gateway, whose market does not wait for it
        wait_until(pair, until_ns, speed=speed)
        settle(pair)
        status = pair.status()
        code = pair.stop("trader")
        failures = [] if code == 0 else [f"the trader ended with {code}: {pair.logs()}"]
        failures += ledger_differences(pair)
        money = pair.books().money
        failures += [f"halted by {latch}" for latch in money.latches.held() if latch.state > 1 and latch.code != "HALT"]
    return {
        "from": start,
        "until": end,
        "seconds": round(time.monotonic() - began, 1),
        "equity": "" if status is None else status.equity,
        "refusals": {} if status is None else status.counters.refusals,
        "counts": {
            "rows": 0 if status is None else status.counters.rows,
            "orders": len(money.orders),
            "fills": len(money.ledger.executions),
            "alerts": 0 if status is None else status.counters.alerts,
        },
        "failures": [f"{start}: {text}" for text in failures],
    }


def wait_until(pair: Pair, ts_ns: int, *, speed: int) -> None:
    """Until the trader's clock is past a moment. Raises RuntimeError when it does not come."""
    seen: list[int] = [0]

    def past() -> bool:
        status = pair.status()
        seen[0] = seen[0] if status is None else status.ts_ns
        time.sleep(0.2)  # the picture costs the trader time
        return seen[0] >= ts_ns

    left_s = 24 * 3600 / speed
    pair.wait(past, f"the trader's clock at {ts_ns}", running="trader", deadline_s=left_s + 120)
