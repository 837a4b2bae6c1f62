"""Fills and alerts out of a real trader's journal, as the MQTT bridge tells them."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from core import commands as c
from core import records as r
from core.errors import JournalError
from daemon.journal import JournalReader
from daemon.journal.layout import list_segments
from daemon.journal_fold import JournalFold
from daemon.ops.mqtt import messages as m
from daemon.ops.mqtt.tail import JournalTail
from tests.fakes.trader import Rig


def read_all(tail: JournalTail) -> list[Any]:
    """Until nothing is new."""
    found: list[Any] = []
    for _ in range(10_000):
        new = tail.read()
        if not new and not tail.read():
            return found
        found += new
    raise AssertionError("it never ends")


@pytest.mark.slow
def test_the_tail_tells_each_fill_once(journal_rig: Rig, tmp_path: Path) -> None:
    """Exactly what the fold books, in a chain; a bridge that begins in the middle tells what comes after."""
    journal = journal_rig.journal
    booked = JournalFold(journal, from_start=True).money.ledger.executions
    alerts = [x for x in JournalReader(journal).records(frozenset({r.COMMAND}))
              if type(r.decode(x.kind, x.payload)) is c.RaiseAlert]  # fmt: skip
    first = JournalTail(tmp_path / "later")
    assert first.read() == []
    shutil.copytree(journal, tmp_path / "later")
    told = read_all(first)
    fills = [x for x in told if isinstance(x, m.Fill)]
    assert len(booked) > 20
    assert [x.exec_id for x in fills] == list(booked)
    assert [x.n for x in fills] == list(range(1, len(fills) + 1))
    assert [x.previous_seq for x in fills if not x.corrects] == [0, *(x.seq for x in fills if not x.corrects)][:-1]
    assert [x.seq for x in told if isinstance(x, m.Alert) and x.kind == "raised"] == [x.seq for x in alerts]
    assert read_all(JournalTail(journal)) == [], "what was there before is history"
    files = list_segments(journal)
    half = tmp_path / "half"
    half.mkdir()
    for file in files[: len(files) // 2]:
        shutil.copy(file.path, half)
    second = JournalTail(half)
    assert second.read() == []
    for file in files[len(files) // 2 :]:
        shutil.copy(file.path, half)
    rest = [x for x in read_all(second) if isinstance(x, m.Fill)]
    assert rest
    assert [x.exec_id for x in rest] == [x.exec_id for x in fills][-len(rest) :]
    assert rest[0].previous_seq == fills[-len(rest) - 1].seq
    shutil.rmtree(half)
    with pytest.raises(JournalError):  # and when it is there again the tail goes on
        second.read()
    shutil.copytree(journal, half)
    assert read_all(second) == []
