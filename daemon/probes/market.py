"""Checks of contracts and market data, symbol by symbol. A running trader is asked instead of subscribing beside it:
market-data lines belong to the username, not to the client.
"""

from typing import Any, Final

import msgspec
from ib_async.contract import Contract

from broker.ib.contracts import Contracts
from broker.ib.line import LIVE_TYPE
from broker.ib.seam import READY
from broker.ib.translate import nanos_of_float
from core.errors import Bug
from core.events import MarketRuleChanged
from core.instruments import Instrument, LotRule, TickRule, increment_at
from core.units import exact_text
from daemon.config import instruments_of
from daemon.probes.context import Look
from daemon.probes.finding import Finding, fail, ok, skip
from daemon.probes.talk import TICK_PRICE, Conversation

CONTRACTS_S: Final = 15.0
DATA_S: Final = 6.0  # real gateways answer a subscription within the first second
AT_ONCE_MAX: Final = 20
LIVE_TYPES: Final = (LIVE_TYPE, 2)  # live, and frozen: the last live one after hours
TYPE_NAMES: Final = {1: "live", 2: "frozen (the last live one)", 3: "delayed", 4: "delayed and frozen"}
DELAYED_TICKS_FROM: Final = 66  # to 76
COMPETING: Final = 10197
_NO_LINE: Final = 101


class _Desk:
    """The adapter's own look-up of contracts, fed by a conversation: as much of broker.ib.seam.Shell as it needs."""

    link = READY

    def __init__(self, talk: Conversation, instruments: tuple[Instrument, ...], now_ns: int) -> None:
        self.now_ns = now_ns
        self._talk = talk
        self.refused: list[str] = []
        self.rules: dict[int, MarketRuleChanged] = {}
        self.contracts = Contracts(self, instruments, qualified=lambda inst: None)
        self._seen = len(talk.entries)
        self.details: dict[int, Any] = {}  # by contract id

    def patience_ns(self, timeout_ns: int) -> int:
        """As given."""
        return timeout_ns

    def request(self, lane: int, name: str, *arguments: Any) -> bool:
        """Asked at once."""
        self._talk.send(name, *arguments)
        return True

    def request_id(self) -> int:
        """Of the conversation."""
        return self._talk.request_id()

    def fact(self, event: Any) -> None:
        """Market rules are what is wanted."""
        if type(event) is MarketRuleChanged:
            self.rules[event.inst] = event

    def row(
        self, exchange_ts_ns: int, inst: int, kind: int, flags: int,
        bid_px_nanos: int, ask_px_nanos: int, bid_qty_nanos: int, ask_qty_nanos: int,
    ) -> None:  # fmt: skip
        """Contracts tell no rows."""
        raise Bug("a look-up of contracts told a market row")

    def doubt(self, reason: str) -> None:
        """About orders: none here."""

    def fault(self, reason: str) -> None:
        """Not understood."""
        self.refused.append(reason)

    def fatal(self, reason: str) -> None:
        """A symbol that does not fit."""
        self.refused.append(reason)

    def log(self, event: str, **fields: Any) -> None:
        """For people, and here for the finding."""
        if event == "contract_refused":
            self.refused.append(f"instruments.{fields['symbol']}: {fields['code']} {fields['text']}")

    def look_up(self) -> None:
        """Ask for every contract and its market rule, and wait for the answers."""
        self.contracts.session_up()
        self._talk.wait(self._taken, CONTRACTS_S)

    def _taken(self) -> bool:
        entries = self._talk.entries
        for entry in entries[self._seen :]:
            self._take(entry)
        self._seen = len(entries)
        known = sum(contract is not None for contract in self.contracts.known)
        ruled = sum(rule is not None for rule in self.contracts.rules)
        return known + len(self.refused) >= len(self.contracts.known) and ruled >= known

    def _take(self, entry: tuple[Any, ...]) -> None:
        name = entry[0]
        if name == "contractDetails":
            self.details[entry[2].contract.conId] = entry[2]
            self.contracts.details(entry[1], entry[2])
        elif name == "contractDetailsEnd":
            self.contracts.details_end(entry[1])
        elif name == "marketRule":
            self.contracts.market_rule(entry[1], entry[2])
        elif name == "error":
            self.contracts.refused(entry[1], entry[2], entry[3])


