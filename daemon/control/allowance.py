"""So many in each stretch of time, and no more."""


class Allowance:
    """`most` in each `per_s` seconds of whatever clock is handed in."""

    def __init__(self, most: int, per_s: float = 60.0) -> None:
        self._most = most
        self._per_s = per_s
        self._until_s = 0.0
        self._taken = 0

    def take(self, now_s: float) -> bool:
        """Whether one more is allowed."""
        if now_s >= self._until_s:
            self._until_s, self._taken = now_s + self._per_s, 0
        self._taken += 1
        return self._taken <= self._most
