"""The broker's statement against the books: a Flex file of a simulated day, what differs, and booking it once."""

from pathlib import Path
from typing import Any

import pytest

from core import events as e
from core.errors import ConfigError
from core.units import NANO, exact_text
from daemon.control import messages as m
from daemon.control.book_requests import books_corrected
from daemon.follower.books import Books
from daemon.statement import booked, checkpoint
from daemon.statement.booked import booked_until
from daemon.statement.compare import Finding, compare
from daemon.statement.flex import ELEMENTS_MAX, read_flex
from daemon.status.cash import cash_rows
from tests.fakes.flex import Flex, flex_of
from tests.fakes.live import DATE, LiveWorld, opened
from tests.unit.test_live_runner import verified

PX = 20 * NANO
ACCOUNT = "DU0000001"


def traded(folder: Path) -> LiveWorld:
    """A day with fills of two strangers' orders, one of them sold again, and interest."""
    world = opened(folder)
    for number, (inst, side, shares) in enumerate([(0, 1, 100), (1, 1, 30), (0, -1, 40)], start=1):
        exec_id = f"0001.{number:04d}.01"
        world.tell(
            e.OrderFilled(
                order_id=900 + number, exec_id=exec_id, side=side, qty_nanos=shares * NANO, px_nanos=PX + number,
                inst=inst,
            ),
            e.CommissionReported(exec_id=exec_id, commission_nanos=NANO + number),
        )  # fmt: skip
    world.tell(e.CashAdjusted(currency="USD", amount_nanos=-3 * NANO, kind="interest"))
    return world


def statement_of(world: LiveWorld) -> Flex:
    """What the broker would say of it."""
    flex = flex_of(world.runner.money, DATE)
    row = {"type": "Broker Interest Paid", "amount": "-3", "currency": "USD", "dateTime": str(DATE)}
    flex.cash = [row | {"transactionID": "11", "description": "USD DEBIT INT", "levelOfDetail": "DETAIL"}]
    return flex


def told(world: LiveWorld, flex: Flex, path: Path) -> list[Finding]:
    """The comparison."""
    world.runner.flush()
    return compare(
        read_flex(flex.write(path / "flex.xml"), ACCOUNT), booked_until(world.directory, DATE, DATE, path / "kept")
    )


def differing(findings: list[Finding]) -> list[tuple[str, str, str]]:
    """Section, what and field of everything that does not match."""
    return [(found.section, found.what, found.field) for found in findings if found.what != "matched"]


def book(world: LiveWorld, findings: list[Finding]) -> tuple[bool, str]:
    """Give the corrections as `--book` does."""
    lines = tuple(m.GivenLine(**one.correction) for one in findings if one.correction)
    request = m.CorrectBooks(id=1, reason="statement", lines=lines)
    world.tell(books_corrected(request, "ann", ("AAA", "CCC")))
    return world.runner.engine.reply


def test_a_statement_of_the_same_day_matches_line_by_line(tmp_path: Path) -> None:
    """Three trades, one cash line, two positions, one currency: nothing differs, after days to come neither."""
    world = traded(tmp_path)
    flex = statement_of(world)
    found = told(world, flex, tmp_path)
    assert differing(found) == []
    assert [f.section for f in found].count("trades") == 3
    world.runner.step(e.DayRolled(date=20261006), world.clock.ts_ns)
    world.runner.step(e.DayRolled(date=20261009), world.clock.ts_ns)
    assert differing(told(world, flex, tmp_path)) == []


