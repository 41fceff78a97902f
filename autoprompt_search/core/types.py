"""Immutable values that travel between layers. One word per idea."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

from autoprompt_search.core.answers import (
    Answers,
    Completion,
    LabelLogprobs,
    Response,
    response_from_plain,
    response_to_plain,
)
from autoprompt_search.core.chat import Chat, Conversation
from autoprompt_search.core.chat import Segment as Segment  # noqa: PLC0414 - part of this module's names
from autoprompt_search.core.fingerprint import fingerprint

Scalar = str | int | float | bool
Plain = Scalar | Sequence["Plain"] | Mapping[str, "Plain"] | None
"""What JSON can hold."""
Params = Mapping[str, Scalar]
"""One point of the space: parameter address -> value. Inactive parameters are absent."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled row of a task."""

    id: str
    """Unique within its data set and stable between runs."""
    inputs: Mapping[str, str]
    """Field name -> text, as templates name them."""
    target: str
    """The gold answer that a demonstration shows: a label name, the right option or a text."""
    alternatives: tuple[str, ...] = ()
    """Further right answers."""
    options: tuple[str, ...] = ()
    """What may be answered, where every example has options of its own."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Every right answer, the one that demonstrations show first."""
        return (self.target, *self.alternatives)


SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Splits:
    """Three disjoint parts of the data. `dev` is already in rung order: rung n is its first n examples."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    notes: tuple[str, ...] = ()
    """What a reader of the report must know: near-duplicates across splits, rows left out, and so on."""


@dataclass(frozen=True, slots=True)
class Template:
    """The words around the fields. `{field}` is data, `{@Name}` a field name and `{@sep}` a layout slot."""

    name: str
    text: str
    style: str = "statement"
    """`instruction`, `question` or `statement`: how the template addresses the model."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the parts of a prompt are set: FormatSpread's dimensions (Sclar et al. 2024, arXiv 2310.11324)."""

    separator: str = "\n"
    """Stands at every `{@sep}`."""
    demo_separator: str = "\n\n"
    """Stands between instruction, demonstrations and query."""
    casing: str = "as-is"
    """Case of the field names: `as-is`, `lower`, `upper` or `title`."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Other words for field names: `{"Review": "Text"}` makes `{@Review}` read `Text`."""
    answer_gap: str = " "
    """Between the end of the filled template and the answer word."""
    answer: str = "{}"
    """Around every answer word: `It was {}.` makes the word `good` the answer `It was good.`"""


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """Which solved examples stand before the query."""

    strategy: str = "none"
    examples: tuple[Example, ...] = ()
    """The demonstrations in prompt order, or the pool that `per_query` chooses from."""
    per_query: bool = False
    """True when every query gets demonstrations of its own (kNN)."""
    options: Mapping[str, Scalar] = field(default_factory=dict)
    """The strategy's own options (k, order, ...), enough to build its selector again over `examples`."""

    def __hash__(self) -> int:
        """Hash of the strategy and of the examples' ids, which equal demonstrations share."""
        return hash((self.strategy, self.per_query, tuple(example.id for example in self.examples)))


@dataclass(frozen=True, slots=True)
class SoftPosition:
    """The position of trained vectors in a prompt, and the vectors."""

    at: str = "start"
    """`start`, `after-cls`, `before-answer`, or `decoder` (after a seq2seq model's first decoder token)."""
    kind: str = "embeddings"
    """`embeddings`: rows beside those of tokens; `prefix`: keys and values of every layer, always at the start."""
    replaces: int = 0
    """So many of the prompt's own tokens at that place are left out: the vectors began as theirs."""


@dataclass(frozen=True, slots=True)
class SoftPrompt:
    """Trained vectors that stand among the prompt's tokens."""

    method: str
    tokens: int
    base_model: str
    """Fingerprint of the model it was trained on; it means nothing to another one."""
    weights: bytes = field(repr=False)
    """A PEFT `adapter_model.safetensors`; which tensors it holds depends on `place` and on the model."""
    sha256: str
    """Hash of `weights`."""
    adapter: Mapping[str, Plain] = field(default_factory=dict, repr=False)
    """The PEFT `adapter_config.json` that goes with the weights."""
    place: SoftPosition = SoftPosition()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A candidate, complete without the space: everything that turns an example into model input."""

    template: Template
    answers: Answers
    instruction: str = ""
    layout: Layout = Layout()
    demos: Demonstrations = Demonstrations()
    soft: SoftPrompt | None = None
    chat: Chat | None = None
    """How the prompt is set into the model's chat template; None: it is plain text."""

    @property
    def fingerprint(self) -> str:
        """Equal for equal content; names of templates do not count."""
        return fingerprint((self.text_fingerprint, self.answers))

    @property
    def text_fingerprint(self) -> str:
        """Of what the model reads before it answers, so far as the prompt decides it."""
        soft = (self.soft.sha256, self.soft.place) if self.soft else None
        parts = (self.template.text, self.instruction, self.layout, self.demos, soft)
        return fingerprint((*parts, self.chat) if self.chat else parts)

    @property
    def kind(self) -> str:
        """`text`, `demos` or `soft`, as `kind_of` says it of the point that made this prompt."""
        if self.soft is not None:
            return "soft"
        return "text" if self.demos.strategy == "none" else "demos"


def kind_of(params: Params) -> str:
    """`text`, `demos` or `soft`: the ladder of rungs a trial climbs on, and its family in reports."""
    if params.get("soft.method", "none") != "none":
        return "soft"
    return "text" if params.get("demos.strategy", "none") == "none" else "demos"


@dataclass(frozen=True, slots=True)
class Shot:
    """One demonstration, not yet set into a prompt: for models that compare texts instead of reading on."""

    segments: tuple[Segment, ...]
    """The filled template."""
    answer: str
    """Its answer, as an exact continuation."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One prompt for one example, without the answer."""

    segments: tuple[Segment, ...]
    """The whole prompt: instruction, demonstrations with answers, query."""
    query: tuple[Segment, ...] = ()
    """Instruction and query alone; empty: there are no demonstrations, and `segments` say all."""
    shots: tuple[Shot, ...] = ()
    """The demonstrations that stand in `segments`, one by one."""
    conversation: Conversation | None = None
    """The prompt in turns, where the model is to see it in its chat template; `segments` hold it without markup."""

    def __hash__(self) -> int:
        """Hash of the query, which differs where demonstrations are the same; equal prompts have equal hashes."""
        return hash(self.query or self.segments)

    @property
    def text(self) -> str:
        """The whole prompt up to the answer, tokenised as a whole, as anyone who uses the exported prompt will."""
        return "".join(s.text for s in self.segments[: self._answer])

    @property
    def rest(self) -> str:
        """What stands after the answer; empty where the answer ends the prompt."""
        return "".join(s.text for s in self.segments[self._answer :])

    @property
    def has_slot(self) -> bool:
        """Whether the template says itself where the answer stands."""
        return self._answer < len(self.segments)

    @property
    def _answer(self) -> int:
        places = [i for i, s in enumerate(self.segments) if s.origin == "answer"]
        return places[-1] if places else len(self.segments)


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

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.forward_passes + other.forward_passes,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.seconds + other.seconds,
        )


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
    unscored: str = ""
    """Why no answer could be read: `cut`, `empty`, `not-parsed` or `refused`; empty where one was."""

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
        """As JSON can hold it."""
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
