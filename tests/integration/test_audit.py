"""The audit trail of the real trader: what people and protections did is in it, and it shows every way to forge it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import events as e
from core import records as r
from daemon import cli
from daemon.authority.report import audit_export
from daemon.authority.sealing import Sealing
from daemon.authority.trail import HEAD_FILE, heads, read_head, verify
from daemon.journal import JournalReader, JournalWriter, Record
from daemon.recovery import verify_replay
from tests.fakes.operators import ANN, BOB, ask
from tests.fakes.trader import Rig, Slow, install

pytestmark = pytest.mark.slow
Forgery = Callable[[list[Record]], list[Record]]


def stories(trader: Slow) -> None:
    """Commands that are done, refused by the server and refused by the engine."""
    assert ask(trader.control, "halt", reason="look")["ok"]
    assert ask(trader.control, "resume", reason="all is well")["ok"]
    assert not ask(trader.control, "resume", prover=BOB, reason="twice")["ok"]
    assert not ask(trader.control, "resume", reason="r", symbol="MSFT")["ok"]
    server = trader.control
    assert server is not None
    assert not json.loads(server.answer(b'{"id":1,"command":"resume","reason":"r"}', "socket"))["ok"]
    assert not json.loads(server.answer(b"hello", "socket"))["ok"]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Two runs: the second one ends in the middle."""
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        made = Rig(tmp_path_factory.mktemp("audit"), events_per_second=0.05)
        seen: list[int] = []

        def look(trader: Slow) -> None:
            if not seen:
                seen.append(1)
                stories(trader)
                trader.request_stop("first")

        def again(trader: Slow) -> None:
            if len(seen) == 1:
                seen.append(2)
                assert ask(trader.control, "halt", reason="second", strategy="reversion")["ok"]
                trader.request_stop("second")

        made.run(look)
        made.run(again)
    return made


