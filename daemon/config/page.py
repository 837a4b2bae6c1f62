"""Writes docs/configuration.md from the structs: docstrings, and the comments, types, bounds and defaults of fields.
`python -m daemon.config.page > docs/configuration.md`; a test fails while the file is stale.
"""

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec

from broker.sim.config import VenueConfig
from core.broker_algos import STRATEGIES, TIME_TAGS
from core.errors import Bug
from daemon.config.check import FROM_ACCOUNT
from daemon.config.decode import parts
from daemon.config.schema import Config
from daemon.config.wording import expected, shown, unit_of
from execution.algos import ALGOS
from execution.algos.native import NATIVES, NOT_NATIVE, NativeParams
from risk.limit_rows import ROWS
from risk.limits import AccountLimits, OrderLimits, StrategyLimits
from strategies import kinds

HEAD: Final = """\
# Configuration

One TOML file describes a run. This page is generated from the program (`python -m daemon.config.page`): do not edit it.

- A key that is not listed is refused, and so is a wrong type or a value out of bounds; every problem is one line,
  `<file>: <field>: what is wrong; remedy`, and nothing starts (exit status 2). `quantd check -c FILE` says the same.
- Prices, quantities and cash are decimals, exact to nine places. A unit stands in the key (`_s`, `_ns`, `_ppm` …) or
  in its column.
- Paths are relative to the file; `$VARIABLES` and `~` are expanded. There are no secrets in the file: they come by path
  or environment.
- `NAME` and `SYMBOL` in a heading stand for a name of yours; `[[…]]` is a list of tables.
"""
TABLE_HEAD: Final = "| key | takes | unit | default | meaning |\n|---|---|---|---|---|"
_FLAG_WORDS: Final = {"one of 1, 0": "true or false"}

Word = TypeVar("Word")

