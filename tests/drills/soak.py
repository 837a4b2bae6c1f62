"""The drill `soak`: a week of a made-up market, from a Monday to the next one, its nights and its weekend included,
with everything up as `quantd up` keeps it: paper gateway, trader, follower on TimescaleDB, guard with a person's
program to tell, ops with /metrics scraped and a bridge to a real Mosquitto. Every night the gateway makes its reset:
all connections end, and are refused for a while.

One process of each lives through all eight days. What it holds must stay flat after the first two, in which everything
that has a bound comes to it: the 1,024 orders and parents that are remembered after their end (core/money/state.py),
and the executions, which are of two days and the one that runs (core/money/inputs.py). See
tests/drills/soak_samples.py. At the end both ledgers are the same and every record is in SQL once.

In the second part each process is kept by itself, as systemd does it, and the trader is stopped and started again every
night, announced: those beside it, who read its journal and ask its socket, must hold nothing of the traders before.
"""

import os
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import msgspec
import psycopg

from core.errors import QuantdError
from core.money.state import ENDED_KEPT_MAX
from core.units import NANO
from daemon.control.client import connected
from daemon.follower.address import read_address
from daemon.follower.connect import connect
from daemon.follower.upgrade import upgrade
from daemon.status.measures import Measures, decode_measures
from tests.drills.gateway_crash import settle, twice
from tests.drills.soak_crew import Alone, ByUp, crew
from tests.drills.soak_samples import Sample, held_below, judged
from tests.fakes import record
from tests.fakes.live_pair import Pair, free_port, ledger_differences
from tests.fakes.wall import wall_limits
from tests.servers import mosquitto, timescale
from tests.servers.mosquitto import MosquittoServer
from tests.servers.timescale import TimescaleServer

DAYS: Final = 8  # from a Monday on
WARM_UP: Final = 2  # of them: not judged
SPEED: Final = 480  # a day in three minutes
START: Final = datetime(2026, 1, 5, 9, 30, tzinfo=ZoneInfo("America/New_York"))
CLOSE: Final = timedelta(hours=6, minutes=30)  # after the open
AFTER: Final = timedelta(minutes=30)  # after the last close: what is under way arrives
RESET: Final = "23:45"
RESTART: Final = timedelta(hours=16, minutes=30)  # after the open, at two in the morning: the trader's, where wanted
RESET_S: Final = 1_800  # the servers' night may take so long; in it lies the gateway's own restart
LOOK_S: Final = 1.0  # on the wall: eight simulated minutes
UP_S: Final = 300.0  # on the wall, until the trader's link is READY
LATE_S: Final = 120.0  # on the wall, beyond what the clock says
DATABASE: Final = "soak"
FAILURES_MAX: Final = 40
EXPECTED: Final = ("HALT",)  # what the drill's own end raises

# The adapter's waits that count in the market's time, as long on this machine as at real time.
WAITS_S: Final = {"sync_timeout_s": 10, "silence_s": 3, "shared_life_s": 60, "snapshot_timeout_s": 2}
FEED: Final = """
[feed]
kind = "synthetic"
speed = "{speed}x"
[feed.synthetic]
seed = {seed}
start_date = "{start}"
days = {days}
endless = true
[[feed.synthetic.instruments]]
symbol = "BAC"
px = 38
events_per_second = 0.7
reversion_ticks = 4.0
[[feed.synthetic.instruments]]
symbol = "IBM"
px = 180
events_per_second = 0.7
reversion_ticks = 12.0
"""
# Raw rows for clients that ask for ticks: a store that is full before the first day is over, instead of after a week.
GATEWAY: Final = f"""
[gateway.market]
rows_kept = 16_384
[[gateway.faults]]
name = "nightly_reset"
at = "{RESET}"
lasts_s = {RESET_S}
parameters = {{ warning_s = "15", roll_back = "2" }}
"""
# Over 512 parents a day: twice as many that have ended are remembered, and that store must be full when the second is
# over.
STRATEGY: Final = """
[strategies.reversion]
kind = "meanrev"
symbols = ["BAC", "IBM"]
[strategies.reversion.params]
half_life_s = 20
warm_up_s = 300
cadence_s = 5
enter_z = 1.0
leave_z = 0.2
position_dollars = 15_000
[strategies.reversion.execution]
algo = "twap"
params = { duration_s = 60, slices = 2 }
[limits.account]
order_notional_max = 60_000
gross_max = 250_000
net_max = 250_000
"""
# Marks and synchronisations as often on the wall as a trader in real time has at least; an answer may take a second.
# Why segments are small: soak_samples.py.
MORE: Final = """
[engine]
mark_interval_s = 10
reconcile_s = 120
ack_timeout_s = 600
equity_note_interval_s = 300
link_alert_s = 3_600
[up]
gateway = "gateway.toml"
[journal]
segment_mib = 1
snapshot_every = 50_000
[record]
database = "{url}"
ticks = true
[guard]
lease_s = 120
[[alerts.to]]
name = "person"
command = ["/bin/sh", "-c", "cat >> {folder}/told"]
least = "info"
[ops]
enabled = true
port = {port}
[ops.mqtt]
host = "127.0.0.1"
port = {broker}
"""


