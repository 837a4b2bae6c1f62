"""The MQTT bridge between a real broker and the trader's real control socket: what is told, what is taken, and what a
broker that hangs or dies costs.
"""

import asyncio
import gc
import itertools
import json
import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from aiomqtt import ProtocolVersion, TLSParameters

from core import events as e
from core.latches import ACCOUNT as ACCOUNT_LEVEL
from core.latches import STRATEGY
from daemon.authority.keys import write_key
from daemon.authority.proof import CodeGiver
from daemon.config.guarding import AlertSettings, AlertTarget
from daemon.ops import alerts as alerting
from daemon.ops.alerts import AlertsPart
from daemon.ops.mqtt import bridge as connecting
from daemon.ops.mqtt import messages as m
from daemon.ops.mqtt import standing
from daemon.ops.mqtt.outbox import FILL, Message
from daemon.ops.raised import MQTT_LOST
from tests.fakes.mqtt import BASE, Bridge, going, payload
from tests.fakes.operators import BOB, EPOCH, KEYS
from tests.fakes.process import ROOT
from tests.servers.mosquitto import Certificates, MosquittoServer

pytestmark = pytest.mark.slow  # a broker, an observer and two sockets each

MINUTE_NS = 60 * 10**9
FEATURES = 'features = ["vix", "other"]\nfeatures_per_second = 100\n'


@pytest.fixture
def bridge(tmp_path: Path, mosquitto_server: MosquittoServer) -> Bridge:
    """Not started yet; features come in."""
    return Bridge(tmp_path / "state", mosquitto_server.port, FEATURES)


def signed_by(bridge: Bridge) -> list[tuple[str, str, str]]:
    """What became a fact: (its type, operator, authority without the key's id)."""
    events: list[Any] = bridge.operations.events
    return [(type(x).__name__, x.operator, x.authority.split(":")[0] + x.authority[-5:]) for x in events]


async def test_birth_state_and_a_signed_command_with_its_answer(bridge: Bridge) -> None:
    """Online and the trader's state are retained; a halt signed for any run is answered in the trader's words, where
    it was asked for; one that adds risk names the run.
    """
    async with bridge.observed():
        await bridge.until(lambda: bool(bridge.told("state")) and bool(bridge.told("heartbeat")))
        state = bridge.told("state")[-1]
        assert bridge.told("availability")[-1] == "online"
        assert (state["epoch"], state["trader"], state["v"]) == (EPOCH, "answers", 1)
        await bridge.publish(payload("halt", reason="look", number="a", reply_to=f"{BASE}/reply/desk/ann"))
        await bridge.until(lambda: bool(bridge.told("reply/desk/ann")))
        reply = bridge.told("reply/desk/ann")[0]
        assert (reply["id"], reply["ok"], reply["by"], reply["text"]) == ("a", True, "trader", "done")
        resume = payload("resume", reason="fine", number="b", epoch=EPOCH, strategy="reversion", signer=BOB)
        assert (await bridge.answer(resume, "b"))["ok"]
        assert signed_by(bridge) == [
            ("OperatorHalted", "ann", "signed@mqtt"),
            ("OperatorResumed", "bob", "signed@mqtt"),
        ]
        levels = [(x.level, x.scope) for x in bridge.operations.events]  # type: ignore[union-attr]
        assert levels == [(ACCOUNT_LEVEL, ""), (STRATEGY, "reversion")]
    # Whoever comes later finds the retained ones, and that the bridge said good-bye.
    bridge.heard.clear()
    async with bridge.observer():
        await bridge.until(lambda: bool(bridge.told("availability")) and bool(bridge.told("state")))
        assert bridge.told("availability") == ["offline"]
        assert all(x.retain for x in bridge.heard)


