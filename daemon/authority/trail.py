"""The audit trail: the journal itself, its audited records bound by a hash chain. Whatever a person or a protection did
is in the journal anyway; the trader seals what was added (`AuditSealed`: how many, and the chain's head), so that a
record which is changed, left out or put in afterwards breaks the chain, and a journal that was cut falls short of a
head that was told elsewhere: the log, the follower's SQL, `audit.head` in the state directory.

Raw bytes are hashed, never what they decode to: a later release reads them with more fields.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from core import book_commands as b
from core import commands as c
from core import events as e
from core import manual_commands as mc
from core import notes as n
from core import records as r
from core import reference as f
from core.errors import JournalError
from core.money.approvals import Seal
from daemon.journal import JournalReader, Record

RULES: Final = 1  # which of the tables below a seal goes by; a release that audits more adds a table, and changes none
HEAD_FILE: Final = "audit.head"
START: Final = bytes(32)  # the chain before its first record


def _tags(*kinds: type[msgspec.Struct]) -> frozenset[int]:
    found = [kind.__struct_config__.tag for kind in kinds]
    assert all(len(kind.__struct_fields__) < 15 for kind in kinds), "with its tag, an array of one header byte"
    return frozenset(tag for tag in found if isinstance(tag, int) and 0 < tag < 128)


AUDITED: Final[dict[int, dict[int, frozenset[int]]]] = {
    1: {
        r.REFERENCE: _tags(f.ConfigResolved, f.CodeVersion, f.ModelLoaded),
        r.INPUT: _tags(
            e.OperatorHalted, e.OperatorKilled, e.OperatorFlattened, e.OperatorResumed, e.OrderResolved,
            e.ScheduleSteered,
            e.DifferenceAcknowledged, e.AccountAdopted, e.DeployArmed, e.CommandRefused, e.TriggerFired,
            e.TraderStarted, e.TraderStopped, e.StepFailed, e.LeaseLapsed, e.AlertAcknowledged,
            e.LimitChanged, e.OverrideGranted, e.HighWaterReset, e.CorporateActionApplied, e.BooksCorrected,
            e.OrderGiven, e.OrderWithdrawn,
        ),
        r.NOTE: _tags(n.Answered),
        r.COMMAND: _tags(
            c.MoveLadder, c.SetStrategy, c.SettleOrder, c.AdjustCash, c.TransferPosition, c.VerifyKill, c.TellKill,
            c.KeepApproval, c.SpendApproval, c.CloseAlerts, c.SetLimit,
            c.RevertLimit, c.GrantOverride, c.DropOverride,
            b.KeepCorporateAction, b.SplitBooks, b.AccrueDividend, b.PayDividend, b.SuspectSplit, b.CorrectBooks,
            b.CrossBooks, mc.KeepManualOrder, mc.EndProtection, mc.ShareExecution,
        ),
    }
}  # fmt: skip
KINDS: Final = frozenset(AUDITED[RULES])
_CODES: Final = frozenset(kind << 8 | tag for kind, tags in AUDITED[RULES].items() for tag in tags)
_SEAL: Final = e.AuditSealed.__struct_config__.tag


def tag_of(payload: bytes | memoryview) -> int:
    """The tag of an encoded message of fewer than 16 fields, without decoding it: the first element of its array."""
    return payload[1]  # of a longer one it is 0, the upper byte of its length, which is no tag


def is_audited(kind: int, payload: bytes | memoryview, rules: int = RULES) -> bool:
    """Whether a record is part of the trail."""
    tags = AUDITED[rules].get(kind)
    return tags is not None and tag_of(payload) in tags


def linked(head: bytes, kind: int, seq: int, ts_ns: int, payload: bytes | memoryview) -> bytes:
    """The chain's head after one more record."""
    link = hashlib.sha256(head)
    link.update(kind.to_bytes(1, "little") + seq.to_bytes(8, "little") + ts_ns.to_bytes(8, "little"))
    link.update(payload)
    return link.digest()


class AuditChain:
    """The running chain of one journal."""

    def __init__(self, seal: Seal) -> None:
        self.count = seal.count
        self.head = bytes.fromhex(seal.digest) if seal.digest else START
        self.unsealed = 0

    def add(self, kind: int, seq: int, ts_ns: int, payload: bytes | memoryview) -> None:
        """Take a journalled record in, if it is audited; in the order of the journal."""
        if kind << 8 | payload[1] in _CODES:  # as `is_audited`; asked for every record there is
            self.head = linked(self.head, kind, seq, ts_ns, payload)
            self.count += 1
            self.unsealed += 1

    def seal(self) -> e.AuditSealed:
        """The fact that binds what was added since the last one."""
        self.unsealed = 0
        return e.AuditSealed(count=self.count, digest=self.head.hex(), rules=RULES)


