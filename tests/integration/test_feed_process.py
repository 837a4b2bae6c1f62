"""The feed process and its client over a real pipe: the same rows as in-process, and every way it can end."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest

from broker.feeds.client import FeedClient, Item
from broker.feeds.merge import ControlFact
from broker.feeds.process import open_feed, run
from broker.feeds.protocol import (
    CONTROL,
    ERROR,
    HEADER,
    PREFIX,
    ROWS,
    FeedEnd,
    FeedError,
    RowsBatch,
    control_frame,
    decode,
    payload_bytes,
)
from broker.feeds.spec import FeedHeader, FeedSpec, ReplaySpec
from core.errors import BrokerFault, Bug, ConfigError
from core.events import HaltChanged
from core.rows import ROW
from tests.fakes.feed_tapes import OPEN_NS, joined, synthetic_spec, words, write_quotes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def replay(tmp_path: Path) -> ReplaySpec:
    """A small replay of one file."""
    rows = [(OPEN_NS + at, "A", 1.0 + at / 100, 2.0 + at / 100, 1, 1, False) for at in range(1_000)]
    return ReplaySpec(files=(write_quotes(tmp_path / "q", rows),), symbols={"A": 0}, batch_rows=300)


@asynccontextmanager
async def running(spec: FeedSpec, *, timeout_s: float = 30.0) -> AsyncIterator[FeedClient]:
    client = FeedClient(spec, timeout_s=timeout_s)
    try:
        await client.start()
        yield client
    finally:
        await client.aclose()


async def everything(client: FeedClient) -> list[Item]:
    items: list[Item] = [await client.next()]
    while not isinstance(items[-1], FeedEnd):
        items.append(await client.next())
    return items


@pytest.mark.slow
async def test_replay_over_the_pipe_equals_in_process(replay: ReplaySpec) -> None:
    """Header, batches and totals arrive as the feed made them; batches are writable arrays of their own."""
    feed = open_feed(replay)
    expected = list(feed.items())
    async with running(replay) as client:
        assert client.header == feed.header
        items = await everything(client)
        assert await client.next() is items[-1]
    batches = [item.rows for item in items if isinstance(item, RowsBatch)]
    assert [words(batch).tolist() for batch in batches] == [words(item).tolist() for item in expected]  # type: ignore[arg-type]
    assert all(batch.flags.writeable and batch.flags.c_contiguous and batch.dtype == ROW for batch in batches)
    assert items[-1] == FeedEnd(feed.totals)


@pytest.mark.slow
async def test_synthetic_facts_keep_their_place() -> None:
    """Rows and control facts of a made-up market come in the same order with the same content."""
    spec = synthetic_spec(halts_per_hour=5.0, gaps_per_hour=5.0)
    expected = list(open_feed(spec).items())
    async with running(spec) as client:
        items = await everything(client)
    assert len(items) == len(expected) + 1
    assert any(isinstance(item, ControlFact) for item in items)
    for found, made in zip(items, expected, strict=False):
        if isinstance(made, ControlFact):
            assert found == made
        else:
            assert isinstance(found, RowsBatch)
            assert words(found.rows).tolist() == words(made).tolist()


@pytest.mark.slow
async def test_bad_file_is_a_config_error(replay: ReplaySpec) -> None:
    """What is wrong before the first row is the operator's: ConfigError with file and remedy; no process stays."""
    client = FeedClient(ReplaySpec(files=("nowhere.parquet",), symbols={"A": 0}))
    with pytest.raises(ConfigError, match=r"nowhere.parquet: no such file: correct files"):
        await client.start()
    await client.aclose()
    with pytest.raises(Bug, match="before start"):
        await client.next()


@pytest.mark.slow
async def test_killed_feed_is_a_broker_fault() -> None:
    """A process that dies in mid-stream is a fault with its status, not an end."""
    async with running(synthetic_spec(endless=True)) as client:
        assert client._process is not None
        client._process.send_signal(signal.SIGKILL)
        with pytest.raises(BrokerFault, match="ended in mid-stream with status -9: nothing on stderr"):
            await everything(client)


async def test_dead_feed_tells_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The fault carries the status and the end of stderr."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho no memory >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(BrokerFault, match="status 3: no memory"):
        await FeedClient(synthetic_spec()).start()


@pytest.mark.slow
async def test_cancelled_next_loses_nothing(replay: ReplaySpec) -> None:
    """A reader that gives up waiting and comes again gets the very next frame."""
    async with running(replay) as client:
        for _ in range(3):
            waiting = asyncio.create_task(client.next())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
        items = await everything(client)
    assert len(joined(item.rows for item in items if isinstance(item, RowsBatch))) == 1_000


@pytest.mark.slow
async def test_silent_feed_is_a_broker_fault() -> None:
    """A process that is stopped is reported after the deadline, and still closed."""
    async with running(synthetic_spec(endless=True)) as client:
        assert client._process is not None
        client._process.send_signal(signal.SIGSTOP)
        client._timeout_s = 0.05
        with pytest.raises(BrokerFault, match=r"silent for 0.05 s"):
            await everything(client)


