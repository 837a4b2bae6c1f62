"""Committed journal segments decode for ever: compared with literal messages, and complete for the current unions."""

import json
import shutil
from pathlib import Path
from typing import get_args

import pytest

from core.commands import AnyCommand, AnyOutcome
from core.events import AnyEvent
from core.notes import AnyNote
from core.records import COMMAND, INPUT, NOTE, OUTCOME, REFERENCE, ROWS, decode
from core.reference import AnyReference
from core.rows import ROW
from daemon.journal import JournalReader, describe, verify
from daemon.journal.layout import segment_name
from tests.replay.make_segment import FIRST_SEQ, TARGET, TS_NS, build
from tests.replay.messages_v1 import MESSAGES, ROWS_V1

UNIONS = {REFERENCE: AnyReference, INPUT: AnyEvent, NOTE: AnyNote, COMMAND: AnyCommand, OUTCOME: AnyOutcome}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal directory holding the committed segment under its real name."""
    shutil.copy(TARGET, tmp_path / segment_name(FIRST_SEQ))
    return tmp_path


def test_every_message_decodes_to_its_literal(journal: Path) -> None:
    """Kind, place and content of each committed record are what they were on the day it was written."""
    expected = [(kind, message) for kind, messages in MESSAGES for message in messages]
    found = list(JournalReader(journal).messages())
    assert [(r.kind, decode(r.kind, r.payload)) for r in found] == expected
    assert [(r.seq, r.ts_ns, r.cause_seq) for r in found] == [
        (seq, TS_NS + seq, seq - 1) for seq in range(FIRST_SEQ, FIRST_SEQ + len(expected))
    ]


def test_the_rows_are_what_they_were(journal: Path) -> None:
    """The fixed layout of market rows has not moved."""
    (block,) = JournalReader(journal).row_blocks()
    assert block.rows.dtype == ROW
    assert block.rows.tolist() == ROWS_V1
    assert verify(journal).ok


@pytest.mark.parametrize("kind", sorted(UNIONS))
def test_no_member_of_a_union_is_missing(journal: Path, kind: int) -> None:
    """A new message type must be added to the newest segment before a release: see make_segment.py."""
    found = {type(decode(r.kind, r.payload)) for r in JournalReader(journal).records({kind})}
    missing = {member.__name__ for member in get_args(UNIONS[kind])} - {member.__name__ for member in found}
    assert not missing, f"add {sorted(missing)} to messages_v1.py and run python -m tests.replay.make_segment"


def test_every_record_can_be_shown(journal: Path) -> None:
    """Each record is described with named fields, as JSON, for the operator."""
    described = [describe(record) for record in JournalReader(journal).records()]
    assert json.loads(json.dumps(described))
    assert not [d for d in described if "undecodable" in d]
    filled = next(d for d in described if d.get("type") == "OrderFilled")
    assert filled["kind"] == "input"
    assert isinstance(filled["fields"], dict)
    assert filled["fields"]["exec_id"] == "x.01"
    assert described[-1]["count"] == len(ROWS_V1)


def test_bytes_of_another_release_are_shown_not_raised(journal: Path) -> None:
    """A record this release cannot decode appears in hex with the reason."""
    record = next(JournalReader(journal).messages())
    shown = describe(record._replace(payload=memoryview(b"\x91\xcd\xff\xff")))
    assert shown["undecodable"] == "91cdffff"
    assert describe(record._replace(kind=99))["kind"] == "99"


def test_the_committed_segment_is_what_the_script_writes(journal: Path) -> None:
    """Format 1 still writes the same bytes; small enough for git."""
    assert next(JournalReader(journal).records({ROWS})).count == len(ROWS_V1)
    assert TARGET.stat().st_size <= 64 * 1024
    assert build() == TARGET.read_bytes()
