"""Wire to wire: a tick is written to a socket, and the time is taken when the bytes of the order it caused have come
back. The trader is the real process on the loopback, with its real config, journal and adapter; the other end is the
paper gateway, in this process, which answers everything as ever; its own market stands still and ours is played.

What is timed: from just before the write of a quote that turns the strategy round, to the socket read that holds the
whole placeOrder. Ticks of other symbols come at the given rate beside it. The rate of the blast is the messages of one
long write, until the order that its last message causes.
"""

import asyncio
import contextlib
import gc
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

from broker.gateway.part import NEVER
from broker.gateway.wire import frame_of, nanos_text
from core.errors import QuantdError
from core.rows import QUOTE
from core.units import NANO
from daemon.bench.samples import Line, Samples, judged
from daemon.bench.world import TURNING
from daemon.commands import trader_command
from daemon.gateway.config import load_gateway
from daemon.gateway.process import Gateway
from daemon.gateway.turns import Cursor

SYMBOLS: Final = 20
RATES: Final = (200, 2_000)
ORDERS: Final = 150  # of each rate
WARM: Final = 25  # orders that only warm up
EVERY_S: Final = 0.08  # between two orders: half of what the gate lets pass in a second
BLAST: Final = 200_000
START_S: Final = 300.0  # kernels may have to be compiled
WAIT_S: Final = 30.0
ORDER_S: Final = 1.0  # for an order to come, and to be done
TRIES: Final = 10
PROMPT_S: Final = 0.02  # an order that takes longer met work of the start
PROMPT_ORDERS: Final = 40
CENT: Final = NANO // 100
PX: Final = 100 * NANO
SWING: Final = 20 * CENT  # far enough from the mean to turn the strategy round
REQ_MKT_DATA: Final = 1
PLACE_ORDER: Final = b"3\0"
CHUNK: Final = 1 << 16
UNSENT_MAX: Final = 1 << 20

GATEWAY: Final = """
state_dir = "gateway"
[gateway]
listen = ["127.0.0.1:0"]
accounts = ["DU0000001"]
[gateway.limits]
pacing = "delay"
[feed]
kind = "synthetic"
speed = "1x"
[feed.synthetic]
start_date = "2026-10-05"
endless = true
{markets}{instruments}"""
TRADER: Final = """
mode = "paper"
state_dir = "."
[account]
id = "DU0000001"
tag = "bench"
[feed]
kind = "ib"
profile = "l1_250"
[ib]
port = {port}
clock = "gateway"
{instruments}
[strategies.turn]
kind = "meanrev"
symbols = ["S00"]
[strategies.turn.params]
half_life_s = 5
enter_z = 0.5
leave_z = 0.1
position_shares = 100
cadence_s = 0.01
warm_up_s = 0
quotes_min = 2
[strategies.turn.execution]
algo = "immediate"
patience = 0.0
[limits.account]
rate_strategy_orders = 25
rate_symbol_orders = 25
rate_symbol_seconds = 1
order_notional_max = 100_000
{turning}adv_min = 0
adv_order_bp_max = 10_000
participation_bp_max = 1_000_000
[journal]
reserve_mib = 0
[engine]
reconcile_s = 600
keep_warm = {warm}
"""


class Still:
    """A market without rows: what the gateway's turns ask of their tape."""

    behind = wants_more = False
    ended = True
    next_ns = NEVER

    def run(self, now_ns: int, *, rows_max: int) -> bool:
        """Nothing comes, and time goes on."""
        return True


