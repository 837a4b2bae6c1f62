"""Parts of the ops process side by side: one that fails is started again and counted, the others go on; they leave."""

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from daemon.ops import process
from daemon.ops.process import Ops, Part
from daemon.ops.view import View
from tests.fakes.ops import DEADLINE_S, ops_config, quiet_log


class Stub:
    """A part with a life of its own."""

    def __init__(self, name: str, *lives: str, leave: str = "") -> None:
        self.name = name
        self.lives = list(lives)
        self.leave = leave
        self.started = 0
        self.left = False
        self.turned = asyncio.Event()

    async def run(self, view: View) -> None:
        """One life; the last goes on."""
        self.started += 1
        life = self.lives.pop(0) if self.lives else "goes on"
        self.turned.set()
        if life == "fails":
            raise ValueError(f"{self.name}\nis broken")
        if life == "config":
            raise ConfigError("ops.port: is wrong")
        if life == "ends":
            return
        try:
            await asyncio.Event().wait()
        finally:
            if self.leave == "never":
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            self.left = True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Again at once."""
    monkeypatch.setattr(process, "AGAIN_S_MIN", 0.001)
    monkeypatch.setattr(process, "AGAIN_S_MAX", 0.002)


async def run(folder: Path, *parts: Part, until: Any = None) -> tuple[View, list[MutableMapping[str, Any]]]:
    """To the end of a stop; with what was logged."""
    log: list[MutableMapping[str, Any]] = []
    view = View(ops_config(folder))
    ops = Ops(view, parts, quiet_log(log))
    async with asyncio.timeout(DEADLINE_S):
        running = asyncio.create_task(ops.run())
        if until is not None:
            await until(ops, view)
            ops.stop()
        await running
    return view, log


async def test_a_part_that_fails_is_started_again(tmp_path: Path) -> None:
    """Each time it fails or ends; the other one is not touched; what is wrong stands in the view until it runs."""
    bad, good = Stub("bad", "fails", "ends", "fails"), Stub("good")

    async def until(ops: Ops, view: View) -> None:
        while bad.started < 4:
            bad.turned.clear()
            await bad.turned.wait()
        assert view.faults == {}

    view, log = await run(tmp_path, bad, good, until=until)
    assert (bad.started, good.started, bad.left, good.left) == (4, 1, True, True)
    assert view.restarts == {"bad": 3}
    assert [line["fault"] for line in log if line["event"] == "part failed"] == [
        "ValueError: bad is broken", "it ended", "ValueError: bad is broken",
    ]  # fmt: skip


async def test_a_wrong_config_ends_the_process(tmp_path: Path) -> None:
    """It would be wrong again: whoever started the process must hear it. The others take their leave."""
    good = Stub("good")
    with pytest.raises(ConfigError, match=r"ops\.port"):
        await run(tmp_path, good, Stub("bad", "config"))
    assert good.left


async def test_a_part_that_does_not_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cut off when its time is over, or at once when somebody asks twice."""
    monkeypatch.setattr(process, "LEAVE_S", 0.01)

    async def nothing(ops: Ops, view: View) -> None:
        await slow.turned.wait()

    slow = Stub("slow", leave="never")
    _, log = await run(tmp_path, slow, until=nothing)
    assert [line["part"] for line in log] == ["slow"]
    monkeypatch.setattr(process, "LEAVE_S", DEADLINE_S)

    async def twice(ops: Ops, view: View) -> None:
        await slow.turned.wait()
        ops.stop()

    slow = Stub("slow", leave="never")
    _, log = await run(tmp_path, slow, until=twice)
    assert [line["part"] for line in log] == ["slow"]