def test_what_differs_is_shown_booked_once_and_matches_then(tmp_path: Path) -> None:
    """A trade we lack, another commission, another price, a dividend, a conversion; what only we have stays."""
    world = traded(tmp_path)
    flex = statement_of(world)
    extra = flex.trades[1] | {"ibExecID": "0001.0009.01", "tradeID": "7009", "quantity": "-10", "tradePrice": "21"}
    flex.trades[0] |= {"ibCommission": "-1.25"}
    flex.trades[1] |= {"ibExecID": "0001.0002.02", "tradePrice": "20.5"}
    euro = {
        "assetCategory": "CASH",
        "symbol": "EUR.USD",
        "tradeID": "7010",
        "tradeDate": str(DATE),
        "tradePrice": "1.1",
    }
    euro |= {"quantity": "1000", "proceeds": "-1100", "ibCommission": "-2", "currency": "USD"}
    gone = flex.trades.pop(2)
    flex.trades += [extra, euro]
    income = {"type": "Dividends", "amount": "7.5", "currency": "USD", "dateTime": str(DATE), "symbol": "AAA"}
    flex.cash.append(income | {"transactionID": "12", "description": "AAA CASH DIVIDEND"})
    found = told(world, flex, tmp_path)
    assert differing(found) == [
        ("trades", "differs", "commission"),
        ("trades", "differs", "quantity@price"),
        ("trades", "missing here", ""),
        ("trades", "missing there", ""),
        ("conversions", "missing here", ""),
        ("cash", "missing here", ""),
        ("positions", "differs", "quantity"),
        ("ending cash", "differs", "cash"),
    ]  # positions and cash: the broker's end does not know of the lines that this test put in
    ledger = world.runner.money.ledger
    cash, fees = ledger.cash["USD"], ledger.fees_nanos
    assert book(world, found) == (True, "5 lines booked; checking with the broker again")
    assert ledger.holdings == [60 * NANO, 20 * NANO]
    assert (ledger.cash["EUR"], ledger.beside_nanos) == (1_000 * NANO, 1_100 * NANO)
    moved = -NANO // 4 + 1 - (NANO // 2 - 2) * 30 + 210 * NANO - (NANO + 2) - 1_102 * NANO + 7 * NANO + NANO // 2
    assert ledger.cash["USD"] - cash == moved
    assert ledger.fees_nanos - fees == NANO // 4 - 1 + NANO + 2
    ledger.assert_identity()
    flex.trades.append(gone)
    own = flex_of(world.runner.money, DATE)
    flex.positions, flex.ending = own.positions, own.ending
    assert differing(told(world, flex, tmp_path)) == []
    assert book(world, found)[1] == "nothing to book; 5 were booked before"
    assert ledger.cash["USD"] - cash == moved
    world.runner.step(e.DayRolled(date=20261009), world.clock.ts_ns)
    verified(world)


def test_busts_and_corrections_of_the_broker(tmp_path: Path) -> None:
    """The first trade was taken back, the second taken back and booked again smaller, with its costs in three rows, a
    third was never heard of here and is gone: the books follow, once.
    """
    world = traded(tmp_path)
    flex = statement_of(world)
    one, two, _ = flex.trades
    gone = {"transactionType": "TradeCancel", "ibExecID": "", "tradeID": "", "notes": "Ca"}
    for number, trade in enumerate(flex.trades):
        trade["transactionID"] = str(number)
    bust = one | gone | {"origTradeID": "7000", "transactionID": "90", "quantity": "-100", "buySell": "BUY (Ca.)"}
    bust["ibCommission"] = exact_text(NANO + 1)  # given back
    undo = two | gone | {"origTradeID": "7001", "transactionID": "91", "quantity": "-30", "ibCommission": "0"}
    again = two | {"transactionID": "92", "quantity": "20", "ibCommission": "0.25"}
    never = one | gone | {"origTradeID": "6999", "transactionID": "93", "quantity": "-7", "ibCommission": "0"}
    flex.trades += [undo, again, bust, never]
    found = told(world, flex, tmp_path)
    fields = [(f.section, f.what, f.field, f.theirs) for f in found if f.section == "trades" and f.what != "matched"]
    assert [field for *_, field, _ in fields] == ["quantity@price", "commission"] * 2
    ledger = world.runner.money.ledger
    assert book(world, found)[0], world.runner.engine.reply
    assert ledger.holdings == [-40 * NANO, 20 * NANO]
    assert ledger.executions["0001.0001.01"].commission_nanos == 0
    assert ledger.executions["0001.0002.01"].commission_nanos == NANO + 2 - NANO // 4
    ledger.assert_identity()
    own = flex_of(world.runner.money, DATE)
    flex.positions, flex.ending = own.positions, own.ending
    assert differing(told(world, flex, tmp_path)) == []
    verified(world)


