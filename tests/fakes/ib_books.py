"""The trader's books behind the adapter: core's own money state, folded from what the adapter tells and what was sent,
and a random trader that makes the two sides work for their agreement.
"""

import random
from typing import Any

from core import commands as c
from core import events as e
from core.ids import BUY, SELL
from core.money.fold import fold_command, fold_input, fold_outcome
from core.money.state import Money, MoneySettings
from core.orders import State
from core.units import NANO
from risk.limits import Limits
from risk.resolve import rates
from tests.fakes.ib_rig import ACCOUNT, TAG, Rig
from tests.fakes.sim_driver import order

# What may go wrong on the way: name and parameters of the gateway's fault, as `quantd gateway fault` takes them.
FAULTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("duplicate", {"message": "execDetails", "chance": "0.5"}), ("duplicate", {"message": "orderStatus"}),
    ("drop", {"message": "execDetails", "chance": "0.3"}), ("drop", {"message": "orderStatus", "chance": "0.5"}),
    ("drop", {"message": "openOrder", "chance": "0.3"}), ("drop", {"message": "commissionReport", "chance": "0.3"}),
    ("missing_status", {"chance": "0.5"}), ("late_status", {"delay_s": "1"}), ("fill_before_ack", {}),
    ("late_execution", {}), ("late_commission", {"delay_s": "2"}), ("missing_executions_end", {}),
    ("reorder", {"message": "all", "chance": "0.2"}), ("delay", {"chance": "0.2", "delay_s": "0.3"}),
    ("reject_modify", {"chance": "0.5"}), ("reject_order", {"chance": "0.3"}), ("nasty_status", {"chance": "0.5"}),
    ("fill_after_cancel", {"chance": "0.5"}), ("server_lost", {}), ("server_lost", {"data_lost": "yes"}),
    ("farm_broken", {}), ("competing_session", {}), ("disconnect", {}), ("close_mid_frame", {"message": "orderStatus"}),
)  # fmt: skip


class Books:
    """Implements what the engine does for money: folds, and a synchronisation when the link is back."""

    def __init__(self, rig: Rig) -> None:
        pace = rates(Limits())
        settings = MoneySettings(
            account=ACCOUNT,
            account_tag=TAG,
            currency="USD",
            start_cash_nanos=1_000_000 * NANO,
            symbols=("S0", "S1"),
            strategies=("test",),
            duplicate_window_ns=pace.duplicate_window_ns,
            rate_account=pace.account,
            rate_strategy=pace.strategy,
            rate_symbol=pace.symbol,
        )
        self.money = Money(settings)
        self.rig = rig
        self.odds: list[tuple[int, str]] = []
        rig.sink.on_fact = self.take

    def take(self, event: Any) -> None:
        """One fact of the adapter."""
        money = self.money
        fold_input(money, money.seq + 1, self.rig.clock.now_ns(), event)
        self.odds += money.odds
        money.odds = []
        if type(event) is e.LinkRestored:
            self.rig.submit(c.RequestSync(reason="link restored"))
        elif type(event) is e.SyncCompleted and not event.complete:
            self.rig.submit(c.RequestSync(reason=f"{event.missing} missing"))

    def send(self, command: Any) -> None:
        """Fold a command, then hand it to the port."""
        money, now_ns = self.money, self.rig.clock.now_ns()
        fold_command(money, money.seq + 1, now_ns, command)
        reason = self.rig.submit(command)
        if reason:
            approved = getattr(command, "order", None)
            intent = approved.intent if approved is not None else command
            outcome = c.NotSent(order_id=intent.order_id, version=getattr(intent, "version", 0), reason=reason)
            fold_outcome(money, money.seq + 1, now_ns, outcome)

    def trade(self, chance: random.Random, price: int) -> None:
        """One random thing: an order, a replace or a cancel."""
        money = self.money
        live = [own for own in money.live_orders.values() if own.state is State.WORKING and not own.pending_version]
        what = chance.random()
        if what < 0.6 or not live:
            terms: dict[str, Any] = {
                "side": chance.choice((BUY, SELL)),
                "size": chance.randint(1, 5) * 10,
                "limit": price + chance.randint(-3, 3),
                "inst": chance.randrange(2),
            }
            self.send(c.PlaceOrder(order=order(money.next_order_id, **terms)))
            return
        own = chance.choice(live)
        if what < 0.8:
            self.send(c.CancelOrder(order_id=own.order_id, reason="random"))
            return
        more = own.qty_nanos // NANO + 10
        terms = {"side": own.side, "size": more, "limit": price + chance.randint(-3, 3), "inst": own.inst}
        self.send(c.ReplaceOrder(order=order(own.order_id, version=own.version + 1, **terms)))


async def agree(books: Books) -> list[str]:
    """After the storm: synchronise until nothing is open to question, then what still differs."""
    rig, money = books.rig, books.money
    for _ in range(6):
        await rig.until(lambda: rig.adapter.link == 2)
        done = len([fact for fact in rig.sink.of(e.SyncCompleted) if fact.complete])
        rig.submit(c.RequestSync(reason="the end"))
        await rig.synced(done + 1)
        doubtful = [own for own in money.live_orders.values() if own.busy]
        if not doubtful and not money.ledger.uncharged and not money.differences:
            break  # a fill whose report a fault held back is a difference until the next look
    account = rig.gateway.world.exchange.account
    theirs = {inst: held.qty_nanos for inst, held in account.state.positions.items() if held.qty_nanos}
    ours = {inst: qty for inst, qty in enumerate(money.ledger.holdings) if qty}
    found = [] if ours == theirs else [f"positions: ours {ours}, the gateway's {theirs}"]
    cash = (money.ledger.cash["USD"], account.state.cash_nanos["USD"])
    if cash[0] != cash[1]:
        found.append(f"cash: ours {cash[0]}, the gateway's {cash[1]}, {money.ledger.uncharged} without their cost")
    working = {record.perm_id for record in rig.gateway.orders.journal.open_orders()}
    # What a broken connection swallowed never was: in doubt, and absent from complete synchronisations. The engine
    # settles it as lost after a minute.
    lost = [own for own in money.live_orders.values() if not own.perm_id and own.absent_syncs]
    known = {own.perm_id for own in money.live_orders.values() if own not in lost}
    if lost and not rig.sink.of(e.LinkLost):
        found.append(f"lost without a lost link: {[own.order_id for own in lost]}")
    if working != known:
        found.append(f"orders: ours {sorted(known)}, the gateway's {sorted(working)}")
    if money.differences:
        found.append(f"differences: {money.differences}")
    return found
