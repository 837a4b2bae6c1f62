"""The log of a process (daemon/log): who speaks never waits, no secret is in a line, the journal gets its fields."""

import fcntl
import json
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import commands as c
from core import events as e
from core import notes as n
from daemon.config import Config, load_config
from daemon.config.guarding import AlertTarget
from daemon.log import OrderLog
from daemon.log.line import LINE_BYTES_MAX, Said, encoded, plain
from daemon.log.orders import BURST_MAX, LINES_PER_SECOND, WAITING_MAX
from daemon.log.out import JournalOut, StreamOut, is_journal
from daemon.log.secrets import MASK, Redactor, secrets_of
from daemon.log.sink import LINES_MAX, Sink

ROOT = Path(__file__).resolve().parents[2]


class Kept:
    """An out that keeps every line."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def write(self, fields: Mapping[str, Any]) -> None:
        """One line, as everybody else gets it."""
        self.lines.append(json.loads(encoded(fields)))


def line_of(redactor: Redactor | None = None, **fields: Any) -> bytes:
    """One line."""
    return encoded(plain(Said("info", 1_790_000_000_123_456_789, fields), {}, redactor or Redactor()))


# ---- nobody waits --------------------------------------------------------------------------------------------------
def test_a_pipe_nobody_reads_holds_up_nobody() -> None:
    """The oldest lines give way; once somebody reads, the newest are there and the count of the others is told."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:  # fill it
        try:
            os.write(writer, b" " * 4096)
        except BlockingIOError:
            break
    os.set_blocking(writer, True)
    sink = Sink(Kept(), Redactor())
    sink._out = StreamOut(writer, priorities=False, given_up=lambda: sink.given_up)
    sink.start()
    said = LINES_MAX + 500
    for number in range(said):
        sink.say("info", "flood", number=number)
    collected = bytearray()

    def read() -> None:
        while block := os.read(reader, 65_536):
            collected.extend(block)

    reading = threading.Thread(target=read)
    reading.start()
    sink.close(60.0)
    os.close(writer)
    reading.join(60.0)
    os.close(reader)
    lines = [json.loads(line) for line in bytes(collected).strip().splitlines()]
    numbers = [line["number"] for line in lines if line["event"] == "flood"]
    (lost,) = [line["count"] for line in lines if line["event"] == "log lines lost"]
    assert numbers == sorted(numbers)
    assert numbers[-1] == said - 1, "the newest"
    assert len(numbers) + lost == said
    assert lost >= 499, "all but one gave way at most: the writer held one"


