"""Progress bars: they move on a terminal and are silent elsewhere."""

from io import StringIO

import pytest
from rich.console import Console
from rich.progress import Progress

from research.progress import Bars, bars


def test_bars_move_with_the_work() -> None:
    """A stage goes to a number, a counter by one."""
    progress = Progress(console=Console(file=StringIO(), force_terminal=True))
    shown = Bars(progress)
    shown.stage("rows", 100)(40)
    count = shown.counter("trees", 10)
    count()
    count()
    assert [(task.description, task.completed, task.total) for task in progress.tasks] == [
        ("rows", 40, 100), ("trees", 2, 10),
    ]  # fmt: skip


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe, or when asked to be quiet, the calls do nothing."""
    for quiet in (True, False):
        with bars(quiet=quiet) as shown:
            shown.stage("rows", 10)(5)
            shown.counter("trees", 10)()
    told = capsys.readouterr()
    assert told.out == told.err == ""
