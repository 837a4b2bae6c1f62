"""The config file: good ones load, and every way to be wrong is one line that names the field and the remedy."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from broker.feeds.spec import SyntheticInstrument, SyntheticSpec
from core.errors import ConfigError
from core.fees import FeeTable
from core.units import NANO
from daemon.config import (
    Config,
    config_digest,
    config_from_json,
    fee_rows_of,
    instruments_of,
    load_config,
    parse_config,
    resolved_json,
)
from daemon.config.decode import FAULTY, Problems, decode
from daemon.config.schema import SyntheticMarket, SyntheticSettings
from daemon.reference.histories import DAYS_MAX, read_history
from strategies.kinds import STRATEGIES
from tests.fakes.live_limits import live_limits
from tests.fakes.operators import OPERATORS

ROOT = Path(__file__).resolve().parents[2]

GOOD = """
mode = "replay"
[account]
id = "DU0000001"
tag = "du1"
start_cash = 250000
[feed]
kind = "synthetic"
[feed.synthetic]
seed = 3
[[instruments]]
symbol = "AAA"
con_id = 11
tick = 0.01
round_lot = 100
[[instruments]]
symbol = "BBB"
ticks = [{from = 20130101, increments = [[0, 0.0001], [1, 0.01]]}]
lots = [{from = 20130101, round_lot = 100}]
reference = [{from = 20261005, previous_close = 14.05, adv = 1000}]
[strategies.reversion]
kind = "meanrev"
symbols = ["AAA", "BBB"]
[strategies.reversion.params]
position_dollars = 5000
[strategies.reversion.execution]
algo = "twap"
[strategies.reversion.execution.params]
slices = 5
[limits.account]
gross_max = 100000.5
[venue]
seed = 9
"""


def parse(text: str, folder: Path = ROOT) -> Config:
    return parse_config(text, file="run.toml", folder=folder)


def lines_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value).splitlines()


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1, f"the good config has no {old!r}"
    return GOOD.replace(old, new, 1)


# what is wrong: (old, new) in the good config -> field, what the line says, what it advises
WRONG = {
    "unknown key": (
        'tag = "du1"',
        'tag = "du1"\ncurency = "USD"',
        "account.curency",
        "unknown key",
        "did you mean currency",
    ),
    "unknown table": ("[venue]", "[venu]", "venu", "unknown key", "did you mean venue?"),
    "unknown key without a neighbour": ("seed = 9", "zzz = 9", "venue.zzz", "unknown key", "known here: seed, latency"),
    "wrong type": ("seed = 9", 'seed = "nine"', "venue.seed", '"nine" does not fit', "give a whole number"),
    "float for a count": (
        "slices = 5",
        "slices = 5.5",
        "strategies.reversion.execution.params.slices",
        "5.5",
        "a whole number",
    ),
    "table for a number": (
        "con_id = 11",
        "con_id = {a = 1}",
        "instruments[0].con_id",
        "{…} does not fit",
        "a whole number",
    ),
    "number for a table": ("[venue]\nseed = 9", "[fees]\nplan = 3", "fees.plan", "3 does not fit", "give a text"),
    "value for a table": (
        'mode = "replay"',
        'mode = "replay"\njournal = 3',
        "journal",
        "3 does not fit",
        "make it a table",
    ),
    "table for a list": (
        "[venue]\nseed = 9",
        "[limits.deny]\nsymbol = 'AAA'",
        "limits.deny",
        "does not fit",
        "[[limits.deny]]",
    ),
    "out of bounds": ("con_id = 11", "con_id = -1", "instruments[0].con_id", "-1 does not fit", "from 0 to 2^31 - 1"),
    "missing key": ('id = "DU0000001"\n', "", "account.id", "is missing", 'add it: a text such as "DU0000001"'),
    "bad tag": ('"du1"', '"du-1"', "account.tag", '"du-1" does not fit', 'such as "du1"'),
    "no cash": ("start_cash = 250000", "start_cash = 0", "account.start_cash", "out of bounds", "above 0"),
    "cash beyond exactness": ("250000", "5e9", "account.start_cash", "out of bounds", "above 0, at most 4000000000"),
    "cash below a nano": ("250000", "0.0000000001", "account.start_cash", "nine decimals", "plain number"),
    "time zone": (
        "start_cash",
        'timezone = "Mars/City"\nstart_cash',
        "account.timezone",
        "no time zone",
        "America/New_York",
    ),
    "mode": ('"replay"', '"practice"', "mode", '"practice" does not fit', '"paper", "replay"'),
    "live": (
        '"replay"',
        '"live"',
        "mode",
        '"live" needs the broker\'s market data',
        'set feed.kind = "ib"',
    ),
    "replay of a broker": ('kind = "synthetic"', 'kind = "ib"\nprofile = "l1_250"', "mode", "has a tape", '"shadow"'),
    "lines": ('kind = "synthetic"', 'kind = "ib"', "feed.profile", "two tick-by-tick streams", "l1_250"),
    "broker speed": ('kind = "synthetic"', 'kind = "ib"\nspeed = "5x"', "feed.speed", "the gateway's", "remove it"),
    "security type": (
        "con_id = 11",
        'sec_type = "OPT"',
        "instruments[0].sec_type",
        '"OPT" is not supported',
        "trades STK only",
    ),
    "calendar": ("con_id = 11", 'calendar = "XLON"', "instruments[0].calendar", '"XLON" is unknown', "use one of XNYS"),
    "currency": (
        "con_id = 11",
        'currency = "EUR"',
        "instruments[0].currency",
        "EUR is not the account's USD",
        "no currency",
    ),
    "symbol twice": ('"BBB"', '"AAA"', "instruments[1].symbol", "AAA is declared twice", "remove one"),
    "contract twice": (
        '"BBB"\n',
        '"BBB"\ncon_id = 11\n',
        "instruments[1].con_id",
        "11 is declared twice",
        "contract id",
    ),
    "no tick": ("tick = 0.01\n", "", "instruments[0].tick", "is missing", "add tick, or ticks"),
    "two ticks": ("ticks =", "tick = 1\nticks =", "instruments[1].tick", "stands beside ticks", "keep one"),
    "tick of zero": ("tick = 0.01", "tick = 0", "instruments[0].tick", "0 is out of bounds", "above 0"),
    "tick below a nano": (
        "tick = 0.01",
        "tick = 0.00000000001",
        "instruments[0].tick",
        "nine decimals",
        "at most nine",
    ),
    "edges": (
        "[[0, 0.0001], [1, 0.01]]",
        "[[1, 0.01]]",
        "instruments[1].ticks[0].increments",
        "ascend from 0",
        "write [[0",
    ),
    "no lot": ("round_lot = 100\n", "", "instruments[0].round_lot", "is missing", "add round_lot, or lots"),
    "odd round lot": (
        "round_lot = 100\n",
        "round_lot = 100\nlot = 30\n",
        "instruments[0].round_lot",
        "no multiple",
        "make it",
    ),
    "no day": (
        "{from = 20261005",
        "{from = 20261305",
        "instruments[1].reference[0].from",
        "20261305 is no day",
        "yyyymmdd",
    ),
    "days not sorted": (
        "reference = [",
        "reference = [{from = 20270101},",
        "instruments[1].reference[1].from",
        "does not come after 20270101",
        "sort the rows",
    ),
    "strategy": (
        '"meanrev"',
        '"momentum"',
        "strategies.reversion.kind",
        "is 'momentum'",
        f"use one of {STRATEGIES[0].name}",
    ),
    "strategy name": (
        "[strategies.reversion]",
        '[strategies."a b"]\n',
        "strategies.a b",
        '"a b" does not fit',
        "a text such as",
    ),
    "strategy parameter": (
        "position_dollars",
        "position_dolars",
        "strategies.reversion.params.position_dolars",
        "unknown",
        "mean",
    ),
    "strategy parameter out of bounds": (
        "position_dollars = 5000",
        "position_dollars = 5000\nenter_z = 0",
        "strategies.reversion.params.enter_z",
        "is 0",
        "set it between 0.1 and 100",
    ),
    "strategy parameters together": (
        "position_dollars = 5000",
        "",
        "strategies.reversion.params",
        "exactly one of position_shares",
        "see docs",
    ),
    "symbol not declared": (
        '["AAA", "BBB"]',
        '["CCC"]',
        "strategies.reversion.symbols",
        "CCC is not declared",
        "[[instruments]]",
    ),
    "symbol named twice": (
        '["AAA", "BBB"]',
        '["AAA", "AAA"]',
        "strategies.reversion.symbols",
        "named 2 times",
        "name it once",
    ),
    "algo": ('"twap"', '"wvap"', "strategies.reversion.execution.algo", "is 'wvap'", "use one of immediate, twap"),
    "algo parameter": (
        "slices = 5",
        "slice = 5",
        "strategies.reversion.execution.params.slice",
        "unknown key",
        "mean slices?",
    ),
    "algo parameter out of bounds": (
        "slices = 5",
        "slices = 0",
        "strategies.reversion.execution.params.slices",
        "is 0",
        "set it between 1 and 5000",
    ),
    "execution out of bounds": (
        'algo = "twap"',
        'algo = "twap"\npatience = 2',
        "strategies.reversion.execution.patience",
        "is 2",
        "between 0 and 1",
    ),
    "limit": ("gross_max = 100000.5", "gross_max = -1", "limits.account.gross_max", "-1 is too small", "more than 0"),
    "limit unknown": ("gross_max", "gros_max", "limits.account.gros_max", "unknown key", "did you mean gross_max?"),
    "limit of a stranger": (
        "[limits.account]",
        "[limits.symbol.CCC]\n[limits.account]",
        "limits.symbol.CCC",
        "no such",
        "remove",
    ),
    "limits that contradict": (
        "[venue]",
        "[limits.strategy.reversion]\nday_loss_soft_bp = 90\nday_loss_hard_bp = 80\n[venue]",
        "limits.strategy.reversion.day_loss_soft_bp",
        "above day_loss_hard_bp",
        "lower it",
    ),
    "fee plan": (
        "[venue]",
        '[fees]\nplan = "free"\n[venue]',
        "fees.plan",
        '"free" is unknown',
        "use one of ibkr_pro_fixed",
    ),
    "exchange fees of a plan without": (
        "[venue]",
        '[fees]\nvenues = [{from = 20250101, venue = "NYSE", added = -0.002, removed = 0.003}]\n[venue]',
        "fees.venues",
        "ibkr_pro_fixed passes no exchange fees on",
        "take ibkr_pro_tiered",
    ),
    "exchange fee": (
        "[venue]",
        '[fees]\nplan = "ibkr_pro_tiered"\n'
        'venues = [{from = 20250101, venue = "NYSE", added = -0.2, removed = 0}]'
        "\n[venue]",
        "fees.venues[0].added",
        "-0.2 is out of bounds",
        "give a number of -0.05 or more",
    ),
    "venue": (
        "seed = 9",
        "participation_ppm = 1000001",
        "venue.participation_ppm",
        "1000001 is not within",
        "see docs/configuration.md",
    ),
    "venue latency": ("seed = 9", "latency = {up_ns = -1}", "venue.latency.up_ns", "must not be negative", "see docs"),
    "venue fault": ("seed = 9", "faults = {reject_ppm = 2000000}", "venue.faults.reject_ppm", "not within", "see docs"),
    "venue cash": ("seed = 9", "cash_nanos = 5", "venue.cash_nanos", "is not set here", "set account.start_cash"),
    "journal": (
        "[venue]",
        "[journal]\nsegment_mib = 0\n[venue]",
        "journal.segment_mib",
        "0 does not fit",
        "from 1 to 1,024",
    ),
    "socket": (
        "[venue]",
        f'[control]\nsocket = "{"x" * 120}"\n[venue]',
        "control.socket",
        "longer than the 107",
        "shorter",
    ),
    "speed": (
        'kind = "synthetic"',
        'kind = "synthetic"\nspeed = "0x"',
        "feed.speed",
        '"0x" does not fit',
        'such as "50x"',
    ),
    "feed kind": ('kind = "synthetic"', 'kind = "live"', "feed.kind", '"live" does not fit', '"replay", "synthetic"'),
    "files of a made-up market": (
        'kind = "synthetic"',
        'kind = "synthetic"\nquotes = ["x"]',
        "feed.quotes",
        "no meaning",
        "remove",
    ),
    "no files": ('kind = "synthetic"', 'kind = "replay"', "feed.quotes", "is empty", "name at least one"),
    "no such day": ("seed = 3", "start_date = 2026-13-40", "", "Expected", "correct the TOML"),
    "no such day in text": (
        "seed = 3",
        'start_date = "2026-02-30"',
        "feed.synthetic.start_date",
        "is no day",
        "2026-01-05",
    ),
    "market not declared": (
        "seed = 3",
        'instruments = [{symbol = "CCC"}]',
        "feed.synthetic.instruments[0].symbol",
        "CCC is not declared",
        "add an [[instruments]] table",
    ),
    "market of risk": (
        "[venue]",
        '[risk]\nmarket = "SPY"\n[venue]',
        "risk.market",
        "SPY is not declared",
        "add an [[instruments]] table",
    ),
    "index": (
        "[venue]",
        '[market]\nindex = "SPY"\n[venue]',
        "market.index",
        "SPY is not declared",
        "add an [[instruments]]",
    ),
    "symbol of a limit": (
        "[venue]",
        "[limits.symbol.CCC]\nadv_min = 0\n[venue]",
        "limits.symbol.CCC",
        "no such instrument",
        "configure it",
    ),
    "strategy of a limit": (
        "[venue]",
        "[limits.strategy.x]\nadv_min = 0\n[venue]",
        "limits.strategy.x",
        "no such strategy",
        "configure it",
    ),
    "symbol of a cluster": (
        "[venue]",
        '[[limits.cluster]]\nname = "c"\nsymbols = ["AAA", "CCC"]\n[venue]',
        "limits.cluster[0].symbols",
        "AAA, CCC will not do",
        "configured instruments",
    ),
    "control of an owner": (
        "[venue]",
        '[authority.control_owners]\n50 = "ann"\n[venue]',
        "authority.control_owners.50",
        "is no control",
        "1 to 49",
    ),
    "gateway of up": (
        "[venue]",
        '[up]\ngateway = "/no/gw.toml"\n[venue]',
        "up.gateway",
        "does not exist",
        "correct the path",
    ),
    "history": (
        "con_id = 11",
        'history = "/no/aaa.csv"',
        "instruments[0].history",
        "/no/aaa.csv cannot be read",
        "correct the path",
    ),
    "dirty": ("seed = 3", "dirty = {crossed = 0.3, locked = 0.3}", "feed.synthetic.dirty", "sum to 0.6", "0.5 or less"),
    "not a number": (
        "seed = 3",
        "print_share = nan",
        "feed.synthetic.print_share",
        "NaN does not fit",
        "from 0 to 0.9",
    ),
    "infinite": ("[venue]", "[engine]\nreconcile_s = inf\n[venue]", "engine.reconcile_s", "Infinity", "from 1 to"),
    "absurd": (
        "start_cash = 250000",
        "start_cash = 1e999999",
        "account.start_cash",
        "1E+999999 is out",
        "at most 4000000000",
    ),
    "absurd whole number": ("seed = 9", f"seed = 1{'0' * 5000}", "", "Exceeds", "correct the TOML"),
    "tolerance": (
        "[venue]",
        "[engine]\ncash_tolerance = 1e7\n[venue]",
        "engine.cash_tolerance",
        "out of bounds",
        "of 0 or more, at most 1000000",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_one_line_with_field_and_remedy(name: str) -> None:
    """Each class of mistake names exactly its field, says what is wrong and what to do."""
    old, new, field, wrong, remedy = WRONG[name]
    text = changed(old, new)
    lines = lines_of(text)
    about = [line for line in lines if line.startswith(f"run.toml: {field}: " if field else "run.toml: ")]
    assert about, lines
    assert wrong in about[0]
    assert remedy in about[0].partition("; ")[2] or not field


def test_all_problems_come_at_once() -> None:
    """Two typing mistakes in different tables are both reported, and so are two of meaning."""
    typing = lines_of(changed("con_id = 11", "con_id = -1").replace("seed = 9", "sed = 9"))
    assert [line.split(": ")[1] for line in typing] == ["instruments[0].con_id", "venue.sed"]
    meaning = lines_of(changed('"meanrev"', '"momentum"').replace('"replay"', '"live"') + OPERATORS)
    assert [line.split(": ")[1] for line in meaning] == ["mode", "strategies.reversion.kind"]


def test_a_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    """A missing file, a folder and broken TOML are errors of one line each."""
    broken = tmp_path / "broken.toml"
    broken.write_text("mode = \n", encoding="utf-8")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    for path in (tmp_path / "none.toml", tmp_path, broken, binary):
        with pytest.raises(ConfigError, match=rf"^{path}: [^\n]*; [^\n]*$"):
            load_config(path)


def test_a_missing_tape_and_an_unset_variable_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Paths are checked one by one, after $VARIABLES, and each is reported once."""
    monkeypatch.delenv("QUANTD_TEST_UNSET", raising=False)
    monkeypatch.setenv("QUANTD_TEST_SET", str(tmp_path))
    paths = '["$QUANTD_TEST_UNSET/a.parquet", "$QUANTD_TEST_SET/b.parquet", "c.parquet"]'
    lines = lines_of(changed('kind = "synthetic"', f"quotes = {paths}"))
    unset = "run.toml: feed.quotes[0]: $QUANTD_TEST_UNSET is not set; export QUANTD_TEST_UNSET or write the path out"
    assert lines[0] == unset
    assert [line.split(": ")[1] for line in lines] == ["feed.quotes[0]", "feed.quotes[1]", "feed.quotes[2]"]
    lines = lines_of(changed('kind = "synthetic"', f"quotes = {paths.replace('$QUANTD_TEST_UNSET/', '')}"))
    assert [line.split(": ")[1] for line in lines] == ["feed.quotes[0]", "feed.quotes[1]", "feed.quotes[2]"]
    assert f"{tmp_path}/b.parquet does not exist; correct the path" in lines[1]