def test_commissions_by_kind_come_from_the_statement(tmp_path: Path) -> None:
    """Named once; the sum stays; what does not add up is shown and never booked."""
    world = traded(tmp_path)
    flex = statement_of(world)
    none = dict.fromkeys(("brokerClearingCharge", "thirdPartyExecutionCharge", "thirdPartyClearingCharge"), "0")
    row = {"tradeID": "7000", "totalCommission": "-1.000000001", "brokerExecutionCharge": "-0.999", "other": "0"} | none
    row |= {"thirdPartyRegulatoryCharge": "-0.001000001", "regFINRATradingActivityFee": "-0.0004"}
    flex.kinds = [row | {"regSection31TransactionFee": "-0.0005", "regOther": "-0.000100001"}]
    flex.kinds.append(row | {"tradeID": "7001", "totalCommission": "-3"})
    found = [f for f in told(world, flex, tmp_path) if f.section == "fees"]
    assert [(f.what, f.theirs) for f in found] == [
        ("missing here", "commission 0.999, taf 0.0004, sec31 0.0005, regulatory 0.000100001"),
        ("differs", "3"),
    ]
    ledger = world.runner.money.ledger
    fees = ledger.fees_nanos
    assert book(world, found) == (True, "1 commissions by kind")
    assert ledger.fees_nanos == fees
    assert sum(ledger.fee_kinds.values()) == NANO + 1 == ledger.executions["0001.0001.01"].commission_nanos
    assert [f.what for f in told(world, flex, tmp_path) if f.section == "fees"] == ["differs"]
    assert book(world, found)[1] == "nothing to book; 1 were booked before"
    rows = {row["kind"]: row["amount"] for row in cash_rows(world.runner.money)}
    assert rows["of commissions: sec31"] == "-0.0005"
    wrong = m.GivenLine(kind="fees", line_id="w", exec_id="0001.0002.01", commission="1", fees={"taf": "0.5"})
    world.tell(books_corrected(m.CorrectBooks(id=1, reason="r", lines=(wrong,)), "ann", ("AAA", "CCC")))
    assert "must add up" in world.runner.engine.reply[1]
    verified(world)


