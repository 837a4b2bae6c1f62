"""One score of a model as the trader serves it, and how long recorded days take to become a training matrix.

Scores run on rows of features as they follow each other in the recorded days: a model's branches are then as
predictable as they are live, which random rows would not be.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import Any, Final

import numpy as np

from core.errors import QuantdError
from core.market import new_market
from core.profiles import TBT
from daemon.bench.model import INPUTS, MODEL
from daemon.bench.orders import quiet_collector
from daemon.bench.samples import Line, Samples, judged, timer_us
from daemon.bench.tape import Tape
from daemon.bench.world import shipped_config
from daemon.digests import ROOT
from daemon.training import job_document, run_module
from strategies.features.catalogue import COUNT, INDEX
from strategies.features.kernels import feature_matrix
from strategies.features.state import new_feature_state, set_session
from strategies.models.scorer import Scorer

SCORES: Final = 50_000
ROUNDS: Final = 5
SECONDS_MAX: Final = 300.0
RECORDED_RECIPE: Final = ROOT / "examples" / "train_bac_ibm.toml"
MADE_UP_RECIPE: Final = ROOT / "examples" / "train_demo.toml"


def score(*, scores: int = SCORES, rounds: int = ROUNDS) -> Line:
    """The line `score`: 100 trees of 31 leaves, buffers bound, one thread."""
    values, source = feature_rows(scores)
    row = np.zeros(len(INPUTS), np.float32)
    one = Scorer(MODEL.read_bytes(), row).score
    samples = Samples()
    with quiet_collector():
        for _ in range(rounds):
            samples.begin_round()
            for k in range(len(values)):
                row[:] = values[k]
                began = perf_counter_ns()
                one()
                samples.add(perf_counter_ns() - began)
    line: Line = {"name": "score", "samples": len(samples.kept), "inputs": len(INPUTS), "timer_us": timer_us()}
    return judged(line | samples.times | {"data": source}, p50_us=5)


def feature_rows(count: int) -> tuple[Any, str]:
    """The first rows of the model's inputs, in the order in which they come, and what they are of."""
    with TemporaryDirectory() as name:
        tape = Tape(Path(name))
        sessions = tape.tables.session_table(tape.config.instruments[0].calendar).sessions
        instruments = len(tape.config.instruments)
        S, X = new_market(instruments), new_feature_state(instruments, TBT, [-1] * instruments)
        due, kept, have = np.zeros(instruments, np.int64), [], 0
        for block in tape.batches():
            session = next((s for s in sessions if s.close_ns > int(block[0]["ts_ns"])), sessions[-1])
            for inst in range(instruments):
                set_session(X, inst, session.open_ns, session.close_ns)
            out, n = np.zeros((len(block), COUNT), np.float32), np.zeros(1, np.int64)
            masks, at = np.zeros(len(block), np.int64), np.zeros(len(block), np.int64)
            feature_matrix(block, 0, len(block), S, X, 0, due, out, masks, at, n)
            kept.append(out[: int(n[0])])
            have += len(kept[-1])
            if have >= count:
                break
        return np.concatenate(kept)[:count, [INDEX[name] for name in INPUTS]], tape.source


def matrix(profiles: tuple[str, ...] = ("l1_250", "tbt")) -> Iterator[Line]:
    """The lines `matrix.l1_250` and `matrix.tbt`: files to labelled samples of all features, in their own process."""
    for profile in profiles:
        with TemporaryDirectory() as name:
            config, source = shipped_config(Path(name))
            recipe = RECORDED_RECIPE if config.feed.kind == "replay" else MADE_UP_RECIPE
            document = job_document(_all_days(recipe, Path(name), profile))
            ended = run_module("research.bench", document=document, capture_output=True, timeout=SECONDS_MAX)
        if ended.returncode:
            last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"status {ended.returncode}"]
            raise QuantdError(f"bench matrix: {last[0]}")
        line: Line = {"name": f"matrix.{profile}"} | json.loads(ended.stdout) | {"data": source}
        yield judged(line, s=5)


def _all_days(recipe: Path, folder: Path, profile: str) -> Path:
    """The shipped recipe for the whole week, in a folder of its own."""
    text = recipe.read_text(encoding="utf-8").replace('end = "2013-10-09"', 'end = "2013-10-11"')
    path = folder / "recipe.toml"
    path.write_text(text.replace('profile = "l1_250"', f'profile = "{profile}"'), encoding="utf-8")
    (folder / "models").mkdir()
    return path
