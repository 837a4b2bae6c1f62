"""The engine's tables: a handler for every fact, a fold for every command or a reason why it has none."""

import typing

from core import commands as c
from core import events as e
from core.engine.table import HANDLERS
from core.money.inputs import INPUTS
from core.money.requests import REQUESTS
from core.money.syncs import SYNCS

# Commands that change nothing in the books: what they bring about comes back as facts.
FOLDLESS = {c.RequestSync}


def test_every_fact_has_a_handler() -> None:
    """A new struct in core/events.py fails here until the engine's table has a row for it."""
    assert set(HANDLERS) == set(typing.get_args(e.AnyEvent))


def test_every_command_has_a_fold_or_needs_none() -> None:
    """A command without a fold would be lost by a recovery."""
    assert set(REQUESTS) | FOLDLESS == set(typing.get_args(c.AnyCommand))
    assert not set(REQUESTS) & FOLDLESS


def test_the_folds_know_only_facts_of_the_union() -> None:
    """No fact is folded twice, none that cannot come."""
    assert not set(INPUTS) & set(SYNCS)
    assert set(INPUTS) | set(SYNCS) <= set(typing.get_args(e.AnyEvent))


def test_tags_are_unique_and_stay() -> None:
    """Two structs with one tag would decode as each other."""
    for union in (e.AnyEvent, c.AnyCommand):
        tags = [member.__struct_config__.tag for member in typing.get_args(union)]
        assert len(set(tags)) == len(tags)
