"""What the MQTT bridge is made of, each part alone: settings, topics, what waits, pictures, the operator's end."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import ConfigError
from daemon.authority.keys import write_secret
from daemon.config import load_config
from daemon.control.client import CommandFailed
from daemon.ops.mqtt import messages as m
from daemon.ops.mqtt import remote
from daemon.ops.mqtt.connect import password_of, tls_context
from daemon.ops.mqtt.outbox import ALERT, FILL, REPLY, Message, Outbox
from daemon.ops.mqtt.telemetry import Pictures
from daemon.ops.mqtt.topics import Topics, topics_of
from daemon.ops.view import Seen
from daemon.status.picture import PositionRow
from tests.fakes.operations import a_status
from tests.fakes.operators import ACCOUNT, ANN, EPOCH
from tests.fakes.trader import write_config

TOPICS = Topics("quantd/du1")

WRONG = [
    ('host = "mqtt.example"', "ops.mqtt.tls", "plain = true"),
    ('host = "10.0.0.5"', "ops.mqtt.tls", "set tls = true"),
    ('host = "mqtt.example"\ntls = true\nplain = true', "ops.mqtt.plain", "keep one"),
    ('host = "ann@mqtt.example"\ntls = true', "ops.mqtt.host", "alone"),
    ('host = "localhost"\nca_file = "ca.crt"', "ops.mqtt.ca_file", "set tls = true"),
    ('host = "localhost"\ntls = true\nkey_file = "k"', "ops.mqtt.certificate_file", "give both"),
    ('host = "localhost"\npassword_file = "p"', "ops.mqtt.user", "name the user"),
    ('host = "localhost"\nuser = "u"\npassword_file = "p"\npassword_variable = "P"', "password_variable", "keep one"),
    ('host = "localhost"\ncommands = ["order"]', "ops.mqtt.commands", "halt"),
    ('host = "localhost"\ncommands = ["lease"]', "ops.mqtt.commands", "halt"),
    ('host = "localhost"\ncommands = ["halt", "halt"]', "ops.mqtt.commands", "name it once"),
    ('host = "localhost"\nfeatures = ["a/b"]', "ops.mqtt.features", "leave out"),
    ('host = "localhost"\nfeatures_per_second = 500', "ops.mqtt.features_per_second", "100"),
    ('host = "localhost"\nprefix = "a/+"', "ops.mqtt.prefix", "quantd"),
    ('host = "localhost"\npassword = "s3cret"', "ops.mqtt.password", "password_file"),
]


@pytest.mark.parametrize(("table", "field", "remedy"), WRONG)
def test_wrong_settings_are_refused(tmp_path: Path, table: str, field: str, remedy: str) -> None:
    """Each names the field and the remedy."""
    path = write_config(tmp_path, more=f"[ops.mqtt]\n{table}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert field in str(caught.value)
    assert remedy in str(caught.value)


def test_right_settings(tmp_path: Path) -> None:
    """Ports are the usual ones, paths are the file's, topics the account's tag unless an instance is named."""
    plain = load_config(write_config(tmp_path / "a", more='[ops.mqtt]\nhost = "::1"\n'))
    assert (plain.ops.mqtt.port_used, topics_of(plain).base) == (1883, "quantd/du1")
    assert "resume" in plain.ops.mqtt.relayed
    table = '[ops.mqtt]\nhost = "mqtt.example"\ntls = true\nuser = "u"\npassword_file = "p"\nprefix = "desk/q"\n'
    safe = load_config(write_config(tmp_path / "b", more=table + 'instance = "Paper.1"\ncommands = []\n'))
    assert (safe.ops.mqtt.port_used, topics_of(safe).base) == (8883, "desk/q/Paper.1")
    assert safe.ops.mqtt.password_file == str(tmp_path / "b" / "p")
    assert safe.ops.mqtt.relayed == ()
    assert load_config(write_config(tmp_path / "c")).ops.mqtt.relayed == ()


def test_the_password_is_read_late_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file that only its owner may read, or a variable; what is wrong is told without it."""
    table = '[ops.mqtt]\nhost = "localhost"\nuser = "u"\n'
    by_file = load_config(write_config(tmp_path, more=table + 'password_file = "p"\n')).ops.mqtt
    write_secret(b"s3cret\n", tmp_path / "p")
    assert password_of(by_file) == "s3cret"
    (tmp_path / "p").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        password_of(by_file)
    by_variable = load_config(write_config(tmp_path, more=table + 'password_variable = "Q_PASS"\n')).ops.mqtt
    with pytest.raises(ConfigError, match="Q_PASS is not set"):
        password_of(by_variable)
    monkeypatch.setenv("Q_PASS", "s3cret")
    assert password_of(by_variable) == "s3cret"
    with pytest.raises(ConfigError, match="PEM"):
        tls_context(str(tmp_path / "p"), "", "", "ops.mqtt.")


def test_topics() -> None:
    """An answer goes below our own reply topic only; a number's topic has one or two plain levels."""
    assert TOPICS.answered_on("") == "quantd/du1/reply"
    assert TOPICS.answered_on("quantd/du1/reply/desk/1") == "quantd/du1/reply/desk/1"
    wrong = ("quantd/du1/command", "quantd/du1/reply", "quantd/du1/reply/", "quantd/du1/reply/+", "quantd/du1/replyx/a",
             "quantd/du1/reply/a//b", "quantd/du1/reply/#", "quantd/du1/reply/a\n", "x/" * 200)  # fmt: skip
    assert [TOPICS.answered_on(topic) for topic in wrong] == [None] * len(wrong)
    assert [TOPICS.shown(topic) for topic in ("quantd/du1/reply/a/1", "quantd/du1/fills")] == [
        "quantd/du1/reply",
        "quantd/du1/fills",
    ]
    assert TOPICS.feature_of("quantd/du1/feature/vix") == ("vix", None)
    assert TOPICS.feature_of("quantd/du1/feature/vix/AAA") == ("vix", "AAA")
    for topic in ("quantd/du1/feature/", "quantd/du1/feature", "quantd/du1/feature/a/b/c", "quantd/du2/feature/vix"):
        assert TOPICS.feature_of(topic) is None