REFUSED: list[tuple[str, str, Callable[[], bytes]]] = [
    ("unsigned halt", "unsigned", lambda: payload("halt", signer=None, reason="r")),
    ("unsigned resume", "unsigned", lambda: payload("resume", signer=None, reason="r")),
    ("a code instead", "unsigned", lambda: payload("kill", signer=CodeGiver("ann", "123456"), reason="r")),  # type: ignore[arg-type]
    ("another scope than signed", "forged", lambda: payload("kill", reason="r", changed={"strategy": "reversion"})),
    ("another command than signed", "forged", lambda: payload("halt", reason="r", changed={"command": "flatten"})),
    ("another account", "forged", lambda: payload("halt", reason="r", account="DU0000002")),
    ("resume of the run before", "forged", lambda: payload("resume", reason="r", epoch=EPOCH - 1)),
    ("resume for any run", "forged", lambda: payload("resume", reason="r")),
    ("a stranger", "forged", lambda: payload("halt", reason="r", signer=_stranger())),
    ("out of date", "stale", lambda: payload("halt", reason="r", wall_ns=time.time_ns() - MINUTE_NS)),
    ("good for too long", "stale", lambda: payload("halt", reason="r", wall_ns=time.time_ns() + MINUTE_NS)),
    ("not let in", "not_taken", lambda: payload("arm", digest="abc", reason="r", epoch=EPOCH)),
    ("the cluster's lease", "not_taken", lambda: payload("lease", holder="me", valid_s=10.0)),
    ("a relay within", "not_taken", lambda: payload("relay-refused", origin="mqtt", refused="a", claimed="b", why="c")),
    ("no such scope field", "malformed", lambda: payload("halt", reason="r", changed={"scope": "x"})),
]


def _stranger() -> Any:
    from daemon.authority.keys import new_key
    from daemon.authority.proof import Signer

    return Signer("eve", new_key())


async def test_what_is_not_proven_is_refused_counted_and_audited(bridge: Bridge) -> None:
    """Every command is signed, also one that cuts risk; nothing else becomes a fact, and the trader journals each."""
    async with bridge.observed():
        for number, (_, _, made) in enumerate(REFUSED):
            reply = await bridge.answer(made().replace(b'"id":"1"', b'"id":"r%d"' % number, 1), f"r{number}")
            assert (reply["ok"], reply["by"]) == (False, "bridge"), REFUSED[number][0]
        good = payload("halt", reason="once", number="x")
        assert (await bridge.answer(good, "x"))["ok"]
        await bridge.publish(good)
        await bridge.until(lambda: len([r for r in bridge.told("reply") if r["id"] == "x"]) == 2)
        assert "used before" in bridge.told("reply")[-1]["text"]
        await bridge.publish(payload("kill", reason="r", number="k"), retain=True)
        await bridge.until(lambda: any(r["id"] == "k" for r in bridge.told("reply")))
        await bridge.publish(payload("kill", reason="r", number="z", reply_to="elsewhere/reply"))
        await bridge.publish(b"", retain=True)
        expected = {reason: len([1 for _, r, _ in REFUSED if r == reason]) for _, reason, _ in REFUSED}
        expected |= {"replayed": 1, "retained": 1, "malformed": expected["malformed"] + 2}
        await bridge.until(lambda: bridge.part.counted.refused["malformed"] == expected["malformed"])
        assert {name: n for name, n in bridge.part.counted.refused.items() if n} == expected
        assert [type(x) for x in bridge.operations.events] == [e.OperatorHalted]
        # One line a second reaches the trader: the first is there, the rest follows.
        await bridge.until(lambda: len(bridge.operations.refusals) >= 2)
        first = bridge.operations.refusals[0]
        assert (first.command, first.authority) == ("halt", "mqtt")
        assert "signed" in first.why


def inner(published: bytes) -> dict[str, Any]:
    """The request in a published command."""
    found: dict[str, Any] = json.loads(published)["request"]
    return found