def run_part(number: int) -> dict[str, Any]:
    """All days, with another market each part; in the second the trader is started anew every night."""
    return run_days(DAYS, seed=number + 1, restarts=number % 2 == 1)


def run_days(days: int, *, seed: int, restarts: bool, speed: int = SPEED) -> dict[str, Any]:
    """So many days from the first open to the last close, and what was left of them."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="qsoak-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # the database's user must get in
        database = stack.enter_context(TimescaleServer(timescale.provision(), folder / "database"))
        broker = stack.enter_context(MosquittoServer(mosquitto.provision(), folder / "broker"))
        url, port = _new_database(database), free_port()
        more = _waits(speed) + MORE.format(url=url, folder=folder, port=port, broker=broker.port)
        feed = FEED.format(speed=speed, seed=seed, start=START.date().isoformat(), days=len(sessions(days)))
        pair = Pair(folder, feed=feed, gateway=GATEWAY, trader=more, strategy=STRATEGY + wall_limits(speed))
        ours = stack.enter_context(crew(stack.enter_context(pair), by_up=not restarts))
        soak = Soak(pair, ours, port, days=days, speed=speed)
        try:
            soak.live()
            soak.end()
            soak.compare(url)
        except (RuntimeError, subprocess.TimeoutExpired, QuantdError) as fault:
            soak.failures.append(str(fault))  # what was seen until then is told
        return soak.told(seed) | {"seconds": round(time.monotonic() - began, 1)}


class Soak:
    """One run; failures fill up as it goes."""

    def __init__(self, pair: Pair, ours: ByUp | Alone, port: int, *, days: int, speed: int) -> None:
        self._pair, self._ours, self._port, self._days, self._speed = pair, ours, port, days, speed
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self._results: dict[str, Any] = {}
        self._first_ns = _ns(START + timedelta(days=min(WARM_UP, days - 1)))  # of those that are judged

    def check(self, holds: bool, text: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.failures.append(text)

    # ---- the days ------------------------------------------------------------------------------------------------
    def live(self) -> None:
        """Look at everything each second until the last close; the trader's restart, where it is wanted, by night."""
        end_ns = _ns(START + timedelta(days=self._days - 1) + CLOSE + AFTER)
        nights = [_ns(START + timedelta(days=number) + RESTART) for number in range(self._days - 1)]
        self._until_up()
        late_s = (end_ns - _ns(START)) / NANO / self._speed + LATE_S
        deadline_s = time.monotonic() + late_s
        while (now_ns := self._look()) < end_ns:
            if self._ours.died() or time.monotonic() > deadline_s:
                raise RuntimeError(f"not at the end after {late_s:.0f} s: {self._ours.died()} {self._pair.logs()}")
            if isinstance(self._ours, Alone) and nights and now_ns >= nights[0]:
                del nights[0]
                self.failures += self._ours.restart_trader()
                self.counts["restarts of the trader"] += 1
            time.sleep(LOOK_S)

    def _until_up(self) -> None:
        pair, lead = self._pair, self._ours.lead
        pair.wait(pair.is_ready, "the trader's link is READY", running=lead, deadline_s=UP_S)
        pair.wait(lambda: self._scrape("quantd_mqtt_connected") == 1.0, "the bridge is connected", running=lead)

    def _look(self) -> int:
        """One sample; the market's time."""
        with suppress(QuantdError, OSError, msgspec.DecodeError):
            with connected(self._pair.trader_state / "control.sock", timeout_s=5.0) as client:
                status, measures = client.status(), decode_measures(client.request("measures"))
            held = held_below(os.getpid())
            if measures.process is not None and "trader" in held:
                held["trader"] = msgspec.structs.replace(held["trader"], tasks=measures.process.tasks)
            self.samples.append(Sample(ts_ns=measures.ts_ns, held=held))
            self._measured(measures)
            self.counts["scrapes"] += self._scrape("quantd_up") is not None
            return status.ts_ns
        self.counts["looks without an answer"] += 1
        return 0

    def _measured(self, measures: Measures) -> None:
        self._results["alerts_open"] = measures.alerts_open
        self._results["refusals"] = measures.refusals
        self.counts["records"] = measures.journal_seq

    def _scrape(self, name: str) -> float | None:
        """One number of /metrics."""
        with suppress(OSError), urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5.0) as answer:
            for line in answer.read().decode().splitlines():
                if line.partition(" ")[0].partition("{")[0] == name:
                    return float(line.rpartition(" ")[2])
        return None

    # ---- the end ---------------------------------------------------------------------------------------------------
    def end(self) -> None:
        """Everything is still up and nobody died; then a stop in good order."""
        self.failures += self._ours.died()
        self.check(self._scrape("quantd_mqtt_connected") == 1.0, "the bridge is not connected at the end")
        settle(self._pair)
        self.failures += self._ours.end()

    def compare(self, url: str) -> None:
        """The trader's books with the gateway's, the record with the journal, and what it tells of each day."""
        pair = self._pair
        pair.start("gateway")
        self.failures += ledger_differences(pair, all_executions=False) + twice(pair)
        money = pair.books().money
        self._results["open"] = {code: alert.count for code, alert in money.alerts.items()}
        held = [one for one in money.latches.held() if one.state > 1 and one.code not in EXPECTED]
        self.failures += [f"halted by {latch}" for latch in held]
        bad = [one for code, one in money.alerts.items() if one.severity == "critical" and code not in EXPECTED]
        self.failures += [f"open at the end: {one.code} ({one.count}): {one.text}" for one in bad]
        self.counts["orders"] = money.next_order_id - 1
        with closing(connect(read_address(url), timeout_s=300.0)) as connection:
            self.failures += record.differences(connection, 1, pair.trader_state / "journal")[:FAILURES_MAX]
            rows = {table: connection.select(f"SELECT {wanted} FROM {table} ORDER BY seq") for table, wanted in _TOLD}
            ((count,),) = connection.select("SELECT messages + market_rows FROM follower_position")
            ((early,),) = connection.select("SELECT count(*) FROM parents WHERE start_ts_ns < ?", (self._first_ns,))
        self.counts["sql_rows"], self.counts["parents before"] = int(count), int(early)
        self.check(
            early > ENDED_KEPT_MAX, f"{early} parents before the days that count, {ENDED_KEPT_MAX} are remembered"
        )
        self._by_day(rows)

    def _by_day(self, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        """Fills of every day, and the night's reset seen by the trader: away, and back before the open."""
        fills = Counter(_day(ts_ns) for (ts_ns,) in rows["executions"])
        alerts = Counter(code for _, code in rows["alerts"])
        self._results |= {"fills_by_day": dict(fills), "alerts": dict(alerts)}
        self.counts["fills"], self.counts["alerts"] = fills.total(), alerts.total()
        made = {day: fills[day.date().isoformat()] for day in sessions(self._days)}
        usual = median(made.values())
        for day, count in made.items():  # a day that ended early was ended by something
            self.check(count > usual / 2, f"{day:%A}: {count} fills, {usual:.0f} are usual")
        for number in range(self._days - 1):
            day = START + timedelta(days=number)
            night = (_ns(day + CLOSE), _ns(day + timedelta(days=1)))
            links = [state for ts_ns, state in rows["links"] if night[0] <= ts_ns < night[1]]
            self.counts["nights away"] += "DOWN" in links
            self.check("DOWN" in links and links[-1] == "READY", f"the night after {day:%A}: the link was {links}")

    def told(self, seed: int) -> dict[str, Any]:
        """The record of this part."""
        anew = ("trader", "riskworker") if isinstance(self._ours, Alone) else ()
        table, failures = judged(self.samples, first_ns=self._first_ns, anew=anew)
        self.counts["samples"] = len(self.samples)
        return {
            "seed": seed, "days": self._days, "warm_up": WARM_UP, "speed": self._speed, **self._results, "held": table,
            "counts": dict(self.counts), "failures": self.failures + failures,
        }  # fmt: skip


_TOLD: Final = (("executions", "ts_ns"), ("alerts", "ts_ns, code"), ("links", "ts_ns, state"))


def _new_database(server: TimescaleServer) -> str:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    url = server.url(DATABASE)
    upgrade(read_address(url))
    return url


def sessions(days: int) -> list[datetime]:
    """The opens of so many days, weekends left out: no holiday is among them."""
    return [day for day in (START + timedelta(days=number) for number in range(days)) if day.weekday() < 5]


def _waits(speed: int) -> str:
    return "".join(f"{name} = {seconds * speed}\n" for name, seconds in WAITS_S.items())


def _ns(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp()) * NANO


def _day(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // NANO, tz=START.tzinfo).date().isoformat()
