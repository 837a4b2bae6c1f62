"""What the gateway keeps on disk: a snapshot, and the inputs that came after it. An input is written before any byte
that depends on it leaves, and the snapshot is replaced whole, so a kill at any moment forgets nothing that a client was
told. Nothing is synced to the medium: this is paper money, and the kernel outlives the process.

`gateway.state` names its log by a generation. Rows of a feed that gives them again are not kept.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final

import msgspec
from crc32c import crc32c

from broker.feeds.merge import ControlFact
from broker.gateway.machine import AUTO_OPEN_ORDERS, CLOSED, OPENED, REQUEST, ROWS, GatewayMachine, Input
from core.errors import ConfigError
from core.events import AnyEvent
from daemon.gateway.clock import ClockOrigin

FORMAT: Final = 1
LOG_BYTES_MAX: Final = 64 << 20  # the same for a log that holds market rows
INPUTS_MAX: Final = 5_000  # in one log; then a new snapshot is due: running so many again takes a second or two
_PREFIX: Final = Struct("<II")  # bytes of the payload, their CRC32C
_encode: Final = msgspec.msgpack.Encoder().encode
_decode_input: Final = msgspec.msgpack.Decoder(Input).decode


class Snapshot(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """The content of `gateway.state`."""

    format: int
    generation: int
    config_digest: str  # of what must not change under a state
    origin: ClockOrigin
    machine: bytes
    controls: tuple[tuple[int, AnyEvent], ...]  # control facts since the last row: the feed will repeat them


_decode_snapshot: Final = msgspec.msgpack.Decoder(Snapshot).decode


class Store:
    """The files of one state directory; one process at a time."""

    def __init__(self, folder: Path, *, config_digest: str) -> None:
        self.folder = folder
        self.path = folder / "gateway.state"
        self.generation = 0
        self.inputs = 0  # in the present log
        self.log_bytes = 0
        self._config_digest = config_digest
        self._lock = self._log = -1
        self._unwritten = bytearray()
        self._sessions: dict[int, list[Input]] = {}  # by connection: what it has asked for as long as it lasts

    def lock(self) -> None:
        """Keep every other gateway out until this process ends. Raises ConfigError when one is there already."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / "gateway.lock"
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise ConfigError(
                f"state_dir {self.folder}: a gateway is running there: stop it, or give this one a folder of its own"
            ) from fault

    def load(self) -> Snapshot | None:
        """The snapshot; None at the first start. Raises ConfigError on one that cannot be gone on with."""
        try:
            found = _decode_snapshot(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as fault:
            raise ConfigError(f"{self.path}: {fault}: remove the file to begin anew, its orders are lost") from fault
        if found.format != FORMAT or found.config_digest != self._config_digest:
            raise ConfigError(
                f"{self.path}: made under another feed, instruments, accounts or venue: go back to them, or remove the "
                "file to begin anew"
            )
        self.generation = found.generation
        return found

    def logged(self) -> Iterator[Input]:
        """The inputs after the snapshot. A torn tail ends them: what depended on it was never told."""
        try:
            payload = self._log_path(self.generation).read_bytes()
        except FileNotFoundError:
            return
        at = 0
        while at + _PREFIX.size <= len(payload):
            length, check = _PREFIX.unpack_from(payload, at)
            record = payload[at + _PREFIX.size : at + _PREFIX.size + length]
            if len(record) < length or crc32c(record) != check:
                return
            yield _decode_input(record)
            at += _PREFIX.size + length

    def save(self, machine: GatewayMachine, *, origin: ClockOrigin, controls: list[ControlFact]) -> None:
        """Replace the snapshot and begin a new log. Whatever was added before is part of it; sessions that are open
        are not, so the log begins with them.
        """
        before = self.generation
        self.generation += 1
        snapshot = Snapshot(
            format=FORMAT,
            generation=self.generation,
            config_digest=self._config_digest,
            origin=origin,
            machine=machine.dump(),
            controls=tuple((fact.ts_ns, fact.event) for fact in controls),
        )
        self._unwritten.clear()
        self._close_log()
        self._log_path(self.generation).unlink(missing_ok=True)  # of a save that was torn
        self.inputs = self.log_bytes = 0
        place = {"rows_done": machine.rows_done, "facts_done": machine.facts_done, "ts_ns": machine.world.now_ns}
        for asked in self._sessions.values():
            for given in asked:
                self._write(msgspec.structs.replace(given, **place))
        self.flush()  # a log that no snapshot names yet is read by nobody
        fresh = self.path.with_name("gateway.state.new")
        fresh.write_bytes(_encode(snapshot))
        os.replace(fresh, self.path)
        self._log_path(before).unlink(missing_ok=True)

    def add(self, given: Input) -> None:
        """Take an input; `flush` writes it."""
        if given.kind == OPENED:
            self._sessions[given.number] = [given]
        elif given.kind == CLOSED:
            self._sessions.pop(given.number, None)
        elif given.kind == REQUEST and given.msg_id == AUTO_OPEN_ORDERS:
            self._sessions[given.number] = [self._sessions[given.number][0], given]
        self._write(given)
        if given.kind < ROWS:
            self.inputs += 1

    def _write(self, given: Input) -> None:
        record = _encode(given)
        self._unwritten += _PREFIX.pack(len(record), crc32c(record)) + record

    def flush(self) -> None:
        """Hand what was added to the kernel. Raises OSError when it does not take it."""
        if not self._unwritten:
            return
        if self._log < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._log = os.open(self._log_path(self.generation), flags, 0o600)
        rest = memoryview(self._unwritten)
        self.log_bytes += len(rest)
        while rest:
            rest = rest[os.write(self._log, rest) :]
        rest.release()
        self._unwritten = bytearray()

    def close(self) -> None:
        """Let go of the log and of the folder."""
        self._close_log()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _close_log(self) -> None:
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    def _log_path(self, generation: int) -> Path:
        return self.folder / f"gateway-{generation}.log"