def test_a_span_that_ends_before_it_starts_is_refused(tmp_path: Path) -> None:
    """The feed's own check of start and end is reported at the config's field."""
    (tmp_path / "a.parquet").touch()
    span = 'quotes = ["a.parquet"]\nstart = "2013-10-08"\nend = "2013-10-07"'
    with pytest.raises(ConfigError, match=r"^run.toml: feed.end: "):
        parse(changed('kind = "synthetic"', span), folder=tmp_path)


def test_the_good_config_becomes_core_structs() -> None:
    """Decimals become exact nanos; cash and currency of the venue follow the account."""
    config = parse(GOOD)
    first, second = instruments_of(config)
    assert (first.inst, first.symbol, first.con_id, first.calendar) == (0, "AAA", 11, "XNYS")
    assert first.ticks[0].increments == ((0, 10_000_000),)
    assert second.ticks[0].increments == ((0, 100_000), (NANO, 10_000_000))
    assert second.lots[0].round_lot_nanos == 100 * NANO
    assert config.venue.cash_nanos == 250_000 * NANO
    params = config.strategies["reversion"].execution.params
    assert params | {"duration_s": 600, "slices": 5} == params, "and every other parameter written out"
    assert config.account.start_cash == Decimal(250_000)


def test_paths_are_absolute_and_the_state_dir_can_be_overruled(tmp_path: Path) -> None:
    """Relative paths start at the file's folder; the socket follows the state directory."""
    file = tmp_path / "run.toml"
    file.write_text(GOOD, encoding="utf-8")
    config = load_config(file)
    assert config.state_dir == str(tmp_path / "state")
    assert config.control.socket == str(tmp_path / "state" / "control.sock")
    other = load_config(file, state_dir=tmp_path / "elsewhere")
    assert other.control.socket == str(tmp_path / "elsewhere" / "control.sock")


