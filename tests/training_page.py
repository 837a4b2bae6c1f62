"""Writes docs/training.md from the [train] table's own structs: `python -m tests.training_page`."""

from pathlib import Path

from daemon.kernels import configure

configure()  # before numba is imported, which reads its settings once

from daemon.config.page import section  # noqa: E402
from research import leaks  # noqa: E402
from research.job import TrainSettings  # noqa: E402

PAGE = Path(__file__).resolve().parents[1] / "docs" / "training.md"

HEAD = f"""\
# Training a model

Made from `research/job.py` by `python -m tests.training_page`: do not edit it; a test compares.

    make train-tools                       # once: LightGBM and the ONNX exporter; the trader needs neither
    quantd train -c examples/train_demo.toml

A recipe is a TOML file of three tables: `[feed]` and `[[instruments]]` as in any config file (docs/configuration.md),
so the market a model learns from is written like the one it will trade, and `[train]` below. A recorded feed needs
`start` and `end`; what lies outside is not looked at. The command writes three files and ends with a summary (`--json`:
as one line); exit status 0 done, 1 failed, 2 the recipe is wrong, with one line per fault.

| file | what |
|---|---|
| `NAME.onnx` | the model; the trader refuses it without its card |
| `NAME.card.json` | what it reads, was trained on and is worth, and rows to test it with when it is loaded |
| `NAME.trials.json` | what was tried under this name; keep it: the best of many trials is judged as such |

## What happens

1. The feed is served as its profile says and stepped by the trader's own kernels: samples are the features the trader
   would have had. Every usable quote within a session is one, no closer than `sample_s`, once all features are ready.
2. Leaks are looked for. A stretch of the tape is run again with another future: a feature that changes before the cut
   is refused by name. A feature whose rank correlation falls by more than half right at the end of the label's window
   (and by more than {leaks.NOISE_MAX:g} deviations of chance) is refused too: the market does not know where our window
   ends.
3. Labels are the mid's move, in basis points. One that would reach past its session's close is left out.
4. `folds` runs of samples are scored by models that saw neither them, nor a label that overlaps theirs, nor the
   `embargo_s` after them. A model of labels from another time must score nothing, or the training is refused.
5. Scores are shrunk to the part that came true out of fold, less one standard error; a part below two errors counts as
   none. A model of noise so scores 0 and never trades.
6. Out of fold, each instrument trades whenever a score promises more than two half spreads, two fees and `enter_bp`,
   and holds until the label is known. The card says `tradable` when there are `trades_min` trades or more and their
   Sharpe ratio, deflated by the number of trials, is above 0 with `confidence`. The trader refuses any other model,
   except in replay and paper mode with `allow_untradable = true`.
7. The model is trained on everything and exported. Its leaves are rounded so that sums are exact in float32, its
   thresholds down to float32: the trader's score is LightGBM's, bit for bit, alone or in a batch, on every machine.

The same recipe on the same data gives the same bytes.
"""


def page() -> str:
    """The whole page."""
    return f"{HEAD}\n{section(TrainSettings, 'train', many=False)}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
