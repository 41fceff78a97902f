"""Owners of trials, by name."""

from autoprompt_search.core.protocols.study import Study
from autoprompt_search.core.registry import Registry

STUDIES: Registry[Study] = Registry(
    "studies",
    {
        "optuna": "autoprompt_search.studies.optuna:OptunaStudy",
    },
)
