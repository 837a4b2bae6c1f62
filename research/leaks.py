"""Finds features that know the future, and validation that lets the future in. Training refuses what is found here.

1. *Altered future* (`sees_future`): a stretch of the tape is run through the same code twice, the second time with
   every price and size after a cut changed. What was computed for samples before the cut must be the same bits; a
   column that differs has read ahead. Exact: no statistics, no false alarm, and it holds for any code that computes
   features from rows.
2. *Cliff at the horizon* (`cliffs`): for columns whose making cannot be re-run. The end of a label's window is our
   choice; the market does not know it. So what a feature says of the last eighth of the window it says nearly as well
   of the eighth after it: a signal that fades so fast that it halves within an eighth is gone (below one part in a
   hundred) long before the end. A column made from the label knows the one eighth and nothing of the next. It is
   refused when its correlation falls by more than half at that point and by more than NOISE_MAX standard deviations;
   these are measured on the same column shifted in time against the moves, which keeps the memory both have.
   It finds a leaked label mixed with noise down to correlations of about 0.1 on a few days; below that, only 1 helps.
3. *Shifted labels* (`shifted_moves`, `chance_z`): one fold trained once more with labels from another time. What it
   then scores out of fold must be worth nothing; if it is worth something, training and test share information.
4. The correlation out of fold without purging and embargo stands in the report beside the one with them: what their
   difference is, purging has taken away.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.feeds.columns import Rows
from core.errors import ConfigError
from research.correlation import ranks, standardised
from research.dataset import Collector, Path, Samples

CUTS: Final = 3
SHIFTS: Final = 20
WINDOWS: Final = 8  # in the label's horizon
NOISE_MAX: Final = 6.0
FALL_MAX: Final = 0.5
ROWS_MAX: Final = 200_000  # samples looked at for cliffs
SHIFTED_Z_MAX: Final = 6.0
SHIFT_SEED: Final = 20_130_809

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Cliff(NamedTuple):
    """A column that knows the label's window and not what follows."""

    column: int
    before: float  # rank correlation with the last window's move
    after: float  # and with the move in the one after
    noise: float  # standard deviation of their difference


def sees_future(rows: Rows, collector: Callable[[int], Collector]) -> list[int]:
    """Columns whose values before a cut change when the rows from the cut on do."""
    found: dict[int, None] = {}
    whole = _run(rows, collector)
    for number in range(1, CUTS + 1):
        cut = len(rows) * number // (CUTS + 1)
        until_ns = int(rows["ts_ns"][cut])
        altered = _run(_altered(rows, cut), collector)
        left, right = whole.ts_ns < until_ns, altered.ts_ns < until_ns
        if np.count_nonzero(left) != np.count_nonzero(right):
            return list(range(whole.values.shape[1]))  # even which samples exist depends on what comes later
        same = whole.values[left] == altered.values[right]
        found |= dict.fromkeys(np.flatnonzero(~same.all(axis=0)).tolist())
    return sorted(found)


def _run(rows: Rows, collector: Callable[[int], Collector]) -> Samples:
    made = collector(len(rows))
    made.take(rows)
    return made.finish().samples


def _altered(rows: Rows, cut: int) -> Rows:
    """The same times, other prices and sizes."""
    other = rows.copy()
    for side in ("bid", "ask"):
        px, qty = other[f"{side}_px_nanos"], other[f"{side}_qty_nanos"]
        px[cut:] += px[cut:] // 50
        qty[cut:] *= 3 if side == "bid" else 1
    return other