def test_the_digest_ignores_order_and_spaces_and_sees_values() -> None:
    """Key order, table order and white space leave the digest alone; any value changes it."""
    head, instruments = GOOD.split("[[instruments]]", 1)
    tables = instruments.split("[strategies.reversion]")
    shuffled = '\n\n[venue]\nseed   =   9\n[account]\nstart_cash = 250_000\ntag = "du1"\nid = "DU0000001"\n'
    shuffled += "[feed.synthetic]\nseed = 3\n[feed]\nkind = 'synthetic'\n[[instruments]]" + tables[0]
    shuffled += "[strategies.reversion]" + tables[1].replace("[venue]\nseed = 9\n", "")
    assert "[account]" in head
    assert config_digest(parse(shuffled)) == config_digest(parse(GOOD))
    for old, new in (
        ("seed = 3", "seed = 4"),
        ("slices = 5", "slices = 6"),
        ("0.01\n", "0.02\n"),
        ("100000.5", "100000.4"),
    ):
        assert config_digest(parse(changed(old, new))) != config_digest(parse(GOOD))


def test_the_digest_ignores_the_order_of_named_tables() -> None:
    """Strategies and limits by symbol mean the same in any order, and so does their JSON."""
    strategies = [
        f'[strategies.{name}]\nkind = "meanrev"\nsymbols = ["AAA"]\nparams = {{position_shares = 5}}\n' for name in "ab"
    ]
    limits = [f"[limits.symbol.{name}]\ncollar_bp = 50\n" for name in ("AAA", "BBB")]
    one, other = (GOOD + "".join(tables) for tables in (strategies + limits, strategies[::-1] + limits[::-1]))
    assert resolved_json(parse(one)) == resolved_json(parse(other))
    assert list(parse(other).strategies) == ["a", "b", "reversion"]


