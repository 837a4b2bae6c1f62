"""The control server over a real unix socket: rights, protocol, bounds, hostile input."""

import asyncio
import getpass
import json
import os
import socket
import stat
import typing
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core import events as e
from core.errors import Bug, ConfigError
from core.latches import ACCOUNT, STRATEGY, SYMBOL
from daemon.control import lines as control
from daemon.control.messages import LINE_BYTES_MAX, PROVEN, AnyRequest
from daemon.control.server import REFUSALS_PER_MINUTE_MAX, ControlServer, Reply
from tests.fakes.operations import FakeOperations
from tests.fakes.operators import ACCOUNT as ACCOUNT_ID
from tests.fakes.operators import ANN, EPOCH, an_authority, signed

Ask = Callable[..., Awaitable[dict[str, Any]]]


def new_server(path: Path, operations: FakeOperations) -> ControlServer:
    """A server that knows two symbols and one strategy."""
    return ControlServer(path, operations, an_authority(), symbols=("BAC", "IBM"), strategies=("meanrev",))


@pytest.fixture
def operations() -> FakeOperations:
    """What the server calls."""
    return FakeOperations()


@pytest.fixture
async def server(tmp_path: Path, operations: FakeOperations) -> AsyncIterator[ControlServer]:
    """A listening server."""
    made = new_server(tmp_path / "control.sock", operations)
    await made.start()
    yield made
    await made.close()


async def talk(path: Path, content: bytes, *, answers: int = 1) -> list[dict[str, Any]]:
    """Send bytes, read so many answer lines (fewer if the server hangs up)."""
    with control_address(path) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    writer.write(content)
    lines = []
    try:
        async with asyncio.timeout(5):
            for _ in range(answers):
                line = await reader.readline()
                if not line:
                    break
                lines.append(json.loads(line))
    finally:
        writer.close()
    return lines


def control_address(path: Path) -> Any:
    """The address as the server's own clients find it."""
    from daemon.control.endpoint import reachable

    return reachable(path)


@pytest.fixture
def ask(server: ControlServer) -> Ask:
    """One request, one answer."""

    async def one(command: str, **fields: Any) -> dict[str, Any]:
        line = json.dumps({"id": 7, "command": command, **fields}).encode()
        if command in PROVEN:
            line = signed(command, {"id": 7} | fields, prover=ANN, account=ACCOUNT_ID, epoch=EPOCH)
        return (await talk(server.path, line + b"\n"))[0]

    return one


async def test_only_the_owner_may_open_the_socket(server: ControlServer) -> None:
    """Mode 0600, and a stranger's uid is turned away before a byte is read."""
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600


