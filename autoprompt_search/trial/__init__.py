"""What a worker does for one point of the space: build the prompt, climb the rungs, answer with measurements.

Knows neither the study nor the space, and never sees the test split until `run_test` is handed it.
"""

from autoprompt_search.trial.build import CALIBRATIONS, SAMPLE
from autoprompt_search.trial.job import Failure, TestTask, TrialJob, backend_of, params_key
from autoprompt_search.trial.run import TrialRun, build_prompt, run_rungs, run_test, run_test_guarded

__all__ = [
    "CALIBRATIONS",
    "SAMPLE",
    "Failure",
    "TestTask",
    "TrialJob",
    "TrialRun",
    "backend_of",
    "build_prompt",
    "params_key",
    "run_rungs",
    "run_test",
    "run_test_guarded",
]