# Of embedded structs: bounds that a check of theirs holds (a test tries each one), and words their source lacks.
BOUNDS: Final[dict[tuple[str, str], tuple[float, float]]] = {
    ("MeanReversionParams", "half_life_s"): (0.1, 86_400),
    ("MeanReversionParams", "enter_z"): (0.1, 100),
    ("MeanReversionParams", "position_shares"): (0, 10_000_000),
    ("MeanReversionParams", "position_dollars"): (0, 4_000_000_000),
    ("MeanReversionParams", "cadence_s"): (0.01, 86_400),
    ("MeanReversionParams", "warm_up_s"): (0, 86_400),
    ("MeanReversionParams", "quotes_min"): (2, 1_000_000),
    ("MeanReversionParams", "gap_s"): (1, 86_400),
    ("MeanReversionParams", "sd_floor"): (0.000001, 1_000),
    ("ExecutionConfig", "patience"): (0, 1),
    ("ExecutionConfig", "chase_s"): (0.1, 3_600),
    ("ExecutionConfig", "cross_ticks_max"): (0, 100),
    ("ExecutionConfig", "backoff_s"): (0.1, 3_600),
    ("ExecutionConfig", "grace_s"): (0, 3_600),
    ("ExecutionConfig", "child_lots_min"): (1, 10_000),
    ("ExecutionConfig", "child_lots_max"): (0, 10_000),
    ("ExecutionConfig", "risk_weight"): (0, 100),
    ("ExecutionConfig", "edge_bp"): (0, 10_000),
    ("AutoParams", "volatility_bp"): (0, 10_000),
    ("AlgoParams", "duration_s"): (1, 23_400),
    ("AlgoParams", "after_open_s"): (0, 23_400),
    ("AlgoParams", "before_close_s"): (0, 23_400),
    ("AlgoParams", "limit_bp"): (0, 2_000),
    ("AlgoParams", "participation"): (0, 0.5),
    ("NativeParams", "limit_bp"): (1, 2_000),
    ("AlgoParams", "jitter"): (0, 0.9),
    ("TwapParams", "slices"): (1, 5_000),
    ("VwapParams", "slices"): (1, 400),
    ("PovParams", "interval_s"): (9, 3_600),
    ("PovParams", "participation"): (0.001, 0.5),
    ("PovParams", "limit_bp"): (1, 2_000),
    ("PovParams", "interval_part"): (0.01, 1),
    ("ShortfallParams", "slices"): (1, 60),
    ("ShortfallParams", "risk_aversion"): (0, 1),
    ("ShortfallParams", "volatility_bp"): (0, 10_000),
    ("ShortfallParams", "replan_move"): (0.01, 100),
    ("ShortfallParams", "replan_times"): (1, 1_000),
    ("IcebergParams", "display_lots"): (1, 1_000_000),
    ("AdaptiveParams", "adverse_bp"): (0, 1_000),
    ("CloseParams", "slices"): (1, 399),
    ("CloseParams", "auction_part"): (0, 1),
    ("CloseParams", "lead_s"): (5, 23_400),
}
MEANINGS: Final[dict[tuple[str, str], str]] = {
    ("MeanReversionParams", "enter_z"): "deviations from the mean at which a position is opened",
    ("MeanReversionParams", "leave_z"): "and at which it is closed; 0 or more, below enter_z",
    ("MeanReversionParams", "gap_s"): "a longer silence starts the mean over",
    ("MeanReversionParams", "long_only"): "true = it never sells short",
    ("ExecutionConfig", "algo"): "how a target is spread over time: one of the tables below",
    ("ExecutionConfig", "params"): "of the algo",
    ("ImmediateParams", "duration_s"): "how long it keeps trying",
    ("AlgoParams", "duration_s"): "length of the schedule; cut at the close",
    ("TwapParams", "slices"): "equal parts; at most one a second",
    ("VwapParams", "slices"): "parts in equal times; at most one a second",
    ("PovParams", "interval_s"): "the volume is counted this often; at most 400 times in all",
    ("ShortfallParams", "slices"): "parts in equal times; at most one a second",
    ("NativeParams", "tags"): "of the broker, by its names: below",
    ("NativeParams", "limit_bp"): "the order's limit, in basis points beyond the mid at its start; must be set",
    ("NativeParams", "duration_s"): "length of the schedule, cut at the close; its end is told to the broker",
    (
        "NativeParams",
        "must_complete",
    ): "true = what is left at its end may trade for `grace_s` more, then a new schedule",
    ("IcebergParams", "display_lots"): "size of each part shown, in lots (mostly shares)",
    ("CloseParams", "slices"): "parts in equal times before the auction; at most one a second",
    ("DirtyRates", "crossed"): "bid above ask",
    ("DirtyRates", "locked"): "bid equal to ask",
    ("DirtyRates", "one_sided"): "one side empty",
    ("DirtyRates", "empty_both"): "both sides empty",
    ("DirtyRates", "zero_size"): "a side of size 0",
    ("DirtyRates", "duplicate"): "the row before once more",
    ("Limits", "allow"): "the only symbols that may be opened; empty = every declared one",
    ("Restriction", "symbol"): "what is restricted, or",
    ("Restriction", "con_id"): "by the broker's contract id",
    ("Restriction", "exit_allowed"): "whether a position may be closed",
    ("Restriction", "reason"): "shown with every refusal",
    ("VenueConfig", "seed"): "of latencies, queues and faults",
    ("VenueConfig", "perm_id_first"): "first permanent order id; below 2^31 - 1,000,000",
    ("VenueConfig", "exec_prefix"): "of execution ids",
    ("VenueConfig", "client_id"): "reported with every order",
    ("LatencyConfig", "up_ns"): "command to venue; 0 or more, as all of these",
    ("LatencyConfig", "up_jitter_ns"): "added to up_ns: uniform from 0",
    ("LatencyConfig", "down_ns"): "venue to trader",
    ("LatencyConfig", "down_jitter_ns"): "added to down_ns: uniform from 0",
    ("LatencyConfig", "commission_ns"): "fill to its commission report",
    ("LatencyConfig", "commission_jitter_ns"): "added to commission_ns: uniform from 0",
    ("RestartWindow", "name"): "shown with the reason",
    ("RestartWindow", "start"): "local time of day",
    ("RestartWindow", "minutes"): "its length",
    ("RestartWindow", "login"): "after it somebody must log in, with the second factor",
    ("FaultPlan", "late_fill_delay_ns"): "when the late fill comes",
    ("FaultPlan", "correction_delay_ns"): "when the correction comes",
    ("MessageFault", "kind"): "name of the message, such as PlaceOrder or OrderFilled",
    ("MessageFault", "drop_ppm"): "chance to be lost",
    ("MessageFault", "delay_ppm"): "chance to be late",
    ("MessageFault", "duplicate_ppm"): "chance to come twice",
    ("MessageFault", "reorder_ppm"): "chance to be overtaken",
    ("MessageFault", "delay_ns"): "how late, and how much later the copy",
    ("LinkFault", "at_ns"): "start, UTC",
    ("LinkFault", "duration_ns"): "length; above 0",
    ("LinkFault", "kind"): "lost or degraded",
    ("LinkFault", "data_loss"): "true = facts of the outage never come",
}


