"""The drill `isolation`: recorded days at 50 times real time, while everything beside the trader fails: TimescaleDB,
Mosquitto and the ops process are killed with kill -9 and started again in turn, /metrics is scraped ten times a second,
the MQTT broker is flooded with garbage. The trader, pinned to one core, must decide what it decides undisturbed, and
the database must hold every record exactly once.

A part is a pair of runs over one hour of one day, in turn which comes first; the last part is a whole day. Undisturbed
= the same processes, and nobody hurts them. All but the trader have the other cores.
"""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.request import urlopen

import aiomqtt
import psycopg

from daemon.control.client import CommandFailed, ControlClient, NotReachable
from daemon.follower.address import read_address
from daemon.follower.connect import connect
from daemon.follower.upgrade import upgrade
from daemon.status.measures import Measures, decode_measures
from tests.drills.gateway_days import DAYS
from tests.drills.kill9 import EXAMPLE, market_data
from tests.drills.measured import times_of
from tests.fakes import record
from tests.fakes.live_pair import free_port
from tests.fakes.process import ROOT, TraderProcess
from tests.servers import mosquitto, timescale
from tests.servers.mosquitto import MosquittoServer
from tests.servers.timescale import TimescaleServer

SPEED: Final = 50
HOUR: Final = ("09:30", "10:30")
WHOLE_DAY: Final = ("09:30", "16:00")
PAIRS: Final = len(DAYS)
KILL_S: Final = 4.0  # between two kills; each of the three is hit every third time
AWAY_S: Final = 1.0  # before it is started again
SCRAPES_PER_S: Final = 10
FLOOD_PER_S: Final = 1_000
LOOK_S: Final = 0.5
DEADLINE_S: Final = 1_200.0
TRADER_CORE: Final = {max(os.sched_getaffinity(0))}
BASE: Final = "quantd/du1"
DATABASE: Final = "isolation"
# The shipped example trades twice an hour. This one sends hundreds of orders: a p99 of a dozen is their maximum.
BUSY: Final = (
    ("half_life_s = 300", "half_life_s = 30"),
    ("enter_z = 2.5", "enter_z = 1.5"),
    ("leave_z = 0.5", "leave_z = 0.2"),
    ('algo = "twap"', 'algo = "twap"\nchase_s = 2\nparams = { duration_s = 60, slices = 10 }'),
)
FAILURES_MAX: Final = 20
SAME: Final = ("command_digest", "rows", "fills", "equity", "cash")


def run_part(number: int) -> dict[str, Any]:
    """A pair of hours, or a whole day."""
    if market_data() is None:
        return {"counts": {}, "failures": ["no recorded market data: set QUANTD_MARKET_DATA"]}
    hours, day = (HOUR, DAYS[number]) if number < PAIRS else (WHOLE_DAY, DAYS[0])
    order = (False, True) if number % 2 == 0 else (True, False)
    return run_pair(day, hours, order)


def run_pair(day: str, hours: tuple[str, str], order: tuple[bool, bool], *, speed: str = f"{SPEED}x") -> dict[str, Any]:
    """The same stretch twice, in this order of disturbed or not."""
    lives = {disturbed: _live(day, hours, speed, disturbed=disturbed) for disturbed in order}
    calm, hurt = lives[False], lives[True]
    failures = [f"{day}: {text}" for life in (calm, hurt) for text in life["failures"]]
    one, other = calm["summary"], hurt["summary"]
    failures += [f"{day}: {name} {one[name]}, disturbed {other[name]}" for name in SAME if one[name] != other[name]]
    times = {
        name: times_of(life["measures"], "market", "other") for name, life in (("calm", calm), ("disturbed", hurt))
    }
    before = times["calm"]["p99_us"]
    return {
        "day": day,
        "hours": hours,
        "disturbed_first": order[0],
        "command_digest": hurt["summary"]["command_digest"],
        "tick_to_order": times,
        "p99_ratio": round(times["disturbed"]["p99_us"] / before, 3) if before else None,
        "troubles": hurt["troubles"],
        "counts": {
            "orders": hurt["summary"]["children"],
            "fills": hurt["summary"]["fills"],
            "sql_rows": calm["sql_rows"] + hurt["sql_rows"],
            **{f"troubles {name}": count for name, count in hurt["troubles"].items()},
        },
        "failures": failures,
    }


