"""Whatever carries a person's word, or moves the ladder, is in the audit trail, and spends its one-time code."""

import typing

import msgspec

from core import commands as c
from core import events as e
from core import records as r
from core.money.approvals import APPROVALS_MAX, Approval, keep
from core.money.fold import COMMANDED, fold_input
from core.money.state import Money
from daemon.authority.trail import AUDITED, RULES, is_audited, tag_of
from tests.fakes.money_story import settings
from tests.replay.messages_v1 import EVENTS, MESSAGES

PERSONS = {"operator", "by"}
ATTRIBUTED = {"OpenParent"}  # names whose flatten a schedule is of; the flatten itself is audited


def test_every_word_of_a_person_is_audited() -> None:
    """A new command fails here until daemon/authority/trail.py lists it."""
    for kind, union in ((r.INPUT, e.AnyEvent), (r.COMMAND, c.AnyCommand)):
        named = {x.__name__ for x in typing.get_args(union) if PERSONS & set(x.__struct_fields__)}
        audited = {x.__name__ for x in typing.get_args(union) if x.__struct_config__.tag in AUDITED[RULES][kind]}
        assert named - ATTRIBUTED <= audited


def test_the_tag_is_read_without_decoding() -> None:
    """One of every message: it is audited if its type is, whatever it holds."""
    for kind, messages in MESSAGES:
        for message in messages:
            payload = r.encode(message)
            tag = type(message).__struct_config__.tag
            if len(message.__struct_fields__) < 15:
                assert tag_of(payload) == tag
            assert is_audited(kind, payload) == (tag in AUDITED[RULES].get(kind, ()))


def test_every_command_spends_its_code() -> None:
    """Whatever becomes of it, and however often it is folded: a step is spent, and none before it is good again."""
    given = {type(event): event for event in EVENTS}
    for kind in COMMANDED:
        money = Money(settings())
        for step, spent in ((5, 5), (7, 7), (6, 7)):
            event = msgspec.structs.replace(given[kind], operator="ann", authority=f"code:{step}")
            fold_input(money, step, step, event)
            assert money.code_steps == {"ann": spent}, kind


def test_pending_approvals_are_bounded() -> None:
    """The oldest gives way; one that ran out, or that the same person gave before, leaves no trace."""

    def approval(number: int, since_ns: int, operator: str = "ann") -> Approval:
        return Approval(
            digest=str(number), what="w", operator=operator, authority="a", since_ns=since_ns, until_ns=since_ns + 100
        )

    kept: list[Approval] = []
    for number in range(APPROVALS_MAX + 3):
        kept = keep(kept, approval(number, since_ns=1))
    assert [x.digest for x in kept] == [str(number) for number in range(3, APPROVALS_MAX + 3)]
    kept = keep(kept, approval(7, since_ns=2))
    assert [x.digest for x in kept].count("7") == 1
    assert [x.digest for x in keep(kept, approval(99, since_ns=101))] == ["7", "99"]
