"""Runs one ONNX model on one row of features that the caller owns: no copy in, no object out.

One thread, buffers bound once, the result read through a memoryview. The exporter makes every partial sum of a tree
ensemble exact in float32, so a score has the same bits alone, in a batch of any size and on every machine.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from strategies.models.card import ModelCard
from strategies.models.odds import expected_bp, expected_bp_rows

INPUT: Final = "inputs"
OUTPUT: Final = "score"
PROBE_TOLERANCE: Final = 1e-6  # of the largest probe score

Row = NDArray[np.float32]


class Scorer:
    """`score()` reads `inputs`, the caller's 1-D float32 row, as it stands, and returns basis points."""

    def __init__(self, onnx: bytes, inputs: Row, *, card: ModelCard | None = None, field: str = "model") -> None:
        assert inputs.ndim == 1, "one row"
        assert inputs.dtype == np.float32, "the model reads float32"
        assert inputs.flags.c_contiguous, "one contiguous block"
        self._session = _session(onnx, field)
        _check_shape(self._session, len(inputs), field)
        self._inputs = inputs
        self._output = np.zeros((1, 1), np.float32)
        self._odds = (card.gain_bp, card.loss_bp) if card is not None and card.kind == "classification" else None
        self.score: Callable[[], float] = self._bound()

    def _bound(self) -> Callable[[], float]:
        """The call itself: everything looked up once."""
        from onnxruntime import OrtValue

        binding = self._session.io_binding()
        row = self._inputs.reshape(1, -1)
        assert np.shares_memory(row, self._inputs), "a view"
        binding.bind_ortvalue_input(INPUT, OrtValue.ortvalue_from_numpy(row))
        binding.bind_ortvalue_output(OUTPUT, OrtValue.ortvalue_from_numpy(self._output))
        # One layer below the public method: 0.3 us less. The runtime does not hold the memory it was given: `_alive`.
        run, bound, result = self._session._sess.run_with_iobinding, binding._iobinding, memoryview(self._output[0])

        def raw(_alive: object = (binding, row)) -> float:
            run(bound, None)
            return result[0]

        if self._odds is None:
            return raw
        gain_bp, loss_bp = self._odds

        def score(_alive: object = (binding, row)) -> float:
            run(bound, None)
            return expected_bp(result[0], gain_bp, loss_bp)

        return score

    def scores(self, rows: Row) -> NDArray[np.float64]:
        """Basis points of many rows, shape (n, width): bit for bit what `score` gives for each."""
        raw: Row = self._session.run([OUTPUT], {INPUT: rows})[0].ravel()
        if self._odds is None:
            return raw.astype(np.float64)
        out = np.empty(len(raw))
        expected_bp_rows(raw, *self._odds, out)
        return out

    def check_probes(self, card: ModelCard, *, field: str) -> None:
        """Score the card's probe rows. Raises ConfigError when a score is not the one that training saw."""
        kept = self._inputs.copy()
        bound = PROBE_TOLERANCE * max(abs(probe.score_bp) for probe in card.probes)
        try:
            for at, probe in enumerate(card.probes):
                self._inputs[:] = probe.inputs
                score = self.score()
                if not isfinite(score):
                    raise ConfigError(f"{field}: the model answers {score} to probes[{at}] of its card; train it again")
                if abs(score - probe.score_bp) > bound:
                    raise ConfigError(
                        f"{field}: the model answers {score:.9g} to probes[{at}] of its card, in training it was "
                        f"{probe.score_bp:.9g}; use the library versions it was trained with, or train it again"
                    )
        finally:
            self._inputs[:] = kept


def scorer_of(card: ModelCard, onnx: bytes, inputs: Row, *, field: str) -> Scorer:
    """A scorer that has answered its card's probes as training saw it. Raises ConfigError."""
    if len(inputs) != card.width:
        raise ConfigError(f"{field}: the card has {card.width} inputs, this run gives {len(inputs)}; train it again")
    scorer = Scorer(onnx, inputs, card=card, field=field)
    scorer.check_probes(card, field=field)
    return scorer


def _session(onnx: bytes, field: str) -> Any:
    import onnxruntime as ort  # here: a trader without models never loads it

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as fault:  # edge: the runtime's errors share no base; whatever it is, the file is refused
        text = " ".join(str(fault).split())[:200]
        raise ConfigError(f"{field}: not a model that can be run ({text}); export it again") from fault


def _check_shape(session: Any, width: int, field: str) -> None:
    """One float32 input of (n, width), one output of (n, 1)."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if [one.name for one in inputs] != [INPUT] or [one.name for one in outputs] != [OUTPUT]:
        raise ConfigError(f"{field}: the model has other inputs and outputs than {INPUT} and {OUTPUT}; export it again")
    for one, wanted in ((inputs[0], width), (outputs[0], 1)):
        if one.type != "tensor(float)" or len(one.shape) != 2 or one.shape[1] != wanted:
            raise ConfigError(
                f"{field}: the model's {one.name} has type {one.type} and shape {one.shape}, needed are float32 and "
                f"{wanted} columns; train it with the features of this run"
            )