async def test_the_trader_itself_believes_no_relay(bridge: Bridge) -> None:
    """What a bridge that lies could send over the control socket: each is refused and journalled by the trader."""
    lines: list[tuple[Any, str]] = [
        ({"id": 1, "command": "halt", "reason": "r"}, "needs a signature"),
        (inner(payload("kill", reason="r", changed={"strategy": "reversion"})), "not that"),
        (inner(payload("lease", holder="h", valid_s=9.0)), "is not taken over mqtt"),
        ({"id": 1, "command": "relayed", "origin": "mqtt", "request": {}}, "is not taken over mqtt"),
        ({"id": 1, "command": "nonsense"}, "unknown command"),
        ([1], "not a request"),
    ]
    await bridge.control.start()
    for request, says in lines:
        line = json.dumps({"id": 9, "command": "relayed", "origin": "mqtt", "request": request}).encode()
        answer = json.loads(bridge.control.answer(line, "socket"))
        assert (answer["ok"], answer["id"]) == (False, 9)
        assert says in answer["error"]
    assert bridge.operations.events == []
    assert [x.authority for x in bridge.operations.refusals] == ["mqtt"] * len(lines)
    for _ in range(20):  # wrong ones by the network keep nobody from the socket
        wrong = {"id": 9, "command": "relayed", "origin": "mqtt", "request": lines[1][0]}
        bridge.control.answer(json.dumps(wrong).encode(), "socket")
    good = inner(payload("resume", reason="r", epoch=EPOCH))
    assert json.loads(bridge.control.answer(json.dumps(good).encode(), "socket"))["ok"]
    await bridge.control.close()


async def test_numbers_from_outside(bridge: Bridge) -> None:
    """Those that the config names reach the trader, the newest of each; what is retained, old or unknown does not."""

    def number(value: float, *, age_s: float = 60.0, old_s: float = 0.0) -> bytes:
        as_of_ns = time.time_ns() - int(old_s * 1e9)
        return json.dumps({"v": 1, "value": value, "age_s": age_s, "as_of_ns": as_of_ns}).encode()

    async with bridge.observed():
        await bridge.publish(number(17.5), "feature/vix")
        await bridge.publish(number(3.0), "feature/vix/CCC")
        await bridge.until(lambda: len(bridge.operations.events) == 2)
        found = [(x.name, x.inst, x.value) for x in bridge.operations.events]  # type: ignore[union-attr]
        assert found == [("vix", -1, 17.5), ("vix", 1, 3.0)]
        assert all(59e9 < x.age_ns_max <= 60e9 for x in bridge.operations.events)  # type: ignore[union-attr]
        assert bridge.part.incoming is not None
        for value in range(300):  # in one go, however busy the machine is: as many messages of one read come
            bridge.part.incoming.take(f"{BASE}/feature/vix", number(float(value)), retained=False)
        await bridge.until(lambda: bridge.operations.events[-1].value == 299.0)  # type: ignore[union-attr]
        assert bridge.control.malformed == 0, "the trader was asked too often"
        taken = len(bridge.operations.events)
        assert taken < 300
        wrong = [
            ("feature/vix", number(1.0), True, "retained"),
            ("feature/vix", number(1.0, age_s=5.0, old_s=6.0), False, "stale"),
            ("feature/vix", number(1.0, old_s=-60.0), False, "malformed"),
            ("feature/vix", b'{"v":1,"value":1e999,"age_s":1,"as_of_ns":0}', False, "malformed"),
            ("feature/vix", b"1.0", False, "malformed"),
            ("feature/vix/ZZZ", number(1.0), False, "not_taken"),
            ("feature/secret", number(1.0), False, "not_taken"),
            ("feature/vix/CCC/more", number(1.0), False, "topic"),
            ("feature", number(1.0), False, "topic"),
        ]
        for topic, content, retain, _ in wrong:
            await bridge.publish(content, topic, retain=retain)
        await bridge.publish(b"", "feature/vix", retain=True)
        await bridge.until(lambda: sum(bridge.part.counted.refused.values()) == len(wrong) + 1)
        assert bridge.part.counted.refused["topic"] == 2
        assert len(bridge.operations.events) == taken
        await bridge.publish(number(1.0), "feature/other")  # named in the config, and no model reads it
        await bridge.until(lambda: bridge.part.counted.features_refused == 1)