def page() -> str:
    """The whole page."""
    return "\n\n".join([HEAD.rstrip(), *sections(Config, "", many=False)]) + "\n"


def sections(kind: type[msgspec.Struct], path: str, *, many: bool) -> Iterator[str]:
    """One table, then the tables within it."""
    yield section(kind, path, many=many)
    if issubclass(kind, OrderLimits):
        return
    for f in msgspec.structs.fields(kind):
        inner, how = inner_of(f.type)
        place = f"{path}.{f.encode_name}" if path else f.encode_name
        if inner is not None:
            name = "SYMBOL" if inner is OrderLimits else "NAME"
            yield from sections(inner, f"{place}.{name}" if how == "dict" else place, many=how == "tuple")
        elif place.endswith(".params"):
            yield from _params(place)


def _params(place: str) -> Iterator[str]:
    """The tables whose keys depend on a neighbour."""
    if place.endswith(".execution.params"):
        for algo in ALGOS:
            if algo not in NATIVES:
                yield section(algo.params_type, place, many=False, when=f'algo = "{algo.name}"')
        yield section(NativeParams, place, many=False, when='algo = "ib_…"') + "\n\n" + broker_tags()
        return
    for kind in kinds.STRATEGIES:
        yield section(kind.params_type, place, many=False, when=f'kind = "{kind.name}"')


def broker_tags() -> str:
    """The tags of each algorithm of the broker's, as its own table says what they take. Times are the schedule's."""
    rows = []
    for algo in NATIVES:
        assert issubclass(algo.params_type, NativeParams), "the algorithms of the broker"
        rules = STRATEGIES[algo.params_type.strategy].items()
        tags = [f"`{tag}` {_FLAG_WORDS.get(rule(''), rule(''))}" for tag, rule in rules if tag not in TIME_TAGS]
        rows.append(_row((f"`{algo.name}`", "; ".join(tags))))
    return "\n".join(["| algo | tags |\n|---|---|", *rows])


def section(kind: type[msgspec.Struct], path: str, *, many: bool, when: str = "") -> str:
    """One struct's heading, docstring and table of keys."""
    heading = f"## {f'[[{path}]]' if many else f'[{path}]'}" if path else "## Top level"
    title = f"{heading} with {when}" if when else heading
    about = " ".join((inspect.getdoc(kind) or "").split())
    if kind is OrderLimits or kind is StrategyLimits:
        names = ", ".join(f"`{name}`" for name in kind.__struct_fields__)
        return f"{title}\n\n{about} Takes, as in [limits.account]: {names}."
    rows = [_limit_row(name) if issubclass(kind, AccountLimits) else row for name, row in _rows(kind)]
    table = "\n".join([TABLE_HEAD, *rows]) if rows else "No keys of its own."
    return f"{title}\n\n{about}\n\n{table}"


