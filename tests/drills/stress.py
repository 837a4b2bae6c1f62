"""The drill `stress` (control 44; RTS 6, article 10): a trader and a paper gateway as processes over TCP, with twice
the highest counts of the recorded days for a minute and every control on; then a kill while the load goes on.

The peak is read from the journal of a trader that was given those days, and from the journals of an own trader that
QUANTD_STRESS_JOURNALS names (article 10 asks for its last six months); the load from the journal of this one, by the
same measure. What is lost or late is told by a tap on the wire between the two.
"""

import functools
import os
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from core.units import NANO
from daemon.bench.world import TURNING
from daemon.control.client import connected
from daemon.drill.kill import OPEN
from daemon.lease import boottime_ns
from tests.drills.gateway_crash import accounted, quiet, twice
from tests.drills.kill9 import drill_config, market_data
from tests.drills.stress_journal import Wire, judged
from tests.fakes.live_pair import Pair, ledger_differences, new_pair
from tests.fakes.load import Load, Most, higher, load_of
from tests.fakes.process import run_whole, verify
from tests.fakes.wire_tap import Ticks, WireTap

JOURNALS: Final = "QUANTD_STRESS_JOURNALS"  # folders, with a colon between them
TIMES: Final = 2  # RTS 6 article 10: twice the highest number
SECONDS: Final = 60.0
AFTER_S: Final = 10.0  # the load goes on so long after the kill
LOOK_S: Final = 1.0
LATE_S: Final = 1.5  # commissions come so late
VERIFIED_S: Final = 60.0
LAG_S_MAX: Final = 1.0  # rows that wait, as time at the load: beyond, the trader would act on the past
STREAMS: Final = 4  # two symbols, quotes and prints of each
EVENTS_PER_ROW: Final = 1.8  # of the made-up market in its calm times, with some to spare
# Symbol, price, part of the rows, displayed lots: where few rows come, and small ones, an order rests a while.
SYMBOLS: Final = (("BAC", 38, 0.96, 10), ("IBM", 180, 0.04, 1))
CLIENT_ID: Final = 11
PLACE, CANCEL, GLOBAL_CANCEL = b"3", b"4", b"58"
GARBAGE: Final = ("cut", "turned away", "garbage", "unknown", "malformed", "bugs")

FEED: Final = """
[feed]
kind = "synthetic"
speed = "1x"

[feed.synthetic]
seed = {seed}
start_date = "2026-01-05"
endless = true
jumps_per_hour = 0
"""
MARKET: Final = """
[[feed.synthetic.instruments]]
symbol = "{symbol}"
px = {px}
events_per_second = {rate}
size_lots = {lots}
reversion_ticks = 4
reversion_seconds = 0.2
"""
GATEWAY: Final = f"""
[gateway.market]
tick_by_tick_max = {STREAMS}
"""
TRADER: Final = f"tick_streams_max = {STREAMS}\n"

# One turns round without end and takes what is there, the other rests at the touch and follows it: orders, replaces
# and cancels. Limits over time leave room for that; each is on.
STRATEGY: Final = f"""
[strategies.turn]
kind = "meanrev"
symbols = ["BAC"]
[strategies.turn.params]
half_life_s = 5
enter_z = 0.5
leave_z = 0.1
position_shares = 100
cadence_s = 0.02
warm_up_s = 5
quotes_min = 20
[strategies.turn.execution]
algo = "immediate"
patience = 0.0

[strategies.rest]
kind = "meanrev"
symbols = ["IBM"]
[strategies.rest.params]
half_life_s = 5
enter_z = 0.8
leave_z = 0.2
position_shares = 250
cadence_s = 1
warm_up_s = 5
quotes_min = 20
[strategies.rest.execution]
algo = "twap"
params = {{ duration_s = 15, slices = 3 }}
patience = 1.0

[limits.account]
rate_strategy_orders = 25
rate_symbol_orders = 25
rate_symbol_seconds = 1
order_notional_max = 60_000
gross_max = 250_000
net_max = 250_000
{TURNING}"""


def run_part(number: int) -> dict[str, Any]:
    """One minute, with another market each part."""
    return run_stress(8_100 + number, peak=highest(), seconds=SECONDS)


