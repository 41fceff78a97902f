"""A search space file to one checked, frozen value; everything wrong with it is said at once."""

from autoprompt_search.config.data import check_data, check_model
from autoprompt_search.config.load import check_config, load_config
from autoprompt_search.config.models import SearchConfig, TemplateSpec
from autoprompt_search.config.sections import Budget, Confirm

__all__ = [
    "Budget",
    "Confirm",
    "SearchConfig",
    "TemplateSpec",
    "check_config",
    "check_data",
    "check_model",
    "load_config",
]