async def test_a_stranger_is_turned_away(server: ControlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer's credentials decide, whatever the file's mode."""
    monkeypatch.setattr(control, "peer_is_trusted", lambda uid: False)
    answers = await talk(server.path, b'{"id":1,"command":"ping"}\n', answers=2)
    assert [answer["ok"] for answer in answers] == [False]
    assert server.requests == 0


async def test_status_ping_and_why_not(ask: Ask) -> None:
    """The three questions are answered with results."""
    assert (await ask("ping"))["result"] == "pong"
    assert (await ask("status"))["result"]["feed"][0][0] == "BAC"
    answer = await ask("why-not", symbol="IBM")
    assert (answer["id"], answer["ok"], answer["result"][0]["symbol"]) == (7, True, "IBM")


@pytest.mark.parametrize(
    ("command", "made"),
    [
        ("halt", e.OperatorHalted),
        ("kill", e.OperatorKilled),
        ("flatten", e.OperatorFlattened),
        ("resume", e.OperatorResumed),
    ],
)
@pytest.mark.parametrize(
    ("scope", "level", "name"),
    [({}, ACCOUNT, ""), ({"strategy": "meanrev"}, STRATEGY, "meanrev"), ({"symbol": "BAC"}, SYMBOL, "BAC")],
)
async def test_scoped_commands_become_facts(
    ask: Ask, operations: FakeOperations, command: str, made: Any, scope: dict[str, str], level: int, name: str
) -> None:
    """Command, scope and reason arrive with who gave them: the unix user, or the operator who signed."""
    answer = await ask(command, reason="  fat finger ", **scope)
    assert answer == {"id": 7, "ok": True, "result": "done"}
    user = getpass.getuser() if os.geteuid() else "root"
    who = (
        {"operator": "ann", "authority": f"signed:{ANN.key_id}"}
        if command == "resume"
        else {"operator": user, "authority": "peer"}
    )
    assert operations.events == [made(level=level, scope=name, reason="fat finger", **who)]


async def test_settling_commands_become_facts(ask: Ask, operations: FakeOperations) -> None:
    """resolve, acknowledge and arm carry their numbers."""
    await ask("resolve", order_id=3, outcome="filled", qty="100", px="25.10", reason="broker says so")
    await ask("resolve", order_id=4, outcome="lost", reason="gone")
    await ask("acknowledge", sync_id=9, reason="read")
    await ask("arm", digest="abc123", reason="new release")
    filled, lost, acknowledged, armed = operations.events
    assert isinstance(filled, e.OrderResolved)
    assert (filled.qty_nanos, filled.px_nanos) == (100_000_000_000, 25_100_000_000)
    assert isinstance(lost, e.OrderResolved)
    assert (lost.order_id, lost.outcome) == (4, "lost")
    assert isinstance(acknowledged, e.DifferenceAcknowledged)
    assert acknowledged.sync_id == 9
    assert isinstance(armed, e.DeployArmed)
    assert armed.digest == "abc123"


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"command": "resume", "reason": ""}, "reason"),
        ({"command": "kill", "reason": " \t "}, "reason"),
        ({"command": "halt", "reason": "x" * 401}, "401 characters"),
        ({"command": "halt", "reason": "a\u001b[2Jb"}, "control characters"),
        ({"command": "halt", "reason": "x", "strategy": "momentum"}, "meanrev"),
        ({"command": "halt", "reason": "x", "symbol": "MSFT"}, "BAC, IBM"),
        ({"command": "halt", "reason": "x", "symbol": "BAC", "strategy": "meanrev"}, "not both"),
        ({"command": "why-not", "symbol": "MSFT"}, "BAC, IBM"),
        ({"command": "resolve", "order_id": 1, "outcome": "eaten", "reason": "x"}, "lost, cancelled, filled"),
        ({"command": "resolve", "order_id": 0, "outcome": "lost", "reason": "x"}, "order_id"),
        ({"command": "resolve", "order_id": 1, "outcome": "filled", "reason": "x"}, "QTY@PX"),
        ({"command": "resolve", "order_id": 1, "outcome": "lost", "qty": "1", "reason": "x"}, "takes no quantity"),
        ({"command": "resolve", "order_id": 1, "outcome": "filled", "qty": "NaN", "px": "1", "reason": "x"}, "finite"),
        ({"command": "resolve", "order_id": 1, "outcome": "filled", "qty": "-1", "px": "1", "reason": "x"}, "above 0"),
        ({"command": "resolve", "order_id": 1, "outcome": "filled", "qty": "1e999", "px": "1", "reason": "x"}, "qty"),
        ({"command": "parent-pause", "parent_id": 0, "reason": "x"}, "parent_id"),
        ({"command": "parent-cancel", "parent_id": 3, "reason": ""}, "reason"),
        ({"command": "arm", "digest": "", "reason": "x"}, "digest"),
    ],
)
async def test_refused_before_it_is_a_fact(
    server: ControlServer, operations: FakeOperations, request_: dict[str, Any], says: str
) -> None:
    """What is understood but not acceptable is refused with its remedy and steps nothing."""
    fields = dict(request_)
    line = signed(fields.pop("command"), fields, prover=ANN, account=ACCOUNT_ID, epoch=EPOCH)
    (answer,) = await talk(server.path, line + b"\n")
    assert (answer["ok"], answer["refused"]) == (False, True)
    assert says in answer["error"]
    assert operations.events == []
    assert [r.why for r in operations.refusals] == ([answer["error"]] if request_["command"] != "why-not" else [])


async def test_the_engine_may_refuse(ask: Ask, operations: FakeOperations) -> None:
    """A refusal of the daemon is told apart from an error."""
    operations.reply = Reply(False, "still DOWN: wait for READY")
    answer = await ask("resume", reason="x")
    assert answer == {"id": 7, "ok": False, "refused": True, "error": "still DOWN: wait for READY"}


@pytest.mark.parametrize(
    ("line", "request_id", "says"),
    [
        (b"hello", 0, "not a request"),
        (b"[1,2,3]", 0, "not a request"),
        (b"{}", 0, "unknown command"),
        (b'{"id":5,"command":"sell-all"}', 5, "unknown command 'sell-all'"),
        (b'{"id":5,"command":"halt"}', 5, "reason"),
        (b'{"id":5,"command":"halt","reason":12}', 5, "reason"),
        (b'{"id":5,"command":"ping","extra":1}', 5, "extra"),
        (b'{"id":"5","command":"ping"}', 0, "id"),
        (b'{"id":99999999999999999999999,"command":"ping"}', 0, ""),
        (b'{"id":5,"command":"halt","reason":"\xff\xfe"}', 5, ""),
        (b'{"id":5,"command":"halt","reason":"\\ud800"}', 0, ""),
        (b'{"id":5,"command":' + b"[" * 60_000, 0, ""),
        (b"[" * 60_000, 0, "not a request"),
        (bytes(range(1, 10)) + bytes(range(11, 256)), 0, "not a request"),
        (b"\x00" * 4096, 0, "not a request"),
    ],
    ids=range(15),
)
async def test_malformed_input_is_answered_and_counted(
    server: ControlServer, operations: FakeOperations, line: bytes, request_id: int, says: str
) -> None:
    """An error line and a count; the same connection goes on working."""
    answers = await talk(server.path, line + b'\n{"id":8,"command":"ping"}\n', answers=2)
    assert [answer["ok"] for answer in answers] == [False, True]
    assert answers[0]["refused"] is False
    assert answers[0]["id"] == request_id
    assert says in answers[0]["error"]
    assert server.malformed == 1
    assert operations.events == []


@pytest.mark.parametrize("ending", [b"", b"\n"])
async def test_a_line_without_end_is_cut_off(server: ControlServer, ending: bytes) -> None:
    """Memory is bounded: 64 KiB and a byte close the connection with an error."""
    answers = await talk(server.path, b"x" * (LINE_BYTES_MAX + 1) + ending, answers=2)
    assert len(answers) == 1
    assert f"more than {LINE_BYTES_MAX} bytes" in answers[0]["error"]
    assert server.malformed == 1


async def test_the_longest_line_is_still_read(server: ControlServer) -> None:
    """The bound is on the line, not on the chunk it came in."""
    padded = b'{"id":1,"command":"ping"' + b" " * (LINE_BYTES_MAX - 25) + b"}\n"
    assert (await talk(server.path, padded))[0]["result"] == "pong"


async def test_requests_may_come_in_pieces_and_in_bunches(server: ControlServer) -> None:
    """A stream has no message borders."""
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    for piece in (b'{"id":1,"com', b'mand":"ping"}\n{"id":2,', b'"command":"ping"}\n\n{"id":3,"command":"ping"}\n'):
        writer.write(piece)
        await asyncio.sleep(0)
    assert [json.loads(await reader.readline())["id"] for _ in range(3)] == [1, 2, 3]
    writer.close()


async def test_a_silent_client_blocks_nobody(server: ControlServer) -> None:
    """One client says half a word for ever, the other is served."""
    _reader, writer = await asyncio.open_unix_connection(str(server.path))
    writer.write(b'{"id":1,')
    assert (await talk(server.path, b'{"id":2,"command":"ping"}\n'))[0]["ok"]
    writer.close()


async def test_a_full_house_makes_room(server: ControlServer, operations: FakeOperations) -> None:
    """The client that was silent longest goes; the newcomer's kill gets through."""
    clients = [await asyncio.open_unix_connection(str(server.path)) for _ in range(control.CONNECTIONS_MAX)]
    reader, writer = clients[0]
    writer.write(b'{"id":1,"command":"ping"}\n')
    assert json.loads(await reader.readline())["ok"]
    (answer,) = await talk(server.path, b'{"id":1,"command":"kill","reason":"now"}\n')
    assert answer["ok"]
    assert len(operations.events) == 1
    assert "silent longest" in json.loads(await clients[1][0].readline())["error"]
    writer.write(b'{"id":2,"command":"ping"}\n')
    assert json.loads(await reader.readline())["ok"], "the client that spoke last stays"
    for _, open_writer in clients:
        open_writer.close()


async def test_a_flood_is_cut_off(server: ControlServer) -> None:
    """More requests than any person sends in a second close that connection."""
    flood = b'{"id":1,"command":"ping"}\n' * (control.REQUESTS_PER_SECOND_MAX + 50)
    answers = await talk(server.path, flood, answers=control.REQUESTS_PER_SECOND_MAX + 50)
    assert len(answers) == control.REQUESTS_PER_SECOND_MAX + 1
    assert "requests in a second" in answers[-1]["error"]


async def test_a_client_that_never_reads_is_cut_off(
    server: ControlServer, operations: FakeOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has not read does not pile up in the trader."""
    monkeypatch.setattr(control, "UNSENT_BYTES_MAX", 1024)
    operations.why_not = lambda symbol: [{"text": "x" * 100_000}]  # type: ignore[method-assign]
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(str(server.path))
    raw.sendall(b'{"id":1,"command":"why-not"}\n' * 20)
    async with asyncio.timeout(5):
        while not server.malformed:  # noqa: ASYNC110  # a client that reads nothing has nothing else to wait for
            await asyncio.sleep(0)
    raw.close()


async def test_a_fault_of_ours_reaches_the_loop_and_the_client(ask: Ask, operations: FakeOperations) -> None:
    """A Bug while operating is not swallowed: the loop's handler, which ends the trader, gets it."""
    seen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(context))
    operations.fault = Bug("books do not add up")
    answer = await ask("halt", reason="x")
    assert not answer["ok"]
    assert "books do not add up" in answer["error"]
    assert seen[0]["exception"] is operations.fault


async def test_a_dead_daemons_socket_is_replaced(tmp_path: Path, operations: FakeOperations) -> None:
    """kill -9 leaves the file behind; the next start takes it over."""
    path = tmp_path / "control.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    server = new_server(path, operations)
    await server.start()
    assert (await talk(path, b'{"id":1,"command":"ping"}\n'))[0]["ok"]
    await server.close()
    assert not path.exists()


async def test_a_live_daemons_socket_is_left_alone(server: ControlServer, operations: FakeOperations) -> None:
    """Two traders on one state directory: the second one is told, the first goes on."""
    with pytest.raises(ConfigError, match="a running trader answers there"):
        await new_server(server.path, operations).start()
    assert (await talk(server.path, b'{"id":1,"command":"ping"}\n'))[0]["ok"]


async def test_something_else_by_that_name_is_left_alone(tmp_path: Path, operations: FakeOperations) -> None:
    """Never delete what is not a socket."""
    path = tmp_path / "control.sock"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(ConfigError, match="remove it"):
        await new_server(path, operations).start()
    assert path.read_text(encoding="utf-8") == "precious"


async def test_a_path_longer_than_the_kernel_takes(tmp_path: Path, operations: FakeOperations) -> None:
    """State directories may lie deep; sun_path holds 107 bytes."""
    path = tmp_path / ("d" * 120) / "control.sock"
    server = new_server(path, operations)
    await server.start()
    assert (await talk(path, b'{"id":1,"command":"ping"}\n'))[0]["ok"]
    await server.close()


async def test_closing_leaves_the_next_daemons_socket(server: ControlServer) -> None:
    """A slow shutdown must not delete the socket of the daemon that replaced it."""
    server.path.unlink()
    server.path.write_text("the next one's", encoding="utf-8")
    await server.close()
    assert server.path.exists()


RISKY: dict[str, dict[str, Any]] = {
    "resume": {"reason": "r"},
    "reset-peak": {"reason": "r"},
    "resolve": {"order_id": 3, "outcome": "lost", "reason": "r"},
    "acknowledge": {"sync_id": 9, "reason": "r"},
    "parent-resume": {"parent_id": 3, "reason": "r"},
    "adopt": {"reason": "r", "positions": [{"symbol": "BAC", "qty": "1"}]},
    "arm": {"digest": "abc", "reason": "r"},
    "corporate-apply": {
        "action_id": "s1",
        "kind": "split",
        "symbol": "BAC",
        "ratio": "2:1",
        "ex_date": 20260703,
        "reason": "r",
    },
    "books-correct": {"reason": "r", "lines": [{"kind": "cash", "line_id": "1", "currency": "USD", "amount": "1"}]},
    "override": {"control": 2, "strategy": "meanrev", "symbol": "BAC", "side": "buy", "qty": "1", "reason": "r"},
}
NEVER_UNPROVEN = sorted(
    str(kind.__struct_config__.tag)
    for kind in typing.get_args(AnyRequest)
    if kind.ADDS_RISK and not kind.ENGINE_DECIDES
)


@pytest.mark.parametrize("command", NEVER_UNPROVEN)
async def test_what_adds_risk_needs_a_proof(server: ControlServer, operations: FakeOperations, command: str) -> None:
    """Unsigned, changed on the way, or from an operator who may not act there: refused, audited, never a fact."""
    fields = RISKY[command]
    unsigned = json.dumps({"id": 1, "command": command} | fields).encode()
    changed = json.loads(signed(command, fields, prover=ANN, account=ACCOUNT_ID, epoch=EPOCH)) | {"reason": "other"}
    answers = await talk(server.path, unsigned + b"\n" + json.dumps(changed).encode() + b"\n", answers=2)
    settings = server.authority.settings
    ann = settings.operators["ann"]
    level, other = ("strategy", "symbol") if command == "parent-resume" else ("account", "strategy")
    settings.operators["ann"] = msgspec.structs.replace(ann, levels=(other,))
    line = signed(command, fields, prover=ANN, account=ACCOUNT_ID, epoch=EPOCH)
    try:
        answers += await talk(server.path, line + b"\n")
    finally:
        settings.operators["ann"] = ann
    assert [(answer["ok"], answer["refused"]) for answer in answers] == [(False, True)] * 3
    for answer, says in zip(answers, ("--as NAME", "is not that of ann", f"not {level}"), strict=True):
        assert says in answer["error"]
    assert operations.events == []
    assert [x.command for x in operations.refusals] == [command] * 3


async def test_a_flood_of_refusals_does_not_fill_the_journal(server: ControlServer, operations: FakeOperations) -> None:
    """So many a minute are journalled, all are answered."""
    lines = b'{"id":1,"command":"resume","reason":"r"}\n' * 150
    answers = await talk(server.path, lines, answers=150)
    assert len(answers) == 150
    assert len(operations.refusals) == REFUSALS_PER_MINUTE_MAX
