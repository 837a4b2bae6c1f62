"""Snapshots: whole or ignored, older ones as fallback, three good ones kept."""

import os
from pathlib import Path

import pytest

from core.errors import JournalError
from daemon.journal import latest_snapshot, oldest_snapshot_seq, snapshot, write_snapshot
from daemon.journal.snapshot import find_snapshot, read_snapshot


def write(directory: Path, *seqs: int) -> list[Path]:
    return [write_snapshot(directory, seq, {"money": b"%d" % seq, "empty": b""}, {"code": "c0"}) for seq in seqs]


def test_round_trip(tmp_path: Path) -> None:
    """Seq, parts and digests come back; an empty or missing directory has none."""
    assert latest_snapshot(tmp_path / "missing") is None
    assert oldest_snapshot_seq(tmp_path) is None
    write(tmp_path, 10)
    snapshot = latest_snapshot(tmp_path)
    assert snapshot is not None
    assert (snapshot.seq, snapshot.parts, snapshot.digests) == (10, {"money": b"10", "empty": b""}, {"code": "c0"})


def test_the_last_three_are_kept(tmp_path: Path) -> None:
    """The fourth pushes out the first; a bound on seq picks an older one."""
    write(tmp_path, 10, 20, 30, 40)
    assert oldest_snapshot_seq(tmp_path) == 20
    older = latest_snapshot(tmp_path, at_most_seq=39)
    assert older is not None
    assert older.seq == 30
    assert latest_snapshot(tmp_path, at_most_seq=19) is None
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("at", [0, 9, 13, 17, 30, -1])
def test_a_damaged_newest_falls_back(tmp_path: Path, at: int) -> None:
    """One flipped bit anywhere rejects a file, by name; the one before is used."""
    newest = write(tmp_path, 10, 20)[1]
    content = bytearray(newest.read_bytes())
    content[at] ^= 1
    newest.write_bytes(content)
    found = find_snapshot(tmp_path)
    assert found.snapshot is not None
    assert found.snapshot.seq == 10
    assert newest.name in found.rejected[0]


def test_a_snapshot_cut_at_any_byte_is_rejected(tmp_path: Path) -> None:
    """No prefix of a snapshot passes for one."""
    path = write(tmp_path, 10)[0]
    content = path.read_bytes()
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        with pytest.raises(JournalError, match=path.name):
            read_snapshot(path)


def test_bad_snapshots_do_not_push_out_the_last_good_one(tmp_path: Path) -> None:
    """Three damaged files do not count towards the three that are kept."""
    write(tmp_path, 10)
    for path in write(tmp_path, 20, 30):
        path.write_bytes(b"damaged")
    (tmp_path / "snapshot-00000000000000000040.qs").write_bytes(b"")
    write(tmp_path, 50)
    found = latest_snapshot(tmp_path, at_most_seq=49)
    assert found is not None
    assert found.seq == 10


def test_another_process_may_prune_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trader and follower both write and prune: a file that is gone is no snapshot, and no error either."""
    first, second = write(tmp_path, 10, 20)
    second.unlink()
    with pytest.raises(JournalError, match="gone"):
        read_snapshot(second)
    monkeypatch.setattr(snapshot, "_list", lambda directory: [(10, first), (20, second)])
    found = find_snapshot(tmp_path)
    assert found.snapshot is not None
    assert (found.snapshot.seq, len(found.rejected)) == (10, 1)


def test_the_draft_of_a_killed_writer_goes_in_time(tmp_path: Path) -> None:
    """Not while it may still be written."""
    young, old = tmp_path / "snapshot-1.qs.7.tmp", tmp_path / "snapshot-2.qs.8.tmp"
    young.touch()
    old.touch()
    os.utime(old, (1.0, 1.0))
    write(tmp_path, 10)
    assert (young.exists(), old.exists()) == (True, False)
