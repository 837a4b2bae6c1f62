"""The trader's lease on the account: a file that its loop renews after every good turn, and that the guard watches.

One fixed block of bytes in a mapped file, renewed in under a microsecond: no system call but the clock's. Times are
CLOCK_BOOTTIME, which runs on while a machine sleeps and begins anew when it boots: a lease of another boot is over.
Who holds a lease that has run out does not renew it silently: it was not there for a while, and says so first.
"""

import mmap
import os
import socket
import struct
import time
from pathlib import Path
from typing import Final

import msgspec
from crc32c import crc32c

from core.units import NANO

LEASE_FILE: Final = "lease"
# Our name in a cluster's lease, where the host's is not enough: a pod that is made again has the old one's name. In the
# environment and not in the config, whose digest would differ for each pod.
HOLDER_VARIABLE: Final = "QUANTD_HOLDER"
BLOCK_BYTES: Final = 128
MAGIC: Final = b"quantdls"
VERSION: Final = 1
READS_MAX: Final = 20  # a reader may meet a half-written block; the next look is whole
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
# magic, version, ladder, announced, pad, sequence, epoch, pid, open orders, boot id, written ns, lease until ns, pad
_BLOCK: Final = struct.Struct("<8sIBB2xQQII16sqq52x")
_CRC: Final = struct.Struct("<I")
assert _BLOCK.size + _CRC.size == BLOCK_BYTES
_boottime_ns = time.clock_gettime_ns


def holder_name(configured: str) -> str:
    """Who we are in the cluster's lease: `guard.holder`, else $QUANTD_HOLDER, else the machine's host name."""
    return configured or os.environ.get(HOLDER_VARIABLE) or socket.gethostname()


def boottime_ns() -> int:
    """Nanoseconds since the machine booted, sleep included."""
    return _boottime_ns(time.CLOCK_BOOTTIME)


def boot_id() -> bytes:
    """Which boot this is."""
    return bytes.fromhex(BOOT_ID.read_text().strip().replace("-", ""))


class Lease(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One block as it was written."""

    sequence: int
    epoch: int
    pid: int
    boot_id: bytes
    written_ns: int
    until_ns: int
    ladder: int  # state of the account
    open_orders: int
    announced: bool  # ended on purpose: nothing is to be done about it

    def over_ns(self, now_ns: int, boot: bytes) -> int:
        """For how long it has been over; below 0 = it runs. Of another boot: since this one began."""
        return now_ns - self.until_ns if self.boot_id == boot else now_ns

    @property
    def name(self) -> str:
        """Which lease of which trader, for files and people."""
        return f"epoch {self.epoch}, pid {self.pid}"


def read_lease(directory: Path) -> Lease | None:
    """The newest whole block; None when no trader ever held one here, or the file holds none."""
    try:
        fd = os.open(directory / LEASE_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        for _ in range(READS_MAX):
            found = unpack(os.pread(fd, BLOCK_BYTES, 0))
            if found is not None:
                return found
    finally:
        os.close(fd)
    return None


def unpack(block: bytes) -> Lease | None:
    """A block, or None when it is torn or of another release."""
    if len(block) < BLOCK_BYTES or _CRC.unpack_from(block, _BLOCK.size)[0] != crc32c(block[: _BLOCK.size]):
        return None
    magic, version, ladder, announced, sequence, epoch, pid, orders, boot, written, until = _BLOCK.unpack_from(block)
    if (magic, version) != (MAGIC, VERSION):
        return None
    return Lease(
        sequence=sequence,
        epoch=epoch,
        pid=pid,
        boot_id=boot,
        written_ns=written,
        until_ns=until,
        ladder=ladder,
        open_orders=orders,
        announced=bool(announced),
    )


class TraderLease:
    """The trader's side. `until_ns` 0 = none held: no order leaves."""

    def __init__(self, directory: Path, *, lease_s: float, every_s: float) -> None:
        self._path = directory / LEASE_FILE
        self._length_ns = round(lease_s * NANO)
        self._every_ns = round(every_s * NANO)
        self._boot = boot_id()
        self._map: mmap.mmap | None = None
        self._sequence = 0
        self._epoch = 0
        self._renew_at_ns = 0
        self.until_ns = 0

    def begin(self, epoch: int, *, ladder: int, open_orders: int) -> None:
        """Take a lease: after a start, or after one that ran out was told."""
        if self._map is None:
            before = read_lease(self._path.parent)
            self._sequence = 0 if before is None else before.sequence
            self._map = self._mapped()
        self._epoch = epoch
        self._write(boottime_ns(), ladder, open_orders, announced=False)
        self._map.flush()  # also after a power cut a guard must find that there was a trader

    def _mapped(self) -> mmap.mmap:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size < BLOCK_BYTES:
                os.ftruncate(fd, BLOCK_BYTES)
            return mmap.mmap(fd, BLOCK_BYTES)
        finally:
            os.close(fd)

    @property
    def held(self) -> bool:
        """Whether one was taken and not given back; it may have run out."""
        return self.until_ns > 0

    def late_ns(self) -> int:
        """How long ago ours ran out; 0 or less = it runs."""
        return boottime_ns() - self.until_ns if self.until_ns else 0

    def renew(self, *, ladder: int, open_orders: int) -> bool:
        """After a good turn of the loop, at most every so often; False = it has run out and was not renewed."""
        now_ns = boottime_ns()
        if now_ns > self.until_ns:
            return False
        if now_ns >= self._renew_at_ns:
            self._write(now_ns, ladder, open_orders, announced=False)
        return True

    def may_send(self) -> str:
        """Why no order may leave at this moment; "" = it may. Asked for each order, right before the socket."""
        if _boottime_ns(time.CLOCK_BOOTTIME) <= self.until_ns:
            return ""
        return "lease over" if self.until_ns else "no lease yet"

    def end(self) -> None:
        """Give it back: the trader leaves on purpose, and whatever it left open stays."""
        if self._map is not None and self.until_ns:
            self._write(boottime_ns(), 0, 0, announced=True)
            self._map.flush()
        self.until_ns = 0

    def _write(self, now_ns: int, ladder: int, open_orders: int, *, announced: bool) -> None:
        assert self._map is not None, "begin() comes first"
        self._sequence += 1
        until_ns = now_ns if announced else now_ns + self._length_ns
        block = _BLOCK.pack(
            MAGIC, VERSION, ladder, announced, self._sequence, self._epoch, os.getpid(), open_orders, self._boot,
            now_ns, until_ns,
        )  # fmt: skip
        self._map[:] = block + _CRC.pack(crc32c(block))
        self.until_ns = until_ns
        self._renew_at_ns = now_ns + self._every_ns
