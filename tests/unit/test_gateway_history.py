"""A file of the operator's own bars as the gateway's history: what clients get of it, and what is refused of a file."""

from pathlib import Path

import pytest

from broker.gateway.market.recorded import RecordedDays
from broker.gateway.market.settings import MarketSettings
from core.errors import ConfigError
from daemon.gateway.history import COLUMNS, read_bars
from tests.fakes.gateway_built import FILE, gateway_config
from tests.fakes.gateway_market import DecodedClient, Market, history
from tests.fakes.tape import CALENDAR, Tape, at, instrument, session_table

DAY_S = 86_400
BARS = """\
S0,20260105,09:30,10.00,10.20,9.90,10.10,1000
S0,20260105,09:31,10.10,10.10,10.00,10.00,300
S0,20260105,15:59,10.00,10.05,9.95,10.05,500.5
S1,20260105,09:30,20,20,20,20,100
XYZ,20260105,25:00,no,numbers,of,names,that are not configured
"""


def read(folder: Path, bars: str, head: str = ",".join(COLUMNS)) -> tuple[RecordedDays, ...]:
    """Out of a file with these lines, for two instruments and three days."""
    path = folder / "bars.csv"
    path.write_text(f"{head}\n{bars}")
    return read_bars(path, (instrument(0), instrument(1)), {CALENDAR: session_table()})


def second_day(recorded: tuple[RecordedDays, ...]) -> Market:
    """A market whose feed begins on the second day."""
    settings = MarketSettings(history="bars.csv", pacing=False)
    market = Market(settings, recorded=recorded).until(at(DAY_S))
    return market.play(Tape().quote(DAY_S, 1000, 1002).print(DAY_S + 1, 1001, 200)).until(at(DAY_S + 120))


def test_recorded_days_are_served_as_they_are(tmp_path: Path) -> None:
    """Minutes and the day made of them, with no word of anything made up; then the feed's own day."""
    market, client = second_day(read(tmp_path, BARS)), DecodedClient()
    market.ask(client, 20, *history(1, "1 min", "2 D"))
    market.ask(client, 20, *history(2, "1 day", "2 D"))
    assert client.of("error") == []
    minutes = [bar for _, req_id, bar in client.of("historicalData") if req_id == 1]
    days = [bar for _, req_id, bar in client.of("historicalData") if req_id == 2]
    assert [(bar.open, bar.high, bar.low, bar.close, float(bar.volume)) for bar in minutes[:3]] == [
        (10.0, 10.2, 9.9, 10.1, 1000), (10.1, 10.1, 10.0, 10.0, 300), (10.0, 10.05, 9.95, 10.05, 500.5),
    ]  # fmt: skip
    assert [bar.date[9:14] for bar in minutes[:4]] == ["09:30", "09:31", "15:59", "09:30"]
    assert [(bar.date, bar.open, bar.high, bar.low, bar.close, float(bar.volume)) for bar in days] == [
        ("20260105", 10.0, 10.2, 9.9, 10.05, 1800.5), ("20260106", 10.01, 10.01, 10.01, 10.01, 200),
    ]  # fmt: skip


def test_what_is_not_recorded_is_absent(tmp_path: Path) -> None:
    """No quotes, nothing on a day without bars: nothing stands in; and the past begins with the first bar."""
    market, client = second_day(read(tmp_path, BARS.replace("S1,20260105", "S1,20260107"))), DecodedClient()
    market.ask(client, 20, *history(1, "1 min", "1 D", end="20260105 23:59:59 US/Eastern", kind="BID"))
    market.ask(client, 20, *history(2, "1 day", "1 D", end="20260105 23:59:59 US/Eastern", inst=1))
    assert client.errors == [(1, 162), (2, 162)]
    market.ask(client, 87, 3, *history(3, "", "")[1:13], False, 1, "TRADES", 1)
    assert [call[2] for call in client.of("headTimestamp")] == ["20260105-14:30:00"]


@pytest.mark.parametrize(
    ("bars", "words"),
    [
        ("S0,20260105,930,1,1,1,1,1", "20260105 930 is no date and time; write 20131007 and 09:30"),
        ("S0,20260106,09:30,1,1,1,1,x", "volume: 'x' is not a number; give a plain number"),
        ("S0,20260106,09:30,1,1,1,1,0", "volume is 0; give shares above 0"),
        ("S0,20260106,09:30,1,2,1.5,1,1", "open, high, low and close are 1, 2, 1.5, 1; low is the least, above 0"),
        ("S0,20260106,09:30,0,1,0,1,1", "open, high, low and close are 0, 1, 0, 1; low is the least, above 0"),
        ("S0,20260106,09:30,1e30,1e30,1,1,1", "low is the least, above 0"),
        ("S0,20260108,09:30,1,1,1,1,1", "20260108 is no session of S0; remove its bars"),
        ("S0,20260106,03:00,1,1,1,1,1", "03:00 is outside the hours of S0; give the exchange's own time"),
        ("S0,20260105,15:59,1,1,1,1,1", "is not after the bar before it; sort by date and time"),
        ("S0,20260106,09:30,1,1,1", "6 cells, 8 are named; fix it"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, bars: str, words: str) -> None:
    """With file, line and remedy."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, BARS + bars)
    assert str(caught.value).startswith(f"gateway.market.history: {tmp_path}/bars.csv line 7: ")
    assert words in str(caught.value)


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    """Missing columns, a configured name without a bar, no text."""
    with pytest.raises(ConfigError, match=r"lacks the columns time; its first line names them"):
        read(tmp_path, "", "symbol,date,open,high,low,close,volume")
    with pytest.raises(ConfigError, match=r"has no bar of S1; add its bars, or take another file"):
        read(tmp_path, BARS.replace("S1,", "S9,"))
    (tmp_path / "noise").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"cannot be read .*; give a CSV file of bars"):
        read_bars(tmp_path / "noise", (instrument(0),), {CALENDAR: session_table()})


def test_days_before_the_session_table_do_not_count(tmp_path: Path) -> None:
    """A long file is no error: what nobody can ask for is passed over."""
    old = "S0,20190102,09:30,1,1,1,1,1\n"
    assert [sorted(days) for days in read(tmp_path, old + BARS)] == [[20260105], [20260105]]


def test_the_setting_names_a_file_beside_the_gateways(tmp_path: Path) -> None:
    """Its path is relative to the gateway's file; what is neither a word nor a file is refused at the start."""
    (tmp_path / "bars.csv").write_text(BARS)
    table = '[gateway.market]\nhistory = "{name}"\n[feed]'
    good = gateway_config(tmp_path, text=FILE.replace("[feed]", table.replace("{name}", "bars.csv"), 1))
    assert good.history_file == tmp_path / "bars.csv"
    assert gateway_config(tmp_path).history_file is None
    words = r'gateway.market.history: "sythetic" is no file that can be read; give a CSV file of bars, "synthetic" or'
    with pytest.raises(ConfigError, match=words):
        gateway_config(tmp_path, text=FILE.replace("[feed]", table.replace("{name}", "sythetic"), 1))
