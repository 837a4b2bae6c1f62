"""The gateway's TCP edge as clients see it, over real sockets: handshake, sessions, ids, rates, faults of the line."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ib_async.client import Client as IbClient
from ib_async.contract import Stock

from broker.gateway.connection import HELLO_BYTES_MAX, START_BYTES_MAX, STARTED
from broker.gateway.edge import CLOSE, CUT, SERVE, SILENT, Verdict
from broker.gateway.part import Client
from broker.gateway.registry import ClientLimits
from broker.gateway.wire import frame_of
from tests.fakes.gateway_wire import (
    DAY_NS,
    DEADLINE_S,
    HOST,
    RunningClock,
    SetClock,
    eventually,
    framed_text,
    running_edge,
)

FARM_CODES = ["2104", "2106", "2158"]


class Heard:
    """A wrapper for ib_async's client that keeps every callback."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name in ("priceSizeTick", "tcpDataArrived", "tcpDataProcessed"):
            raise AttributeError(name)
        return lambda *arguments: self.calls.append((name, *arguments))


class LineFaults:
    """Does to the line what its attributes say."""

    def __init__(self) -> None:
        self.accepts = SERVE
        self.stuck_id = -1
        self.asked = 0
        self.ins: Callable[[bytes], Verdict | None] = lambda payload: None
        self.outs: Callable[[bytes], Verdict | None] = lambda frame: None

    def accept(self, port: int) -> str:
        """The same for every port."""
        return self.accepts

    def stuck(self, client_id: int) -> bool:
        """One id."""
        return client_id == self.stuck_id

    def inbound(self, client: Client, payload: bytes) -> Verdict | None:
        """As set."""
        self.asked += 1
        return self.ins(payload)

    def outbound(self, client: Client, frame: bytes) -> Verdict | None:
        """As set."""
        self.asked += 1
        return self.outs(frame)


