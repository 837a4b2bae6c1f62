"""What the HTTP server counts of its own work. Bounded: a path that is none of ours is `other`. Knows no socket."""

from collections.abc import Iterable
from typing import Final

from daemon.instruments import Histogram

OTHER: Final = "other"


class Counts:
    """Since the start."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], int] = {}  # by route and class of status, "2xx"
        self.times: dict[str, Histogram] = {}  # by route: until an answer began
        self.wrong_tokens = 0
        self.malformed = 0  # requests that were none
        self._routes: frozenset[str] = frozenset()

    def know(self, routes: Iterable[str]) -> None:
        """The paths that there are."""
        self._routes = frozenset(routes)

    def answered(self, path: str, status: int, took_ns: int) -> None:
        """One request has its answer."""
        route, kind = path if path in self._routes else OTHER, f"{status // 100}xx"
        self.answers[route, kind] = self.answers.get((route, kind), 0) + 1
        if route not in self.times:
            self.times[route] = Histogram()
        self.times[route].add(took_ns)
