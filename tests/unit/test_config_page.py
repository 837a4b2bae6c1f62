"""docs/configuration.md: never stale, every key with its bounds, and the bounds it names are those that are checked."""

import re
from pathlib import Path

import pytest

from core.errors import ConfigError
from daemon.config import parse_config
from daemon.config.page import BOUNDS, comments_of, page
from daemon.config.schema import AccountSettings, DatedTick
from execution.algos import ALGOS
from execution.algos.native import NATIVES
from strategies.kinds import STRATEGIES
from tests.unit.test_config import GOOD, ROOT

PLACES = {
    "MeanReversionParams": "strategies.reversion.params",
    "ExecutionConfig": "strategies.reversion.execution",
} | dict.fromkeys(
    ("AlgoParams", "NativeParams", *(algo.params_type.__name__ for algo in ALGOS)),
    "strategies.reversion.execution.params",
)
WHOLE = (
    "after_open_s", "before_close_s", "child_lots_max", "child_lots_min", "cross_ticks_max", "display_lots",
    "duration_s", "interval_s", "lead_s", "position_shares", "quotes_min", "slices",
)  # fmt: skip
NAMES = {algo.params_type.__name__: algo.name for algo in ALGOS} | {"NativeParams": "ib_twap"}


@pytest.fixture(scope="module")
def generated() -> str:
    return page()


def test_the_page_is_what_the_program_says(generated: str) -> None:
    """A changed key, default or comment makes this fail until the page is generated again."""
    text = Path(ROOT, "docs", "configuration.md").read_text(encoding="utf-8")
    assert text == generated, "stale: run `python -m daemon.config.page > docs/configuration.md`"


def test_every_key_has_words(generated: str) -> None:
    """No row of the page has an empty meaning."""
    assert STRATEGIES
    assert re.findall(r"^\| `\w+` .*\|  \|$", generated, flags=re.M) == []


def test_the_broker_s_algorithms_share_one_table(generated: str) -> None:
    """Their keys once, and of each one its tags with what they take; never a time, which is the schedule's."""
    (place,) = re.findall(r"^## .*ib_.*$", generated, flags=re.M)
    table = generated.partition(place)[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(ib_\w+)` \|", table, flags=re.M) == [algo.name for algo in NATIVES]
    assert "`maxPctVol` a number between 0.1 and 0.5; `noTakeLiq` true or false" in table
    for absent in ("startTime", "`endTime`", "activeTime", "`jitter`"):
        assert absent not in table


def test_comments_are_read_beside_and_above_a_field_and_from_its_base() -> None:
    """Where the words of the page come from."""
    assert comments_of(AccountSettings)["currency"] == "base currency"
    assert comments_of(AccountSettings)["tag"].startswith("In every order reference")
    assert comments_of(DatedTick)["effective_from"] == "first day, yyyymmdd"


@pytest.mark.parametrize("key", BOUNDS, ids=".".join)
def test_bounds_named_on_the_page_are_the_ones_checked(key: tuple[str, str]) -> None:
    """Just outside each bound of an embedded struct is refused at its field, the bound itself is not."""
    struct, name = key
    low, high = BOUNDS[key]
    whole = name in WHOLE
    step = 1 if whole else 1e-6
    for value, wrong in (
        (low, False),
        (high, False),
        (low - step / 10 if not whole else low - 1, True),
        (high + step, True),
    ):
        text = f"{value}" if whole else f"{value:.9f}"
        assert (f"{PLACES[struct]}.{name}: " in _refusals(struct, f"{name} = {text}")) is wrong, text


def _refusals(struct: str, line: str) -> str:
    """What a config says in which one field of one table is set, and its neighbours do not contradict it."""
    name = line.partition(" ")[0]
    text = GOOD
    if NAMES.get(struct, "twap") != "twap":
        text = text.replace('"twap"', f'"{NAMES[struct]}"').replace("slices = 5\n", "")
        line += "\nduration_s = 3600" if name != "duration_s" and struct != "ImmediateParams" else ""
    if name == "slices":
        text = text.replace("slices = 5\n", "duration_s = 20000\n")
    if name == "duration_s":
        text = text.replace("slices = 5\n", "slices = 1\n")
    if name == "enter_z":
        line += "\nleave_z = 0.05"
    if name.startswith("position_"):
        text = text.replace("position_dollars = 5000\n", "")
    place = f"[{PLACES[struct]}]"
    try:
        parse_config(text.replace(place, f"{place}\n{line}"), file="run.toml", folder=ROOT)
    except ConfigError as fault:
        return str(fault)
    return ""
