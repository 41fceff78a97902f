"""Kinds of task, by name."""

from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.registry import Registry

TASKS: Registry[Task] = Registry(
    "tasks",
    {
        "classification": "autoprompt_search.tasks.classification:ClassificationTask",
    },
)
