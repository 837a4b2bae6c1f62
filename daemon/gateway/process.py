"""The gateway process: start in stages, serve until asked to stop, leave a snapshot. The only place that knows all of
feed, machine, server, store and operator's socket.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from broker.feeds.client import FeedClient
from broker.feeds.merge import ControlFact
from broker.gateway.machine import decode_state
from broker.gateway.server import GatewayServer
from core.errors import Bug, ConfigError
from daemon.gateway.arrivals import UpstreamTape
from daemon.gateway.build import Built, build_gateway, state_digest
from daemon.gateway.clock import Clock, ClockOrigin, ScaledClock, origin_at
from daemon.gateway.config import GatewayConfig
from daemon.gateway.control import GatewayControl
from daemon.gateway.market import open_market
from daemon.gateway.recovery import run_again
from daemon.gateway.store import INPUTS_MAX, LOG_BYTES_MAX, Snapshot, Store
from daemon.gateway.tape import Tape
from daemon.gateway.turns import Turns
from daemon.log import Log, open_log
from daemon.notify import Notifier
from daemon.reference.tables import ReferenceTables

if TYPE_CHECKING:
    from daemon.gateway.upstream import Upstream

CARD: Final = "gateway.json"
SAVE_SECONDS: Final = 600.0  # between snapshots, while inputs come: one takes as long as encoding all orders of the day
TEND_SECONDS: Final = 1.0
COLLECTION_THRESHOLDS: Final = (50_000, 20, 100)  # cycles are rare here; a collection in the middle of a turn is not


class GatewayCard(msgspec.Struct, frozen=True, kw_only=True):
    """`gateway.json` in the state directory: who runs here and where."""

    pid: int
    addresses: tuple[str, ...]
    socket: str
    config: str


class Gateway:
    """One run of one gateway."""

    def __init__(
        self,
        config: GatewayConfig,
        path: Path,
        *,
        as_json: bool,
        log: Log | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self.config = config
        self.path = path
        self.as_json = as_json
        self.log = log or open_log()
        self.notifier = notifier or Notifier()
        self.store = Store(config.state_dir, config_digest=state_digest(config))
        self.upstream = self._upstream()
        self.clock: Clock
        self.server: GatewayServer
        self.turns: Turns
        self.built: Built
        self.tape: Tape | UpstreamTape
        self._stop = asyncio.Event()
        self._saved_s = 0.0

    def _upstream(self) -> "Upstream | None":
        if self.config.base.feed.kind != "ib":
            return None
        from daemon.gateway.upstream import Upstream  # and with it the client library

        return Upstream(self.config.base, self.log)

    async def run(self) -> None:
        """Serve until a signal or a failure. Raises ConfigError, BrokerFault, or what failed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        self.store.lock()
        snapshot = self.store.load()
        state = None if snapshot is None else decode_state(snapshot.machine)
        feed: FeedClient | None = None
        try:
            if self.upstream is not None:
                tables = await self.upstream.open()
            else:
                skip_rows = 0 if state is None else state.rows_done
                feed, tables = await open_market(self.config.base, skip_rows=skip_rows)
            self.built = build_gateway(self.config, tables, state=state)
            await self._recover(feed, snapshot)
            await self._serve(tables)
        finally:
            if feed is not None:
                await feed.aclose()
            self.store.close()

    # ---- start -------------------------------------------------------------------------------------------------
    async def _recover(self, feed: FeedClient | None, snapshot: Snapshot | None) -> None:
        """The state of before, then the time we were away; or the first moment of all."""
        machine = self.built.machine
        repeated = [] if snapshot is None else [ControlFact(*fact) for fact in snapshot.controls]
        self.tape = UpstreamTape(machine) if feed is None else Tape(feed, machine, repeated)
        count = await run_again(machine, self.built.registry, self.tape, self.store.logged())
        while self.tape.wants_more:
            await self.tape.fill()
        if self.upstream is not None:
            self.upstream.check(machine.world.now_ns)
            self.clock = self.upstream.clock
        else:
            self.clock = ScaledClock(self._origin(snapshot))
        if snapshot is None:
            machine.world.now_ns = self.clock.origin.tape_ns
            self.built.faults.start(machine.world.now_ns)
        else:
            self.log.info("restored", inputs=count, rows=machine.rows_done)
        self.built.new_session()
        await self._run_missed()
        self._save()

    def _origin(self, snapshot: Snapshot | None) -> ClockOrigin:
        speed, machine = self.config.base.feed.speed_factor, self.built.machine
        if snapshot is not None:
            # Where the old clock stands by now; anew from there, as the file may have another speed.
            return origin_at(max(ScaledClock(snapshot.origin).now_ns(), machine.world.now_ns), speed=speed)
        if self.config.gateway.clock == "wall":
            return origin_at(time.time_ns(), speed=speed)
        return origin_at(self.tape.next_ns, speed=speed)

    async def _run_missed(self) -> None:
        """Rows of the time before now: fills happen while a gateway is away."""
        tape, machine = self.tape, self.built.machine
        while not tape.run(self.clock.now_ns(), rows_max=1 << 30) or tape.behind:
            self.notifier.turn(lambda: "running the market up to now")
            if not tape.wants_more:
                raise Bug("the tape neither runs nor reads")
            await tape.fill()
        machine.advance_to(self.clock.now_ns())

    # ---- serve -------------------------------------------------------------------------------------------------
    async def _serve(self, tables: ReferenceTables) -> None:
        settings, built = self.config.gateway, self.built
        self.server = GatewayServer(
            built.machine,
            built.registry,
            self.clock,
            accounts=settings.accounts,
            limits=settings.limits,
            timezone=settings.timezone,
            read_only=settings.read_only,
            download_open_orders=settings.download_open_orders,
            before_flush=self.store.flush,
            on_bug=self._on_bug,
        )
        self.server.farms = built.faults.farms
        self.turns = Turns(built.machine, self.clock, self.tape, self._flush)
        built.machine.catch_up = self.turns.before_input
        built.machine.record = self.store.add
        control = GatewayControl(self.config.socket, built.commands, status=self._status, flush=self._flush)
        reading = asyncio.create_task(self.turns.read(), name="gateway feed")
        try:
            await control.start()
            await self._listen()
            built.faults.attach(self.server)
            if self.upstream is not None and isinstance(self.tape, UpstreamTape):
                self.tape.record = self.store.add
                await self.upstream.start(built.machine, self.tape, tables, self.turns.soon)
            self._announce()
            self.turns.arm()
            await self._until_stopped(reading)
        finally:
            if self.upstream is not None:
                await self.upstream.close()
            await control.close()
            await self.server.close()
            self.turns.stop()
            reading.cancel()
            await asyncio.wait({reading})
        self._save()
        self.log.info("stopped")

    async def _listen(self) -> None:
        try:
            await self.server.start(self.config.addresses)
        except OSError as fault:
            text = f"gateway.listen: {fault.strerror or fault}; choose a free port of this machine"
            raise ConfigError(text) from fault

    def _announce(self) -> None:
        """Tell whoever started us where we are."""
        addresses = tuple(f"{host}:{port}" for host, port in self.server.addresses)
        card = GatewayCard(
            pid=os.getpid(), addresses=addresses, socket=str(self.config.socket), config=str(self.path)
        )  # fmt: skip
        fresh = self.config.state_dir / f"{CARD}.new"
        fresh.write_bytes(msgspec.json.encode(card) + b"\n")
        os.replace(fresh, self.config.state_dir / CARD)
        if self.as_json:
            sys.stdout.write(json.dumps({"ready": True, **msgspec.to_builtins(card)}) + "\n")
            sys.stdout.flush()
        self.notifier.ready(self._told())
        self.log.info("ready", addresses=addresses, accounts=self.config.gateway.accounts, speed=self.clock.speed)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTION_THRESHOLDS)

    async def _until_stopped(self, reading: "asyncio.Task[None]") -> None:
        """Until a signal; raises what the feed or a turn raised."""
        stopping = asyncio.create_task(self._stop.wait(), name="gateway stop")
        failing = asyncio.create_task(self.turns.failed.wait(), name="gateway failure")
        waiting: set[asyncio.Task[Any]] = {stopping, failing, reading}
        try:
            while not stopping.done():
                done, _ = await asyncio.wait(waiting, timeout=TEND_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if self.turns.failure is not None:
                    raise self.turns.failure
                if self.upstream is not None and (fault := self.upstream.failure()) is not None:
                    raise fault
                if reading in done:
                    reading.result()
                    waiting.discard(reading)
                    self.log.info("the feed has ended; time goes on without rows")
                self._tend()
                self.notifier.turn(self._told)
            self.notifier.stopping("asked to")
        finally:
            for task in (stopping, failing):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({stopping, failing})

    def _tend(self) -> None:
        store = self.store
        old = asyncio.get_running_loop().time() - self._saved_s >= SAVE_SECONDS
        if store.inputs >= INPUTS_MAX or store.log_bytes >= LOG_BYTES_MAX or (store.inputs and old):
            self._save()

    def _save(self) -> None:
        self.store.save(self.built.machine, origin=self.clock.origin, controls=self.tape.controls)
        self._saved_s = asyncio.get_running_loop().time()

    def _flush(self) -> None:
        self.store.flush()
        self.server.flush()

    def _told(self) -> str:
        """One line for the manager of the service."""
        return f"{len(self.server.clients)} clients; {self.built.machine.rows_done} rows; {self.clock.speed:g}x"

    def _status(self) -> dict[str, Any]:
        """The picture of this moment, as plain values."""
        machine, server = self.built.machine, self.server
        world = machine.world
        return {
            "pid": os.getpid(),
            "addresses": [f"{host}:{port}" for host, port in server.addresses],
            "accounts": list(world.accounts),
            "now_ns": world.now_ns,
            "behind_ns": self.turns.behind_ns,
            "speed": self.clock.speed,
            "feed": "ended" if self.tape.ended else self.config.base.feed.kind,
            "rows": machine.rows_done,
            "clients": [
                {"client_id": client.client_id, "version": client.version, "peer": client.peer}
                for client in server.clients
            ],
            "counts": dict(server.counts),
            "faults": self.built.faults.listed(),
            "state": {"generation": self.store.generation, "inputs": self.store.inputs},
        }

    def _on_bug(self, fault: Exception) -> None:
        if self.config.gateway.stop_on_bug:
            self.turns.fail(fault)