@pytest.mark.slow
def test_reader_gone_ends_the_process_quietly() -> None:
    """When nobody reads, an endless feed exits with status 0 and says nothing."""
    with subprocess.Popen(
        [sys.executable, "-m", "broker.feeds.process"], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(msgspec.json.encode(synthetic_spec(endless=True)))
        process.stdin.close()
        kind, count = PREFIX.unpack(process.stdout.read(PREFIX.size))
        assert kind == HEADER
        assert isinstance(decode(kind, process.stdout.read(count)), FeedHeader)
        process.stdout.close()
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == b""


_PARENT = """
import subprocess, sys, os, signal
child = subprocess.Popen([sys.executable, "-m", "broker.feeds.process"], stdin=subprocess.PIPE, stdout=sys.stdout)
child.stdin.write(sys.argv[1].encode()); child.stdin.flush(); child.stdin.close()
sys.stderr.write(str(child.pid)); sys.stderr.flush(); sys.stderr.close(); os.close(2)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_dead_parent_ends_the_process() -> None:
    """A trader killed with -9 takes its feed along, though somebody else still holds the pipe open."""
    document = msgspec.json.encode(synthetic_spec(endless=True)).decode()
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, document], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as parent:  # fmt: skip
        assert parent.stdin is not None
        assert parent.stdout is not None
        kind, _ = PREFIX.unpack(parent.stdout.read(PREFIX.size))  # the feed runs, blocked on the full pipe
        assert kind == HEADER
        parent.stdin.write(b"\n")
        parent.stdin.close()
        assert parent.wait(timeout=30) == -signal.SIGKILL
        parent.stdout.read()  # ends only when the feed, the last writer, is gone


def frames_of(document: bytes, path: Path) -> tuple[int, list[tuple[int, bytes]]]:
    """Run the feed in this process into a file; returns the exit status and the frames."""
    with path.open("wb") as out:
        status = run(document, out.fileno())
    raw, frames, at = path.read_bytes(), [], 0
    while at < len(raw):
        kind, count = PREFIX.unpack_from(raw, at)
        size = payload_bytes(kind, count)
        frames.append((kind, raw[at + PREFIX.size : at + PREFIX.size + size]))
        at += PREFIX.size + size
    assert at == len(raw)
    return status, frames


def test_damage_in_mid_stream_is_an_error_frame(tmp_path: Path, replay: ReplaySpec) -> None:
    """Status 2 and one last frame with one line; before it, the header."""
    path = Path(replay.files[0])
    raw = bytearray(path.read_bytes())
    raw[200:1_500] = bytes(1_300)
    path.write_bytes(raw)
    status, frames = frames_of(msgspec.json.encode(replay), tmp_path / "out")
    assert status == 2
    error = decode(*frames[-1])
    assert isinstance(error, FeedError)
    assert str(path) in error.text
    assert "\n" not in error.text
    assert [kind for kind, _ in frames] in ([HEADER, ERROR], [ERROR])  # found at open or while reading


def test_bad_spec_is_an_error_frame(tmp_path: Path) -> None:
    """A spec that does not decode is answered in the protocol, naming the field."""
    status, frames = frames_of(b'{"kind":"replay","files":["a"]}', tmp_path / "out")
    assert status == 2
    assert len(frames) == 1
    error = decode(*frames[0])
    assert isinstance(error, FeedError)
    assert "symbols" in error.text


def test_control_frame_round_trip() -> None:
    """A fact survives the wire with its time."""
    fact = ControlFact(OPEN_NS, HaltChanged(inst=3, halted=2))
    framed = control_frame(fact)
    kind, count = PREFIX.unpack_from(framed)
    assert (kind, count) == (CONTROL, len(framed) - PREFIX.size)
    assert decode(kind, framed[PREFIX.size :]) == fact


@pytest.mark.parametrize(("kind", "count"), [(9, 1), (ROWS, 10_000_000), (HEADER, 1 << 30)])
def test_foreign_prefix_is_refused(kind: int, count: int) -> None:
    """A prefix no feed sends is a fault before any memory is taken."""
    with pytest.raises(BrokerFault, match="different versions"):
        payload_bytes(kind, count)


@pytest.mark.parametrize("kind", [HEADER, CONTROL, ERROR])
def test_payload_that_does_not_decode_is_refused(kind: int) -> None:
    """Broken payloads are faults, never another exception."""
    with pytest.raises(BrokerFault, match="does not decode"):
        decode(kind, b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xff")


def test_rows_decode_writable() -> None:
    """Kernels with explicit signatures need writable rows."""
    (batch,) = [decode(ROWS, np.zeros(2, ROW).tobytes())]
    assert isinstance(batch, RowsBatch)
    batch.rows["inst"] = 7
    assert batch.rows["inst"].tolist() == [7, 7]


@pytest.mark.slow
def test_client_imports_no_heavy_library() -> None:
    """The trader's end loads neither pyarrow, pandas nor numba."""
    code = "import sys, broker.feeds.client; print([m for m in ('pyarrow','pandas','numba') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, timeout=60)
    assert shown.stdout.decode().strip() == "[]"
