"""What trading costs before it is done: impact models, the estimate of a parent, the choice of its algorithm, and
whether a stated edge pays. Pure.
"""

from execution.costs.charges import Order
from execution.costs.choice import Choice, Situation, choose
from execution.costs.edge import EdgePolicy, EdgeVerdict, judge_edge
from execution.costs.estimate import Conditions, Estimate, Schedule, estimate, even_schedule, weights_of
from execution.costs.fitted import DAYS_MAX, Fitted, Models, models_of
from execution.costs.impact import MODELS, Almgren, ImpactModel, IStar, SquareRoot, find_model

__all__ = [
    "DAYS_MAX",
    "MODELS",
    "Almgren",
    "Choice",
    "Conditions",
    "EdgePolicy",
    "EdgeVerdict",
    "Estimate",
    "Fitted",
    "IStar",
    "ImpactModel",
    "Models",
    "Order",
    "Schedule",
    "Situation",
    "SquareRoot",
    "choose",
    "estimate",
    "even_schedule",
    "find_model",
    "judge_edge",
    "models_of",
    "weights_of",
]
