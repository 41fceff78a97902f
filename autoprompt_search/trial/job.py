"""What is handed to workers, and what they hand back when there is no measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Literal

from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.prompts import SoftPrompt
from autoprompt_search.core.protocols.model import Backend
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example, Params, Scalar
from autoprompt_search.prompting import PromptBook


@dataclass(frozen=True, slots=True)
class TrialJob:
    """What a worker needs for any trial of one search; models stay where they are loaded."""

    backend: ComponentSpec
    book: PromptBook
    answers: AnswerForm
    """What the task's answers are."""
    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    """Dev examples in rung order."""
    metric: str
    """Name of the metric that trials are ranked by."""
    rungs: tuple[int, ...]
    seed: int
    state: Path
    """The search's state folder. Workers that cannot see it compute what they cannot look up."""
    baseline: Params = field(default_factory=dict)
    """The point of trial 0: its text says which training examples are hard."""
    metrics: tuple[str, ...] = ()
    """Names of further metrics, which are reported beside it."""
    times_first: bool = False
    """Whether latency is measured on the first rung already, not only on the last."""

    @property
    def labels(self) -> tuple[str, ...]:
        """All label names, in order; () where answers are no labels."""
        return self.answers.labels


@dataclass(frozen=True, slots=True)
class TestTask:
    """One finalist for the sealed split."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    number: int
    params: Params
    soft: SoftPrompt | None
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial cannot go on, for people, and where it happened, for the log."""

    reason: str
    details: str = ""
    is_of_worker: bool = False
    """Whether the worker was at fault, so that another one may succeed."""
    ends: Literal["", "budget", "search"] = ""
    """`budget`: the trial ends where it is and no other begins. `search`: nothing can be asked any more; the trial is
    taken up again when the search is continued."""


def backend_of(spec: ComponentSpec) -> Backend:
    """The model of `spec`, built once per process and kept; the same one for all threads."""
    with _BUILDING:
        return _backend(spec.model_dump_json())


_BUILDING = Lock()


@lru_cache(maxsize=2)
def _backend(spec: str) -> Backend:
    return BACKENDS.build(ComponentSpec.model_validate_json(spec))


def params_key(params: Params) -> str:
    """A key that is equal for equal points."""
    return fingerprint(params)


def options(params: Params, prefix: str, *, but: tuple[str, ...]) -> Mapping[str, Scalar]:
    """The parameters of one family as options of its component; `but` are not the component's."""
    named = {name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)}
    return {name: value for name, value in named.items() if name not in but}
