"""Contracts: details at every version, ambiguity, search, chains, rules, exchanges; read by ib_async's decoder."""

import msgspec
import pytest

from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.families import third_friday
from broker.gateway.contracts.listing import Listed, Query, Refusal
from broker.gateway.contracts.settings import ContractSettings
from broker.gateway.part import Field
from core.errors import ConfigError
from core.units import NANO
from tests.fakes.gateway_market import Call, DecodedClient, Market, stock
from tests.fakes.tape import OPEN_NS, Tape, at, instrument

VERSIONS = (178, 176, 163, 157)
CANADIAN = ContractSettings(symbol="S0", sec_type="STK", exchange="SMART,TSE", currency="CAD", primary_exchange="TSE")
NOTE = ContractSettings(symbol="S1", sec_type="STK", long_name="Süd \\ Eins", isin="US0000000001", industry="Cars")
HOURS = "20260105:0400-20260105:2000;20260106:0400-20260106:2000;20260107:0400-20260107:2000;20260108:CLOSED"


def opened(*contracts: ContractSettings) -> Market:
    """A market whose clock stands in the first session."""
    return Market(contracts=contracts).play(Tape().quote(1, 1000, 1001)).until(at(2))


def details(req_id: int, contract: tuple[Field, ...], version: int, *, sec_id: str = "") -> tuple[Field, ...]:
    """The fields of reqContractDetails."""
    kind = "ISIN" if sec_id else ""
    return (8, req_id, *contract, False, kind, sec_id, *([""] if version >= 176 else []))


def asked(
    contract: tuple[Field, ...], *contracts: ContractSettings, version: int = 178, sec_id: str = ""
) -> list[Call]:
    """The callbacks a request for details brings."""
    market, client = opened(*contracts), DecodedClient(version)
    market.ask(client, 9, *details(5, contract, version, sec_id=sec_id))
    return client.calls


@pytest.mark.parametrize("version", VERSIONS)
def test_details_of_a_stock_read_the_same_at_every_version(version: int) -> None:
    """All fields in their places; the sizes from the version on that has them."""
    calls = asked(stock(1), NOTE, version=version)
    assert [call[:2] for call in calls] == [("contractDetails", 5), ("contractDetailsEnd", 5)]
    found = calls[0][2]
    contract = found.contract
    assert (contract.conId, contract.symbol, contract.secType, contract.exchange) == (1001, "S1", "STK", "SMART")
    assert (contract.primaryExchange, contract.currency, contract.localSymbol) == ("NYSE", "USD", "S1")
    assert (found.longName, found.industry, found.stockType) == ("Süd \\ Eins", "Cars", "COMMON")
    assert (found.timeZoneId, found.minTick, found.priceMagnifier) == ("US/Eastern", 0.0001, 1)
    assert found.tradingHours.startswith(HOURS)
    assert found.liquidHours.startswith("20260105:0930-20260105:1600;20260106:0930-20260106:1600")
    assert [(tag.tag, tag.value) for tag in found.secIdList] == [("ISIN", "US0000000001")]
    places = found.validExchanges.split(",")
    assert "SMART" in places
    assert "NYSE" in places
    assert len(found.marketRuleIds.split(",")) == len(places)
    sizes = (found.minSize, found.sizeIncrement, found.suggestedSizeIncrement)
    assert sizes[2] == (100.0 if version >= 163 else 0.0)
    assert sizes[:2] == ((1.0, 1.0) if version >= 164 else (0.0, 0.0))


def test_market_rules_are_those_of_the_details() -> None:
    """The rule id of a stock leads to its steps; an unknown id is an error of the system."""
    market, client = opened(), DecodedClient()
    market.ask(client, 9, *details(5, stock(), 178))
    rule = int(client.calls[0][2].marketRuleIds.split(",")[0])
    market.ask(client, 91, rule)
    _, told, steps = client.of("marketRule")[0]
    assert told == rule
    assert [(step.lowEdge, step.increment) for step in steps] == [(0.0, 0.0001), (1.0, 0.01)]
    market.ask(client, 91, 26)
    assert [(step.lowEdge, step.increment) for step in client.of("marketRule")[1][2]] == [(0.0, 0.01)]
    market.ask(client, 91, 1)
    assert client.errors == [(-1, 321)]


