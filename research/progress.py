"""How far a training is: a bar per stage on stderr where it is a terminal, nothing elsewhere. Decides nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Stage = Callable[[int], None]


class Bars:
    """The bars of one run."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def stage(self, name: str, total: int) -> Stage:
        """A new bar; the result moves it to a number."""
        if self._progress is None:
            return lambda done: None
        progress, task = self._progress, self._progress.add_task(name, total=total or None)
        return lambda done: progress.update(task, completed=done)

    def counter(self, name: str, total: int) -> Callable[[], None]:
        """A new bar that moves by one with each call."""
        if self._progress is None:
            return lambda: None
        progress, task = self._progress, self._progress.add_task(name, total=total)
        return lambda: progress.advance(task)


@contextmanager
def bars(*, quiet: bool) -> Iterator[Bars]:
    """Bars on stderr; none when quiet or where nobody looks."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Bars(None)
        return
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console) as progress:
        yield Bars(progress)