def test_what_is_no_number_fits_nowhere() -> None:
    """TOML writes nan and inf; a float without bounds would take them."""
    problems = Problems("run.toml")
    assert decode(Decimal("nan"), float, "a.b", problems) is FAULTY
    assert problems.lines == ["run.toml: a.b: NaN does not fit; give a number"]


def test_the_resolved_config_comes_back_from_the_journal() -> None:
    """JSON and back gives an equal config, without looking at any file."""
    config = parse(GOOD)
    again = config_from_json(resolved_json(config))
    assert again == config
    assert config_digest(again) == config_digest(config)
    with pytest.raises(ConfigError, match=r"^journalled config: account: is missing"):
        config_from_json("{}")


def test_the_examples_load(monkeypatch: pytest.MonkeyPatch, market_data: Path) -> None:
    """Both example files are good as they stand."""
    monkeypatch.setenv("QUANTD_MARKET_DATA", str(market_data))
    for name, symbols in (("bac_ibm_2013", ("BAC", "IBM")), ("synthetic", ("AAA", "BBB", "CCC"))):
        config = load_config(ROOT / "examples" / f"{name}.toml")
        assert config.symbols == symbols
        assert list(config.strategies) == ["reversion"]


@pytest.mark.parametrize(
    ("ours", "theirs", "not_ours", "not_theirs"),
    [
        (SyntheticSettings, SyntheticSpec, {"sessions", "skip_rows", "batch_rows", "profile"}, {"start_date", "days"}),
        (SyntheticMarket, SyntheticInstrument, {"inst", "px_nanos", "tick_nanos", "lot_nanos"}, {"px"}),
    ],
)
def test_the_made_up_market_keeps_up_with_the_feed(
    ours: type[msgspec.Struct], theirs: type[msgspec.Struct], not_ours: set[str], not_theirs: set[str]
) -> None:
    """Every setting of the feed's spec is a key of the config with the same default and bounds."""
    mine = {f.name: f for f in msgspec.structs.fields(ours)}
    specs = {f.name: f for f in msgspec.structs.fields(theirs)}
    assert set(mine) - not_theirs == set(specs) - not_ours
    for name in sorted(set(mine) & set(specs) - {"symbol", "instruments", "seed"}):
        assert mine[name].default == specs[name].default, name
        assert mine[name].type == specs[name].type, name