def resumed_chain(directory: Path, seal: Seal) -> AuditChain:
    """The chain as the journal ends: from its last seal on."""
    chain = AuditChain(seal)
    if any(directory.glob("segment-*.qj")):
        for record in JournalReader(directory, from_seq=seal.seq + 1).records(KINDS):
            chain.add(record.kind, record.seq, record.ts_ns, record.payload)
    return chain


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at the whole chain found; `broken` is "" when it holds."""

    count: int
    digest: str
    seals: int
    unsealed: int  # records after the last seal
    broken: str


def verify(directory: Path) -> Verified:
    """Walk a journal's whole chain. What cannot even be read is told as broken too."""
    walk = _Walk()
    try:
        for record in JournalReader(directory).records(KINDS):
            walk.take(record)
            if walk.broken:
                break
    except (JournalError, msgspec.DecodeError) as fault:
        walk.broken = f"after seq {walk.last_seq}: {fault}"
    return Verified(
        count=walk.count, digest=walk.head.hex(), seals=walk.seals, unsealed=len(walk.waiting), broken=walk.broken
    )


class _Walk:
    """Recomputes the chain; what comes before a seal is counted by that seal's own table."""

    def __init__(self) -> None:
        self.count = 0
        self.head = START
        self.seals = 0
        self.last_seq = 0
        self.broken = ""
        self.waiting: list[Record] = []
        self._sealed_seq = 0

    def take(self, record: Record) -> None:
        """The next record."""
        self.last_seq = record.seq
        if record.kind == r.INPUT and tag_of(record.payload) == _SEAL:
            self._meet(record)
        elif any(is_audited(record.kind, record.payload, rules) for rules in AUDITED):
            self.waiting.append(record)

    def _meet(self, record: Record) -> None:
        seal = r.decode(r.INPUT, record.payload)
        assert isinstance(seal, e.AuditSealed)
        if seal.rules not in AUDITED:
            self.broken = f"the seal at seq {record.seq} goes by table {seal.rules}, which this release does not know"
            return
        for one in self.waiting:
            if is_audited(one.kind, one.payload, seal.rules):
                self.head = linked(self.head, one.kind, one.seq, one.ts_ns, one.payload)
                self.count += 1
        if (self.count, self.head.hex()) != (seal.count, seal.digest):
            self.broken = (
                f"between seq {self._sealed_seq} and {record.seq}: {self.count} audited records are here and the seal "
                f"counts {seal.count}; " + ("one was changed" if self.count == seal.count else "some are gone or new")
            )
        self.seals += 1
        self.waiting.clear()
        self._sealed_seq = record.seq


def heads(directory: Path) -> Iterator[tuple[int, str]]:
    """(count, digest) of every seal, in order."""
    for record in JournalReader(directory).records(frozenset({r.INPUT})):
        if tag_of(record.payload) == _SEAL:
            seal = r.decode(r.INPUT, record.payload)
            assert isinstance(seal, e.AuditSealed)
            yield seal.count, seal.digest


def write_head(state: Path, seal: e.AuditSealed) -> None:
    """Keep the newest head beside the journal."""
    fresh = state / f"{HEAD_FILE}.new"
    fresh.write_text(f"{seal.count}:{seal.digest}\n", encoding="ascii")
    fresh.replace(state / HEAD_FILE)


def read_head(state: Path) -> tuple[int, str] | None:
    """The head that was kept; None = none. Raises JournalError on a file that is none."""
    try:
        return parse_head((state / HEAD_FILE).read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as fault:
        raise JournalError(f"{state / HEAD_FILE}: {fault}: somebody else wrote it; verify the trail") from fault


def parse_head(text: str) -> tuple[int, str]:
    """COUNT:DIGEST as it is told. Raises ValueError."""
    count, _, digest = text.strip().partition(":")
    if len(bytes.fromhex(digest)) != len(START):
        raise ValueError(f"{text.strip()[:80]!r} is no COUNT:DIGEST")
    return int(count), digest.lower()


def falls_short(count: int, digest: str, told: tuple[int, str]) -> str:
    """Why a journal's present head cannot be one that came after a head told before; "" = it can."""
    told_count, told_digest = told
    if count < told_count:
        return f"the trail has {count} records and had {told_count}: its end is gone"
    if count == told_count and digest != told_digest:
        return f"record {count} is not what it was: the trail was rewritten"
    return ""