class Peer:
    """The gateway with a hand on its lines, and the trader's process."""

    def __init__(self, folder: Path, *, keep_warm: bool = False) -> None:
        self._folder = folder
        self._keep_warm = keep_warm
        self._lines: dict[int, tuple[Any, int]] = {}  # inst -> connection and ticker id
        self._arrived = asyncio.Event()
        self._arrived_ns = 0
        self._down = True
        self.missed = 0
        self._process: subprocess.Popen[bytes] | None = None

    # ---- start and end -----------------------------------------------------------------------------------------
    async def __aenter__(self) -> "Peer":
        names = [f"S{number:02d}" for number in range(SYMBOLS)]
        instruments = "".join(f'[[instruments]]\nsymbol = "{name}"\ntick = 0.01\nround_lot = 100\n' for name in names)
        markets = "".join(
            f'[[feed.synthetic.instruments]]\nsymbol = "{name}"\npx = 100\nevents_per_second = 1.0\n' for name in names
        )
        path = self._folder / "gateway.toml"
        path.write_text(GATEWAY.format(markets=markets, instruments=instruments))
        self._gateway = gateway = Gateway(load_gateway(path, environment={}), path, as_json=False)
        self._serving = asyncio.create_task(gateway.run())
        await self._until(lambda: getattr(gateway, "server", None) is not None and gateway.server.listening)
        self._watch()
        config = self._folder / "trader.toml"
        config.write_text(
            TRADER.format(
                port=gateway.server.addresses[0][1],
                instruments=instruments,
                warm=str(self._keep_warm).lower(),
                turning=TURNING,
            )
        )
        with (self._folder / "trader.log").open("wb") as log:
            command = trader_command(config, as_json=True, parent=os.getpid())
            self._process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220  # before anything runs
        await self._until(lambda: len(self._lines) == SYMBOLS, START_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait, WAIT_S)
        self._gateway._stop.set()
        async with asyncio.timeout(WAIT_S):
            await self._serving

    async def _until(self, condition: Callable[[], bool], seconds: float = START_S) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                if self._serving.done():
                    self._serving.result()
                if self._process is not None and self._process.poll() is not None:
                    raise QuantdError(f"bench wire: the trader ended: {self._last_words()}")
                await asyncio.sleep(0.01)

    def _last_words(self) -> str:
        return " ".join((self._folder / "trader.log").read_text(errors="replace").split())[-400:]

    def _watch(self) -> None:
        """Note who has which line, and when the bytes of an order are read."""
        machine, server = self._gateway.built.machine, self._gateway.server
        subscribe, received = machine.handlers[REQ_MKT_DATA], server.received
        instruments = {str(i.symbol): i.inst for i in machine.world.instruments}

        def subscribed(client: Any, fields: Any) -> None:
            asked = fields.rest()
            subscribe(client, fields)
            if asked[1 + 12 + 2] != "1":  # no snapshot
                self._lines[instruments[asked[3]]] = (client, int(asked[1]))

        def read(connection: Any, payloads: list[bytes]) -> None:
            if any(payload.startswith(PLACE_ORDER) for payload in payloads):
                self._arrived_ns = time.perf_counter_ns()
                self._arrived.set()
            received(connection, payloads)

        machine.handlers[REQ_MKT_DATA] = subscribed
        server.received = read  # type: ignore[method-assign]

    # ---- what is played ----------------------------------------------------------------------------------------
    def noise(self, number: int) -> None:
        """One message: the size of another symbol's best bid or offer has changed."""
        inst = 1 + number % (SYMBOLS - 1)
        client, ticker = self._lines[inst]
        client.write(self._size_frame(ticker, number))

    def _size_frame(self, ticker: int, number: int) -> bytes:
        return frame_of(2, 6, ticker, 3 if number & 1 else 0, 100 + number % 900)

    def quote(self, inst: int, mid: int) -> bytes:
        """Both sides of a quote one cent wide, as TWS sends them."""
        _, ticker = self._lines[inst]
        bid, ask = nanos_text(mid), nanos_text(mid + CENT)
        return frame_of(1, 6, ticker, 1, bid, 1_000, 1) + frame_of(1, 6, ticker, 2, ask, 1_000, 1)

    def open_lines(self) -> None:
        """A first quote on every line."""
        for inst, (client, _) in self._lines.items():
            self._show_venue(inst, PX)
            client.write(self.quote(inst, PX))

    def _show_venue(self, inst: int, mid: int) -> None:
        world = self._gateway.built.machine.world
        self._gateway.turns.catch_up()
        quote = {"bid_px_nanos": mid, "ask_px_nanos": mid + CENT, "bid_qty_nanos": 1_000 * NANO,
                 "ask_qty_nanos": 1_000 * NANO}  # fmt: skip
        for name, value in (quote | {"usable": 1, "blind": 0}).items():
            world.quotes[inst][name] = value
        world.exchange.on_row(ts_ns=world.now_ns, inst=inst, kind=QUOTE, flags=0, **quote)

    def turned(self) -> bytes:
        """The quote that makes the strategy want the other side; the venue knows it first, so that it can fill."""
        self._down = not self._down
        mid = PX - SWING if self._down else PX + SWING
        self._show_venue(0, mid)
        return self.quote(0, mid)

    async def one(self) -> int:
        """One order, once the one before is done: nanoseconds from the tick's write to its bytes. A quote that causes
        none (an order before it was still on its way) is not counted, and told in `missed`.
        """
        orders: Any = self._gateway.built.machine.parts["orders"]
        client, _ = self._lines[0]
        for _ in range(TRIES):
            with contextlib.suppress(TimeoutError):
                await self._until(lambda: not orders.journal.live, ORDER_S)
            await asyncio.sleep(EVERY_S)
            frames = self.turned()
            self._arrived.clear()
            sent_ns = time.perf_counter_ns()
            client.write(frames)
            try:
                async with asyncio.timeout(ORDER_S):
                    await self._arrived.wait()
            except TimeoutError:
                self.missed += 1
                continue
            return self._arrived_ns - sent_ns
        raise QuantdError(f"bench wire: no order in {TRIES} tries: {self._last_words()}")

    # ---- measurements ------------------------------------------------------------------------------------------
    async def warm(self) -> None:
        """Until the trader answers ticks with orders: links, contracts and the day's numbers are in."""
        self.open_lines()
        deadline = time.monotonic() + START_S
        number = prompt = 0
        while time.monotonic() < deadline:
            frames = self.turned()
            self._arrived.clear()
            self._lines[0][0].write(frames)
            for _ in range(SYMBOLS):
                number += 1
                self.noise(number)
            began = time.monotonic()
            try:
                async with asyncio.timeout(1.0):
                    await self._arrived.wait()
            except TimeoutError:
                continue
            prompt = prompt + 1 if time.monotonic() - began < PROMPT_S else 0  # history is still being fetched
            await asyncio.sleep(EVERY_S)
            if prompt < PROMPT_ORDERS:
                continue
            self._gateway.turns._tape = cast(Cursor, Still())
            return
        raise QuantdError(f"bench wire: the trader sends no order: {self._last_words()}")

    async def latency(self, rate: int, orders: int) -> list[int]:
        """One sample an order, with `rate` messages a second on the other lines."""
        playing = asyncio.create_task(self._play(rate))
        samples = Samples(dropped=WARM)
        try:
            for _ in range(orders + WARM):
                samples.add(await self.one())
        finally:
            playing.cancel()
            await asyncio.wait({playing})
        return samples.kept

    async def _play(self, rate: int) -> None:
        number, began = 0, time.perf_counter()
        while True:
            due = int((time.perf_counter() - began) * rate)
            while number < due:
                self.noise(number)
                number += 1
            await asyncio.sleep(1.0 / rate if rate < 1_000 else 0.0005)

    async def blast(self, messages: int) -> float:
        """Messages a second of one long write, until the order its end causes has come back."""
        frames = [self._size_frame(self._lines[1 + at % (SYMBOLS - 1)][1], at) for at in range(messages)]
        stream = b"".join(frames)
        client, _ = self._lines[0]
        last = self.turned()
        self._arrived.clear()
        began = time.perf_counter_ns()
        for at in range(0, len(stream), CHUNK):
            client.write(stream[at : at + CHUNK])
            while client.unsent_bytes > UNSENT_MAX:  # noqa: ASYNC110  # the buffer drains between two looks
                await asyncio.sleep(0)
        client.write(last)
        try:
            async with asyncio.timeout(WAIT_S):
                await self._arrived.wait()
        except TimeoutError:
            raise QuantdError(f"bench wire: no order after the blast: {self._last_words()}") from None
        return messages / (self._arrived_ns - began) * 1e9


def wire(*, orders: int = ORDERS, messages: int = BLAST) -> Iterator[Line]:
    """The lines `wire.<messages a second>` and `wire.blast`."""
    import uvloop

    with TemporaryDirectory() as name, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield from runner.run(_measure(Path(name), orders, messages))


async def _measure(folder: Path, orders: int, messages: int) -> list[Line]:
    lines: list[Line] = []
    warm = {"keep_warm": True}
    async with Peer(folder, keep_warm=True) as peer:
        await peer.warm()
        gc.collect()
        gc.disable()
        try:
            for rate in RATES:
                samples = Samples(dropped=0)
                samples.kept = await peer.latency(rate, orders)
                line = {"name": f"wire.{rate}", "samples": len(samples.kept), **warm, **samples.times}
                line |= {"max_us": max(samples.kept) / 1000, "missed": peer.missed}
                lines.append(judged(line, p50_us=100, p99_us=400))
            await asyncio.sleep(1.0)
            rates = [await peer.blast(messages) for _ in range(3)]
            lines.append(judged({"name": "wire.blast", "messages": messages, "per_s": round(max(rates))}, per_s=50_000))
        finally:
            gc.enable()
    return lines