def _live(day: str, hours: tuple[str, str], speed: str, *, disturbed: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="qi-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # the database's user must get in
        database = stack.enter_context(TimescaleServer(timescale.provision(), folder / "database"))
        broker = stack.enter_context(MosquittoServer(mosquitto.provision(), folder / "broker"))
        url, port = _new_database(database), free_port()
        config = _config(folder, day, hours, speed, url=url, port=port, broker=broker.port)
        trader = stack.enter_context(TraderProcess(config))
        os.sched_setaffinity(trader.process.pid, TRADER_CORE)
        follower = stack.enter_context(Beside("follower", config))
        measured: list[Measures] = []
        troubles: Counter[str] = Counter()
        with Beside("ops", config) as ops, _watching(folder / "state" / "control.sock", measured):
            hurt: dict[str, Hurt] = {"database": database, "broker": broker, "ops": ops} if disturbed else {}
            with _loaded(hurt, port, troubles):
                summary = _killing(hurt, trader, troubles)
        failures = follower.end()
        with closing(connect(read_address(url), timeout_s=300.0)) as connection:
            failures += record.differences(connection, 1, folder / "state" / "journal")
            ((rows,),) = connection.select("SELECT messages + market_rows FROM follower_position")
    return {
        "summary": summary,
        "measures": measured[-1] if measured else None,
        "troubles": dict(troubles),
        "sql_rows": int(rows),
        "failures": failures[:FAILURES_MAX],
    }


def _new_database(server: TimescaleServer) -> str:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    url = server.url(DATABASE)
    upgrade(read_address(url))
    return url


def _config(folder: Path, day: str, hours: tuple[str, str], speed: str, *, url: str, port: int, broker: int) -> Path:
    """The shipped example over these hours, trading more often, with a record of every row, metrics and a bridge."""
    text = EXAMPLE.read_text()
    for calm, busy in BUSY:
        assert calm in text
        text = text.replace(calm, busy)
    text = text.replace('state_dir = "../state/bac_ibm_2013"', f'state_dir = "{folder}/state"')
    text = text.replace("$QUANTD_MARKET_DATA", str(market_data()))
    stretch = f'speed = "{speed}"\nstart = "{day}T{hours[0]}"\nend = "{day}T{hours[1]}"'
    text = text.replace('speed = "max"', stretch, 1)
    more = f"""
[record]
database = "{url}"
ticks = true
timeout_s = 5.0
[ops]
enabled = true
port = {port}
[ops.mqtt]
host = "127.0.0.1"
port = {broker}
"""
    path = folder / "trader.toml"
    path.write_text(text + more)
    return path


# ---- processes beside the trader ---------------------------------------------------------------------------------
class Hurt(Protocol):
    """What can be killed and started again."""

    def kill(self) -> None: ...
    def start(self) -> None: ...


class Beside:
    """`python -m daemon.follower` or `daemon.ops` with the trader's config. Use as a context."""

    def __init__(self, name: str, config: Path) -> None:
        self._command = [sys.executable, "-m", f"daemon.{name}", "--config", str(config)]
        self._log = config.with_name(f"{name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Beside":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start; nobody waits for it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def end(self) -> list[str]:
        """Have it catch up and end; what went wrong."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(DEADLINE_S)
        self._process = None
        return [] if code == 0 else [f"{self._command[2]} ended with {code}: {self._log.read_text()[-1_000:]}"]


@contextmanager
def _watching(control: Path, measured: list[Measures]) -> Iterator[None]:
    """What the trader measures, asked for now and then; the last answer stays."""

    def look() -> None:
        with suppress(NotReachable, CommandFailed), closing(ControlClient(control, timeout_s=5.0)) as client:
            measured[:] = [decode_measures(client.request("measures"))]

    with _thread(look, LOOK_S):
        yield


def _killing(hurt: dict[str, Hurt], trader: TraderProcess, troubles: Counter[str]) -> dict[str, Any]:
    """Kills in turn until the trader has ended; its summary. Here and not in a thread of its own: the servers die with
    the thread that started them.
    """
    turns = itertools.cycle(hurt.items())
    with ThreadPoolExecutor(1) as reading:
        summary = reading.submit(trader.summary)
        while hurt and not wait((summary,), KILL_S).done:
            name, victim = next(turns)
            victim.kill()
            time.sleep(AWAY_S)
            victim.start()
            troubles[f"kills of {name}"] += 1
        return summary.result()


@contextmanager
def _loaded(hurt: dict[str, Hurt], port: int, troubles: Counter[str]) -> Iterator[None]:
    """Scrapes and floods, counted. Nobody to hurt = neither."""
    if not hurt:
        yield
        return

    def scrape() -> None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2.0) as answer:
                troubles["scrapes"] += bool(answer.read())
        except OSError:
            troubles["scrapes without an answer"] += 1

    with (
        _thread(scrape, 1.0 / SCRAPES_PER_S),
        _thread(lambda: asyncio.run(_flood(hurt["broker"], troubles)), LOOK_S),
    ):
        yield


@contextmanager
def _thread(work: Callable[[], None], every_s: float) -> Iterator[None]:
    """Again and again in a thread of its own, its last turn finished; what it raises is raised here."""
    over = threading.Event()
    raised: list[BaseException] = []

    def run() -> None:
        while not over.wait(every_s):
            try:
                work()
            except BaseException as fault:  # edge: told by the drill, as a failure of this part
                raised.append(fault)
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if raised:
        raise raised[0]


async def _flood(broker: Any, troubles: Counter[str]) -> None:
    """Nonsense, forgeries and big ones, at a steady rate for a second; the broker may die meanwhile."""
    forged = b'{"v":1,"id":"1","request":{"command":"kill","reason":"forged"}}'
    kinds = (b"\xff" * 40, forged, b"[" * 4_000)
    with suppress(aiomqtt.MqttError, OSError):
        async with asyncio.timeout(5.0), aiomqtt.Client("127.0.0.1", broker.port) as client:
            for number in range(FLOOD_PER_S):
                await client.publish(f"{BASE}/command", kinds[number % len(kinds)], qos=0)
                troubles["messages of the flood"] += 1
                if number % 20 == 19:
                    await asyncio.sleep(20 / FLOOD_PER_S)
