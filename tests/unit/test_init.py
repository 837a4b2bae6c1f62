"""`quantd init`: what it asks, what it writes, what it refuses. Every file it writes passes `quantd check`."""

import re
import socket
import stat
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from daemon import cli
from daemon.config import Config, load_config
from daemon.config.paths import SOCKET_LENGTH_MAX
from daemon.init import checks
from daemon.init.ask import answer_all
from daemon.init.commented import commented, toml
from daemon.init.questions import QUESTIONS
from daemon.init.write import write_all

LIVE = ("--kind", "live", "--account", "U1234567", "--cash", "250000", "--symbols", "SPY,QQQ", "--position", "5000",
        "--order-max", "10000", "--gross-max", "20000", "--day-loss", "100")  # fmt: skip
IB_PAPER = ("--kind", "ib_paper", "--account", "DU1234567")


@pytest.fixture(autouse=True)
def nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test knocks at a gateway of this machine."""
    monkeypatch.setattr(checks, "_free", lambda number: True)

    def refuse(*_: Any) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """One of few letters: a control socket's path is bounded by the kernel, and pytest's own folders are long."""
    with tempfile.TemporaryDirectory(prefix="qi-") as name:
        yield Path(name)


def init(folder: Path, *options: str) -> Path:
    """The file that `quantd init` wrote, without a question."""
    file = folder / "new" / "quantd.toml"
    assert cli.main(["init", str(file), "--yes", *options]) == 0
    return file


def mode_of(path: Path) -> int:
    """Its permissions."""
    return stat.S_IMODE(path.stat().st_mode)


# ---- what is written ---------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_paper_is_a_pair_of_files_that_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They meet at one port with one account; the bundled model is beside them; nobody else may read them."""
    file = init(tmp_path, "--speed", "20x")
    told = capsys.readouterr().out
    gateway = file.with_name("quantd.gateway.toml")
    assert cli.main(["check", str(file), str(gateway)]) == 0
    trader, market = load_config(file), tomllib.loads(gateway.read_text())
    assert market["gateway"]["listen"] == [f"127.0.0.1:{trader.ib.port}"]
    assert market["gateway"]["accounts"] == [trader.account.id]
    assert (market["feed"]["speed"], market["gateway"]["start_cash"]) == ("20x", trader.account.start_cash)
    assert trader.up.gateway == str(gateway)
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "demo.card.json", "demo.onnx", "quantd.gateway.toml", "quantd.ops.token", "quantd.toml",
    ]  # fmt: skip
    assert {mode_of(path) for path in file.parent.iterdir()} == {0o600}
    assert mode_of(file.parent) == 0o700
    assert f"quantd up -c {file}" in told


@pytest.mark.slow
def test_paper_takes_symbols_of_ones_own(tmp_path: Path) -> None:
    """Securities nobody described get a price and a volume, so that orders in them are judged."""
    file = init(tmp_path, "--symbols", "ALFA,XY Z,B2", "--strategy", "meanrev")
    gateway = tomllib.loads(file.with_name("quantd.gateway.toml").read_text())
    assert [row["px"] for row in gateway["feed"]["synthetic"]["instruments"]] == [48.2, 100, 100]
    assert gateway["instruments"][2]["reference"] == [{"from": 20260105, "previous_close": 100, "adv": 3_000_000}]
    assert cli.main(["check", str(file), str(file.with_name("quantd.gateway.toml"))]) == 0
    assert not list(file.parent.glob("demo.*"))


@pytest.mark.slow
def test_ib_paper_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An account of IBKR's; that nobody listens yet is a warning."""
    file = init(tmp_path, *IB_PAPER, "--port", "7497", "--exclusive", "yes", "--ops", "no")
    assert "warning: ib.port: nobody answers at 127.0.0.1:7497 now (Connection refused)" in capsys.readouterr().err
    config = load_config(file)
    assert (config.mode, config.account.id, config.account.tag, config.ib.port) == (
        "paper",
        "DU1234567",
        "u1234567",
        7497,
    )
    assert (config.guard.exclusive, config.ops.enabled, config.ib.clock) == (True, False, "wall")
    assert [path.name for path in file.parent.iterdir()] == ["quantd.toml"]


@pytest.mark.slow
def test_live_arms_nothing(tmp_path: Path) -> None:
    """It watches; no order can reach the broker, two persons are asked for, what is safest is written out."""
    config = load_config(init(tmp_path, *LIVE, "--desk", "desk +1 555 0100"))
    assert (config.mode, config.ib.arm_live, config.venue_in_process, config.ib.port) == ("shadow", "", True, 4001)
    assert (config.authority.persons, config.authority.unsigned, config.panic.desk) == (2, False, "desk +1 555 0100")
    assert (config.journal.durability, config.start.after_crash) == ("fsync", "halted")
    account = config.limits.account
    assert (account.gross_max, account.net_max, account.day_loss_hard_bp, account.day_loss_soft_bp) == (
        20_000, 20_000, 100, 50,
    )  # fmt: skip
    assert account.resume_sync_age_seconds_max == 60


