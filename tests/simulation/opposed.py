"""The simulated world with two strategies that want what a script says, and books that cross. Knows no assertion."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

import msgspec

from core import records as r
from core.notes import Decision
from core.ports import Context, Verdict
from core.units import NANO
from daemon.config import Config
from daemon.config.schema import DeskSettings
from daemon.journal import JournalReader
from daemon.machine import Machine
from tests.simulation import world
from tests.simulation.rig import Rig
from tests.simulation.schedule import MS

Script = dict[str, tuple[tuple[int, int], ...]]  # by strategy: from so many ms on, it wants so many shares of AAA
IMMEDIATE: Final = {"algo": "immediate", "params": {}}


class Scripted:
    """Implements core.ports.Strategy: decides when its target is not the script's. Keeps nothing."""

    def __init__(self, name: str, context: Context, script: tuple[tuple[int, int], ...]) -> None:
        self.name = name
        self.instruments = (0,)
        self._context = context
        self._script = script

    def decide(self, ts_ns: int, inst: int) -> Verdict:
        """The newest line of the script."""
        due = [shares for at_ms, shares in self._script if world.START_NS + at_ms * MS <= ts_ns]
        book = self._context.money.ledger.book_of(self.name)
        if inst != 0 or not due or book.targets.get(inst) == due[-1] * NANO:
            return Verdict()
        market = self._context.market
        decision = Decision(
            strategy=self.name, inst=inst, features=(), score=0.0, target_nanos=due[-1] * NANO,
            bid_px_nanos=market.get(inst, "bid_px_nanos"), ask_px_nanos=market.get(inst, "ask_px_nanos"),
        )  # fmt: skip
        return Verdict(decision=decision)

    def forget(self, inst: int) -> None:
        """It has nothing."""

    def adopt(self) -> None:
        """It has nothing."""


def crossing(config: Config, *, on: bool = True, **algos: dict[str, Any]) -> Config:
    """A config whose books cross, with other execution of some strategies."""
    strategies = dict(config.strategies)
    for name, fields in algos.items():
        execution = msgspec.structs.replace(strategies[name].execution, **fields)
        strategies[name] = msgspec.structs.replace(strategies[name], execution=execution)
    return msgspec.structs.replace(config, strategies=strategies, execution=DeskSettings(cross_internally=on))


@contextmanager
def opposed(script: Script | None, *, on: bool = True, **algos: dict[str, Any]) -> Iterator[None]:
    """Every rig made inside has books that cross (`on`); with a script, its strategies too."""

    def config_with(venue: Any, **fields: Any) -> Config:
        return crossing(world.config_with(venue, **fields), on=on, **algos)

    def new_machine(config: Config, **fields: Any) -> Machine:
        machine = world.new_machine(config, **fields)
        engine = machine.engine
        if script is not None:
            made = [Scripted(name, engine.context, script.get(name, ())) for name in engine.strategies]
            engine.strategies = {strategy.name: strategy for strategy in made}
            engine.traders = (tuple(made), ())
        return machine

    with (
        patch("tests.simulation.rig.config_with", config_with),
        patch("tests.simulation.rig.new_machine", new_machine),
    ):
        yield


def told(rig: Rig, *kinds: type) -> list[Any]:
    """Messages of some types in the rig's journal, in order."""
    reader = JournalReader(rig.directory)
    found = [r.decode(record.kind, record.payload) for record in reader.messages() if record.kind != r.REFERENCE]
    return [message for message in found if type(message) in kinds]