def quantd(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    code = cli.main(arguments)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_everything_is_in_the_trail(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Who, how verified, what and what came of it; refused commands too; moves of the ladder, starts and digests."""
    code, out, _ = quantd(capsys, "audit", str(rig.folder), "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    told = [(line["what"], line["who"], line["authority"]) for line in lines]
    signed = f"signed:{ANN.key_id}"
    for wanted in (
        ("ConfigResolved", "trader", ""), ("CodeVersion", "trader", ""), ("TraderStarted", "trader", ""),
        ("OperatorHalted", "ann", signed), ("MoveLadder", "ann", ""), ("Answered", "ann", signed),
        ("OperatorResumed", "bob", f"signed:{BOB.key_id}"), ("Answered", "bob", f"signed:{BOB.key_id}"),
        ("CommandRefused", "ann", signed), ("CommandRefused", "socket", "peer"), ("TraderStopped", "trader", ""),
    ):  # fmt: skip
        assert wanted in told, wanted
    refused = [line["fields"]["command"] for line in lines if line["what"] == "CommandRefused"]
    assert refused == ["resume", "resume", "malformed"]
    plain = quantd(capsys, "audit", str(rig.folder), "--since", "2000-01-01")[1]
    assert len(plain.splitlines()) == len(lines)
    assert quantd(capsys, "audit", str(rig.folder), "--since", "1m")[1] == "", "the tape's time is not today"
    assert quantd(capsys, "audit", str(rig.folder), "--since", "yesterday")[0] == 2


def test_the_trail_holds_across_runs(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """One chain over restarts; its head is the one kept beside the journal, and every earlier head is in it."""
    code, out, _ = quantd(capsys, "audit", str(rig.folder), "--verify")
    assert (code, "the trail holds" in out, ", 0 not sealed yet" in out) == (0, True, True)
    told = list(heads(rig.journal))
    assert len(told) >= 4
    assert read_head(rig.folder) == told[-1]
    for count, digest in told:
        assert quantd(capsys, "audit", str(rig.folder), "--expect", f"{count}:{digest}")[0] == 0
    code, _, err = quantd(capsys, "audit", str(rig.folder), "--expect", f"{told[1][0]}:{told[0][1]}")
    assert (code, "there never was" in err) == (1, True)
    assert quantd(capsys, "audit", str(rig.folder), "--expect", "5")[0] == 2
    assert verify_replay(rig.journal).difference == ""


def test_the_self_assessment_has_the_trail(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it holds, its head and its lines, the newest where there are too many; a head told before counts."""
    head = (rig.folder / HEAD_FILE).read_text().strip()
    code, out, _ = quantd(capsys, "selfassess", "-c", str(rig.config_path), "--out", str(tmp_path), "--json")
    assert code == 0
    pack = json.loads(Path(json.loads(out)["written"][0]).read_bytes())
    audit = pack["audit"]
    assert (audit["holds"], audit["broken"], audit["left_out"], audit["head"]) == (True, "", 0, head)
    lines = [json.loads(line) for line in quantd(capsys, "audit", str(rig.folder), "--json")[1].splitlines()]
    assert [(line["seq"], line["what"], line["who"]) for line in audit["lines"]] == [
        (line["seq"], line["what"], line["who"]) for line in lines
    ]
    (halt,) = [line for line in audit["lines"] if line.get("reason") == "look" and line["what"] == "OperatorHalted"]
    assert halt["authority"] == f"signed:{ANN.key_id}"
    page = next(tmp_path.glob("*.md")).read_text()
    assert f"#{halt['seq']} OperatorHalted: who ann" in page
    monkeypatch.setattr("daemon.authority.report.EXPORTED_MAX", 3)
    bounded = audit_export(rig.journal)
    assert (len(bounded["lines"]), bounded["left_out"]) == (3, len(lines) - 3)
    assert bounded["lines"][-1]["seq"] == lines[-1]["seq"]
    into = tmp_path / "journal"
    forged(rig, into, lambda frame: [x for x in frame if x.seq < halt["seq"]])
    (tmp_path / HEAD_FILE).write_text(head)
    assert "its end is gone" in audit_export(into)["broken"]


def reason_changed(frame: list[Record]) -> list[Record]:
    """Another reason for the first halt."""
    found = []
    for record in frame:
        message: Any = r.decode(record.kind, record.payload) if record.kind == r.INPUT else None
        if type(message) is e.OperatorHalted and message.reason == "look":
            forged = e.OperatorHalted(level=message.level, scope="", reason="told to", operator="ann")
            record = record._replace(payload=memoryview(r.encode(forged)))
        found.append(record)
    return found


def move_left_out(frame: list[Record]) -> list[Record]:
    """The halt's latch was never set."""
    return [x for x in frame if x.kind != r.COMMAND or type(r.decode(x.kind, x.payload)) is not c.MoveLadder]


def refusals_left_out(frame: list[Record]) -> list[Record]:
    """Nobody was ever refused."""
    return [x for x in frame if x.kind != r.INPUT or type(r.decode(x.kind, x.payload)) is not e.CommandRefused]


def forged(rig: Rig, into: Path, forgery: Forgery) -> Path:
    """The journal written anew, with checksums and digests that are right."""
    writer = JournalWriter(into, now_ns=1, segment_bytes=1 << 20, reserve_bytes=0, background=False)
    for frame in JournalReader(rig.journal).frames():
        for x in forgery(frame):
            if x.kind == r.ROWS:
                writer.add_rows(x.seq, memoryview(bytearray(x.payload)), x.count, x.ts_ns)
            else:
                writer.add(x.kind, x.seq, x.ts_ns, x.cause_seq, bytes(x.payload))
        writer.commit()
    writer.close()
    return into


@pytest.mark.parametrize(
    ("forgery", "says"),
    [(reason_changed, "one was changed"), (move_left_out, "gone or new"), (refusals_left_out, "gone or new")],
)
def test_a_forged_journal_is_found_out(rig: Rig, tmp_path: Path, forgery: Forgery, says: str) -> None:
    """Whole, with good checksums, and yet the chain breaks at the first record that was touched."""
    assert verify(forged(rig, tmp_path / "same", list)).broken == ""
    found = verify(forged(rig, tmp_path / "forged", forgery))
    assert says in found.broken
    assert found.broken.startswith("between seq ")


def test_a_cut_journal_is_found_out(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The chain of what is left holds; the head that was kept does not lie in it."""
    kept = [seq for seq, message in rig.records(r.INPUT) if type(message) is e.AuditSealed][-2]
    into = tmp_path / "journal"
    forged(rig, into, lambda frame: [x for x in frame if x.seq <= kept])
    (tmp_path / HEAD_FILE).write_text((rig.folder / HEAD_FILE).read_text())
    assert verify(into).broken == ""
    code, _, err = quantd(capsys, "audit", str(tmp_path), "--verify")
    assert (code, "its end is gone" in err) == (1, True)


def test_a_trader_does_not_trade_on_books_that_were_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a broker a start that finds fewer records than were told of halts the account and says so."""
    install(monkeypatch)
    monkeypatch.setattr("daemon.trader.Sealing", lambda *parts, **_: Sealing(*parts, one_for_ever=True))
    rig = Rig(tmp_path, events_per_second=0.05)
    latches: list[str] = []

    def look(trader: Slow) -> None:
        latches[:] = [latch.code for latch in trader.active_runner.money.latches.held()]
        trader.request_stop("looked")

    rig.run(look)
    assert latches == []
    count, digest = read_head(tmp_path) or (0, "")
    (tmp_path / HEAD_FILE).write_text(f"{count + 3}:{digest}\n")
    rig.run(look)
    assert latches == ["AUDIT"]
    assert verify(rig.journal).broken == ""