def test_cash_in_lieu_and_costs_in_another_currency_are_cash(tmp_path: Path) -> None:
    """A fraction's proceeds, whichever section tells of them; a commission in euros; taxes belong to the cost."""
    world = traded(tmp_path)
    flex = statement_of(world)
    flex.corporate = [
        {"type": "RS", "symbol": "AAA", "reportDate": str(DATE), "proceeds": "4.5", "currency": "USD",
         "transactionID": "51", "description": "AAA SPLIT 1 FOR 10", "levelOfDetail": "DETAIL"}
    ]  # fmt: skip
    part = flex.trades[0] | {"transactionType": "FracShare", "ibExecID": "", "tradeID": "", "transactionID": "52"}
    flex.trades.append(part | {"quantity": "-0.5", "proceeds": "2.25", "ibCommission": "-0.25"})
    flex.trades[0] |= {"ibCommissionCurrency": "EUR", "ibCommission": "-0.9"}
    flex.trades[1] |= {"taxes": "-0.5"}
    found = told(world, flex, tmp_path)
    lines = [f.correction for f in found if f.section == "cash" and f.correction]
    assert [(line["cash_kind"], line["currency"], line["amount"]) for line in lines] == [
        ("commission", "EUR", "-0.9"), ("in lieu", "USD", "2"), ("in lieu", "USD", "4.5")
    ]  # fmt: skip
    assert ("corporate actions", "missing here", "") in differing(found)
    (tax,) = [f for f in found if f.field == "commission" and f.key.endswith("0001.0002.01")]
    assert (tax.ours, tax.theirs) == (exact_text(NANO + 2), exact_text(NANO + 2 + NANO // 2))
    assert book(world, found)[0]
    ledger = world.runner.money.ledger
    assert (ledger.flows["USD", "in lieu"], ledger.cash["EUR"]) == (13 * NANO // 2, -9 * NANO // 10)
    flex.trades.append(part | {"quantity": "-1", "proceeds": "9", "transactionID": "53"})
    with pytest.raises(ConfigError, match=r"line \d+: Trade\.quantity: a whole share is no fraction"):
        told(world, flex, tmp_path)


def test_one_account_of_a_file_with_two(tmp_path: Path) -> None:
    """The other one's lines are not ours; asked for a third, the file says which it has."""
    world = traded(tmp_path)
    flex = statement_of(world)
    flex.others = (
        f'<FlexStatement accountId="U2" fromDate="{DATE}" toDate="{DATE}"><Trades><Trade assetCategory="STK" '
        f'symbol="AAA" tradeID="1" ibExecID="9.01" quantity="5" tradePrice="1" tradeDate="{DATE}" currency="USD" '
        'ibCommission="-1" levelOfDetail="EXECUTION"/></Trades></FlexStatement>\n'
    )
    assert differing(told(world, flex, tmp_path)) == []
    with pytest.raises(ConfigError, match="no statement of account U3; the file has: U2, DU0000001"):
        read_flex(tmp_path / "flex.xml", "U3")


def test_a_later_statement_begins_where_the_last_one_left_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fortnight later only the days around the period are folded, with the same findings; without the kept books, or
    of another journal, everything is.
    """
    world = traded(tmp_path)
    assert differing(told(world, statement_of(world), tmp_path)) == []
    for day in range(6, 24):
        world.runner.step(e.DayRolled(date=DATE - DATE % 100 + day), world.clock.ts_ns)
    late = Flex(account=ACCOUNT, day=DATE + 17)
    own = flex_of(world.runner.money, DATE)
    late.positions, late.ending = own.positions, own.ending
    world.runner.flush()
    read_from: list[int] = []
    real = checkpoint.start

    def started(directory: Path, kept: Path | None, before: int) -> tuple[Books, int]:
        books, from_seq = real(directory, kept, before)
        read_from.append(from_seq)
        return books, from_seq

    monkeypatch.setattr(booked, "start", started)
    path = late.write(tmp_path / "late.xml")
    for _ in range(2):
        statement = read_flex(path, ACCOUNT)
        found = compare(statement, booked_until(world.directory, DATE + 17, DATE + 17, tmp_path / "kept"))
        assert differing(found) == []
    assert read_from[0] == 0 < read_from[1]
    monkeypatch.setattr(checkpoint, "journal_identity", lambda _: 7)
    booked_until(world.directory, DATE + 17, DATE + 17, tmp_path / "kept")
    assert read_from[2] == 0


def test_lines_of_a_later_day_count_for_the_day_they_belong_to(tmp_path: Path) -> None:
    """Booked when the next day had begun, they are part of how the statement's day ended."""
    world = traded(tmp_path)
    flex = statement_of(world)
    extra = flex.trades[1] | {"ibExecID": "0001.0009.01", "tradeID": "7009", "quantity": "5", "ibCommission": "-1"}
    flex.trades.append(extra)
    world.runner.step(e.DayRolled(date=20261006), world.clock.ts_ns)
    assert book(world, told(world, flex, tmp_path))[0]
    own = flex_of(world.runner.money, DATE)
    flex.positions, flex.ending = own.positions, own.ending
    assert differing(told(world, flex, tmp_path)) == []


def test_a_deposit_of_the_statement_is_no_profit(tmp_path: Path) -> None:
    """Cash and the peak move together, also out again, and in a currency whose rate comes later."""
    world = traded(tmp_path)
    money, flex = world.runner.money, statement_of(world)
    peak, base, cash = money.high_water_nanos, money.day_base_equity_nanos, money.ledger.cash["USD"]
    for number, (amount, currency) in enumerate((("500", "USD"), ("-200", "USD"), ("10", "EUR")), start=20):
        row = {"type": "Deposits/Withdrawals", "amount": amount, "currency": currency, "dateTime": str(DATE)}
        flex.cash.append(row | {"transactionID": str(number)})
    euro = {
        "assetCategory": "CASH",
        "symbol": "EUR.USD",
        "tradeID": "7010",
        "tradeDate": str(DATE),
        "tradePrice": "1.1",
    }
    flex.trades.append(euro | {"quantity": "-4", "proceeds": "4.4", "ibCommission": "0", "currency": "USD"})
    assert book(world, told(world, flex, tmp_path))[0]
    assert money.ledger.cash["USD"] - cash == 304 * NANO + NANO * 2 // 5
    assert money.high_water_nanos - peak == money.day_base_equity_nanos - base == 311 * NANO
    assert money.ledger.cash["EUR"] == 6 * NANO
    money.ledger.assert_identity()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"quantity": "many"}, "line 5: Trade.quantity: 'many' is not a number"),
        ({"quantity": ""}, "Trade.quantity: is missing"),
        ({"tradeDate": "yesterday", "dateTime": ""}, "Trade.tradeDate: 'yesterday' is no day"),
        ({"tradePrice": "1e30"}, "Trade.tradePrice: '1e30' is out of bounds"),
        ({"symbol": "A" * 2_000}, "Trade.symbol: 2000 characters"),
    ],
    ids=["number", "missing", "date", "bounds", "long"],
)
def test_a_bad_field_is_named_with_its_line(tmp_path: Path, change: dict[str, str], why: str) -> None:
    """File, line, element, field and what is wrong."""
    flex = Flex(account=ACCOUNT, day=DATE)
    row = {"assetCategory": "STK", "symbol": "AAA", "ibExecID": "1.01", "tradeDate": str(DATE), "quantity": "1"}
    flex.trades = [row | {"tradePrice": "1", "currency": "USD"} | change]
    with pytest.raises(ConfigError, match=r"flex\.xml: line") as fault:
        read_flex(flex.write(tmp_path / "flex.xml"), ACCOUNT)
    assert why in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "no well-formed XML"),
        ("<html/>", "not a Flex statement"),
        ("<FlexQueryResponse><a></b></FlexQueryResponse>", "line 1: is no well-formed XML"),
        ('<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><FlexQueryResponse/>', "document types and entities"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><FlexQueryResponse/>', "document types and entities"),
        ("<FlexQueryResponse>" + "<a>" * 20, "deeper or longer"),
        ("<FlexQueryResponse/>", "no statement of account"),
    ],
    ids=["empty", "other", "broken", "bomb", "external", "deep", "nothing"],
)
def test_what_is_no_statement_is_refused(tmp_path: Path, content: str, why: str) -> None:
    """Also what would unfold to gigabytes, or read other files."""
    path = tmp_path / "flex.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as fault:
        read_flex(path, ACCOUNT)
    assert why in str(fault.value)
    assert ELEMENTS_MAX > 10**6


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"kind": "execution", "line_id": "a", "exec_id": "9.01"}, "needs a configured symbol"),
        ({"kind": "correction", "line_id": "a", "exec_id": "9.01"}, "older than what the books"),
        ({"kind": "cash", "line_id": "a"}, "cash needs amount"),
        ({"kind": "conversion", "line_id": "a", "currency": "EUR", "other_currency": "GBP"}, "between USD and another"),
    ],
    ids=["execution", "correction", "cash", "conversion"],
)
def test_a_line_that_cannot_be_booked_books_none(tmp_path: Path, line: dict[str, Any], why: str) -> None:
    """All of them or none."""
    world = traded(tmp_path)
    good = m.GivenLine(kind="cash", line_id="g", currency="USD", amount="5", cash_kind="interest")
    request = m.CorrectBooks(id=1, reason="r", lines=(good, m.GivenLine(**line)))
    cash = world.runner.money.ledger.cash["USD"]
    world.tell(books_corrected(request, "ann", ("AAA", "CCC")))
    ok, text = world.runner.engine.reply
    assert not ok
    assert why in text
    assert world.runner.money.ledger.cash["USD"] == cash
