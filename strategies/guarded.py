"""The supervised edge of a strategy: an exception becomes a verdict that disables it, never a crash of the engine."""

from core.ports import Strategy, Verdict


class Guarded:
    """Wraps a strategy; implements core.ports.Strategy."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Strategy) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        """Of the wrapped strategy."""
        return self._inner.name

    @property
    def instruments(self) -> tuple[int, ...]:
        """Of the wrapped strategy."""
        return self._inner.instruments

    def decide(self, ts_ns: int, inst: int) -> Verdict:
        """The wrapped strategy's verdict, or its error with file and line."""
        try:
            return self._inner.decide(ts_ns, inst)
        except Exception as fault:  # edge: a strategy's mistake disables that strategy and nothing else
            return Verdict(error=describe(fault))

    def forget(self, inst: int) -> None:
        """Must not raise: it runs while a position is being taken away, and there is no verdict to carry an error."""
        self._inner.forget(inst)

    def adopt(self) -> None:
        """Must not raise either: it runs before the first input."""
        self._inner.adopt()


def describe(fault: Exception) -> str:
    """`Type: text at file:line` of where it was raised; the file without its folder, so machines agree."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = ""
    if trace is not None:
        file = trace.tb_frame.f_code.co_filename.replace("\\", "/").rsplit("/", 1)[-1]
        where = f" at {file}:{trace.tb_lineno}"
    return f"{type(fault).__name__}: {fault}{where}"
