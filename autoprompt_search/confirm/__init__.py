"""The end of a search: which prompt is the best, judged on dev, and what the sealed test split says of it."""

from autoprompt_search.confirm.choice import choose, rank, shortlist
from autoprompt_search.confirm.comparison import Verdict, judge
from autoprompt_search.confirm.confirming import Confirmation, Finalist, TextOnly, confirm
from autoprompt_search.confirm.crossfit import CrossFit
from autoprompt_search.confirm.evaluator import FinalistEvaluator, weights_folder
from autoprompt_search.confirm.pareto import FrontPoint
from autoprompt_search.confirm.seal import Seal
from autoprompt_search.core.statistics.shrinkage import Lead, Shrinkage, corrected

__all__ = [
    "Confirmation",
    "CrossFit",
    "Finalist",
    "FinalistEvaluator",
    "FrontPoint",
    "Lead",
    "Seal",
    "Shrinkage",
    "TextOnly",
    "Verdict",
    "choose",
    "confirm",
    "corrected",
    "judge",
    "rank",
    "shortlist",
    "weights_folder",
]
