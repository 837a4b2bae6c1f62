"""Acting on a scope of the ladder: its orders and schedules, and where strategies may decide."""

from core.engine.trading import Trading
from core.latches import ACCOUNT, HALTED, SYMBOL
from core.orders import Order
from core.parents import Parent


def in_scope(engine: Trading, level: int, scope: str) -> list[Order]:
    """Live orders of a scope, oldest first."""
    symbols = engine.symbols
    return [
        order
        for order in engine.money.live_orders.values()
        if level <= ACCOUNT or scope == (symbols[order.inst] if level == SYMBOL else order.strategy)
    ]


def refence(engine: Trading) -> None:
    """Let kernels ask for decisions only where a strategy may act: enabled, not halted, in regular hours. And tell them
    every instrument's session: a leader that nobody trades has features too.
    """
    money, context = engine.money, engine.context
    for inst, calendar in enumerate(context.calendars):
        session = calendar.session(engine.ts_ns)
        if session is not None:
            engine.pipeline.session(inst, session.open_ns, session.close_ns)
            engine.market.set_session(inst, session.open_ns, session.close_ns)
    for strategy in engine.strategies.values():
        enabled = money.ledger.book_of(strategy.name).enabled and not money.safe and not engine.stopping
        for inst in strategy.instruments:
            session = context.calendars[inst].session(engine.ts_ns)
            halted = money.latches.effective(strategy=strategy.name, symbol=engine.symbols[inst]) == HALTED
            if enabled and not halted and session is not None:
                engine.pipeline.fence(strategy.name, inst, session.open_ns, session.close_ns)
            else:
                engine.pipeline.fence(strategy.name, inst, 0, 0)


def reconcile_all(engine: Trading) -> None:
    """Look at every target and every position again, in a fixed order."""
    ledger = engine.money.ledger
    pairs = [(book.strategy, inst) for book in ledger.books.values() for inst in book.targets]
    pairs += [key for key in ledger.positions if key not in pairs]
    for strategy, inst in pairs:
        engine.reconcile(strategy, inst)
    for parent in list(engine.money.live_parents.values()):
        if parent.active:
            engine.work(parent)


def parents_in(engine: Trading, level: int, scope: str) -> list[Parent]:
    """Live parents of a scope, oldest first."""
    symbols = engine.symbols
    return [
        parent
        for parent in engine.money.live_parents.values()
        if level <= ACCOUNT or scope == (symbols[parent.inst] if level == SYMBOL else parent.strategy)
    ]