@pytest.mark.slow
def test_a_live_file_is_armed_as_its_head_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps at its top, taken one by one: until the last, `quantd check` refuses and says what is missing."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "keys"))
    file = init(tmp_path, *LIVE)
    head = file.read_text().partition("\n\n")[0]
    armed = re.search(r'arm_live = "\w+"', head)
    assert armed is not None
    file.write_text(file.read_text().replace('\nmode = "shadow"', '\nmode = "live"'))
    assert cli.main(["check", str(file)]) == 2
    assert "ib.arm_live: live trading needs the account number here once more" in capsys.readouterr().err
    file.write_text(file.read_text().replace('\narm_live = ""', f"\n{armed[0]}"))
    assert cli.main(["check", str(file)]) == 2
    assert "authority.operators: are none, and the account is live" in capsys.readouterr().err
    for name in ("ann", "bob"):
        assert cli.main(["operator", "add", name]) == 0
        file.write_text(file.read_text() + "\n" + capsys.readouterr().out)
    assert cli.main(["check", str(file)]) == 0, capsys.readouterr().err
    assert (load_config(file).mode, load_config(file).ib.arm_live) == ("live", "U1234567")


def test_secrets_are_named_and_never_written(tmp_path: Path) -> None:
    """Alerts and database: the config has the paths; both files must be their owner's alone."""
    urls, password = tmp_path / "urls", tmp_path / "password"
    for path in (urls, password):
        path.write_text("mailto://user:hunter2@example.org\n")
        path.chmod(0o600)
    database = "postgresql://quantd@db.example:5432/quantd"
    file = init(tmp_path, *LIVE, "--alerts", str(urls), "--database", database, "--password-file", "../password")
    config = load_config(file)
    assert config.alerts.to[0].urls_file == str(urls)
    assert (config.record.database, config.record.password_file) == (database, str(password))
    assert "hunter2" not in file.read_text()
    assert (file.parent / "quantd.ops.token").read_text().strip() not in file.read_text()


@pytest.mark.slow
def test_every_key_has_the_words_of_the_schema(tmp_path: Path) -> None:
    """Each key of the three files has its comment, beside or above; a repeated table has them once."""
    for options in ((), IB_PAPER, LIVE):
        file = init(tmp_path / (options[1] if options else "paper"), *options)
        plain: list[tuple[str, str]] = []
        told: set[tuple[str, str]] = set()
        table = ""
        lines = file.read_text().splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            table = line if line.startswith("[") else table
            key = re.match(r"(\w+) = ", line)
            if key and " # " not in line and not before.startswith("# ") and (table, key[1]) not in told:
                plain.append((table, line))
            elif key:
                told.add((table, key[1]))
        assert plain == [("[ops.tokens]", 'console = "quantd.ops.token"')], "these have no words"
        assert max(map(len, lines)) <= 120


