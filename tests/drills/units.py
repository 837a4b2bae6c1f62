"""The drill `units`: every unit of systemd is run as systemd would (tests/fakes/units.py), with the paper gateway over
real sockets, in even parts with nobody reading the trader's log. READY of one before the next starts, beats of all; a
trader that hangs is ended by its watchdog and comes back; the stop goes the other way; a wrong config ends every unit
for good.
"""

import json
import resource
import signal
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.drills.gateway_crash import ODD_LIMITS, STRATEGY, accounted, go_on
from tests.fakes.built_tables import lend_tables
from tests.fakes.live_pair import SYNTHETIC, Pair
from tests.fakes.units import Manager, Service
from tests.fakes.wall import wall_limits

SPEED: Final = 10
TRADING: Final = STRATEGY + ODD_LIMITS + wall_limits(SPEED)  # at once; the example waits for a rare move
WATCHDOG_S: Final = 3.0  # the trader's, as a drop-in would set it: it is waited for
OTHERS: Final = ("gateway", "guard", "follower", "ops")
MORE: Final = "[ops]\nenabled = true\nport = 0\n[guard]\nlease_s = 120\n"


def run_part(number: int) -> dict[str, Any]:
    """One life of the set."""
    failures: list[str] = []
    counts: dict[str, int] = {}
    feed = SYNTHETIC.format(speed=f"{SPEED}x", seed=number + 1)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        with (
            TemporaryDirectory() as folder,
            Pair(Path(folder), feed=feed, strategy=TRADING, trader=MORE) as pair,
        ):
            lend_tables(pair.trader_file)
            counts = live(pair, number, failures)
            refuse(pair, failures)
    except Exception:  # edge: a drill goes on and reports
        failures.append(traceback.format_exc())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    counts["cpu_s"] = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {"seed": number + 1, "counts": counts, "failures": failures}


def services(pair: Pair) -> dict[str, Service]:
    """One for each unit."""
    files = {"/etc/quantd/%i.toml": pair.trader_file, "/etc/quantd/%i.gateway.toml": pair.gateway_file}
    found = {kind: Service(kind, pair.folder, files) for kind in OTHERS}
    return found | {"trader": Service("trader", pair.folder, files, watchdog_s=WATCHDOG_S)}


def live(pair: Pair, number: int, failures: list[str]) -> dict[str, int]:
    """From the first start to the last stop; in even parts nobody reads what the trader says."""
    units = services(pair)
    trader = units["trader"]
    deaf = number % 2 == 0
    if deaf:
        trader.nobody_reads()
    beats: dict[str, int] = {}
    with Manager(list(units.values())) as manager:
        order = manager.order()
        _start(order, failures)
        _expect(_link(pair) == "READY", "READY was said before the account was reconciled", failures)
        pair.wait(lambda: _trades(pair), "it trades, nobody reads its log" if deaf else "it trades")
        epoch = _epoch(pair)
        _hang(trader, failures, deaf=deaf)
        _expect(_epoch(pair) == epoch + 1, "the trader did not come back through recovery", failures)
        _expect(_link(pair) == "READY", "after its restart READY was said too early", failures)
        for service in reversed(order):
            service.signal(signal.SIGTERM)
            code = service.end()
            _expect(code == 0, f"{service.kind} ended with {code}: {service.log()}", failures)
            service.until("STOPPING")
            _expect(not service.strangers, f"a child of {service.kind} spoke for it", failures)
            beats[service.kind] = sum(1 for fields in service.told if "WATCHDOG" in fields)
    line = _last_line(units["follower"])
    expected = {"event": "stopped", "process": "follower", "account": "du1"}
    _expect(line.items() >= expected.items(), f"the follower's last line is {line}", failures)
    return {f"beats_{kind}": count for kind, count in beats.items()} | {"starts": trader.starts}


def _start(order: list[Service], failures: list[str]) -> None:
    _expect(order[-1].kind == "trader", "the trader does not start last", failures)
    for service in order:
        service.start()
        ready = service.until("READY")
        named = ready["MAINPID"] == str(service.pid)
        _expect(named, f"{service.kind}: `quantd` does not become the process by exec", failures)
        service.until("WATCHDOG", times=3)
        late = "EXTEND_TIMEOUT_USEC" in service.told[-1]
        _expect(not late, f"{service.kind} asks for more time although it is ready", failures)


def _hang(trader: Service, failures: list[str], *, deaf: bool) -> None:
    trader.signal(signal.SIGSTOP)
    _expect(trader.silent(), "a thread beats for a loop that does not turn", failures)
    code = trader.abort()
    _expect(code in (-signal.SIGABRT, -signal.SIGKILL), f"aborted, it ended with {code}", failures)
    if not deaf:
        said = trader.has_said("Fatal Python error: Aborted")
        _expect(said, f"an abort ({code}) does not say where it hung: {trader.log()}", failures)
    _expect(trader.restarts_after(code), "the unit does not start it again", failures)
    trader.start()
    trader.until("READY")
    trader.until("WATCHDOG", times=3)


def refuse(pair: Pair, failures: list[str]) -> None:
    """Exit code 2, no READY, and no unit tries it again."""
    pair.trader_file.write_text(pair.trader_file.read_text().replace("[ib]", "[ibb]"))
    pair.gateway_file.write_text(pair.gateway_file.read_text().replace("accounts", "acounts"))
    units = services(pair)
    with Manager(list(units.values())):
        for service in units.values():
            service.start()
        for service in units.values():
            code = service.end()
            good = code == 2 and not service.restarts_after(code) and not any("READY" in told for told in service.told)
            _expect(good, f"{service.kind} with a wrong config ended with {code}: {service.log()}", failures)


def _last_line(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(service.log().splitlines()[-1])
    return found


def _trades(pair: Pair) -> bool:
    """Whether it had a fill; what a machine under load halts is let go on."""
    if accounted(pair):
        go_on(pair)
    status = pair.status()
    return status is not None and status.counters.fills > 0


def _epoch(pair: Pair) -> int:
    status = pair.status()
    return 0 if status is None else status.epoch


def _link(pair: Pair) -> str:
    status = pair.status()
    return "" if status is None else status.link


def _expect(good: bool, otherwise: str, failures: list[str]) -> None:
    if not good:
        failures.append(otherwise)