async def test_ib_async_connects() -> None:
    """The client library of our adapter is ready on what the server says, and nobody waits for what is not served."""
    async with running_edge() as edge:
        heard = Heard()
        made: Any = IbClient  # its methods are not typed
        client = made(heard)
        await client.connectAsync(HOST, edge.port, 7, timeout=DEADLINE_S)
        assert (client.isReady(), client.serverVersion(), client.getAccounts()) == (True, 178, ["DU0000001"])
        client.reqCurrentTime()
        client.reqIds(1)
        client.reqFamilyCodes()
        client.reqNewsProviders()
        client.reqSoftDollarTiers(5)
        client.reqUserInfo(6)
        client.reqScannerParameters()
        client.reqFundamentalData(9, Stock("IBM", "SMART", "USD"), "ReportSnapshot", [])
        await eventually(lambda: any(call[:3] == ("error", 9, 430) for call in heard.calls))
        assert ("managedAccounts", "DU0000001,") in heard.calls
        assert heard.calls.count(("nextValidId", 1)) == 2
        assert ("currentTime", DAY_NS // 10**9) in heard.calls
        assert [str(call[2]) for call in heard.calls if call[:2] == ("error", -1)] == FARM_CODES
        lists = {"familyCodes", "newsProviders", "softDollarTiers", "userInfo", "scannerParameters"}
        assert lists <= {call[0] for call in heard.calls}
        client.disconnect()
        await eventually(lambda: edge.told[-1] == ("closed", DAY_NS, 7))
        assert edge.server.clients == ()


@pytest.mark.parametrize(
    ("offer", "version"), [("v157..178", 178), ("v100..157", 157), ("v157..176 +PACEAPI", 176), ("v100..225", 178)]
)
async def test_the_hello_in_pieces(offer: str, version: int) -> None:
    """Segments of one byte; the answer is the version both speak and the time, then silence until startApi."""
    async with running_edge(timezone="America/New_York") as edge:
        client = await edge.dial()
        for byte in b"API\0" + framed_text(offer):
            client.write(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert await client.receive() == [str(version), "20260320 05:46:40 EDT"]
        client.send(71, 2, 3, "")
        frames = await client.until("4", "2", "-1", "2158")
        assert frames[0] == ["15", "1", "DU0000001,"]
        assert frames[1] == ["9", "1", "1"]
        assert [frame[3] for frame in frames[2:]] == FARM_CODES
        assert {len(frame) for frame in frames[2:]} == {6 if version >= 166 else 5}


@pytest.mark.parametrize(
    "opening",
    [
        b"63\x00",  # a client of before version 100
        b"GET / HTTP/1.1\r\n\r\n",
        b"API\0" + framed_text("v100..156"),
        b"API\0" + framed_text("v179..200"),
        b"API\0" + framed_text("hello"),
        b"API\0" + (HELLO_BYTES_MAX + 1).to_bytes(4, "big"),
    ],
)
async def test_openings_that_are_closed(opening: bytes) -> None:
    """Not one byte is answered."""
    async with running_edge() as edge:
        client = await edge.dial()
        client.write(opening)
        assert await client.ended() == b""
        assert edge.server.counts["cut"] == 1


async def test_a_session_must_begin_with_start_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything else first, or a client id that is none, closes; so does a client that never starts."""
    async with running_edge() as edge:
        for fields in ((49, 1), (71, 2, -1, ""), (71, 2, "x", ""), (71, 2)):
            client = await edge.dial()
            await client.hello()
            client.send(*fields)
            assert await client.ended() == b""
        stranger = await edge.dial()
        await stranger.hello()
        stranger.write((1 << 20).to_bytes(4, "big") + bytes(START_BYTES_MAX + 1))
        assert await stranger.ended() == b""
        monkeypatch.setattr("broker.gateway.server.START_SECONDS_MAX", 0.001)
        assert await (await edge.dial()).ended() == b""
        assert edge.told == []


async def test_client_ids() -> None:
    """A second client of one id gets 326 and is closed, the first works on; the id is free when its client is gone."""
    async with running_edge(ports=2) as edge:
        first = await edge.client(5)
        second = await edge.client(5, at=1)
        assert (await second.receive())[:4] == ["4", "2", "-1", "326"]
        assert await second.ended() == b""
        first.send(49, 1)
        assert (await first.until("49"))[-1][1:] == ["1", str(DAY_NS // 10**9)]
        await first.close()
        await eventually(lambda: not edge.server.clients)
        await (await edge.client(5)).until("15")
        assert [entry[0] for entry in edge.told] == ["opened", "closed", "opened"]


async def test_at_most_so_many_clients() -> None:
    """One more is told so and closed."""
    async with running_edge() as edge:
        edge.registry.clients_max = 2
        clients = [await edge.client(client_id) for client_id in (1, 2)]
        for client in clients:
            await client.until("9")
        third = await edge.client(3)
        assert (await third.receive())[3] == "320"
        assert await third.ended() == b""


async def test_open_sockets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects beyond the bound is closed at once, also before a word was said; those inside stay."""
    monkeypatch.setattr("broker.gateway.server.CONNECTIONS_MAX", 2)
    async with running_edge() as edge:
        client, idle = await edge.client(1), await edge.dial()
        await client.until("9")
        assert await (await edge.dial()).ended() == b""
        await idle.close()
        await eventually(lambda: edge.server.counts["cut"] == 1)
        client.send(49, 1)
        await client.until("49")


async def test_order_ids_outlive_sessions() -> None:
    """nextValidId is by client id, moves only with ids that were used, and comes back after a restart."""
    async with running_edge() as edge:
        edge.registry.used(1, 41)
        edge.registry.used(1, 7)
        edge.registry.used(1, -3)
        kept = edge.registry.dump()
        assert (await (await edge.client(1)).until("9"))[-1] == ["9", "1", "42"]
        assert (await (await edge.client(2)).until("9"))[-1] == ["9", "1", "1"]
        edge.registry.roll_back(1, 30)
        assert edge.registry.next_valid_id(1) == 30
        edge.registry.load(kept)
        assert edge.registry.next_valid_id(1) == 42


async def test_open_orders_are_pushed_if_set() -> None:
    """The option of TWS: the answer to reqOpenOrders comes unasked, after the session's start."""
    async with running_edge(download_open_orders=True) as edge:
        assert (await (await edge.client(1)).until("53"))[-1] == ["53", "1"]
        assert [entry[0] for entry in edge.told] == ["opened", 5]


async def test_what_cannot_be_read() -> None:
    """Broken fields and unknown ids are answered with 320, and the session goes on; garbage ends it."""
    async with running_edge() as edge:
        client, other = await edge.client(1), await edge.client(2)
        client.send(52, 2, "x")
        assert (await client.until("4", "2", "-1", "320"))[-1][4] == (
            "Error reading request. Message id: 52. field 2: 'x' is not a number"
        )
        client.send(199, 1)
        assert (await client.until("4", "2", "-1", "320"))[-1][4].endswith("199")
        client.send(22, 8, 1)  # a scanner with all its other fields missing
        assert (await client.until("4", "2", "8", "320"))[-1][4].endswith("missing")
        client.send(49, 1)
        await client.until("49")
        client.send("garbage")
        assert await client.ended() == b""
        other.write(b"\x01\x00\x00\x00")
        assert b"DU0000001" in await other.ended()
        assert (edge.server.counts["malformed"], edge.server.counts["unknown"], edge.server.counts["cut"]) == (2, 1, 2)


async def test_a_bug_ends_nobodys_session() -> None:
    """The client is answered, the process is told, other clients work on."""
    async with running_edge() as edge:
        client, other = await edge.client(1), await edge.client(2)

        def fail(client: Client, fields: Any) -> None:
            raise KeyError("broken part")

        edge.server.machine.handlers[1] = fail  # type: ignore[attr-defined]  # the real machine
        client.send(1, 11, 77)
        assert (await client.until("4", "2", "77", "320"))[-1][4] == "Error processing request. Message id: 1."
        other.send(49, 1)
        await other.until("49")
        assert [type(fault) for fault in edge.bugs] == [KeyError]
        edge.bugs.clear()


async def test_read_only() -> None:
    """Orders, cancels and the global cancel are refused with 321 and reach nobody."""
    async with running_edge(read_only=True) as edge:
        client = await edge.client(1)
        client.send(3, 17, 0)
        client.send(4, 1, 18, "")
        client.send(58, 1)
        await client.until("4", "2", "17", "321")
        await client.until("4", "2", "18", "321")
        await client.until("4", "2", "-1", "321")
        assert [entry[0] for entry in edge.told] == ["opened"]


async def test_messages_beyond_the_rate_wait() -> None:
    """With pacing "delay" nothing is lost and nothing overtakes; the rate is counted in the gateway's time."""
    async with running_edge(limits=ClientLimits(messages_per_s_max=10), clock=RunningClock(speed=50)) as edge:
        client = await edge.client(1)
        for number in range(35):
            client.send(1, 11, number)
        await eventually(lambda: len(edge.told) == 36)
        assert [entry[3] for entry in edge.told[1:]] == [str(number) for number in range(35)]
        assert edge.server.clock.now_ns() - edge.told[0][1] >= 3 * 10**9


async def test_a_flood_that_waits_is_not_read_on() -> None:
    """The bytes that wait are bounded: the socket is left unread until there is room, and then all of it comes."""
    clock = SetClock(speed=1000)
    async with running_edge(limits=ClientLimits(messages_per_s_max=1), clock=clock) as edge:
        client = await edge.client(1)
        for number in range(8):
            client.send(1, 11, number, "x" * 400_000)
        await eventually(lambda: edge.server.clients and not edge.server.clients[0].is_read)
        assert len(edge.told) == 2

        def told_all() -> bool:
            clock.move(10**9)
            return len(edge.told) == 9

        await eventually(told_all)
        assert [entry[3] for entry in edge.told[1:]] == [str(number) for number in range(8)]
        assert edge.server.clients[0].is_read


async def test_messages_beyond_the_rate_are_rejected_if_set() -> None:
    """With pacing "reject" each is answered with 100 under its own id; the third second of it ends the session."""
    clock = SetClock()
    async with running_edge(limits=ClientLimits(messages_per_s_max=2, pacing="reject"), clock=clock) as edge:
        client = await edge.client(1)
        for second in (1, 2):
            for number in range(4):
                client.send(1, 11, 10 * second + number)
            frames = await client.until("4", "2", str(10 * second + 3), "100")
            assert frames[-1][4].endswith(f"exceeded:max=2 rec=3 ({second})")
            clock.move(10**9)
        for number in range(3):
            client.send(1, 11, 30 + number)
        assert b"(3)" in await client.ended()
        assert [entry[3] for entry in edge.told[1:] if entry[0] == 1] == ["10", "11", "20", "21", "30", "31"]


async def test_a_client_at_the_rate_is_not_rejected_for_bunching() -> None:
    """With "reject", the first message of a second may come some milliseconds early: the line bunched them."""
    clock = SetClock()
    async with running_edge(limits=ClientLimits(messages_per_s_max=2, pacing="reject"), clock=clock) as edge:
        client = await edge.client(1)
        for second in range(5):
            client.send(1, 11, 10 * second)
            client.send(1, 11, 10 * second + 1)
            await eventually(lambda second=second: len(edge.told) == 3 + 2 * second)
            clock.move(985_000_000)
        assert edge.server.clients[0].stage == STARTED


async def test_a_client_that_asks_for_pacing_is_delayed() -> None:
    """`+PACEAPI` in the connect options overrules "reject"."""
    limits = ClientLimits(messages_per_s_max=5, pacing="reject", pacing_in_clock=True)
    async with running_edge(limits=limits, clock=RunningClock(speed=50)) as edge:
        client = await edge.client(1, versions="v100..178 +PACEAPI")
        for number in range(12):
            client.send(1, 11, number)
        await eventually(lambda: len(edge.told) == 13)


async def test_a_slow_reader_is_cut_off_and_stalls_nobody() -> None:
    """More than the bound unsent ends that client alone; another is served in between."""
    async with running_edge(limits=ClientLimits(unsent_bytes_max=1 << 20)) as edge:
        slow, quick = await edge.client(1), await edge.client(2)
        await quick.until("4", "2", "-1", "2158")
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a real transport
        frame = frame_of(46, 6, 1, 45, "x" * 60_000)
        for _ in range(300):
            for connection in edge.server.clients:
                connection.send_frame(frame)
            edge.server.flush()
            await quick.until("46")
            if len(edge.server.clients) == 1:
                break
        assert [connection.client_id for connection in edge.server.clients] == [2]
        assert ("closed", DAY_NS, 1) in edge.told
        slow.writer.transport.abort()


async def test_state_is_kept_before_anything_is_told() -> None:
    """`before_flush` runs once a turn, before the bytes leave; while it fails nothing leaves."""
    order: list[str] = []
    async with running_edge(before_flush=lambda: order.append("kept")) as edge:
        client = await edge.client(1)
        await client.until("4", "2", "-1", "2158")
        order.clear()
        client.write(frame_of(49, 1) + frame_of(8, 1, 1))
        await client.until("9")
        assert order == ["kept"]

        def fail() -> None:
            raise OSError("no space")

        edge.server.before_flush = fail
        client.send(49, 1)
        await eventually(lambda: edge.bugs)
        edge.bugs.clear()
        edge.server.before_flush = lambda: order.append("kept again")
        client.send(8, 1, 1)
        assert [frame[0] for frame in await client.until("9")] == ["49", "9"]
        assert order[1:] == ["kept again"]


async def test_the_clock_is_announced_to_those_who_ask() -> None:
    """Code 2999 before managedAccounts and again when it was moved; other clients never see it."""
    async with running_edge(clock=SetClock(speed=2.5)) as edge:
        ours, other = await edge.client(1, capabilities="quantd-clock"), await edge.client(2, capabilities="x")
        assert (await ours.receive())[1:5] == ["2", "-1", "2999", f"quantd-clock ts_ns={DAY_NS} speed=2.5"]
        assert (await ours.receive())[0] == "15"
        await other.until("4", "2", "-1", "2158")
        edge.clock.move(5)
        edge.server.announce_clock()
        assert f"ts_ns={DAY_NS + 5} " in (await ours.until("4", "2", "-1", "2999"))[-1][4]
        other.send(49, 1)
        assert [frame[0] for frame in await other.until("49")] == ["49"]


async def test_refused_for_a_while() -> None:
    """As a gateway that restarts: sessions end, connections are refused, then the same port answers again."""
    async with running_edge() as edge:
        client = await edge.client(1)
        await client.until("9")
        edge.server.refuse_until(edge.clock.now_ns() + 20_000_000)
        edge.server.cut_all("nightly reset")
        await client.ended()
        with pytest.raises(ConnectionRefusedError):
            await edge.dial()
        await eventually(lambda: edge.server.listening)
        await (await edge.client(1)).until("9")


async def test_connections_taken_and_not_served() -> None:
    """Accept-then-silent never answers, accept-then-close ends at once, a stuck client id gets 326."""
    async with running_edge() as edge:
        faults = edge.server.faults = LineFaults()
        faults.accepts = SILENT
        silent = await edge.dial()
        silent.write(b"API\0" + framed_text("v157..178"))
        faults.accepts = CLOSE
        assert await (await edge.dial()).ended() == b""
        faults.accepts = SERVE
        faults.stuck_id = 4
        assert (await (await edge.client(4)).receive())[3] == "326"
        await (await edge.client(5)).until("9")
        assert silent.reader._buffer == b""  # type: ignore[attr-defined]  # nothing came in all that time
        await silent.close()
        await eventually(lambda: edge.server.counts["connections"] == 4 and len(edge.server.clients) == 1)


async def test_what_the_line_does_to_messages() -> None:
    """Dropped, doubled, delayed so that others overtake, and cut in the middle of a frame; both ways."""
    async with running_edge(clock=SetClock(speed=1000)) as edge:
        faults = LineFaults()
        client = await edge.client(1)
        await client.until("4", "2", "-1", "2158")
        edge.server.faults = faults
        faults.ins = lambda payload: [] if payload.startswith(b"8\0") else None
        client.send(8, 1, 1)
        client.send(49, 1)
        assert [frame[0] for frame in await client.until("49")] == ["49"]
        faults.ins = lambda payload: [(10**10, payload)] if payload.startswith(b"8\0") else None
        faults.outs = lambda frame: [(0, frame), (0, frame)] if frame[4:7] == b"49\0" else None
        client.send(8, 1, 1)
        client.send(49, 1)
        assert [frame[0] for frame in await client.until("9")] == ["49", "49", "9"]
        faults.outs = lambda frame: [(10**10, frame)] if frame[4:7] == b"49\0" else None
        client.send(49, 1)
        client.send(17, 1)
        assert [frame[0] for frame in await client.until("49")] == ["15", "49"]
        faults.outs = lambda frame: [(0, frame[:7]), (0, CUT)]
        client.send(49, 1)
        left = await client.ended()
        assert left == frame_of(49, 1, DAY_NS // 10**9)[:7]
        await eventually(lambda: not edge.server.clients)


async def test_held_messages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that holds back more than the bound ends the connection instead of filling the memory."""
    monkeypatch.setattr("broker.gateway.held.HELD_MAX", 3)
    async with running_edge() as edge:
        client = await edge.client(1)
        await client.until("4", "2", "-1", "2158")
        faults = edge.server.faults = LineFaults()
        faults.ins = lambda payload: [(10**12, payload)]
        for _ in range(4):
            client.send(49, 1)
        assert await client.ended() == b""


async def test_half_open() -> None:
    """The socket stays, nothing flows either way, and the client's end is still seen."""
    async with running_edge() as edge:
        client = await edge.client(1)
        await client.until("4", "2", "-1", "2158")
        faults = edge.server.faults = LineFaults()
        faults.ins = faults.outs = lambda piece: []
        requests = edge.server.counts["requests"]
        client.send(49, 1)
        edge.server.clients[0].send(49, 1, 1)
        edge.server.flush()
        await eventually(lambda: faults.asked >= 2)
        assert edge.server.counts["requests"] == requests
        edge.server.faults = None
        client.send(8, 1, 1)
        assert await client.receive() == ["9", "1", "1"]
        edge.server.faults = faults
        await client.close()
        await eventually(lambda: not edge.server.clients)
