"""Market rules: the price steps of contracts under the ids that details and reqMarketRule share."""

from collections.abc import Iterable
from typing import Final

from core.units import NANO

Increments = tuple[tuple[int, int], ...]

CENT_RULE: Final = 26  # TWS's own id for one cent everywhere
_FIRST_RULE: Final = 2001  # ours: above those of TWS
RULES_MAX: Final = 4096


class MarketRules:
    """Gives every list of steps its id, in the order of being asked; the same steps always have the same id."""

    def __init__(self, known: Iterable[Increments] = ()) -> None:
        self._ids: dict[Increments, int] = {((0, NANO // 100),): CENT_RULE}
        for increments in known:
            self.id_of(increments)

    def id_of(self, increments: Increments) -> int:
        """The rule of some steps."""
        return self._ids.setdefault(increments, _FIRST_RULE + len(self._ids) - 1)

    def increments(self, rule_id: int) -> Increments | None:
        """The steps of a rule; None for an id that was never given."""
        for increments, known in self._ids.items():
            if known == rule_id:
                return increments
        return None
