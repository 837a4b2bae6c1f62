"""Corporate actions, statements, cash and lots on the command line: what is sent, shown and refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import events as e
from core.corporate import BookLine, Terms
from core.units import NANO
from tests.fakes.flex import flex_of
from tests.fakes.live import DATE
from tests.fakes.operators import give_key
from tests.integration.test_cli import Running, quantd
from tests.unit.test_statement import statement_of, traded

SPLIT = Terms(action_id="BAC-split-20260830", kind="split", inst=0, ex_date=20260830, num=1, den=10)
DIVIDEND = Terms(
    action_id="d1", kind="dividend", inst=1, ex_date=20260807, per_share_nanos=NANO // 4, currency="USD",
    pay_date=20260813, withheld_ppm=150_000,
)  # fmt: skip
FILE = """
[[action]]
kind = "split"
symbol = "BAC"
ratio = "1:10"
ex = 20260830
[[action]]
id = "d1"
kind = "dividend"
symbol = "IBM"
per_share = 0.25
currency = "USD"
ex = 20260807
pay = 20260813
withheld_percent = 15
"""


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A running fake; $QUANTD_STATE points at it."""
    monkeypatch.setenv("QUANTD_STATE", str(tmp_path))
    give_key(tmp_path)
    running = Running(tmp_path / "control.sock")
    yield running
    running.close()


def given(daemon: Running) -> list[Terms]:
    """Terms of what reached the daemon."""
    return [event.terms for event in daemon.operations.events if isinstance(event, e.CorporateActionApplied)]


def test_actions_are_given_by_words_or_by_a_file(
    daemon: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The same terms either way, and one taken back by its id."""
    split = ("--split", "BAC", "1:10", "--ex", "20260830", "--reason", "r")
    assert quantd(capsys, "corporate", "apply", *split)[0] == 0
    paid = ("--ex", "20260807", "--pay", "20260813", "--withheld", "15", "--id", "d1", "--reason", "r")
    assert quantd(capsys, "corporate", "apply", "--dividend", "IBM", "0.25", *paid)[0] == 0
    (tmp_path / "actions.toml").write_text(FILE, encoding="utf-8")
    assert quantd(capsys, "corporate", "apply", str(tmp_path / "actions.toml"), "--reason", "r")[0] == 0
    assert given(daemon) == [SPLIT, DIVIDEND, SPLIT, DIVIDEND]
    assert quantd(capsys, "corporate", "withdraw", "d1", "--reason", "r")[0] == 0
    assert given(daemon)[-1] == Terms(action_id="d1", kind="withdraw")
    assert quantd(capsys, "corporate", "list")[:2] == (0, "no corporate action is known\n")


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["apply"], 2, "exactly one of FILE, --split and --dividend"),
        (["apply", "--split", "BAC", "1:10", "--reason", "r"], 2, "ex: is missing"),
        (["apply", "--split", "BAC", "ten", "--ex", "20260830", "--reason", "r"], 4, "new shares for old ones"),
        (["apply", "--split", "ZZZ", "2:1", "--ex", "20260830", "--reason", "r"], 4, "unknown symbol 'ZZZ'"),
        (["apply", "--split", "BAC", "2:1", "--ex", "20261330", "--reason", "r"], 4, "write a day as"),
        (["apply", "--dividend", "BAC", "-1", "--ex", "20260830", "--pay", "20260830", "--reason", "r"], 4, "above 0"),
        (["apply", "nowhere.toml"], 2, "cannot be read"),
    ],
    ids=["nothing", "no ex", "ratio", "symbol", "date", "amount", "file"],
)
def test_what_is_wrong_is_said_in_one_line(
    daemon: Running, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, why: str
) -> None:
    """Nothing reaches the engine."""
    found, _, err = quantd(capsys, "corporate", *arguments)
    assert (found, len(err.splitlines())) == (code, 1)
    assert why in err
    assert given(daemon) == []


def test_a_statement_is_compared_and_booked(
    daemon: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit 0 when all matches, 1 when something differs; --book sends the lines, with a reason, and only those."""
    world = traded(tmp_path)
    flex = statement_of(world)
    path = flex.write(tmp_path / "flex.xml")
    world.runner.flush()
    code, out, err = quantd(capsys, "statement", "import", str(path))
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "trades: 3 matched", "cash: 1 matched", "positions: 2 matched", "ending cash: 1 matched",
    ]  # fmt: skip
    flex.cash.append(flex.cash[0] | {"transactionID": "12", "amount": "-1.5", "type": "Other Fees"})
    flex.ending["USD"] = str(float(flex_of(world.runner.money, DATE).ending["USD"]) - 1.5)
    flex.write(path)
    code, out, _ = quantd(capsys, "statement", "import", str(path), "--json")
    (found,) = json.loads(out)["findings"]
    assert (code, found["section"], found["what"]) == (1, "cash", "missing here")
    assert quantd(capsys, "statement", "import", str(path), "--book")[0] == 2
    assert daemon.operations.events == []
    assert quantd(capsys, "statement", "import", str(path), "--book", "--reason", "r")[0] == 0
    (sent,) = daemon.operations.events
    assert isinstance(sent, e.BooksCorrected)
    assert sent.lines == (
        BookLine(
            kind="cash", line_id="flex 12", currency="USD", amount_nanos=-NANO * 3 // 2, cash_kind="fee",
            text="USD DEBIT INT",
        ),
    )  # fmt: skip
    assert quantd(capsys, "statement", "import", str(path), "--account", "U1")[0] == 2


def test_cash_and_lots_need_no_trader(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the journal: kinds that add up to the cash, lots with the profit by either count."""
    monkeypatch.setenv("QUANTD_STATE", str(tmp_path))
    world = traded(tmp_path)
    world.runner.flush()
    code, out, _ = quantd(capsys, "cash", "--json")
    rows = json.loads(out)
    kinds = {row["kind"]: float(row["amount"]) for row in rows}
    assert code == 0
    assert kinds["interest"] == -3
    assert kinds["= cash"] == pytest.approx(sum(amount for kind, amount in kinds.items() if kind != "= cash"))
    assert quantd(capsys, "cash")[0] == 0
    code, out, _ = quantd(capsys, "lots", "--json")
    assert code == 0
    assert [row["qty"] for row in json.loads(out)] == ["60", "60", "30", "30"]