def test_descriptions_match_by_id_name_exchange_currency_or_isin() -> None:
    """A contract id speaks for all but the exchange; names must fit in every field that is given."""
    by_id = (1000, "", "", "", 0, "", "", "SMART", "", "", "", "")
    assert asked(by_id)[0][2].contract.symbol == "S0"
    assert asked((1000, "", "", "", 0, "", "", "NYSE", "", "", "", ""))[0][2].contract.exchange == "NYSE"
    assert asked((1000, "", "", "", 0, "", "", "LSE", "", "", "", ""))[0][2] == 200
    assert asked((0, "", "STK", "", 0, "", "", "", "", "USD", "S1", ""))[0][2].contract.conId == 1001
    assert (
        asked((0, "", "", "", 0, "", "", "", "", "", "", ""), NOTE, sec_id="US0000000001")[0][2].contract.conId == 1001
    )
    assert asked((0, "S0", "STK", "", 0, "", "", "SMART", "NYSE", "USD", "", ""))[0][0] == "contractDetails"
    refused = {
        "symbol": (0, "XX", "STK", "", 0, "", "", "SMART", "", "USD", "", ""),
        "currency": (0, "S0", "STK", "", 0, "", "", "SMART", "", "EUR", "", ""),
        "primary": (0, "S0", "STK", "", 0, "", "", "SMART", "NASDAQ", "USD", "", ""),
        "type": (0, "S0", "STOCK", "", 0, "", "", "SMART", "", "USD", "", ""),
        "nothing": (0, "", "STK", "", 0, "", "", "SMART", "", "USD", "", ""),
    }
    codes = {name: asked(contract)[0][2] for name, contract in refused.items()}
    assert codes == {"symbol": 200, "currency": 200, "primary": 200, "type": 321, "nothing": 321}


def test_details_list_what_is_ambiguous_and_data_requests_refuse_it() -> None:
    """Without a currency two stocks answer; whoever needs one contract is told so in TWS's words."""
    both = (0, "S0", "STK", "", 0, "", "", "SMART", "", "", "", "")
    calls = asked(both, CANADIAN)
    assert [call[2].contract.currency for call in calls[:-1]] == ["USD", "CAD"]
    book = opened(CANADIAN).book
    refusal = book.resolve(Query(symbol="S0", sec_type="STK", exchange="SMART"))
    assert refusal == Refusal(200, "The contract description specified for S0 is ambiguous.")
    found = book.resolve(Query(symbol="S0", sec_type="STK", exchange="SMART", currency="USD"))
    assert isinstance(found, Listed)
    assert (found.con_id, found.inst) == (1000, 0)


def test_futures_options_and_currencies_are_listed_by_name() -> None:
    """As far as connection and contract requests go: expiries ahead of the clock, ids that stay the same."""
    future = (0, "ES", "FUT", "", 0, "", "", "CME", "", "USD", "", "")
    months = [call[2].contract for call in asked(future)[:-1]]
    assert [contract.localSymbol for contract in months] == ["ESH6", "ESM6", "ESU6", "ESZ6"]
    assert [contract.lastTradeDateOrContractMonth for contract in months][:2] == ["20260320", "20260619"]
    assert asked(future)[0][2].contract.conId == months[0].conId
    front = asked((0, "ES", "CONTFUT", "", 0, "", "", "CME", "", "USD", "", ""))
    assert front[0][2].contract.conId == months[0].conId
    option = asked((0, "SPX", "OPT", "202601", 6000.0, "CALL", "", "SMART", "", "USD", "", ""))
    assert len(option) == 2
    found = option[0][2]
    assert (found.contract.localSymbol, found.underSymbol) == ("SPX   260116C06000000", "SPX")
    assert (found.contract.strike, found.contract.right, found.contract.multiplier) == (6000.0, "C", "100")
    euro = asked((0, "EUR", "CASH", "", 0, "", "", "IDEALPRO", "", "USD", "", ""))[0][2]
    assert (euro.contract.conId, euro.minTick, euro.contract.localSymbol) == (12087792, 0.00005, "EUR.USD")


