"""The scene of the kill drill: files of a quiet market whose orders rest, of three strategies that want more than they
may, and another client with orders of its own. The other client speaks to the drill's own paper gateway only.
"""

from decimal import Decimal
from typing import Any, Final

from ib_async import LimitOrder, Stock, TagValue

from broker.ib.config import IbSettings
from daemon.probes.talk import Conversation

SYMBOLS: Final = tuple(f"K{number:02d}" for number in range(16))
STRATEGIES: Final = ("first", "second", "third")
OWN_ORDERS: Final = 35
OTHERS_CLIENT: Final = 21
OTHERS_ORDERS: Final = 5
PATIENT: Final = [TagValue("adaptivePriority", "Patient")]
ACCOUNT: Final = "DU0000001"
PX: Final = 10
SEED: Final = 5
OPERATOR: Final = "first"

# A wide spread and small moves: an order at the near touch rests. Few prints: they fill small parts of large orders,
# and use up what the strategies want so slowly that the drill has time to look.
_MARKET: Final = """
[[feed.synthetic.instruments]]
symbol = "{name}"
px = 10
events_per_second = {rate}
spread_ticks = 40
size_lots = 1
volatility_bp_per_hour = 0
reversion_ticks = 1
reversion_seconds = 1800
"""
_INSTRUMENT: Final = """
[[instruments]]
symbol = "{name}"
tick = 0.01
round_lot = 100
sector = "{sector}"
"""
_GATEWAY: Final = """
state_dir = "{{state}}"
[gateway]
listen = ["127.0.0.1:{{port}}"]
accounts = ["{account}"]
fault_seed = {seed}
[gateway.limits]
pacing = "delay"
[feed]
kind = "synthetic"
speed = "{speed}x"
[feed.synthetic]
seed = {seed}
start_date = "2026-10-05"
endless = true
print_share = 0.05
jumps_per_hour = 0
"""
# The faults are on purpose: what comes late or twice must not make the trader wary before the kill.
_TRADER: Final = """
mode = "paper"
state_dir = "{{state}}"
[account]
id = "{account}"
tag = "drill"
[feed]
kind = "ib"
profile = "l1_250"
[ib]
port = {{port}}
clock = "gateway"
backoff_min_s = 0.2
backoff_max_s = 0.5
history_days = 5
[journal]
reserve_mib = 0
[start]
after_crash = "as_latched"
[authority.operators.{operator}]
public_key = "{key}"
[authority.operators.second]
public_key = "{other_key}"
[limits.account]
working_orders_max = {own}
working_per_side_max = 10
rate_account_orders = 20
rate_account_seconds = 1
rate_strategy_orders = 20
rate_strategy_seconds = 1
rate_symbol_orders = 10
rate_symbol_seconds = 1
order_notional_max = 60_000
gross_max = 2_000_000
net_max = 2_000_000
margin_long_bp = 2_500
margin_short_bp = 3_000
errors_soft = 500
errors_hard = 2_000
"""
_STRATEGY: Final = """
[strategies.{name}]
kind = "meanrev"
symbols = [{symbols}]
[strategies.{name}.params]
half_life_s = 3600
enter_z = 0.1
leave_z = 0.0
position_shares = 1_000
cadence_s = 3600
warm_up_s = 0
quotes_min = 8
[strategies.{name}.execution]
algo = "twap"
params = {{ duration_s = 7200, slices = 1 }}
patience = 1.0
chase_s = 3600
"""


def gateway_text(*, speed: int, seed: int) -> str:
    """The gateway's file; {port} and {state} are still open."""
    markets = "".join(_MARKET.format(name=name, rate=2.0) for name in SYMBOLS)
    return _GATEWAY.format(account=ACCOUNT, speed=speed, seed=seed) + markets + _instruments()


def trader_text(*, key: str, other_key: str) -> str:
    """The trader's file; {port} and {state} are still open. Every order rests at its touch, larger than any print. Two
    operators, by their public keys.
    """
    text = _TRADER.format(account=ACCOUNT, own=OWN_ORDERS, operator=OPERATOR, key=key, other_key=other_key)
    text += _instruments()
    symbols = ", ".join(f'"{name}"' for name in SYMBOLS)
    for name in STRATEGIES:
        made = _STRATEGY.format(name=name, symbols=symbols)
        text += made.replace("{", "{{").replace("}", "}}")
    return text


def _instruments() -> str:
    return "".join(_INSTRUMENT.format(name=name, sector=f"S{at % 7}") for at, name in enumerate(SYMBOLS))


class OtherClient:
    """Another program on the same account: a plain order, two good till cancelled (an algorithm of the broker's works
    one), a bracket whose child is held.
    """

    def __init__(self, port: int) -> None:
        self._talk = Conversation(IbSettings(port=port), client_id=OTHERS_CLIENT)

    def place(self) -> None:
        """All five, and wait until the gateway lists them. Raises Trouble."""
        talk = self._talk
        talk.open()
        first = int(talk.named("nextValidId")[-1][1])
        far, near = float(Decimal(PX) * Decimal("0.9")), float(Decimal(PX) * Decimal("0.95"))
        for number, terms in enumerate(
            (
                {"tif": "DAY", "lmtPrice": far},
                {"tif": "GTC", "lmtPrice": far},
                {"tif": "GTC", "lmtPrice": near, "algoStrategy": "Adaptive", "algoParams": PATIENT},
                {"tif": "DAY", "lmtPrice": far, "transmit": False},
                {"tif": "DAY", "lmtPrice": PX * 1.1, "action": "SELL", "parentId": first + 3},
            )
        ):
            self._send(first + number, SYMBOLS[number], terms)
        talk.wait(lambda: False, 0.2)

    def _send(self, order_id: int, symbol: str, terms: dict[str, Any]) -> None:
        symbol = SYMBOLS[3] if "parentId" in terms else symbol
        order = LimitOrder(terms.get("action", "BUY"), 100, terms["lmtPrice"])
        for name, value in terms.items():
            setattr(order, name, value)
        order.account = ACCOUNT
        self._talk.send("placeOrder", order_id, Stock(symbol, "SMART", "USD"), order)

    def close(self) -> None:
        """Hang up; its orders stay."""
        self._talk.close()