@functools.lru_cache
def highest() -> Load:
    """The highest counts of the shipped example's days, or of a made-up one where no recording is; and of the journals
    that are named.
    """
    with tempfile.TemporaryDirectory(prefix="qs-") as name:
        run_whole(drill_config(Path(name)))
        loads = [load_of(Path(name) / "journal")]
    loads += [load_of(Path(folder)) for folder in own_journals()]
    return functools.reduce(higher, loads)


def own_journals() -> list[str]:
    """Folders of an own trader's journals."""
    return [folder for folder in os.environ.get(JOURNALS, "").split(os.pathsep) if folder]


def run_stress(seed: int, *, peak: Load, seconds: float) -> dict[str, Any]:
    """So many seconds at twice the peak, the kill, and what became of all of it."""
    rate = TIMES * peak.rows.second * EVENTS_PER_ROW
    feed = FEED.format(seed=seed) + "".join(
        MARKET.format(symbol=name, px=px, rate=rate * part, lots=lots) for name, px, part, lots in SYMBOLS
    )
    ticks = Ticks()
    with (
        WireTap(ticks) as tap,
        new_pair(feed=feed, strategy=STRATEGY, gateway=GATEWAY, trader=TRADER, dial=tap.port) as pair,
    ):
        tap.behind = pair.port
        text = pair.trader_file.read_text()
        pair.trader_file.write_text(text.replace('profile = "l1_250"', 'profile = "tbt"'))
        stress = Stress(pair, tap, ticks, peak=peak)
        pair.start("gateway", "trader")
        stress.begin()
        stress.load(seconds)
        stress.kill()
        stress.load(AFTER_S)
        return stress.end(seed, seconds)