# ---- what is refused ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--kind", "ib_paper"), "account.id: is needed, and there is nobody to ask; give --account"),
        (("--kind", "ib_paper", "--account", "U123456"), "--account: account.id: U123456 is no paper account (DU…)"),
        (("--kind", "live", *LIVE[2:], "--account", "DU123456"), "--account: account.id: DU123456 is no live account"),
        ((*IB_PAPER, "--port", "4001"), "--port: ib.port: 4001 is a live port and DU1234567 a paper account"),
        ((*LIVE, "--port", "4002"), "--port: ib.port: 4002 is a paper port and U1234567 a live account"),
        ((*IB_PAPER, "--port", "0"), "--port: ib.port: '0' is not a whole number from 1 to 65,535"),
        (("--account", "du1"), "--account: account.id: 'du1' is not a text such as \"DU0000001\""),
        (("--tag", "Much too long"), "--tag: account.tag: 'Much too long' is not a text such as \"du1\""),
        (("--cash", "0"), "--cash: account.start_cash: 0 is out of bounds"),
        (("--cash", "lots"), "--cash: account.start_cash: 'lots' is not a number"),
        (("--symbols", "bac"), "--symbols: instruments: 'bac' is no symbol; write it as BAC"),
        (("--symbols", "BAC,BAC"), "--symbols: instruments: BAC is named twice"),
        (("--symbols", ","), "--symbols: instruments: are none; name at least one symbol"),
        (("--symbols", ",".join(f"A{n}" for n in range(96))), "--symbols: instruments: 96 need as many market-data"),
        (("--strategy", "magic"), "--strategy: strategies.kind"),
        (("--model", "no.onnx"), "--model: strategies.params.model: "),
        (("--position", "0"), "--position: strategies.params.position_dollars: '0' is not a number from 1"),
        (("--order-max", "-1"), "--order-max: limits.account.order_notional_max"),
        (("--speed", "max"), "--speed: feed.speed: 'max' is no multiple of real time"),
        (("--exclusive", "yes"), "--exclusive: has no meaning beside the other answers; leave it out"),
        (("--ops", "maybe"), "--ops: ops.enabled: 'maybe' is not yes or no"),
        (("--alerts", "nowhere"), "--alerts: "),
        (("--database", "postgresql://me:secret@db/x"), "--database: record.database: holds a password; take it out"),
        (("--state-dir", "s" * 120), "is too long for a socket in it; name a shorter path"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], told: str
) -> None:
    """Exit 2, the option, the field and the remedy; nothing is written."""
    assert cli.main(["init", str(tmp_path / "quantd.toml"), "--yes", *options]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "secret" not in error
    assert list(tmp_path.iterdir()) == []


def test_all_that_is_needed_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A live account has no default for what money depends on; standard input is no terminal here."""
    assert cli.main(["init", str(tmp_path / "live.toml"), "--kind", "live"]) == 2
    options = re.findall(r"give (--[\w-]+)", capsys.readouterr().err)
    assert options == ["--account", "--cash", "--symbols", "--position", "--order-max", "--gross-max", "--day-loss"]


@pytest.mark.parametrize("there", ["quantd.toml", "quantd.gateway.toml", "quantd.ops.token", "demo.onnx"])
def test_no_file_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str) -> None:
    """Whichever of them is there already: it stays as it is, and what was written before it is taken back."""
    (tmp_path / there).write_text("mine")
    assert cli.main(["init", str(tmp_path / "quantd.toml"), "--yes"]) == 2
    assert "is there already, and is not overwritten; give init another FILE" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]


def test_a_state_directory_in_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The journal of another config is not gone on with."""
    (tmp_path / "state" / "journal").mkdir(parents=True)
    (tmp_path / "state" / "journal" / "segment-1.qj").touch()
    assert cli.main(["init", str(tmp_path / "quantd.toml"), "--yes"]) == 2
    assert "has a journal already; name another folder, one for each config" in capsys.readouterr().err


def test_an_answer_only_the_whole_file_can_refuse_leaves_nothing(tmp_path: Path) -> None:
    """The gateway's state directory is longer than the trader's, and no socket fits into it."""
    room = SOCKET_LENGTH_MAX - len(f"{tmp_path}//control.sock")
    answers = answer_all({"state_dir": "s" * room}, tmp_path / "quantd.toml", None, print)
    with pytest.raises(ConfigError, match=r"quantd\.gateway\.toml: control\.socket: .* is longer than"):
        write_all(answers)
    assert list(tmp_path.iterdir()) == []


# ---- the questions -----------------------------------------------------------------------------------------------
class Typist:
    """Answers at a terminal: these lines for these fields, else the default."""

    def __init__(self, **lines: list[str]) -> None:
        self.lines = {name.replace("__", "."): list(texts) for name, texts in lines.items()}
        self.asked: list[str] = []
        self.told: list[str] = []

    def __call__(self, field: str, default: str | None) -> str:
        self.asked.append(field)
        waiting = self.lines.get(field)
        if waiting:
            return waiting.pop(0)
        assert default is not None, f"{field} has no default"
        return default


def test_questions_are_asked_in_the_fields_words_and_again_after_a_wrong_answer(tmp_path: Path) -> None:
    """What an option says is not asked; a wrong line gets its reason, and the question comes again."""
    typist = Typist(kind=["ib_paper"], account__id=["U7654321", "DU7654321"], instruments=["ibm", "IBM"])
    answers = answer_all({"ib.port": "7497"}, tmp_path / "q.toml", typist, typist.told.append)
    assert answers["account.id"] == "DU7654321"
    assert answers["instruments"] == ("IBM",)
    assert typist.asked[:4] == ["kind", "account.id", "account.id", "account.tag"]
    assert "ib.port" not in typist.asked
    assert '\naccount.id: account number at the broker (a text such as "DU0000001" (^[A-Z0-9]{4,16}$))' in typist.told
    assert 'account.id: U7654321 is no paper account (DU…); use mode = "live", or the paper number' in typist.told
    assert "instruments: 'ibm' is no symbol; write it as BAC" in typist.told
    config, made = write_all(answers)
    assert config.symbols == ("IBM",)
    assert made[-1] == tmp_path / "q.toml"


def test_every_question_has_an_option_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The command line and the questions name the same fields."""
    assert cli.main(["init", "--help"]) == 0
    shown = set(re.findall(r"(--[a-z-]+)", capsys.readouterr().out))
    assert shown == {question.option for question in QUESTIONS} | {"--kind", "--yes", "--help"}


# ---- the file ----------------------------------------------------------------------------------------------------
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**60), 2**60), st.text(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(VALUES)
def test_a_value_is_read_as_it_was_written(value: Any) -> None:
    """Whatever a person typed: TOML's own reader gives it back."""
    assert tomllib.loads(f"key = {toml(value)}")["key"] == value


def test_what_is_left_out_is_named_with_its_default() -> None:
    """The reader of the file sees what else there is; the page is named once."""
    tables = {"mode": "paper", "account": {"id": "DU1", "tag": "a"}, "record": {"ticks": True}}
    text = commented(Config, tables, head="Mine.", page="the page", params={})
    assert tomllib.loads(text) == tables
    assert text.startswith("# Mine.\n\n")
    assert "# Tables and keys left out (the page): [feed]" not in text, "what a file needs is not left out"
    assert '# Left out: currency = "USD", start_cash = 1000000, day_roll = "20:00", timezone' in text
