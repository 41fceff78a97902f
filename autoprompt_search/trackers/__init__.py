"""Dashboards, by name."""

from autoprompt_search.core.protocols.output import Tracker
from autoprompt_search.core.registry import Registry

TRACKERS: Registry[Tracker] = Registry(
    "trackers",
    {
        "mlflow": "autoprompt_search.trackers.mlflow:MlflowTracker",
        "none": "autoprompt_search.trackers.memory:MemoryTracker",
    },
)
