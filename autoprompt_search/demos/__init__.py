"""Strategies that choose demonstrations; `none` needs no component, by name."""

from autoprompt_search.core.protocols import DemoSelector
from autoprompt_search.core.registry import Registry

DEMOS: Registry[DemoSelector] = Registry(
    "demos",
    {
        "random": "autoprompt_search.demos.fixed:RandomDemos",
        "balanced": "autoprompt_search.demos.fixed:BalancedDemos",
        "knn": "autoprompt_search.demos.knn:KnnDemos",
    },
)
