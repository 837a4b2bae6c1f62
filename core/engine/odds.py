"""Odd rows met in a step (legal and unusual words of the broker) as notes; those that touch money as alerts."""

from typing import Final

from core.engine import ladder
from core.engine.presence import SECOND_TRADER
from core.engine.trading import Trading
from core.notes import Odd

_ALARMING: Final = ("order we do not know", "overfill", "settled as lost", "adopted", "vanished", "still open")
_HALTING: Final = ("lost", "overfill", "still open")


def report_odds(engine: Trading) -> None:
    """Odd rows met in this step become notes; those that touch money nobody asked for become alerts (control 35)."""
    odds, engine.money.odds = engine.money.odds, []
    rivals, engine.money.rivals = engine.money.rivals, []
    for what in rivals:
        ladder.halt(engine, SECOND_TRADER, what)
    for order_id, what in odds:
        engine.note(Odd(order_id=order_id, what=what))
        engine.monitor.on_odd(engine.ts_ns)
        if any(word in what for word in _ALARMING):
            engine.alert("ODD_EXECUTION", "critical", f"{what}; {engine.money.story_of(order_id)}")
            if any(word in what for word in _HALTING):
                ladder.halt(engine, "ODD_EXECUTION", what)