def check_contracts(look: Look) -> list[Finding]:
    """Each symbol is one contract, and prices and sizes of the config conform to the broker's."""
    instruments = instruments_of(look.config)
    desk = _Desk(look.talk(), instruments, look.now_ns)
    desk.look_up()
    found = []
    for instrument in instruments:
        contract = desk.contracts.contract(instrument.inst)
        if contract is None:
            found.append(_unknown(desk, instrument))
        else:
            found.append(_conforms(desk, instrument, contract))
    return found


def _unknown(desk: _Desk, instrument: Instrument) -> Finding:
    for reason in desk.refused:
        if reason.startswith(f"instruments.{instrument.symbol}:"):
            text, _, remedy = reason.partition("; ")
            return fail("contract", text, remedy or "correct symbol, con_id, primary_exchange and currency")
    text = f"instruments.{instrument.symbol}: no answer within {CONTRACTS_S:g} s"
    return fail("contract", text, "ask again; a broken sec-def farm (2157) shows in the gateway")


def _conforms(desk: _Desk, instrument: Instrument, contract: Contract) -> Finding:
    name = f"instruments.{instrument.symbol}"
    ours, rule = _newest(instrument.ticks), desk.rules.get(instrument.inst)
    if rule is not None and ours is not None:
        theirs = TickRule(effective_from=0, increments=rule.increments)
        misfit = _tick_misfit(ours, theirs)
        if misfit:
            steps = ", ".join(f"[{exact_text(low)}, {exact_text(step)}]" for low, step in rule.increments)
            return fail("contract", f"{name}: {misfit} (market rule {rule.rule_id})", f"set ticks to [{steps}]")
    lot, details = _newest(instrument.lots), desk.details.get(contract.conId)
    if lot is not None and details is not None:
        misfit = _lot_misfit(lot, details)
        if misfit:
            return fail("contract", f"{name}: {misfit}", "correct lot and minimum")
    told = f"market rule {rule.rule_id}" if rule is not None else "no market rule told"
    return ok("contract", f"{instrument.symbol}: conId {contract.conId}, {contract.primaryExchange}; {told}")


def _newest(rules: Any) -> Any:
    return rules[-1] if rules else None


def _tick_misfit(ours: TickRule, theirs: TickRule) -> str:
    """A price of ours that the broker would refuse; a coarser increment than the broker's is none."""
    for low in sorted({low for low, _ in (*ours.increments, *theirs.increments)}):
        px = low or 1
        our_step, their_step = increment_at(ours, px), increment_at(theirs, px)
        if our_step % their_step:
            where = f"from {exact_text(low)} on"
            return f"increments of {exact_text(our_step)} {where}, the broker's are {exact_text(their_step)}"
    return ""


def _lot_misfit(ours: LotRule, details: Any) -> str:
    step = nanos_of_float(getattr(details, "sizeIncrement", 0.0))
    least = nanos_of_float(getattr(details, "minSize", 0.0))
    if step and ours.increment_nanos % step:
        return f"lots of {exact_text(ours.increment_nanos)}, the broker's sizes go in steps of {exact_text(step)}"
    if least and ours.minimum_nanos < least:
        return f"orders from {exact_text(ours.minimum_nanos)} on, the broker takes {exact_text(least)} and more"
    return ""


def check_lines(look: Look) -> list[Finding]:
    """No more subscriptions than the username has lines."""
    settings, needed = look.config.ib, len(look.config.instruments)
    room = settings.lines_max - settings.lines_reserve
    text = f"{needed} of {settings.lines_max} market-data lines needed, {settings.lines_reserve} reserved"
    if needed > room:
        return [fail("lines", f"{text}: {room} are free", "fewer instruments, or more lines (quote booster)")]
    return [ok("lines", text)]


