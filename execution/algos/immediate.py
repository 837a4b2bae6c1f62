"""Everything at once, across the spread: one slice without a passive part. Used to flatten. `duration_s` is how long
it keeps trying.
"""

from execution.algos.plan import Algo, AlgoParams


class ImmediateParams(AlgoParams, frozen=True):
    """No further parameters."""


class Immediate(Algo):
    """See `execution.algos.plan.Algo`."""

    name = "immediate"
    params_type = ImmediateParams
    crosses_at_once = True