async def test_a_broker_that_dies_loses_nothing_that_was_promised(
    tmp_path: Path, mosquitto_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 of the broker: the bridge is born again, fills come in their order and each of them, pictures anew.
    People are told that it was away, by another way, and that it is back.
    """
    monkeypatch.setattr(connecting, "AGAIN_S_MAX", 0.2)
    monkeypatch.setattr(standing, "STEADY_S", 0.2)
    monkeypatch.setattr(alerting, "LOOK_S", 0.05)
    with MosquittoServer(mosquitto_programs, tmp_path / "broker") as server:
        bridge = Bridge(tmp_path / "state", server.port, "kept_max = 1000\nlost_s = 2.0")
        heard = tmp_path / "heard"
        desk = AlertTarget(name="desk", command=("sh", "-c", f"cat >> {heard}"))
        config = msgspec.structs.replace(bridge.config, alerts=AlertSettings(to=(desk,)))

        def steady() -> bool:
            return bridge.view.mqtt is not None and not bridge.view.mqtt.away_since_s

        def people_heard(*, over: bool) -> str | None:
            said = [json.loads(line) for line in heard.read_text().splitlines()] if heard.exists() else []
            return next((one["text"] for one in said if (one["code"], one["over"]) == (MQTT_LOST, over)), None)

        async with bridge.running(), going(AlertsPart(config, structlog.get_logger()).run(bridge.view)):
            async with bridge.observer():
                await bridge.until(lambda: bool(bridge.told("state")) and steady())
                server.kill()
                for n in range(500):
                    bridge.part.outbox.put(FILL, Message(topic=f"{BASE}/fills", payload=m.encode({"n": n})))
                await bridge.until(lambda: not bridge.part.counted.connected)
                assert await bridge.trader_answers()
                await bridge.until(lambda: people_heard(over=False) is not None)
                said = people_heard(over=False) or ""
                assert re.fullmatch(rf"127.0.0.1:{server.port}: no session for \d+ s: .*refused", said)
            bridge.heard.clear()
            server.start()
            async with bridge.observer():
                await bridge.until(lambda: len(bridge.told("fills")) >= 500)
                await bridge.until(lambda: bool(bridge.told("state")))
                told = [fill["n"] for fill in bridge.told("fills")]
                assert [n for n, _ in itertools.groupby(told)] == list(range(500)), "in order; one may come twice"
                assert bridge.told("availability")[-1] == "online"
                assert bridge.part.counted.connects == 2
                await bridge.until(lambda: people_heard(over=True) is not None)


async def test_a_broker_that_hangs_costs_nothing_else(tmp_path: Path, mosquitto_programs: Path) -> None:
    """It stands still: what waits is bounded and the oldest gives way, connections do not pile up, and it goes on."""
    with MosquittoServer(mosquitto_programs, tmp_path / "broker") as server:
        bridge = Bridge(tmp_path / "state", server.port, "kept_max = 50\ntimeout_s = 0.5\nkeepalive_s = 2")
        async with bridge.running():
            await bridge.until(lambda: bool(bridge.part.counted.connected))
            before = len(os.listdir("/proc/self/fd"))
            with server.stopped():
                for n in range(200):
                    bridge.part.outbox.put(FILL, Message(topic=f"{BASE}/fills", payload=b"%d" % n))
                await bridge.until(lambda: not bridge.part.counted.connected)
                assert await bridge.trader_answers()
                assert bridge.part.outbox.dropped["fill"] == 150
                assert len(os.listdir("/proc/self/fd")) <= before + 12
            async with bridge.observer():
                await bridge.until(lambda: "199" in [str(x) for x in bridge.told("fills")])


# The client library leaves the socket of a failed handshake to the collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_tls_password_and_rights(
    tmp_path: Path, mosquitto_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that wants all three gets them; a wrong authority or password is told, tried again, and never shown.
    What its rights do not let us tell is known from the first message on, and told when they do.
    """
    monkeypatch.setattr(connecting, "DENIED_AGAIN_S", 0.1)
    certificates = Certificates(tmp_path / "certificates")
    rights = (
        f"user bridge\ntopic write {BASE}/#\ntopic read {BASE}/command\ntopic read {BASE}/feature/#\n"
        f"user ann\ntopic read {BASE}/#\ntopic write {BASE}/command\n"
    )
    users = {"bridge": "s3cret-of-bridge", "ann": "anns"}
    password = tmp_path / "password"
    password.write_text("s3cret-of-bridge\n")
    password.chmod(0o600)
    with MosquittoServer(
        mosquitto_programs, tmp_path / "broker", users=users, rights=rights, tls=certificates, mutual=True
    ) as server:
        table = (
            f'tls = true\nca_file = "{certificates.authority}"\nuser = "bridge"\npassword_file = "{password}"\n'
            f'certificate_file = "{certificates.certificate("client")}"\nkey_file = "{certificates.key("client")}"\n'
        )
        bridge = Bridge(tmp_path / "state", server.port, table)
        tls = TLSParameters(
            ca_certs=str(certificates.authority),
            certfile=str(certificates.certificate("client")),
            keyfile=str(certificates.key("client")),
        )
        ann = {"username": "ann", "password": "anns", "tls_params": tls, "protocol": ProtocolVersion.V5}
        async with bridge.observed(**ann):
            assert (await bridge.answer(payload("halt", reason="over TLS")))["ok"]
            await bridge.publish(b'{"epoch": 99}', "state")  # she may not: the broker keeps it to itself
            assert all(state["epoch"] == EPOCH for state in bridge.told("state"))
        await denied_and_allowed(tmp_path, server, table, rights)
        strangers = Certificates(tmp_path / "others")
        for other in (
            table.replace(str(certificates.authority), str(strangers.authority)),
            table.replace('user = "bridge"', 'user = "nobody"'),
        ):
            wrong = Bridge(tmp_path / "wrong", server.port, other)
            async with wrong.running():
                await wrong.until(lambda w=wrong: w.part.counted.failures >= 1)  # type: ignore[misc]
                assert not wrong.part.counted.connected
                assert "s3cret" not in wrong.part.standing.fault
                assert wrong.part.standing.fault
    gc.collect()  # here, and not within another test


async def denied_and_allowed(tmp_path: Path, server: MosquittoServer, table: str, rights: str) -> None:
    """A broker that gives our user no right but to tell the P&L."""
    server.give(rights.replace(f"topic write {BASE}/#", f"topic write {BASE}/pnl"))
    bridge = Bridge(tmp_path / "few", server.port, table)
    async with bridge.running():
        told = [f"{BASE}/{name} (not_authorized)" for name in ("availability", "state", "positions")]
        await bridge.until(lambda: bridge.view.mqtt is not None and sorted(bridge.view.mqtt.denied) == sorted(told))
        assert bridge.part.counted.connected, "commands are heard all the same"
        assert bridge.part.counted.denied["not_authorized"] >= 3
        server.give(rights)
        await bridge.until(lambda: bridge.view.mqtt is not None and not bridge.view.mqtt.denied)


SEED = 20261128
FOREIGN = payload("kill", reason="r", account="DU0000002")  # well formed, and signed for somebody else
CLASSES = ("bytes", "json", "deep", "huge", "types", "topics", "signed", "texts")


def malformed(rng: random.Random) -> tuple[str, bytes, bool]:
    """(topic, payload, retained) of one thing that is no command and no number."""
    topic = rng.choice((f"{BASE}/command", f"{BASE}/command", f"{BASE}/feature/vix", f"{BASE}/feature/{'a' * 70}",
                        f"{BASE}/feature/vix/AAA/b", f"{BASE}/feature/", f"{BASE}/feature/é\u202e/AAA"))  # fmt: skip
    retained = rng.random() < 0.1
    good = json.loads(FOREIGN)
    match rng.choice(CLASSES):
        case "bytes":
            return topic, rng.randbytes(rng.randrange(200)), retained
        case "deep":
            return topic, rng.choice((b"[", b'{"request":')) * rng.randrange(1, 1_000), retained
        case "huge":
            return topic, b'{"v":1,"id":"' + b"x" * rng.randrange(100, 40_000) + b'"}', retained
        case "types":
            name = rng.choice(list(good))
            good[name] = rng.choice((None, [], {}, 1e308, -1, "", "x" * 500, True, [[[]]], {"a": {}}))
        case "signed":
            proof = good["request"]["proof"]
            name = rng.choice(list(proof))
            proof[name] = rng.choice((None, "", "A" * 88, "€" * 40, 0, -1, 1 << 70, ["ann"], "bob"))
        case "texts":
            name = rng.choice(("command", "reason", "strategy", "id"))
            good["request"][name] = rng.choice(("", "\x00", "halt", "order", "Kill", "\ud7ff", "x" * 5_000, 5, {}))
            good["request"]["proof"] = None
        case "json":
            text = bytearray(json.dumps(good).encode())
            for _ in range(rng.randrange(1, 6)):
                text[rng.randrange(len(text))] = rng.randrange(256)
            return topic, bytes(text), retained
        case _:
            return f"{BASE}/feature/vix", json.dumps(good).encode(), retained
    return topic, json.dumps(good).encode(), retained


async def test_ten_thousand_malformed_inputs(bridge: Bridge) -> None:
    """No crash, no fact, no relayed command; every one is counted under one reason. Some of them by the real broker."""
    rng = random.Random(SEED)
    async with bridge.observed():
        incoming = bridge.part.incoming
        assert incoming is not None
        for count in range(10_000):
            topic, content, retained = malformed(rng)
            incoming.take(topic, content, retained=retained)
            if count % 500 == 0:
                await asyncio.sleep(0)  # the rest of the bridge turns too
        for _ in range(300):
            topic, content, _ = malformed(rng)
            assert bridge.client is not None
            await bridge.client.publish(topic, content[:8_000], qos=0)
        await bridge.publish(payload("halt", reason="still there", number="end"))
        await bridge.until(lambda: any(r["id"] == "end" for r in bridge.told("reply")))
        counted = bridge.part.counted
        assert counted.received == 10_301
        assert sum(counted.refused.values()) == 10_300
        assert counted.relayed == 1
        assert [type(x) for x in bridge.operations.events] == [e.OperatorHalted]
        assert bridge.control.malformed == 0


async def test_the_example_of_the_page(
    bridge: Bridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What docs/mqtt.md signs without this program is taken."""
    page = (ROOT / "docs" / "mqtt.md").read_text()
    source = page.split("```python\n")[1].split("```")[0]
    write_key(KEYS["ann"], tmp_path / "ann.key")
    monkeypatch.chdir(tmp_path)
    exec(compile(source, "docs/mqtt.md", "exec"), {})  # our own page
    published = capsys.readouterr().out.strip().encode()
    async with bridge.observed():
        await bridge.publish(published)
        await bridge.until(lambda: bool(bridge.told("reply/ann")))
        assert bridge.told("reply/ann")[0]["ok"], bridge.told("reply/ann")
        assert signed_by(bridge) == [("OperatorKilled", "ann", "signed@mqtt")]


async def test_home_assistant_is_told_where_our_numbers_are(tmp_path: Path, mosquitto_server: MosquittoServer) -> None:
    """One retained config a sensor, each on a topic of ours and on our availability."""
    bridge = Bridge(tmp_path / "state", mosquitto_server.port, 'home_assistant = "homeassistant"\ninstance = "ha"')
    async with bridge.observed():
        await bridge.until(lambda: len([x for x in bridge.heard if x.topic.value.startswith("homeassistant/")]) >= 6)
    for message in [x for x in bridge.heard if x.topic.value.startswith("homeassistant/")]:
        assert isinstance(message.payload, bytes)
        sensor = json.loads(message.payload)
        assert sensor["availability_topic"] == "quantd/ha/availability"
        assert sensor["state_topic"] in {f"quantd/ha/{name}" for name in ("state", "pnl", "heartbeat")}