class Stress:
    """One run; failures fill up as it goes."""

    def __init__(self, pair: Pair, tap: WireTap, ticks: Ticks, *, peak: Load) -> None:
        self._pair, self._tap, self._ticks, self._peak = pair, tap, ticks, peak
        self.failures: list[str] = []
        self.times: dict[str, float] = {}
        self._lag_rows = self._behind_ns = 0
        self._first_seq = self._first_tick = self._last_tick = self._killed_ns = 0
        self._working = self._connections = 0

    def check(self, holds: bool, text: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.failures.append(text)

    # ---- the run -----------------------------------------------------------------------------------------------
    def begin(self) -> None:
        """Until both strategies trade."""
        self._pair.wait(self._trades, "both strategies trade", running="trader")

    def _trades(self) -> bool:
        status = self._pair.status()
        if status is None or not {"turn", "rest"} <= {position.strategy for position in status.positions}:
            return False
        self._first_seq, self._first_tick = status.seq, len(self._ticks.frames)
        self._connections = self._ticks.connections
        return True

    def load(self, seconds: float) -> None:
        """Look at both sides from time to time while the load goes on."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(LOOK_S, left_s))
            self._look()
        if not self._killed_ns:
            self._last_tick = len(self._ticks.frames)

    def _look(self) -> None:
        heard = len(self._ticks.frames)
        status = self._pair.status()
        if status is None:
            self.check(False, "the trader did not answer within two seconds")
            return
        self._lag_rows = max(self._lag_rows, heard - status.counters.rows)
        self._behind_ns = max(self._behind_ns, int(self._gateway("status")["behind_ns"]))

    def _gateway(self, command: str) -> Any:
        with connected(self._pair.gateway_state / "control.sock") as client:
            return msgspec.json.decode(bytes(client.request(command)))

    def _open(self) -> list[dict[str, Any]]:
        return [order for order in self._gateway("orders") if order["status"] in OPEN]

    def kill(self) -> None:
        """In the middle of the load, with orders at the broker."""
        pair = self._pair
        pair.wait(lambda: bool(self._open()), "an order works", running="trader")
        began_ns = boottime_ns()
        pair.command("kill", reason="drill: stress")
        self._killed_ns = answered_ns = boottime_ns()
        pair.wait(self._is_verified, "the kill is verified", running="trader", deadline_s=VERIFIED_S)
        self._working = len(self._reports()[-1]["orders"])
        self.times["kill_verified_s"] = _seconds(began_ns, boottime_ns())
        self.times["kill_answered_s"] = _seconds(began_ns, answered_ns)
        cancels = [one.ts_ns for one in self._tap.of(CLIENT_ID, CANCEL, GLOBAL_CANCEL) if one.ts_ns >= began_ns]
        self.check(bool(cancels), "no cancel left after the kill")
        self.times["kill_first_cancel_s"] = _seconds(began_ns, min(cancels, default=began_ns))
        left = self._open()
        self.check(not left, f"{len(left)} orders are open at the broker after the kill was verified")

    def _is_verified(self) -> bool:
        reports = self._reports()
        return bool(reports and reports[-1]["verified_ns"])

    def _reports(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = msgspec.json.decode(self._pair.command("kills"))
        return found

    # ---- the end -----------------------------------------------------------------------------------------------
    def end(self, seed: int, seconds: float) -> dict[str, Any]:
        """Stop the trader, compare everything, and the record of this part."""
        pair = self._pair
        pair.wait(lambda: accounted(pair) and quiet(pair), "no order works any more", running="trader")
        time.sleep(LATE_S)
        status = pair.status()
        self._check_gateway()
        stopped_ns = boottime_ns()
        code = pair.stop("trader")
        self.check(code == 0, f"the trader ended with {code}: {pair.logs()}")
        sent = self._tap.of(CLIENT_ID, PLACE)
        late = [one for one in sent if one.ts_ns > self._killed_ns]
        self.check(not late, f"{len(late)} orders left after the kill was answered")
        self.failures += ledger_differences(pair) + twice(pair)
        journal = pair.trader_state / "journal"
        told = judged(journal, Wire(ticks=self._ticks, sent=sent, stopped_ns=stopped_ns), from_seq=self._first_seq)
        self.failures += told.failures
        load = load_of(journal)
        per_s = (self._last_tick - self._first_tick) / seconds
        self._check_reached(load, per_s)
        frames = verify(journal).get("frames", 0)
        return {
            "seed": seed,
            "peak_of": ["BAC and IBM, 7 to 11 October 2013" if market_data() else "a made-up day", *own_journals()],
            "peak": msgspec.to_builtins(self._peak),
            "reached": msgspec.to_builtins(load),
            "rows_per_s": round(per_s),
            "rows_per_s_least": self._least_in_a_second(),
            "seconds": seconds,
            "lag_rows_max": self._lag_rows,
            "gateway_behind_ms_max": round(self._behind_ns / 1e6, 1),
            "orders_killed": self._working,
            "times": self.times | told.times,
            "refusals": {} if status is None else status.counters.refusals,
            "alerts": told.alerts,
            "counts": told.counts | {"frames replayed": frames},
            "failures": [f"seed {seed}: {text}" for text in self.failures],
        }

    def _least_in_a_second(self) -> int:
        """Rows on the wire in the emptiest whole second of the load."""
        times_ns = np.array(self._ticks.times_ns[self._first_tick : self._last_tick], np.int64)
        seconds = np.bincount((times_ns - times_ns[0]) // NANO) if len(times_ns) else np.zeros(1, np.int64)
        return int(seconds[:-1].min(initial=seconds[0]))

    def _check_gateway(self) -> None:
        """Nobody was cut off, nothing was not understood, neither side fell behind."""
        counts = self._gateway("status")["counts"]
        odd = {name: counts[name] for name in GARBAGE if counts.get(name)}
        self.check(not odd, f"the gateway counted {odd}")
        more = self._ticks.connections - self._connections
        self.check(not more, f"{more} new connections under the load")
        most = TIMES * self._peak.rows.second * LAG_S_MAX
        self.check(self._lag_rows <= most, f"{self._lag_rows} rows waited for the trader")
        self.check(self._behind_ns <= LAG_S_MAX * NANO, f"the gateway was {self._behind_ns / 1e6} ms behind")

    def _check_reached(self, load: Load, per_s: float) -> None:
        """Twice the peak in every kind; rows as a mean of the whole time."""
        wanted = TIMES * self._peak.rows.second
        self.check(per_s >= wanted, f"only {per_s:.0f} rows a second, {wanted} were wanted")
        for kind in Load.__struct_fields__:
            peak, reached = getattr(self._peak, kind), getattr(load, kind)
            for span in Most.__struct_fields__:
                most, found = TIMES * getattr(peak, span), getattr(reached, span)
                self.check(found >= most, f"only {found} {kind} in a {span}, {most} were wanted")


def _seconds(begin_ns: int, end_ns: int) -> float:
    return round((end_ns - begin_ns) / NANO, 4)