def test_expiries_follow_the_clock() -> None:
    """After its last day a month is no longer listed, and another one is."""
    now = OPEN_NS
    book = ContractBook((instrument(0),), now_ns=lambda: now)
    query = Query(symbol="ES", sec_type="FUT", exchange="CME")
    first = book.find(query)
    now += 80 * 86_400 * NANO
    later = book.find(query)
    assert not isinstance(first, Refusal)
    assert not isinstance(later, Refusal)
    assert [listed.last_trade for listed in first[1:]] == [listed.last_trade for listed in later[:-1]]
    assert str(third_friday(2026, 3)) == "2026-03-20"


@pytest.mark.parametrize("version", VERSIONS)
def test_symbol_search_and_chains(version: int) -> None:
    """Beginnings of symbols and parts of names; option parameters by exchange, then the end."""
    market, client = opened(NOTE), DecodedClient(version)
    market.ask(client, 81, 3, "sp")
    market.ask(client, 81, 4, "eins")
    market.ask(client, 81, 5, "nobody")
    found = {call[1]: [each.contract.symbol for each in call[2]] for call in client.of("symbolSamples")}
    assert found == {3: ["SPX"], 4: ["S1"], 5: []}
    assert client.of("symbolSamples")[0][2][0].derivativeSecTypes == ["OPT"]
    market.ask(client, 78, 6, "SPX", "", "IND", 416904)
    market.ask(client, 78, 7, "S0", "", "STK", 1000)
    market.ask(client, 78, 8, "S0", "", "STK", 77)
    chains = client.of("securityDefinitionOptionParameter")
    assert [call[1:5] for call in chains] == [(6, "SMART", "416904", "SPX"), (6, "CBOE", "416904", "SPX")]
    assert chains[0][6] == ["20260116", "20260220", "20260320", "20260417"]
    assert (chains[0][5], chains[0][7][0], len(chains[0][7])) == ("100", 5000.0, 21)
    assert client.of("securityDefinitionOptionParameterEnd") == [
        ("securityDefinitionOptionParameterEnd", 6), ("securityDefinitionOptionParameterEnd", 7),
    ]  # fmt: skip
    assert client.errors == [(8, 321)]


def test_exchanges_of_depth_and_letters() -> None:
    """The letters of the exchange table that tickReqParams names; another name is an error."""
    market, client = opened(), DecodedClient()
    market.ask(client, 82)
    market.ask(client, 83, 1, "9c0001")
    market.ask(client, 83, 2, "a60001")
    places = [each.exchange for each in client.of("mktDepthExchanges")[0][1]]
    assert "NYSE" in places
    letters = {each.exchange: each.exchangeLetter for each in client.of("smartComponents")[0][2]}
    assert (letters["NYSE"], letters["ISLAND"]) == ("N", "Q")
    assert client.errors == [(2, 321)]


def test_a_broken_definition_farm_answers_with_its_code() -> None:
    """Never silence."""
    market, client = opened(), DecodedClient()
    market.fault(contracts_stopped=True)
    market.ask(client, 9, *details(5, stock(), 178))
    assert client.errors == [(5, 2157)]


def test_contracts_of_one_id_and_bad_settings_are_refused() -> None:
    """Config errors name the field and the remedy."""
    twin = msgspec.structs.replace(CANADIAN, con_id=1000)
    with pytest.raises(ConfigError, match=r"con_id 1000: S0 and S0 have the same; give one"):
        opened(twin)
    with pytest.raises(ConfigError, match=r"gateway\.contracts X\.strikes"):
        ContractSettings(symbol="X", sec_type="OPT", months="monthly", underlying="S0")
    with pytest.raises(ConfigError, match=r"gateway\.contracts X\.months"):
        ContractSettings(symbol="X", sec_type="FUT")
    with pytest.raises(ConfigError, match="'a' is not a number"):
        ContractSettings(symbol="X", sec_type="STK", min_tick="a")