def check_data(look: Look) -> list[Finding]:
    """What data each symbol has: live, delayed or none."""
    if look.running is not None:
        return [_from_trader(look, symbol) for symbol in look.config.symbols]
    talk = look.talk()
    talk.send("reqMarketDataType", LIVE_TYPE)
    instruments = instruments_of(look.config)
    at_once = max(1, min(look.config.ib.lines_reserve, AT_ONCE_MAX))
    found = []
    for start in range(0, len(instruments), at_once):
        found += _subscribe(talk, instruments[start : start + at_once])
    return found


def _from_trader(look: Look, symbol: str) -> Finding:
    """By the running trader's own picture; what does not fit into that, by why-not."""
    assert look.running is not None
    for row in look.running.feed:
        if row.symbol == symbol:
            state = row.state or "live"
            if row.state in ("", "halted"):
                return ok("data", f"{symbol}: {state}, last sign of life {row.age_ms} ms ago (running trader)")
            return fail("data", f"{symbol}: {state} (running trader)", "see `quantd why-not`, and the trader's alerts")
    blockers = look.ask_trader("why-not", symbol=symbol)
    if blockers is None:
        return skip("data", f"{symbol}: the running trader does not answer")
    blind = [one for one in blockers if one["code"] == "MARKET_DATA"]
    if blind:
        return fail("data", f"{symbol}: {blind[0]['value']} (running trader)", "see `quantd why-not`")
    return ok("data", f"{symbol}: usable (running trader)")


class _Ask(msgspec.Struct, kw_only=True):
    symbol: str
    request_id: int


def _subscribe(talk: Conversation, instruments: tuple[Instrument, ...]) -> list[Finding]:
    asked = [_Ask(symbol=instrument.symbol, request_id=talk.request_id()) for instrument in instruments]
    for one, instrument in zip(asked, instruments, strict=True):
        talk.send("reqMktData", one.request_id, _wanted(instrument), "", False, False, [])
    talk.wait(lambda: all(_answer(talk, one) is not None for one in asked), DATA_S)
    for one in asked:
        talk.send("cancelMktData", one.request_id)
    remedy = "subscribe the market data and share it with this account; check that the gateway's farms are connected"
    none = [fail("data", f"{one.symbol}: nothing came within {DATA_S:g} s", remedy) for one in asked]
    return [_answer(talk, one) or silent for one, silent in zip(asked, none, strict=True)]


def _wanted(instrument: Instrument) -> Contract:
    return Contract(
        conId=instrument.con_id,
        symbol=instrument.symbol,
        secType=instrument.sec_type,
        exchange=instrument.exchange,
        primaryExchange=instrument.primary_exchange,
        currency=instrument.currency,
    )


def _answer(talk: Conversation, one: _Ask) -> Finding | None:
    """What is known of one line so far; None = wait."""
    for entry in talk.errors(request_id=one.request_id):
        return _refused(one.symbol, int(entry[2]), str(entry[3]))
    told = [int(entry[2]) for entry in talk.named("marketDataType") if entry[1] == one.request_id]
    kind = told[-1] if told else 0
    ticks = [int(entry[2]) for entry in talk.named("tickPrice") if entry[1] == one.request_id]
    if kind in (3, 4) or any(tick >= DELAYED_TICKS_FROM for tick in ticks):
        remedy = "subscribe live data for it: nothing is traded on delayed prices"
        return fail("data", f"{one.symbol}: {TYPE_NAMES.get(kind, 'delayed')}", remedy)
    if ticks or kind == 2:
        return ok("data", f"{one.symbol}: {TYPE_NAMES.get(kind, 'live')}")
    return None


def _refused(symbol: str, code: int, text: str) -> Finding:
    remedies = {
        COMPETING: "end the other session of this username: it has the data now",
        _NO_LINE: "no line is left: close subscriptions elsewhere (TWS windows count), or get more lines",
    }
    remedy = remedies.get(code, "subscribe the market data and share it with this account")
    return fail("data", f"{symbol}: {code} {text}", remedy)


assert TICK_PRICE == 1, "the conversation keeps price ticks"
