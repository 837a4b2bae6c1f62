"""The report on models that traded: what was promised, what came, what it cost, and how it would scale.

    python -m research.report --into docs --symbols BAC IBM --start-cash 1000000 \
        --model l1_250=l1_250.onnx --run "l1_250, costs minded=l1_250.db" FILE.parquet ...

Every model is scored on all regular hours of the files that come after its training window; every run is read from the
database its follower kept. Owns the command; the numbers come from holdout.py and traded.py, the page from
report_page.py.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from broker.feeds.replay import ReplayFeed
from broker.feeds.spec import ReplaySpec
from core.errors import ConfigError, QuantdError
from core.units import parse_nanos
from research.holdout import Holdout, evaluate, read_model
from research.hours import regular_hours, utc_text
from research.traded import Account, read_account


class Report(NamedTuple):
    """Everything the page tells, in the order it was asked for."""

    symbols: tuple[str, ...]
    notes: tuple[str, ...]  # what a reader must know of the runs
    holdouts: dict[str, Holdout]  # by name of the model
    runs: dict[str, Account]  # by name of the run


def held_out(path: Path, files: Sequence[str], symbols: Sequence[str]) -> Holdout:
    """One model on the part of the tapes that comes after its window. Raises ConfigError when there is none."""
    card, onnx = read_model(path)
    places = {symbol: at for at, symbol in enumerate(symbols)}
    whole = ReplayFeed(ReplaySpec(files=tuple(files), symbols=places, other_symbols="skip")).header
    sessions = [session for session in regular_hours(whole.first_ns, whole.last_ns) if session[0] >= card.data.until_ns]
    if not sessions:
        raise ConfigError(f"{path}: no session of these files comes after its training window; name later files")
    feed = ReplaySpec(
        files=tuple(files),
        symbols=places,
        other_symbols="skip",
        start=utc_text(sessions[0][0]),
        end=utc_text(sessions[-1][1]),
    )
    return evaluate(card, onnx, feed, symbols=symbols, sessions=sessions)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `python -m research.report`."""
    parser = argparse.ArgumentParser(prog="python -m research.report", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("files", nargs="+", metavar="FILE", help="Parquet tape of quotes or trades")
    parser.add_argument("--symbols", nargs="+", required=True, help="symbols in the files, in the config's order")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=ONNX", help="a model to judge")
    parser.add_argument("--run", action="append", default=[], metavar="NAME=DATABASE", help="a run to account for")
    parser.add_argument("--note", action="append", default=[], help="a paragraph on the runs")
    parser.add_argument("--start-cash", default="1000000", help="cash at the start of every run")
    parser.add_argument("--into", type=Path, required=True, help="folder that gets five_days.md and images/")
    chosen = parser.parse_args(arguments)
    from research.report_page import write  # imports matplotlib

    try:
        start_nanos = parse_nanos(chosen.start_cash, field="--start-cash")
        report = Report(
            symbols=tuple(chosen.symbols),
            notes=tuple(chosen.note),
            holdouts={name: held_out(path, chosen.files, chosen.symbols) for name, path in _named(chosen.model)},
            runs={name: read_account(path, start_nanos=start_nanos) for name, path in _named(chosen.run)},
        )
        write(report, chosen.into)
    except (QuantdError, ValueError) as fault:
        print(fault, file=sys.stderr)
        return 2
    return 0


def _named(given: Sequence[str]) -> list[tuple[str, Path]]:
    pairs = [text.rpartition("=") for text in given]
    if any(not name or not path for name, _, path in pairs):
        raise ConfigError("--model and --run: write NAME=FILE")
    return [(name, Path(path)) for name, _, path in pairs]


if __name__ == "__main__":
    sys.exit(main())
