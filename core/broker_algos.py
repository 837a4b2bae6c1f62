"""The broker's own algorithms (IBKR, `algoStrategy` and `algoParams`): tags and values. Owns the
table that the config is checked against before anything is sent, and that the paper gateway refuses by; and in what an
algorithm that the broker shows for a working order is another one than ours.
"""

from collections.abc import Callable, Iterable
from typing import Final

Rule = Callable[[str], str]  # what a value must be, in words; "" = it is

RISK_AVERSIONS: Final = ("Get Done", "Aggressive", "Neutral", "Passive")
END_TAGS: Final = ("endTime", "activeTimeEnd")
TIME_TAGS: Final = ("startTime", "activeTimeStart", *END_TAGS)
SIZE_MAX: Final = 100_000_000
SECONDS_MAX: Final = 23_400
Tags = tuple[tuple[str, str], ...]


def _one_of(*words: str) -> Rule:
    return lambda value: "" if value in words else f"one of {', '.join(words)}"


def _between(low: float, high: float) -> Rule:
    def fault(value: str) -> str:
        try:
            number = float(value)
        except ValueError:
            return f"a number between {low:g} and {high:g}"
        return "" if low <= number <= high else f"between {low:g} and {high:g}"

    return fault


def _whole(low: int, high: int) -> Rule:
    def fault(value: str) -> str:
        is_whole = value.isascii() and value.isdigit() and len(value) <= len(str(high))
        return "" if is_whole and low <= int(value) <= high else f"a whole number between {low} and {high}"

    return fault


def _moment(value: str) -> str:
    return "" if value and len(value) <= 40 else "a time"


_FLAG: Final = _one_of("1", "0")
_PART: Final = _between(0.1, 0.5)
_RISK: Final = _one_of(*RISK_AVERSIONS)
_START: Final[dict[str, Rule]] = {"startTime": _moment}
_WINDOW: Final[dict[str, Rule]] = {**_START, "endTime": _moment}
_TAKING: Final[dict[str, Rule]] = {**_WINDOW, "noTakeLiq": _FLAG}

STRATEGIES: Final[dict[str, dict[str, Rule]]] = {
    "Adaptive": {"adaptivePriority": _one_of("Urgent", "Normal", "Patient")},
    "Twap": {
        "strategyType": _one_of("Marketable", "Matching Midpoint", "Matching Same Side", "Matching Last"),
        **_WINDOW,
        "allowPastEndTime": _FLAG,
    },
    "Vwap": {"maxPctVol": _PART, **_TAKING, "allowPastEndTime": _FLAG, "speedUp": _FLAG},
    "PctVol": {"pctVol": _PART, **_TAKING},
    "PctVolPx": {"pctVol": _PART, "deltaPctVol": _PART, "minPctVol4Px": _PART, "maxPctVol4Px": _PART, **_TAKING},
    "PctVolSz": {"startPctVol": _PART, "endPctVol": _PART, **_TAKING},
    "PctVolTm": {"startPctVol": _PART, "endPctVol": _PART, **_TAKING},
    "ArrivalPx": {
        "maxPctVol": _PART, "riskAversion": _RISK, **_WINDOW, "forceCompletion": _FLAG, "allowPastEndTime": _FLAG,
    },
    "ClosePx": {"maxPctVol": _PART, "riskAversion": _RISK, **_START, "forceCompletion": _FLAG},
    "MinImpact": {"maxPctVol": _PART},
    "BalanceImpactRisk": {"maxPctVol": _PART, "riskAversion": _RISK, "forceCompletion": _FLAG},
    "DarkIce": {"displaySize": _whole(1, SIZE_MAX), **_WINDOW, "allowPastEndTime": _FLAG},
    "AD": {
        "componentSize": _whole(1, SIZE_MAX), "timeBetweenOrders": _whole(1, SECONDS_MAX), "randomizeTime20": _FLAG,
        "randomizeSize55": _FLAG, "giveUp": _whole(0, SIZE_MAX), "catchUp": _FLAG, "waitForFill": _FLAG,
        "activeTimeStart": _moment, "activeTimeEnd": _moment,
    },
}  # fmt: skip


def params_fault(strategy: str, params: Iterable[tuple[str, str]]) -> str:
    """The first thing wrong with the tags of a known strategy, as `tag is value: remedy`; "" = nothing."""
    rules = STRATEGIES[strategy]
    seen: list[str] = []
    for tag, value in params:
        rule = rules.get(tag)
        if rule is None:
            return f"{tag} is no tag of {strategy}: use {', '.join(rules)}"
        if tag in seen:
            return f"{tag} is given twice: give it once"
        seen.append(tag)
        wanted = rule(value)
        if wanted:
            return f"{tag} is {value!r}: set it to {wanted}"
    return ""


def other_than_ours(ours: str, our_tags: Tags, shown: str, shown_tags: Tags) -> str:
    """How the algorithm that the broker shows for an order differs from the one it was sent with; "" = it does not.

    Only tags that both sides name are held against each other: the broker leaves some out, fills in its own defaults,
    and writes times in a zone of its choice.
    """
    if ours != shown:
        return f"ours is worked by {ours or 'no algorithm'}, the broker's by {shown or 'no algorithm'}"
    theirs = dict(shown_tags)
    for tag, value in our_tags:
        found = theirs.get(tag, value)
        if tag not in TIME_TAGS and found != value and not _is_same_number(found, value):
            return f"{ours} {tag} is {value} here and {found} at the broker"
    return ""


def _is_same_number(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return False