def test_a_close_does_not_wait_for_a_reader_that_never_comes() -> None:
    """It gives up after its time, and says so in what it returns to: the count of lost lines."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    sink = Sink(Kept(), Redactor())
    sink._out = StreamOut(writer, priorities=False, given_up=lambda: sink.given_up)
    sink.start()
    for _ in range(100):
        sink.say("info", "x" * 1000)
    sink.close(0.01)
    sink.say("info", "after the end")
    assert sink.lost
    os.close(reader)
    os.close(writer)


def test_a_line_that_cannot_be_told_costs_neither_the_others_nor_who_speaks() -> None:
    """An object whose text raises, one that is gone by the time, and one that contains itself."""

    class Odd:
        def __str__(self) -> str:
            raise ValueError("no text")

    endless: list[Any] = []
    endless.append(endless)
    out = Kept()
    sink = Sink(out, Redactor())
    sink.say("info", "odd", what=Odd(), again=endless, big=1 << 80, half="\udc80", nan=float("nan"))
    sink.say("info", "next")
    assert [line["event"] for line in out.lines] == ["odd", "next"]
    assert out.lines[0]["what"] == "<Odd: ValueError>"
    assert out.lines[0]["big"] == str(1 << 80)


def test_a_line_is_bounded() -> None:
    """Whatever is in it; what names it stays."""
    many: dict[str, Any] = {f"k{at}": "é" * 10_000 for at in range(200)}
    line = line_of(event="many", order_id=7, **many)
    assert len(line) <= LINE_BYTES_MAX
    assert json.loads(line) == json.loads(line) | {"event": "many", "order_id": "7", "cut": True}


# ---- secrets ---------------------------------------------------------------------------------------------------------
SECRETS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=6, max_size=24
)


def planted(secret: str) -> list[dict[str, Any]]:
    """The ways a secret gets into a line."""
    try:
        raise ValueError(f"cannot log in with {secret!r}")
    except ValueError as fault:
        raised = fault
    record = logging.LogRecord("lib", logging.ERROR, "f", 1, "refused: %s", (secret,), None)
    quoted = urllib.parse.quote(secret, safe="")
    return [
        {"event": f"user:{secret}"},
        {"event": "x", "dsn": f"postgresql://quantd:{quoted}@db/quantd"},
        {"event": "x", "deep": {"a": [{"b": (secret, secret.encode())}]}},
        {"event": "x", secret: 1, "inner": {secret: 2}},
        {"event": "x", "text": json.dumps({"reply": secret})},
        {"event": "x", "exc_info": raised},
        {"record": record},
        {"event": "x", "struct": AlertTarget(name="desk", command=("send", secret))},
        {"event": "x", "db_password": secret, "totp": secret, "headers": {"Authorization": secret}},
    ]


@settings(max_examples=40, deadline=None)
@given(secret=SECRETS)
def test_a_planted_secret_is_in_no_line(secret: str) -> None:
    """Wherever it was said, however it is written."""
    redactor = Redactor([secret])
    if secret in f"cannot log in with user postgresql quantd: refused{MASK}" or secret.isdecimal():
        return  # a word of the line itself
    for fields in planted(secret):
        line = encoded(plain(Said("info", 0, fields), {}, redactor)).decode()
        told = json.loads(line)
        told.pop("timestamp")
        values = json.dumps(told, ensure_ascii=False)
        forms = {secret, urllib.parse.quote(secret, safe=""), repr(secret)[1:-1], json.dumps(secret)[1:-1]}
        assert not [form for form in forms if form in line or form in values or form in str(told)], line


def test_names_and_urls_need_no_list() -> None:
    """A field that is called a secret, and a URL with a password, are masked without having been configured."""
    line = line_of(
        event="to mqtts://bridge:hunter2@broker:8883/x and amqp://u:p@ss@h",
        api_key="abcd", private_key=b"---", token="t", nested={"client_secret": "s"},
        tokens=12, authority="key", password=None, code="LEASE_LOST",
    ).decode()  # fmt: skip
    told = json.loads(line)
    assert told["event"] == f"to mqtts://{MASK}@broker:8883/x and amqp://{MASK}@h"
    assert (told["api_key"], told["private_key"], told["token"], told["nested"]) == (
        MASK, MASK, MASK, {"client_secret": MASK},
    )  # fmt: skip
    assert (told["tokens"], told["authority"], told["password"], told["code"]) == (12, "key", None, "LEASE_LOST")


def test_the_secrets_a_config_names_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By file and by variable; of a URL its password and tokens as well; what cannot be read is not our business."""
    config = load_config(ROOT / "examples" / "ib_paper.toml", state_dir=tmp_path)
    (tmp_path / "urls").write_text("# desk\ntgram://123456789:AAbbCC-token/42\nmailto://me:hunter2%21@mail.example\n")
    (tmp_path / "totp").write_text("JBSWY3DPEHPK3PXP\n")
    monkeypatch.setenv("DB_PASSWORD", "correct horse")
    (tmp_path / "console").write_text("b2f00d1e5\n")
    target = AlertTarget(name="desk", urls_file=str(tmp_path / "urls"))
    gone = AlertTarget(name="gone", urls_file=str(tmp_path / "gone"))
    config = msgspec.structs.replace(
        config,
        alerts=msgspec.structs.replace(config.alerts, to=(target, gone)),
        ops=msgspec.structs.replace(config.ops, tokens={"console": str(tmp_path / "console")}),
        record=msgspec.structs.replace(config.record, password_variable="DB_PASSWORD"),
    )
    found = set(secrets_of(config)) | set(secrets_of(_with_operator(config, str(tmp_path / "totp"))))
    assert {"correct horse", "JBSWY3DPEHPK3PXP", "AAbbCC-token", "123456789", "hunter2!", "b2f00d1e5"} <= found
    assert not {"mail.example", "# desk", "desk"} & found


def _with_operator(config: Config, path: str) -> Config:
    from daemon.config.persons import OperatorSettings

    operators = {"ann": OperatorSettings(totp_secret_file=path)}
    return msgspec.structs.replace(config, authority=msgspec.structs.replace(config.authority, operators=operators))