def ib_config(mode: str, account: str, ib: str) -> str:
    """The good config on a broker's market data."""
    text = GOOD.replace('kind = "synthetic"', 'kind = "ib"\nprofile = "l1_250"').replace("DU0000001", account)
    operators = OPERATORS if mode == "live" else ""
    if mode == "live":
        chosen = live_limits("reversion").replace("resume_sync_age_seconds_max = 0\n", "")
        text = text.replace("[limits.account]\ngross_max = 100000.5\n", chosen)
    return text.replace('mode = "replay"', f'mode = "{mode}"') + operators + f"[ib]\n{ib}\n"


@pytest.mark.parametrize(
    ("mode", "account", "ib", "field"),
    [
        ("live", "DU0000001", "port = 4001", "account.id"),
        ("paper", "U0000001", "port = 4001", "account.id"),
        ("paper", "DU0000001", "port = 4001", "ib.port"),
        ("live", "U0000001", "port = 4002", "ib.port"),
        ("live", "U0000001", "port = 4001", "ib.arm_live"),
        ("live", "U0000001", 'port = 4001\narm_live = "U0000001"\nclock = "gateway"', "ib.clock"),
        ("shadow", "U0000001", 'port = 4001\nclock = "gateway"', "ib.clock"),
        ("paper", "DU0000001", "ping_timeout_s = 11", "ib.ping_timeout_s"),
        ("paper", "DU0000001", 'windows_timezone = "Mars/Base"', "ib.windows_timezone"),
        ("paper", "X0000001", "", "account.id"),
    ],
)
def test_account_port_mode_and_clock_must_agree(mode: str, account: str, ib: str, field: str) -> None:
    """A live account is reached only by a file that says so in every place."""
    (line,) = lines_of(ib_config(mode, account, ib))
    assert line.startswith(f"run.toml: {field}: ")


