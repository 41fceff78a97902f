"""An exported prompt at work: check the folder, load it, predict, evaluate. Knows nothing of the search behind it."""

from autoprompt_search.exported.prompt import ExportedPrompt, load_prompt, verify
from autoprompt_search.exported.results import Evaluation, Prediction
from autoprompt_search.exported.rows import Row

__all__ = ["Evaluation", "ExportedPrompt", "Prediction", "Row", "load_prompt", "verify"]