async def test_what_waits_is_bounded_and_ordered() -> None:
    """Replies first, then fills and alerts, then pictures, of which the newest counts; the oldest gives way."""
    box = Outbox(kept_max=3)
    for n in range(5):
        box.show(Message(topic="state", payload=b"%d" % n))
        box.put(FILL, Message(topic="fills", payload=b"%d" % n))
    box.put(ALERT, Message(topic="alerts", payload=b"a"))
    box.put(REPLY, Message(topic="reply", payload=b"r"))
    assert (box.dropped[FILL], box.replaced, len(box)) == (2, 4, 6)
    taken = []
    while len(box):
        message = await box.next()
        assert await box.next() is message, "it stays until it has arrived"
        box.arrived(message)
        taken.append(message.payload)
    assert taken == [b"r", b"2", b"3", b"4", b"a", b"4"]
    waiting = asyncio.ensure_future(box.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    box.show(Message(topic="state", payload=b"new"))
    assert (await waiting).payload == b"new"
    newer = Message(topic="state", payload=b"newer")
    before = await box.next()
    box.show(newer)
    box.arrived(before)
    assert await box.next() is newer, "a picture that came while the one before was on its way is not lost"


async def test_what_the_broker_refuses_waits_and_keeps_nothing_else_back() -> None:
    """A fill of a topic that is not taken stays, bounded, and is tried again; a reply is dropped."""
    box = Outbox(kept_max=2)
    for n in range(2):
        box.put(FILL, Message(topic="fills", payload=b"%d" % n))
        box.show(Message(topic=f"picture{n}", payload=b"p"))
    box.put(REPLY, Message(topic="reply/a", payload=b"r"))
    for topic in ("reply/a", "fills", "picture0"):
        message = await box.next()
        assert message.topic == topic
        box.refused(message)
    assert (sorted(box.held), box.dropped[REPLY], len(box)) == (["fills", "picture0"], 1, 4)
    box.arrived(await box.next())
    waiting = asyncio.ensure_future(box.next())
    box.put(FILL, Message(topic="fills", payload=b"2"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert box.dropped[FILL] == 1
    box.again()
    assert (await waiting).payload == b"1", "the oldest that is left"


def test_pictures_are_news_once_and_bounded() -> None:
    """Time alone is no news; a trader that does not answer has no old numbers; the biggest picture fits."""
    pictures = Pictures("du1")
    seen = Seen(at_s=1.0, trader="answers", status=a_status(), answered_s=1.0)
    assert set(pictures.news(seen)) == {"state", "pnl", "positions"}
    later = a_status(seq=11, ts_ns=1_700_000_001_000_000_000)
    assert pictures.news(msgspec.structs.replace(seen, status=later)) == {}
    gone = pictures.news(msgspec.structs.replace(seen, trader="absent", fault="gone"))
    state = json.loads(gone["state"])
    assert (set(gone), state["trader"], "epoch" in state) == ({"state"}, "absent", False)
    pictures.forget()
    row = PositionRow(
        strategy="s" * 2_000, symbol="AAA", qty="1", average_px="1", mark="1", unrealised="0", realised="0", fees="0"
    )
    big = pictures.news(msgspec.structs.replace(seen, status=a_status(positions=(row,) * 20, more={"positions": 3})))
    told = json.loads(big["positions"])
    assert len(big["positions"]) <= m.TOLD_BYTES_MAX
    assert len(told["positions"]) + told["more"]["positions"] == 23


def test_the_operators_end() -> None:
    """A place is a URL without a password; plain text to another machine is refused; what adds risk names the run."""
    place = remote.place_of("mqtts://ann@mqtt.example/desk/q/paper1")
    assert (place.host, place.port, place.tls, place.user) == ("mqtt.example", 8883, True, "ann")
    assert place.topics.command == "desk/q/paper1/command"
    assert remote.place_of("mqtt://127.0.0.1:1999/quantd/du1").port == 1999
    for url in ("http://h/a/b", "mqtt://h", "mqtts://h/a", "mqtts://u:s3cret@h/a/b", "mqtt://h/a/b", "mqtts://h:x/a/b"):
        with pytest.raises(ConfigError) as caught:
            remote.place_of(url)
        assert "s3cret" not in str(caught.value)
    halt: dict[str, Any] = {"command": "halt", "reason": "r"}
    payload, number = remote.signed_command(halt, signer=ANN, account=ACCOUNT, epoch=None, topics=TOPICS)
    given = m.decode_command(payload)
    assert (given.id, given.reply_to) == (number, f"quantd/du1/reply/{number}")
    resume = halt | {"command": "resume"}
    with pytest.raises(CommandFailed, match="--epoch"):
        remote.signed_command(resume, signer=ANN, account=ACCOUNT, epoch=None, topics=TOPICS)
    remote.signed_command(resume, signer=ANN, account=ACCOUNT, epoch=EPOCH, topics=TOPICS)
    with pytest.raises(CommandFailed, match="unknown command"):
        remote.signed_command({"command": "sell"}, signer=ANN, account=ACCOUNT, epoch=None, topics=TOPICS)
