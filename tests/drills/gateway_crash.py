"""The drill `gateway_crash`: a trader and a paper gateway with faults on the line, one of them killed with kill -9 at
random again and again. After each restart every order must be accounted for; at the end of a part both ledgers must be
the same, and no order may exist twice. A part is ten kills.
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from core.money.state import Money
from tests.fakes.live_pair import SYNTHETIC, Pair, broker_ledger, ledger_differences, new_pair
from tests.fakes.wall import wall_limits

KILLS: Final = 10
PAIRS: Final = 2
SPEED: Final = 50
ACCOUNTED_S: Final = 10.0  # on the wall, after the link is READY again: no order without an answer
LATE_S: Final = 1.5  # on the wall: longer than any delay of the faults below at this speed
RUN_S: Final = (2.0, 5.0)  # between being READY and the next kill: features warm up, schedules begin

# What goes wrong on the line all the time, a little; times in the gateway's clock.
FAULTS: Final = """
fault_seed = {seed}

[[gateway.faults]]
name = "delay"
parameters = {{ message = "orderStatus", chance = "0.05", delay_s = "1" }}

[[gateway.faults]]
name = "duplicate"
parameters = {{ message = "execDetails", chance = "0.1" }}

[[gateway.faults]]
name = "duplicate"
parameters = {{ message = "orderStatus", chance = "0.1" }}

[[gateway.faults]]
name = "missing_status"
parameters = {{ chance = "0.05" }}

[[gateway.faults]]
name = "late_commission"
parameters = {{ chance = "0.2", delay_s = "20" }}

[[gateway.faults]]
name = "fill_before_ack"
parameters = {{ chance = "0.1", delay_s = "0.5" }}
"""

# Trades all the time: short schedules, a low threshold, limit orders that rest.
STRATEGY: Final = """
[strategies.reversion]
kind = "meanrev"
symbols = ["BAC", "IBM"]

[strategies.reversion.params]
half_life_s = 5
warm_up_s = 20
enter_z = 0.8
leave_z = 0.2
position_dollars = 40_000

[strategies.reversion.execution]
algo = "twap"
params = { duration_s = 30, slices = 3 }

[limits.account]
order_notional_max = 60_000
gross_max = 250_000
net_max = 250_000
"""

# One fact in ten is sent twice on purpose: more odd facts than an honest line has in a day.
ODD_LIMITS: Final = """errors_soft = 500
errors_hard = 2_000
"""


def run_part(number: int) -> dict[str, Any]:
    """Ten kills, by the part's number: five each in two pairs side by side, which wait for each other's starts."""
    with ThreadPoolExecutor(PAIRS) as pool:
        found = list(pool.map(lambda at: run_kills(PAIRS * number + at, kills=KILLS // PAIRS), range(PAIRS)))
    counts: dict[str, int] = {}
    for result in found:
        for name, count in result["counts"].items():
            counts[name] = counts.get(name, 0) + count
    return {
        "seeds": [result["seed"] for result in found],
        "accounted_s_max": max(result["accounted_s_max"] for result in found),
        "counts": counts,
        "failures": [text for result in found for text in result["failures"]],
    }


def run_kills(
    seed: int,
    *,
    kills: int,
    strategy: str = STRATEGY,
    speed: int = SPEED,
    faults: str = FAULTS,
    together: bool = True,
    meanwhile: Callable[[Pair], list[str]] | None = None,
    look: Callable[[Money], dict[str, int]] | None = None,
) -> dict[str, Any]:
    """So many kills of either process, or of both, and the comparison of both ledgers at the end. `meanwhile` is done
    before the last kill and says what failed; `look` counts in the books at the end.
    A gateway and a trader that start `together` share the machine.
    """
    chance = random.Random(seed)
    failures: list[str] = []
    killed = {"trader": 0, "gateway": 0}
    slowest_s = 0.0
    began = time.monotonic()
    feed = SYNTHETIC.format(speed=f"{speed}x", seed=seed + 1)
    strategy = strategy + ODD_LIMITS + wall_limits(speed)
    with new_pair(feed=feed, strategy=strategy, gateway=faults.format(seed=seed + 1)) as pair:
        for names in (("trader", "gateway"),) if together else (("gateway",), ("trader",)):
            pair.start(*names)
        for number in range(kills):
            if meanwhile is not None and number == kills - 1:
                failures += [f"seed {seed}: {text}" for text in meanwhile(pair)]
            time.sleep(chance.uniform(*RUN_S))  # the moment of the kill is what is random here
            victims = chance.choice((("trader",), ("gateway",), ("trader", "gateway")))
            for name in victims:
                pair.kill(name)
                killed[name] += 1
            pair.start(*victims)
            pair.wait(pair.is_ready, "the link is READY again", running="trader")
            ready = time.monotonic()
            try:
                pair.wait(lambda: accounted(pair), "no order without an answer", deadline_s=ACCOUNTED_S)
            except RuntimeError as fault:
                failures.append(f"seed {seed}: {fault}")
                break
            slowest_s = max(slowest_s, time.monotonic() - ready)
            failures += [f"seed {seed}: {text}" for text in go_on(pair)]
        settle(pair)
        code = pair.stop("trader")
        failures += [] if code == 0 else [f"seed {seed}: the trader ended with {code}: {pair.logs()}"]
        failures += [f"seed {seed}: {text}" for text in ledger_differences(pair) + twice(pair)]
        money = pair.books().money
    return {
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
        "accounted_s_max": round(slowest_s, 2),
        "counts": {
            "kills": sum(killed.values()), "of_trader": killed["trader"], "of_gateway": killed["gateway"],
            "orders": len(money.orders), "fills": len(money.ledger.executions), **(look(money) if look else {}),
        },
        "failures": failures,
    }  # fmt: skip


def accounted(pair: Pair) -> bool:
    """Whether the trader knows of every order what became of it."""
    status = pair.status()
    return status is not None and status.link == "READY" and not status.unknown


def go_on(pair: Pair) -> list[str]:
    """What an operator does after such a start: resume. A difference to the broker is a failure."""
    status = pair.status()
    if status is None or status.ladder == "ACTIVE":
        return []
    found = [f"difference: {text}" for text in status.differences]
    if status.difference_sync_id and status.differences:
        pair.command("acknowledge", sync_id=status.difference_sync_id, reason="drill")
    pair.command("resume", reason="drill: all orders are accounted for")
    return found


def settle(pair: Pair) -> None:
    """Halt, and wait until nothing is under way: a stop does not wait for what the line delays."""
    pair.command("halt", reason="drill: the end")
    pair.wait(lambda: accounted(pair) and quiet(pair), "no order works any more")
    time.sleep(LATE_S)  # commissions come so late; nothing tells that none is under way


def quiet(pair: Pair) -> bool:
    """Whether no order works."""
    status = pair.status()
    return status is not None and not status.children and not status.more.get("children")


def twice(pair: Pair) -> list[str]:
    """Order references under which the broker holds, or held, more than one order."""
    refs = broker_ledger(pair.port).refs
    return [f"{ref} is {len(ids)} orders at the broker: {sorted(ids)}" for ref, ids in refs.items() if len(ids) > 1]