# ---- the journal of systemd ------------------------------------------------------------------------------------------
def fields_of(datagram: bytes) -> dict[str, str]:
    """systemd.journal-fields(7), native protocol."""
    found: dict[str, str] = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        if b"=" in line:
            name, _, value = line.partition(b"=")
            datagram = rest
        else:
            name, (length,) = line, struct.unpack_from("<Q", rest)
            value, datagram = rest[8 : 8 + length], rest[9 + length :]
        found[name.decode()] = value.decode()
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    """Where journald would listen."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "journal"))
    listening.settimeout(60.0)
    yield listening
    listening.close()


def test_the_journal_gets_fields_to_search_by(tmp_path: Path, journal: socket.socket) -> None:
    """Priority, who speaks, the ids of an order; the line itself is the message."""
    otherwise = Kept()
    out = JournalOut(tmp_path / "journal", "trader", otherwise)
    sink = Sink(out, Redactor(["hunter2"]))
    sink.common = {"process": "trader", "account": "du1"}
    sink.say(
        "critical", "order refused", order_id=7, order_ref="q-du1-1-a", text="two\nlines with hunter2", more={"a": 1}
    )
    found = fields_of(journal.recv(65_536))
    assert found["PRIORITY"] == "2"
    assert found["SYSLOG_IDENTIFIER"] == "quantd-trader"
    assert (found["QUANTD_ORDER_ID"], found["QUANTD_ORDER_REF"], found["QUANTD_ACCOUNT"]) == ("7", "q-du1-1-a", "du1")
    assert found["QUANTD_TEXT"] == f"two\nlines with {MASK}"
    assert json.loads(found["MESSAGE"])["more"] == {"a": 1}
    assert not otherwise.lines
    os.unlink(tmp_path / "journal")
    sink.say("warning", "nobody there")
    assert [line["event"] for line in otherwise.lines] == ["nobody there"]
    out.close()


PROGRAM = """
import logging, sys, threading, warnings
from pathlib import Path
import daemon.log.process as process
process.JOURNAL_SOCKET = Path(sys.argv[1])
with process.process_log("trader") as told:
    told.sink.redactor.add(["hunter2"])
    told.bind(epoch=3)
    told.log.info("started", rows=1)
    logging.getLogger("uvicorn").error("no %s", "hunter2", extra={})
    logging.getLogger("uvicorn").info("not told")
    warnings.warn("old hunter2")
    thread = threading.Thread(target=lambda: int("hunter2"), name="worker")
    thread.start()
    thread.join()
    raise RuntimeError("lost hunter2")
"""


@pytest.mark.slow
@pytest.mark.parametrize("under", ["systemd", "systemd without its socket", "a pipe"])
def test_everything_a_process_says_is_one_line_each(under: str, tmp_path: Path, journal: socket.socket) -> None:
    """Its own lines, libraries, warnings, threads and the error that ends it, without a secret."""
    reader, writer = os.pipe()
    found = os.fstat(writer)
    stream = {} if under == "a pipe" else {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    at = tmp_path / ("journal" if under == "systemd" else "gone")
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(at)], stderr=writer, check=False, cwd=ROOT, timeout=120,
        env={**os.environ, **stream, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        errors = file.read()
    assert ended.returncode == 1
    if under == "systemd":
        assert errors == b""
        journal.setblocking(False)
        told = [fields_of(datagram) for datagram in _all(journal)]
        lines = [json.loads(fields["MESSAGE"]) for fields in told]
        assert [fields["PRIORITY"] for fields in told] == ["6", "3", "4", "3", "2"]
    else:
        texts = errors.decode().splitlines()
        if under != "a pipe":
            assert [text[:3] for text in texts] == ["<6>", "<3>", "<4>", "<3>", "<2>"], "sd-daemon(3)"
            texts = [text[3:] for text in texts]
        lines = [json.loads(text) for text in texts]
    events = ["started", f"no {MASK}", lines[2]["event"], "a thread ended by an error", "ended by an error"]
    assert [line["event"] for line in lines] == events
    assert f"old {MASK}" in lines[2]["event"]
    assert all(line["process"] == "trader" and line["epoch"] == 3 for line in lines)
    assert lines[-1]["exception"].endswith(f"RuntimeError: lost {MASK}")
    assert "hunter2" not in json.dumps(lines)


HUNG = """
import os, signal
from daemon.log.process import process_log
def here_it_hung(): os.kill(os.getpid(), signal.SIGABRT)
with process_log("trader"):
    here_it_hung()