def cliffs(samples: Samples, paths: Sequence[Path], *, horizon_ns: int) -> list[Cliff]:
    """Columns that fall off at the end of the label's window."""
    width = horizon_ns // WINDOWS
    columns: list[Floats] = []
    moves: list[tuple[Floats, Floats]] = []
    step = -(-len(samples.ts_ns) // ROWS_MAX)
    for inst, path in enumerate(paths):
        mine = samples.only(np.flatnonzero(samples.inst == inst)[::step])
        mine = mine.only(mine.ts_ns + horizon_ns + width < mine.until_ns)
        if len(mine.ts_ns) < SHIFTS * 2 or not len(path.ts_ns):
            continue
        at = [_mid_at(path, mine.ts_ns + horizon_ns + lead) for lead in (-width, 0, width)]
        moves.append(
            (standardised(ranks((at[1] - at[0]) / at[0])), standardised(ranks((at[2] - at[1]) / at[1])))
        )  # fmt: skip
        columns.append(np.stack([standardised(ranks(column)) for column in mine.values.T]))
    return _compared(columns, moves) if columns else []


def _compared(columns: list[Floats], moves: list[tuple[Floats, Floats]]) -> list[Cliff]:
    """`columns` (features, samples) and `moves` by instrument, standardised ranks."""
    count = sum(part.shape[1] for part in columns)

    def correlations(turns: Sequence[float], side: int) -> Floats:
        total = np.zeros(len(columns[0]))
        for part, move, turn in zip(columns, moves, turns, strict=True):
            total += part @ np.roll(move[side], int(turn * part.shape[1]))
        found: Floats = total / count
        return found

    still = [0.0] * len(columns)
    before, after = correlations(still, 0), correlations(still, 1)
    rng = np.random.default_rng(SHIFT_SEED)
    shares = rng.uniform(0.1, 0.9, (SHIFTS, len(columns)))
    null = np.stack([correlations(turns, 0) - correlations(turns, 1) for turns in shares.tolist()])
    noise = np.sqrt((null**2).mean(axis=0))
    found = []
    for column in range(len(before)):
        sign = 1.0 if before[column] >= 0.0 else -1.0
        near, far = sign * before[column], sign * after[column]
        if far < FALL_MAX * near and near - far > NOISE_MAX * noise[column]:
            found.append(Cliff(column, float(before[column]), float(after[column]), float(noise[column])))
    return found


def _mid_at(path: Path, ts_ns: Ints) -> Floats:
    """The mid that holds at each time; the first one before any came."""
    at: Floats = path.close[np.maximum(np.searchsorted(path.ts_ns, ts_ns, side="right") - 1, 0)]
    return at


def shifted_moves(inst: Ints, move_bp: Floats) -> Floats:
    """Each instrument's labels moved by half its samples: their own distribution and memory, nothing to know."""
    shifted = np.empty(len(move_bp))
    for number in np.unique(inst):
        mine = np.flatnonzero(inst == number)
        shifted[mine] = np.roll(move_bp[mine], len(mine) // 2)
    return shifted


def chance_z(inst: Ints, scores: Floats, moves: Floats) -> tuple[float, float]:
    """Rank correlation, and that by the deviation it has when the moves are shifted at random within each instrument:
    what scores and moves remember of themselves is then counted as chance.
    """
    rng = np.random.default_rng(SHIFT_SEED)
    total, null, count = 0.0, np.zeros(SHIFTS), 0
    for number in np.unique(inst):
        mine = np.flatnonzero(inst == number)
        score, move = standardised(ranks(scores[mine])), standardised(ranks(moves[mine]))
        total += float(score @ move)
        null += [float(score @ np.roll(move, int(turn * len(mine)))) for turn in rng.uniform(0.1, 0.9, SHIFTS)]
        count += len(mine)
    noise = float(np.sqrt((null**2).mean()))
    return total / count, total / noise if noise > 0.0 else 0.0


def refuse(names: Sequence[str], *, read_ahead: Sequence[int], fallen: Sequence[Cliff]) -> None:
    """Raise ConfigError naming every feature that knows the future."""
    lines = [
        f"train.features: {names[column]} knows the future: it changes for samples before a moment when the market "
        "after it is changed; take it out and correct how it is computed"
        for column in read_ahead
    ]
    lines += [
        f"train.features: {names[cliff.column]} knows the future: its rank correlation is {cliff.before:.3f} with the "
        f"last eighth of the label's window and {cliff.after:.3f} with the eighth after it, chance is "
        f"{cliff.noise:.4f}; take it out and correct how it is computed"
        for cliff in fallen
        if cliff.column not in read_ahead
    ]
    if lines:
        raise ConfigError("\n".join(lines))
