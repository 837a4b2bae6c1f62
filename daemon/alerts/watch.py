"""Alerts about what no journal can tell: that a process is gone, a disk fills up, a log-in is due. Each rule is asked
once a second; what is wrong for longer than the rule's patience is raised once, and ends by itself when it is right
again. Knows no rule: those are facts.py's, and the deliverer's own.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple


class Rule(NamedTuple):
    """One alert of daemon/alerts/catalogue.py that ends by itself."""

    code: str
    severity: str
    patience_s: float
    look: Callable[[], str]  # what is wrong, for people; "" = nothing


class Looked(NamedTuple):
    """What one look found."""

    begun: tuple[tuple[Rule, str], ...]
    ended: tuple[str, ...]  # codes whose cause is not there, whether they were raised or not


class Watch:
    """All rules of one process."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._since_s: dict[str, float] = {}  # what is wrong, and since when
        self._told: set[str] = set()

    def look(self, now_s: float, opened: Collection[str]) -> Looked:
        """Ask every rule; `opened` are the codes that people know of already, perhaps from a process before."""
        begun, ended = [], []
        for rule in self._rules:
            wrong = _ask(rule)
            if not wrong:
                self._since_s.pop(rule.code, None)
                self._told.discard(rule.code)
                ended.append(rule.code)
            elif now_s - self._since_s.setdefault(rule.code, now_s) >= rule.patience_s and rule.code not in self._told:
                self._told.add(rule.code)
                if rule.code not in opened:
                    begun.append((rule, wrong))
        return Looked(begun=tuple(begun), ended=tuple(ended))


def _ask(rule: Rule) -> str:
    """What cannot be found out is no alert of its own: a file that is being replaced is there at the next look."""
    try:
        return rule.look()
    except Exception:  # edge: a rule that breaks must not keep alerts from people
        return ""
