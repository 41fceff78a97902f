"""Strategies that choose demonstrations; `none` needs no component, by name."""

from autoprompt_search.core.protocols.prompts import DemoSelector
from autoprompt_search.core.registry import Registry

DEMOS: Registry[DemoSelector] = Registry(
    "demos",
    {
        "random": "autoprompt_search.demos.fixed:random_demos",
        "balanced": "autoprompt_search.demos.fixed:balanced_demos",
        "hard": "autoprompt_search.demos.fixed:hard_demos",
        "knn": "autoprompt_search.demos.knn:knn_demos",
        "diverse": "autoprompt_search.demos.knn:diverse_demos",
    },
)
