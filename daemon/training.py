"""`quantd train`: reads a recipe, builds the sessions of its days, and hands all of it as one JSON document to a
process of its own, `python -m research.train`; daemon and research do not know each other's modules.

A recipe is a TOML file with [feed] and [[instruments]] as in any config file, so that the feed a model is trained on is
written like the one it will trade, and a [train] table, which research reads (docs/training.md).
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from core.errors import ConfigError
from daemon.config import config_of, parse_toml, read_config
from daemon.config.decode import Problems
from daemon.config.feed_spec import feed_spec
from daemon.config.paths import absolute
from daemon.digests import ROOT, code_digest
from daemon.reference.hours import number_of
from daemon.reference.tables import build_reference, covered_days

MODULE: Final = "research.train"
TABLES: Final = ("feed", "instruments", "train")
ACCOUNT: Final = {"id": "TRAIN", "tag": "train"}  # a config has one; nothing of it is used here


def run_training(recipe: Path, *, as_json: bool) -> int:
    """Train; returns the exit status of the training. Raises ConfigError on the recipe."""
    document = job_document(recipe)
    sys.stdout.flush()
    return run_module(MODULE, *(["--json"] if as_json else []), document=document).returncode


def run_module(
    module: str, *arguments: str, document: bytes, capture_output: bool = False, timeout: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a module of this checkout with a document on its standard input."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command, input=document, capture_output=capture_output, timeout=timeout, check=False, env=environment
    )


def job_document(recipe: Path) -> bytes:
    """The job of a recipe: its [train] table as it stands, and everything the data side needs resolved."""
    text, file, folder = read_config(recipe), str(recipe), recipe.resolve().parent
    raw = parse_toml(text, file=file)
    for name in raw:
        if name not in TABLES:
            raise ConfigError(f"{file}: {name}: a recipe has no such table; it has {', '.join(TABLES)}")
    settings = _train_table(parse_toml(text, file=file, parse_float=float), file, folder)
    raw.pop("train")
    with TemporaryDirectory() as scratch:
        config = config_of({**raw, "account": ACCOUNT}, file=file, folder=folder, state_dir=Path(scratch))
        first, last = covered_days(config)
        tables = build_reference(config, first=first, last=last)
        sessions = [
            [
                (session.open_ns, session.close_ns)
                for session in calendar.table.sessions
                if number_of(first) <= session.date <= number_of(last)
            ]
            for calendar in tables.calendars()
        ]
        feed = feed_spec(config, instruments=tables.contracts, sessions=tables.sessions[0].table)
    job = {
        "train": settings, "feed": feed, "symbols": config.symbols, "sessions": sessions,
        "code_revision": code_digest(),
    }  # fmt: skip
    return msgspec.json.encode(job)


def _train_table(raw: dict[str, Any], file: str, folder: Path) -> dict[str, Any]:
    """The [train] table with an absolute path of the model; what else it says is for research to judge."""
    table = raw.get("train")
    if not isinstance(table, dict) or not isinstance(table.get("output"), str):
        raise ConfigError(f"{file}: train.output: a recipe says where the model goes; add it to the [train] table")
    problems = Problems(file)
    output = absolute(table["output"], folder, "train.output", problems)
    problems.stop()
    return {**table, "output": output}