def _rows(kind: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    meanings = meanings_of(kind)
    hidden = FROM_ACCOUNT if kind is VenueConfig else NOT_NATIVE if kind is NativeParams else ()
    for f in msgspec.structs.fields(kind):
        if inner_of(f.type)[0] is None and f.name not in hidden:
            default = "required" if f.required else f"`{_default(f)}`" if _default(f) else "not set"
            takes = _bounded(kind, f)
            cells = (f"`{f.encode_name}`", takes, unit_of(f.name, f.type), default, meanings[f.name])
            yield f.name, _row(cells)


def meanings_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """What each field of a struct means, in words; "" = nobody says."""
    if issubclass(kind, OrderLimits):
        return {name: ROWS[name].meaning for name in kind.__struct_fields__}
    comments = comments_of(kind)
    return {
        name: MEANINGS.get((kind.__name__, name)) or comments.get(name) or _of(kind, name, MEANINGS) or ""
        for name in kind.__struct_fields__
    }


def _bounded(kind: type[msgspec.Struct], f: msgspec.structs.FieldInfo) -> str:
    """What a field takes; where its bounds are in a check and not in its type, from BOUNDS."""
    low, high = _of(kind, f.name, BOUNDS) or (None, None)
    takes = expected(f.type)
    if f.name.endswith("_ppm"):
        low, high = 0, 1_000_000
    return takes if low is None else f"{takes} from {low:,} to {high:,}"


def _of(kind: type[msgspec.Struct], name: str, table: Mapping[tuple[str, str], Word]) -> Word | None:
    """What a table says of a field, of the struct itself or else of the nearest it is derived from."""
    return next((table[one.__name__, name] for one in kind.__mro__ if (one.__name__, name) in table), None)


def _limit_row(name: str) -> str:
    """A limit's row comes from risk's own table, where its unit and factory value are."""
    limit = ROWS[name]
    takes = limit.unit if isinstance(limit.factory, bool) else "a number" + ("" if limit.zero else " above 0")
    unit = "" if limit.unit in (takes, "a whole number") else limit.unit
    if limit.unit == "a whole number":
        takes = takes.replace("a number", "a whole number")
    return _row((f"`{name}`", takes, unit, f"`{shown(limit.factory)}`", f"{limit.meaning} (control {limit.control})"))


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(f: msgspec.structs.FieldInfo) -> str:
    if f.default is not msgspec.NODEFAULT:
        return shown(f.default)
    return shown(f.default_factory()) if f.default_factory is not msgspec.NODEFAULT else ""


def inner_of(kind: Any) -> tuple[type[msgspec.Struct] | None, str]:
    """The struct in a field, and whether it stands alone, in a tuple or in a dict."""
    bare = parts(kind)[0]
    arguments = get_args(bare)
    how = "alone"
    if get_origin(bare) is tuple and arguments[1:] == (Ellipsis,):
        bare, how = parts(arguments[0])[0], "tuple"
    elif get_origin(bare) is dict:
        bare, how = parts(arguments[1])[0], "dict"
    return (bare, how) if isinstance(bare, type) and issubclass(bare, msgspec.Struct) else (None, how)


def comments_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """What the source says beside each field, or above it where there was no room."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if one.__module__.partition(".")[0] not in ("builtins", "msgspec"):
            found |= _comments_in(textwrap.dedent(inspect.getsource(one)))
    return found


def _comments_in(source: str) -> dict[str, str]:
    lines = source.splitlines()
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = {}
    (body,) = ast.parse(source).body
    if not isinstance(body, ast.ClassDef):
        raise Bug("the source of a struct is no class")
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            words = [comments[node.end_lineno]] if node.end_lineno in comments else []
            above = node.lineno - 1
            while above in comments and lines[above - 1].lstrip().startswith("#"):
                words.insert(0, comments[above])
                above -= 1
            if words:
                found[node.target.id] = " ".join(words)
    return found


if __name__ == "__main__":
    print(page(), end="")
