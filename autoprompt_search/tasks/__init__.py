"""Kinds of task, by name."""

from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.registry import Registry

TASKS: Registry[Task] = Registry(
    "tasks",
    {
        "classification": "autoprompt_search.tasks.classification:ClassificationTask",
        "generation": "autoprompt_search.tasks.generation:generation",
        "question-answering": "autoprompt_search.tasks.question_answering:question_answering",
        "multiple-choice": "autoprompt_search.tasks.multiple_choice:multiple_choice",
        "code": "autoprompt_search.tasks.code:code",
        "dialogue": "autoprompt_search.tasks.dialogue:dialogue",
    },
)