def test_live_is_careful_unless_told_otherwise() -> None:
    """fsync and a halt after a crash are the defaults of live mode alone; orders go to the broker, of shadow not. A
    resume asks for a young sync wherever there is a broker.
    """
    armed = 'port = 4001\narm_live = "U0000001"'
    live = parse(ib_config("live", "U0000001", armed))
    assert (live.journal.durability, live.start.after_crash, live.venue_in_process) == ("fsync", "halted", False)
    told = parse(ib_config("live", "U0000001", armed) + '[journal]\ndurability = "os"\n')
    assert (told.journal.durability, told.start.after_crash) == ("os", "halted")
    paper = parse(ib_config("paper", "DU0000001", ""))
    assert (paper.journal.durability, paper.start.after_crash, paper.venue_in_process) == ("os", "as_latched", False)
    shadow = parse(ib_config("shadow", "U0000001", "port = 4001"))
    assert shadow.broker_feed
    assert shadow.venue_in_process
    assert parse(GOOD).venue_in_process
    asked = [one.limits.account.resume_sync_age_seconds_max for one in (live, paper, shadow, parse(GOOD))]
    assert asked == [60, 60, 60, None]


def test_live_chooses_every_limit() -> None:
    """One that is left to a replay's value, of account, class or strategy, is named; told when all else is right."""
    live = ib_config("live", "U0000001", 'port = 4001\narm_live = "U0000001"')
    for field in (
        "limits.account.gross_max",
        "limits.class.etf.collar_bp",
        "limits.strategy.reversion.parents_day_max",
    ):
        table, _, name = field.rpartition(".")
        head, found, rest = live.partition(f"[{table}]\n")
        assert found
        begin = rest.index(f"{name} = ")
        (line,) = lines_of(head + found + rest[:begin] + rest[rest.index("\n", begin) + 1 :])
        assert line.startswith(f"run.toml: {field}: is not set, and the account is live; choose it")
    bare = lines_of(ib_config("paper", "U0000001", "port = 4001"))
    assert all("limits." not in line for line in bare)
    assert parse(ib_config("paper", "DU0000001", ""))