"""


@pytest.mark.slow
def test_an_abort_leaves_where_it_hung() -> None:
    """What a watchdog ends leaves its stacks on stderr."""
    ended = subprocess.run(
        [sys.executable, "-c", HUNG], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.returncode == -6
    assert "Fatal Python error: Aborted" in ended.stderr
    assert "in here_it_hung" in ended.stderr


def _all(listening: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield listening.recv(65_536)
        except BlockingIOError:
            return


def test_a_stream_of_another_process_is_not_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """JOURNAL_STREAM is inherited; only the very same stream counts."""
    reader, writer = os.pipe()
    found = os.fstat(writer)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    assert is_journal(writer)
    assert not is_journal(2)
    os.close(writer)
    assert not is_journal(writer)
    os.close(reader)


# ---- orders ----------------------------------------------------------------------------------------------------------
def placed(order_id: int) -> c.PlaceOrder:
    """An order as the gate passed it."""
    intent = c.OrderIntent(
        order_id=order_id, parent_id=9, slice_no=1, strategy="s", inst=1, side=1, qty_nanos=100 * 10**9,
        order_type=c.LMT, limit_px_nanos=25_010_000_000,
    )  # fmt: skip
    order = c.ApprovedOrder(
        intent=intent, account="DU1", order_ref=f"q-du1-3-{order_id}", reduce_only=False, notional_nanos=0,
        ladder_epoch=0,
    )  # fmt: skip
    return c.PlaceOrder(order=order)


def told_by(orders: OrderLog) -> list[Mapping[str, Any]]:
    """The lines by now."""
    return [said.fields for said in orders.lines()]


def test_the_life_of_an_order_is_told_with_its_ids() -> None:
    """Placed, acknowledged, filled, cancelled, not sent: each names the order, its schedule and what caused it."""
    orders = OrderLog(("BAC", "IBM"))
    ids = {"order_id": 7, "order_ref": "q-du1-3-7", "parent_id": 9, "strategy": "s", "symbol": "IBM"}
    orders.take_records(5, 40, [(3, 41, n.Blocked(strategy="s", inst=1, reason="r")), (4, 42, placed(7))])
    orders.take_event(6, 43, e.OrderAcknowledged(order_id=7, perm_id=8))
    fill = e.OrderFilled(order_id=7, exec_id="x.1", side=1, qty_nanos=10**9, px_nanos=25 * 10**9, inst=1)
    orders.take_records(7, 44, [(4, 45, c.CancelOrder(order_id=7, reason="over"))])
    orders.take_event(7, 44, fill)
    orders.take_event(8, 46, c.NotSent(order_id=7, version=-1, reason="lease over"))
    orders.take_event(9, 47, e.TimeAdvanced())
    lines = told_by(orders)
    assert [line["event"] for line in lines] == [
        "order placed", "order acknowledged", "order filled", "order cancel asked", "order not sent",
    ]  # fmt: skip
    assert all(line.items() >= ids.items() for line in lines)
    assert lines[0].items() >= {"seq": 42, "cause_seq": 40, "qty": "100", "limit_px": "25.01", "side": "BUY"}.items()
    assert lines[2].items() >= {"exec_id": "x.1", "px": "25", "ts_ns": 7}.items()
    assert lines[4]["reason"] == "lease over"


def test_a_refusal_names_its_control() -> None:
    """Control, code, value and limit of the first check that said no."""
    orders = OrderLog(("BAC",))
    failures = (n.Failure(control=12, code="GROSS", value="5", limit="4", lift="person"),) * 2
    refusal = n.Refusal(
        order_id=1, parent_id=2, strategy="s", inst=0, side=-1, qty_nanos=1, limit_px_nanos=1, failures=failures
    )
    orders.take_records(1, 1, [(3, 2, refusal)])
    (line,) = told_by(orders)
    assert line.items() >= {"event": "order refused", "control": 12, "code": "GROSS", "failures": 2}.items()


@pytest.mark.parametrize("flood", [BURST_MAX + 100, WAITING_MAX + 700])
def test_a_flood_of_orders_is_bounded_and_counted(flood: int) -> None:
    """So many at once, so many a second, and how many were not shown; each is either shown or counted."""
    now_s = [0.0]
    orders = OrderLog(("BAC", "IBM"), clock=lambda: now_s[0])
    for number in range(flood):
        orders.take_event(1, number, e.OrderAcknowledged(order_id=number))
    first = told_by(orders)
    now_s[0] = 1.0
    then = told_by(orders)
    assert [line["event"] for line in then] == ["orders not shown"]
    assert len(first) == BURST_MAX
    assert len(first) + then[0]["count"] == flood
    for number in range(flood):
        orders.take_event(1, number, e.OrderAcknowledged(order_id=number))
    now_s[0] = 2.0
    assert len(told_by(orders)) == 2 * LINES_PER_SECOND, "what one second allows, with the one before it"


KINDS: dict[str, Callable[[], Any]] = {
    "replace": lambda: c.ReplaceOrder(order=placed(3).order),
    "settled": lambda: c.SettleOrder(order_id=3, outcome="lost", reason="absent"),
    "corrected": lambda: e.ExecutionCorrected(order_id=3, exec_id="a", corrects="b", qty_nanos=1, px_nanos=1),
    "cancelled": lambda: e.OrderCancelled(order_id=3, reason="asked"),
    "rejected": lambda: e.OrderRejected(order_id=3, code=201, text="margin"),
    "replaced": lambda: e.OrderReplaced(order_id=3, version=1, qty_nanos=1, limit_px_nanos=1),
    "replace rejected": lambda: e.ReplaceRejected(order_id=3, version=1, code=110),
    "cancel rejected": lambda: e.CancelRejected(order_id=3, code=10147),
    "inactive": lambda: e.OrderInactivated(order_id=3, reason="held"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_words(kind: str) -> None:
    """None of them fails to be told."""
    orders = OrderLog(("BAC", "IBM"))
    orders.take_event(1, 2, KINDS[kind]())
    (line,) = told_by(orders)
    assert line["order_id"] == 3
    assert line_of(**line)
