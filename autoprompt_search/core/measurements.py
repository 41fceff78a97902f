"""What was measured: one answer, one measurement, one trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

from autoprompt_search.core.answers import (
    Completion,
    LabelLogprobs,
    Response,
    response_from_plain,
    response_to_plain,
)
from autoprompt_search.core.prompts import SoftPrompt
from autoprompt_search.core.types import Params


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How much one measurement looked at."""

    examples: int
    steps: int = 0
    """Optimiser steps the soft prompt has had, in all."""
    is_full: bool = False
    """True on the last rung: only such scores are compared for the final choice."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What was really computed; a prediction that came from the ledger costs nothing."""

    forward_passes: int = 0
    """Forward equivalents: one per scored example, three per example of a training step."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    requests: int = 0
    """To an endpoint; 0 for models that run here."""
    cached_tokens: int = 0
    """Those of prompts that an endpoint had read before."""
    usd: float = 0.0
    """US dollars, by the prices of the space file."""

    @property
    def tokens(self) -> int:
        """Tokens of prompts and completions together."""
        return self.prompt_tokens + self.completion_tokens

    def amount(self, unit: str) -> float:
        """How much of one of `UNITS` it is."""
        return float(getattr(self, unit))

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


UNITS: Mapping[str, str] = {"forward_passes": "passes", "tokens": "tokens", "requests": "requests", "usd": "USD"}
"""Unit of `Cost.amount` -> its name for people."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limit that decides how long a search goes on, for those who show how much of it is done."""

    unit: str
    """One of `UNITS`."""
    most: float
    has_baseline: bool = True
    """Whether what the baseline takes counts towards it."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the ledger keeps of one prompt on one example."""

    response: Response
    prompt_tokens: int = 0
    """Tokens of the whole prompt, soft tokens included."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one prompt did on one example."""

    example: str
    target: str
    prediction: str
    """The answer that was read; empty where none could be."""
    response: Response
    """What the model said."""
    prompt_tokens: int = 0
    """Tokens of the whole prompt, soft tokens included."""
    alternatives: tuple[str, ...] = ()
    """Further right answers."""
    loss: float | None = None
    """The negative log-probability of the right answer; None where the model gave no probabilities."""
    verdict: str = ""
    """What became of the answer's tests, where it is a program: `passed`, `failed`, `error`, `timeout` or
    `no-program`; empty for other answers, and where no program could be read."""
    unscored: str = ""
    """Why no answer could be read: `cut`, `empty`, `not-parsed`, `refused`, or `censored` (no label was among the
    tokens that the model listed); empty where one was."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Every right answer."""
        return (self.target, *self.alternatives)

    @property
    def is_right(self) -> bool:
        """Whether the answer is, letter by letter, a right one."""
        return not self.unscored and self.prediction in self.targets

    @property
    def logprobs(self) -> tuple[float, ...]:
        """The log-probability of each label, in label order; () where the model compared no labels."""
        return self.response.values if isinstance(self.response, LabelLogprobs) else ()

    @property
    def completion_tokens(self) -> int:
        """Tokens that the model generated."""
        return self.response.tokens if isinstance(self.response, Completion) else 0

    def to_plain(self) -> dict[str, Any]:
        """The outcome as JSON can hold it."""
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "response": response_to_plain(self.response)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """What `to_plain` wrote."""
        alternatives = tuple(plain["alternatives"])
        return cls(**{**plain, "alternatives": alternatives, "response": response_from_plain(plain["response"])})


@dataclass(frozen=True, slots=True)
class Measurement:
    """One prompt on the first `fidelity.examples` examples of a split."""

    score: float
    """The task's metric, higher is better."""
    stderr: float
    """Standard error of `score`, from the examples."""
    metrics: Mapping[str, float]
    """Every metric of the task by name. `loss`, the mean negative log-probability of the right answer, is there where
    the model gives probabilities; `unscored` and `cut`, shares of the examples, where it generates text."""
    fidelity: Fidelity
    cost: Cost = Cost()
    prompt: str = ""
    """Address of the prompt's predictions in the ledger: model, prompt, answers, scoring mode."""
    prompt_tokens: float = 0.0
    """Mean tokens per prompt: the running cost of using it."""
    latency_ms: float | None = None
    """Milliseconds of one prompt asked alone, on the machine of the search; None where it was not measured."""
    price: float | None = None
    """US dollars per 1,000 predictions, where the model has prices."""
    preview: str = ""
    """The prompt as the model sees it on the first example, for people."""
    outcomes: tuple[Outcome, ...] = field(default=(), repr=False)
    """Outcomes of the examples in rung order; empty in records restored from the study."""
    soft: SoftPrompt | None = field(default=None, repr=False)
    """The soft prompt that was measured, if there is one."""


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a text that the search has written; it is stored with the first trial that used the text."""

    address: str
    """The parameter whose value it is: `instruction` or `template`."""
    value: str
    """The value that stands for it: `new-3`."""
    text: str
    proposer: str
    """Name of the proposer."""
    how: str
    """What it did, for people."""
    parents: tuple[int, ...]
    """Numbers of the trials whose texts it was made from; the trial took all but the text from the first."""
    like: str = ""
    """The template of the space file that a written template descends from; its words are kept."""
    ancestors: tuple[str, ...] = ()
    """The texts it descends from, parents last."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """The final word on one trial."""

    number: int
    params: Params
    state: TrialState
    measurements: tuple[Measurement, ...] = ()
    """One measurement per rung reached, lowest first."""
    error: str = ""
    """Why it failed, in one line; empty otherwise."""
    kind: str = "text"
    started: float = 0.0
    ended: float = 0.0
    """Unix seconds."""
    origin: Origin | None = None
    """The origin of the text that was written for this trial, if one was."""

    @property
    def preview(self) -> str:
        """The prompt as the model sees it on one example; empty when nothing was measured."""
        return self.measurements[-1].preview if self.measurements else ""

    @property
    def last(self) -> Measurement | None:
        """The measurement of the highest rung reached."""
        return self.measurements[-1] if self.measurements else None

    @property
    def cost(self) -> Cost:
        """Cost of all rungs together."""
        return sum((measurement.cost for measurement in self.measurements), Cost())
