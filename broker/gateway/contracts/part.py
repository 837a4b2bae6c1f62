"""The gateway's answers about contracts: details, market rules, symbol search, option chains, exchanges.

Owns the requests, not the book. Every request ends with an answer or an error.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.hours import hours_text, wire_zone
from broker.gateway.contracts.listing import IND, OPT, STK, Listed, Refusal, invalid, read_query
from broker.gateway.contracts.rules import MarketRules
from broker.gateway.contracts.settings import ContractSettings
from broker.gateway.part import Client, Field, Fields, Handler, StillPart, World
from broker.gateway.versions import BOND_ISSUER, FRACTIONAL_SIZES, SIZE_RULES
from broker.gateway.wire import escape, nanos_text

# Requests and answers.
_REQ_DETAILS, _REQ_RULE, _REQ_SYMBOLS, _REQ_CHAIN, _REQ_DEPTH_EXCHANGES, _REQ_COMPONENTS = 9, 91, 81, 78, 82, 83
_DETAILS, _DETAILS_END, _RULE, _SYMBOLS, _CHAIN, _CHAIN_END, _DEPTH_EXCHANGES, _COMPONENTS = (
    10, 52, 93, 79, 75, 76, 80, 82,
)  # fmt: skip

SEARCH_MAX: Final = 16
BBO_EXCHANGE: Final = "9c0001"  # names the table of exchange letters that tickReqParams points to
_LETTERS: Final = {
    "AMEX": "A", "NYSE": "N", "ARCA": "P", "ISLAND": "Q", "BATS": "Z", "EDGEA": "J", "BYX": "Y", "BEX": "B",
    "CHX": "M", "IEX": "V", "NYSENAT": "C", "MEMX": "U", "PEARL": "H",
}  # fmt: skip
_SEC_DEF_LOST: Final = (2157, "Sec-def data farm connection is broken:secdefnj")


class ContractPart(StillPart):
    """One `Part`. `rules` may be shared; `book` is."""

    def __init__(self, world: World, book: ContractBook) -> None:
        self._world = world
        self._book = book
        self.rules = MarketRules(rule.increments for made in world.instruments for rule in made.ticks)

    def handlers(self) -> Mapping[int, Handler]:
        """Requests it answers."""
        return {
            _REQ_DETAILS: self._details,
            _REQ_RULE: self._market_rule,
            _REQ_SYMBOLS: self._symbols,
            _REQ_CHAIN: self._chain,
            _REQ_DEPTH_EXCHANGES: self._depth_exchanges,
            _REQ_COMPONENTS: self._components,
        }

    def dump(self) -> bytes:
        """Everything comes from the settings."""
        return b""

    def load(self, state: bytes) -> None:
        """Nothing is kept."""

    # ---- details -----------------------------------------------------------------------------------------------
    def _details(self, client: Client, fields: Fields) -> None:
        fields.skip(1)
        req_id = fields.integer()
        query = read_query(fields)
        fields.skip(1)  # includeExpired: nothing expired is listed
        query = msgspec.structs.replace(query, sec_id_type=fields.text(), sec_id=fields.text())
        if client.version >= BOND_ISSUER:
            fields.skip(1)
        if self._world.faults.contracts_stopped:
            client.error(req_id, *_SEC_DEF_LOST)
            return
        found = self._book.find(query)
        if isinstance(found, Refusal):
            client.error(req_id, *found)
            return
        for listed in found:
            client.send(*self._details_fields(client.version, req_id, listed, query.exchange or listed.exchange))
        client.send(_DETAILS_END, 1, req_id)

    def _details_fields(self, version: int, req_id: int, listed: Listed, exchange: str) -> list[Field]:
        hours, liquid, zone = self._hours(listed)
        rule = str(self.rules.id_of(listed.increments))
        head: list[Field] = [_DETAILS] if version >= SIZE_RULES else [_DETAILS, 8]
        strike: Field = nanos_text(listed.strike_nanos) if listed.strike_nanos else 0
        head += [req_id, listed.symbol, listed.sec_type, listed.last_trade, strike, listed.right, exchange]
        head += [listed.currency, listed.local_symbol, listed.trading_class, listed.trading_class, listed.con_id]
        head += [nanos_text(min(step for _, step in listed.increments))]
        if version < SIZE_RULES:
            head.append(1)  # mdSizeMultiplier: sizes are shares
        head += [listed.multiplier, listed.order_types, ",".join(listed.valid_exchanges), 1, listed.under_con_id]
        head += [escape(listed.long_name), listed.primary_exchange, listed.contract_month, escape(listed.industry)]
        head += [listed.category, "", zone, hours, liquid, "", 0]
        head += [1, "ISIN", listed.isin] if listed.isin else [0]
        head += [1, listed.under_symbol, listed.under_sec_type, ",".join([rule] * len(listed.valid_exchanges))]
        head += [listed.last_trade, listed.stock_type]
        if version >= SIZE_RULES:
            head += [nanos_text(listed.size_min_nanos), nanos_text(listed.size_increment_nanos)]
            head.append(nanos_text(listed.size_suggested_nanos))
        elif version >= FRACTIONAL_SIZES:
            head.append(nanos_text(listed.size_suggested_nanos))
        return head

    def _hours(self, listed: Listed) -> tuple[str, str, str]:
        """Trading hours, liquid hours and their zone; empty where no session table is loaded."""
        calendar = self._world.calendars.get(listed.calendar)
        if calendar is None:
            return "", "", "US/Eastern"
        now_ns = self._world.now_ns
        return (
            hours_text(calendar, now_ns, regular=False),
            hours_text(calendar, now_ns, regular=True),
            wire_zone(calendar.table.timezone),
        )

    def _market_rule(self, client: Client, fields: Fields) -> None:
        rule_id = fields.integer()
        increments = self.rules.increments(rule_id)
        if increments is None:
            client.error(-1, *invalid(f"Invalid market rule id {rule_id}"))
            return
        steps = [nanos_text(number) for pair in increments for number in pair]
        client.send(_RULE, rule_id, len(increments), *steps)

    # ---- search ------------------------------------------------------------------------------------------------
    def _symbols(self, client: Client, fields: Fields) -> None:
        req_id, pattern = fields.integer(), fields.text()
        found = self._book.search(pattern)[:SEARCH_MAX]
        out: list[Field] = [_SYMBOLS, req_id, len(found)]
        for listed in found:
            derived = [OPT] if any(chain.underlying == listed.symbol for chain in self._book.chains) else []
            out += [listed.con_id, listed.symbol, listed.sec_type, listed.primary_exchange, listed.currency]
            out += [len(derived), *derived]
            if client.version >= BOND_ISSUER:
                out += [escape(listed.long_name), ""]
        client.send(*out)

    def _chain(self, client: Client, fields: Fields) -> None:
        req_id, symbol, exchange = fields.integer(), fields.text().upper(), fields.text().upper()
        sec_type, con_id = fields.text().upper(), fields.integer()
        underlying = self._book.of_id(con_id)
        if underlying is None or underlying.symbol != symbol or underlying.sec_type != sec_type:
            client.error(req_id, *invalid("Invalid contract id"))
            return
        for chain in self._chains_of(underlying, exchange):
            for place in chain.exchange.split(","):
                client.send(*self._chain_fields(req_id, place, underlying, chain))
        client.send(_CHAIN_END, req_id)

    def _chains_of(self, underlying: Listed, exchange: str) -> Sequence[ContractSettings]:
        if exchange or underlying.sec_type not in (STK, IND):  # options on futures: none are listed
            return ()
        return [chain for chain in self._book.chains if chain.underlying == underlying.symbol]

    def _chain_fields(self, req_id: int, place: str, underlying: Listed, chain: ContractSettings) -> list[Field]:
        days = sorted({
            listed.last_trade
            for listed in self._book.contracts
            if listed.sec_type == OPT and listed.under_con_id == underlying.con_id
        })  # fmt: skip
        out: list[Field] = [_CHAIN, req_id, place, underlying.con_id, chain.trading_class or chain.symbol]
        return [*out, chain.multiplier, len(days), *days, len(chain.strikes), *chain.strikes]

    # ---- exchanges ---------------------------------------------------------------------------------------------
    def _depth_exchanges(self, client: Client, fields: Fields) -> None:
        places = [place for place in self._book.exchanges_of_stocks if place in _LETTERS]
        out: list[Field] = [_DEPTH_EXCHANGES, len(places)]
        for place in places:
            out += [place, STK, "", "Deep", 1]
        client.send(*out)

    def _components(self, client: Client, fields: Fields) -> None:
        req_id, name = fields.integer(), fields.text()
        if name != BBO_EXCHANGE:
            client.error(req_id, *invalid(f"Invalid BBO exchange {name}"))
            return
        out: list[Field] = [_COMPONENTS, req_id, len(_LETTERS)]
        for bit, (place, letter) in enumerate(_LETTERS.items()):
            out += [bit, place, letter]
        client.send(*out)