def test_the_gateway_of_up_is_beside_the_file(tmp_path: Path) -> None:
    """Its path is relative to the file that names it."""
    (tmp_path / "gw.toml").touch()
    assert parse(GOOD + '[up]\ngateway = "gw.toml"\n', tmp_path).up.gateway == str(tmp_path / "gw.toml")


def test_exchange_fees_of_the_account_join_the_plan() -> None:
    """A venue's rows stand beside the plan's bound; rows of every venue replace it."""
    head = '[fees]\nplan = "ibkr_pro_tiered"\nvenues = [{from = 20000101, venue = "'
    one, every = (
        FeeTable(
            fee_rows_of(parse(changed("[venue]", f'{head}{venue}", added = -0.002, removed = 0.0028}}]\n[venue]')))
        )
        for venue in ("NYSE", "")
    )

    def charge(table: FeeTable, venue: str) -> int:
        found = table.commission_nanos(date=20250601, side=1, qty_nanos=NANO, px_nanos=NANO, venue=venue)
        return found.part_nanos("exchange")

    assert [charge(one, "NYSE"), charge(one, "ARCA"), charge(every, "ARCA")] == [2_800_000, 3_000_000, 2_800_000]


@pytest.mark.parametrize(
    ("text", "place", "wrong"),
    [
        ("20260105,1\n20260106", "line 2: ", "not `yyyymmdd,close`"),
        ("date,close\n20260105,1\n20260106,1,2", "line 3: ", "not `yyyymmdd,close`"),
        ("20260105,dear", "line 1: ", "close"),
        ("20260105,1e-10", "line 1: ", "close"),
        ("20260105,1\n\n20260230,1", "line 3: ", "not `yyyymmdd,close`"),
        ("20260105,1\nSaturday,1", "line 2: ", "not `yyyymmdd,close`"),
        ("20260105,0", "line 1: ", "closes must be above 0"),
        ("20260105,-3", "line 1: ", "closes must be above 0"),
        ("20260106,1\n20260105,1", "line 2: ", "days ascend"),
        ("20260105,1\n20260105,1", "line 2: ", "days ascend"),
        ("20260105," + "1" * 200_000, "", "cannot be read"),
    ],
)
def test_a_bad_file_of_closes_names_line_and_field(tmp_path: Path, text: str, place: str, wrong: str) -> None:
    """The check of a config reads it to its end; what is wrong with it is told once, with its line."""
    (tmp_path / "aaa.csv").write_text(text)
    with pytest.raises(ConfigError) as fault:
        parse(changed("con_id = 11", 'history = "aaa.csv"'), tmp_path)
    (line,) = str(fault.value).splitlines()
    assert line.startswith(f"run.toml: instruments[0].history: {tmp_path}/aaa.csv {place}")
    assert wrong in line
    assert "; correct the " in line


def test_the_newest_closes_count(tmp_path: Path) -> None:
    """A heading and empty lines are passed over; of a long file the newest days are kept."""
    days = [
        year * 10_000 + month * 100 + day
        for year in range(2000, 2010)
        for month in range(1, 13)
        for day in range(1, 29)
    ]
    (tmp_path / "aaa.csv").write_text(
        "day,close\n\n" + "".join(f" {day} , {at + 0.25}\n" for at, day in enumerate(days))
    )
    found = read_history(tmp_path / "aaa.csv", inst=4, field="x")
    assert (found.inst, len(found.dates), found.dates) == (4, DAYS_MAX, tuple(days[-DAYS_MAX:]))
    assert found.closes_nanos[-1] == (len(days) - 1) * NANO + NANO // 4
