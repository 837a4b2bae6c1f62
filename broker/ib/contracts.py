"""Contracts: each instrument is looked up once, remembered by its contract id, and must be one contract and no other.
Market rules follow, because the increments in an account's contract details are the smallest over all venues.
"""

from collections.abc import Callable
from typing import Any, Final

from ib_async.contract import Contract

from broker.ib.seam import DOWN, LANE_DATA, NEVER, Shell
from broker.ib.translate import nanos_of_float
from core import events as e
from core.instruments import Instrument, increment_at
from core.instruments import TickRule as Rule
from core.units import NANO

RETRY_NS: Final = 30 * NANO  # a look-up without an answer is repeated after this long
CANDIDATES_SHOWN_MAX: Final = 10
_ALIASES: Final = {"ISLAND": "NASDAQ"}  # the broker's older name of a listing exchange


class Contracts:
    """The instruments of this run as the broker knows them."""

    def __init__(self, shell: Shell, instruments: tuple[Instrument, ...], *, qualified: Callable[[int], None]) -> None:
        self._shell = shell
        self._instruments = instruments
        self._qualified = qualified
        self.known: list[Contract | None] = [None] * len(instruments)
        # Contract id -> instrument: what the config says first, so that executions of an earlier run are known at once.
        self.inst_of = {item.con_id: item.inst for item in instruments if item.con_id}
        self.rules: list[Rule | None] = [None] * len(instruments)
        self._asked: dict[int, tuple[int, list[Any]]] = {}  # request id -> instrument, answers
        self._rule_insts: dict[int, list[int]] = {}  # market rule -> instruments waiting for or using it
        self._retry_ns = NEVER

    def contract(self, inst: int) -> Contract | None:
        """None while it is not qualified."""
        return self.known[inst]

    @property
    def settled(self) -> bool:
        """Whether every instrument's contract id is known: any other contract is none of ours."""
        return len(set(self.inst_of.values())) == len(self._instruments)

    def session_up(self) -> None:
        """Ask for what is not known yet."""
        self._asked.clear()
        self._retry_ns = self._shell.now_ns + RETRY_NS
        for instrument in self._instruments:
            if self.known[instrument.inst] is None:
                self._ask(instrument)
        self.refresh_rules()

    def refresh_rules(self) -> None:
        """Ask for the market rules again: they may change over night."""
        for rule_id in self._rule_insts:
            self._shell.request(LANE_DATA, "reqMarketRule", rule_id)

    def _ask(self, instrument: Instrument) -> None:
        request_id = self._shell.request_id()
        if self._shell.request(LANE_DATA, "reqContractDetails", request_id, self._wanted(instrument)):
            self._asked[request_id] = (instrument.inst, [])

    @staticmethod
    def _wanted(instrument: Instrument) -> Contract:
        if instrument.con_id:
            return Contract(conId=instrument.con_id, exchange=instrument.exchange)
        return Contract(
            symbol=instrument.symbol,
            secType=instrument.sec_type,
            exchange=instrument.exchange,
            primaryExchange=instrument.primary_exchange,
            currency=instrument.currency,
        )

    @property
    def next_ns(self) -> int:
        """When unanswered look-ups are repeated."""
        return self._retry_ns if None in self.known else NEVER

    def tick(self, now_ns: int) -> None:
        """Repeat what was not answered."""
        if self._retry_ns <= now_ns and self._shell.link != DOWN:
            self.session_up()

    # ---- answers -----------------------------------------------------------------------------------------------
    def details(self, request_id: int, details: Any) -> None:
        """One candidate."""
        asked = self._asked.get(request_id)
        if asked is not None:
            asked[1].append(details)

    def details_end(self, request_id: int) -> None:
        """All candidates: exactly one must fit."""
        asked = self._asked.pop(request_id, None)
        if asked is None:
            return
        inst, candidates = asked
        instrument = self._instruments[inst]
        fitting = {item.contract.conId: item for item in candidates if _fits(instrument, item)}
        if len(fitting) == 1:
            self._take(instrument, next(iter(fitting.values())))
            return
        shown = "; ".join(_shown(item) for item in candidates[:CANDIDATES_SHOWN_MAX]) or "none"
        what = "is ambiguous" if fitting else "is not what the config says it is"
        self._shell.fatal(
            f"instruments.{instrument.symbol}: {what} at the broker ({shown}); set con_id, or correct "
            "primary_exchange, currency and sec_type"
        )

    def refused(self, request_id: int, code: int, text: str) -> bool:
        """An error to a look-up; False = not ours."""
        asked = self._asked.pop(request_id, None)
        if asked is None:
            return False
        instrument = self._instruments[asked[0]]
        if code == 200:
            self._shell.fatal(f"instruments.{instrument.symbol}: {text} (code 200); correct symbol or con_id")
        else:
            self._shell.log("contract_refused", symbol=instrument.symbol, code=code, text=text)
        return True

    def _take(self, instrument: Instrument, details: Any) -> None:
        inst, found = instrument.inst, details.contract
        contract = Contract(
            conId=found.conId,
            symbol=found.symbol,
            secType=found.secType,
            exchange=instrument.exchange,
            primaryExchange=found.primaryExchange,
            currency=found.currency,
            localSymbol=found.localSymbol,
            tradingClass=found.tradingClass,
        )
        self.known[inst] = contract
        self.inst_of[found.conId] = inst
        self._shell.log("contract_known", symbol=instrument.symbol, con_id=found.conId, primary=found.primaryExchange)
        rule_id = _rule_of(instrument, details)
        if rule_id:
            waiting = self._rule_insts.setdefault(rule_id, [])
            if inst not in waiting:
                waiting.append(inst)
            self._shell.request(LANE_DATA, "reqMarketRule", rule_id)
        self._qualified(inst)

    def market_rule(self, rule_id: int, increments: list[Any]) -> None:
        """The increments of a rule, for every instrument that follows it."""
        pairs = tuple((nanos_of_float(step.lowEdge), nanos_of_float(step.increment)) for step in increments)
        good = bool(pairs) and pairs[0][0] == 0 and all(step > 0 for _, step in pairs) and pairs == tuple(sorted(pairs))
        if not good:
            self._shell.fault(f"market rule {rule_id} has the increments {pairs}")
            return
        for inst in self._rule_insts.get(rule_id, []):
            rule = Rule(effective_from=0, increments=pairs)
            if rule != self.rules[inst]:
                self.rules[inst] = rule
                self._shell.fact(e.MarketRuleChanged(inst=inst, rule_id=rule_id, increments=pairs))

    # ---- for orders --------------------------------------------------------------------------------------------
    def misfit(self, inst: int, *prices_nanos: int) -> str:
        """Why prices do not conform to the market rule; "" = they do, or none is known (risk has the last word)."""
        rule = self.rules[inst]
        if rule is None:
            return ""
        for px_nanos in prices_nanos:
            if px_nanos and px_nanos % increment_at(rule, px_nanos):
                return f"price {px_nanos} nanos does not conform to the market rule of the contract"
        return ""


def _fits(instrument: Instrument, details: Any) -> bool:
    found = details.contract
    if (found.secType, found.currency) != (instrument.sec_type, instrument.currency):
        return False
    if instrument.con_id and found.conId != instrument.con_id:
        return False
    if found.symbol != instrument.symbol:
        return False
    listed = _ALIASES.get(found.primaryExchange, found.primaryExchange)
    wanted = _ALIASES.get(instrument.primary_exchange, instrument.primary_exchange)
    return not wanted or not listed or listed == wanted


def _shown(details: Any) -> str:
    found = details.contract
    return f"conId {found.conId} {found.symbol} {found.secType} {found.primaryExchange} {found.currency}"


def _rule_of(instrument: Instrument, details: Any) -> int:
    """The market rule of the venue we route to: ids and venues are lists of the same length."""
    venues, rules = details.validExchanges.split(","), details.marketRuleIds.split(",")
    for venue, rule in zip(venues, rules, strict=False):
        if venue == instrument.exchange and rule.isdigit():
            return int(rule)
    return 0
