"""The seams: what one kind of component must offer. The docstrings are the contracts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.core.headroom import Headroom
from autoprompt_search.core.types import (
    Demonstrations,
    Example,
    Measurement,
    Params,
    Place,
    Plain,
    Prompt,
    Rendered,
    SoftPrompt,
    Splits,
    TrialRecord,
    TrialState,
)

Floats = NDArray[np.float32]
Tensor = Any
"""A `torch.Tensor`; this layer does not import torch."""


@runtime_checkable
class Task(Protocol):
    """Where labelled examples come from and what a right answer is."""

    @property
    def labels(self) -> tuple[str, ...]:
        """All label names, in a fixed order."""
        ...

    @property
    def fields(self) -> tuple[str, ...]:
        """Names a template may use as `{slots}`. Known without reading the data."""
        ...

    @property
    def metric(self) -> str:
        """Name of the metric that trials are ranked by."""
        ...

    def load(self, seed: int) -> Splits:
        """Read and split the data. Same seed, same splits; `ConfigError` names file, line and mistake."""
        ...


@dataclass(frozen=True, slots=True)
class Scored:
    """Answer of `Scores.score`."""

    logliks: Floats
    """[prompts, answers]: natural log-probability of each whole answer given its prompt."""
    prompt_tokens: tuple[int, ...]
    """Tokens of each prompt, soft tokens included."""
    computed: int | None = None
    """How many of the prompts went through the model; the others were known from an earlier call. None: all."""


@runtime_checkable
class Backend(Protocol):
    """A frozen model. Building one is cheap; weights are loaded at the first use and then stay."""

    @property
    def fingerprint(self) -> str:
        """Identifies weights and tokenizer; part of every ledger key."""
        ...

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: int = 0) -> list[str]:
        """What stands in the way of using these prompts and answers, one sentence each; [] when all is well.

        Looks at files, head, tokenizer and context length, never at weights: a model folder that
        does not exist or has no suitable head, two answers with the same tokens, an answer
        without tokens, a prompt (plus longest answer and `soft` soft tokens) beyond the context, naming both lengths.
        """
        ...


@runtime_checkable
class Scores(Protocol):
    """Capability: compare given answers."""

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        """Log-likelihood of every answer after every prompt, in the given orders.

        `answers` are exact continuations (" good", with the gap). Batching, padding and the order of
        the prompts change nothing beyond float rounding. `[]` gives a [0, answers] array. Raises
        `TrialError` for a prompt beyond the context, `ConfigError` for a soft prompt of another model.
        """
        ...


@runtime_checkable
class Embeds(Protocol):
    """Capability: texts to vectors, for choosing demonstrations."""

    def embed(self, texts: Sequence[str]) -> Floats:
        """[texts, width], rows of unit length."""
        ...


@dataclass(frozen=True, slots=True)
class Adapter:
    """Trained vectors as PEFT's two files."""

    weights: bytes
    """`adapter_model.safetensors`."""
    config: Mapping[str, Plain]
    """`adapter_config.json`."""


@runtime_checkable
class Tunes(Protocol):
    """Capability: gradients with respect to vectors among the prompt's tokens.

    A vector at a `Place` of kind `embeddings` is one row as the first layer receives it; of kind `prefix` it holds
    one token's keys and values of all layers: k0, v0, k1, v1, ..., each [heads x head width].
    """

    @property
    def fingerprint(self) -> str: ...

    def adapter(self, vectors: Tensor, place: Place) -> Adapter:
        """The files of a PEFT adapter that holds these vectors: what `Scores.score` takes back as `soft`."""
        ...

    def width(self, place: Place) -> int:
        """Numbers per vector at `place`."""
        ...

    def embedding_table(self) -> Tensor:
        """[vocabulary, embedding width] float32: input vectors as the first layer receives them."""
        ...

    def embed_tokens(self, text: str) -> Tensor:
        """[tokens of text, embedding width] float32: the vectors of the text's own tokens."""
        ...

    def own_vectors(self, prompts: Sequence[Rendered], place: Place, limit: int) -> Tensor:
        """[at most `limit`, width(place)] float32: vectors of the words, not data, that all prompts share at `place`.

        Put there with `replaces` = their number, they leave every score as it is. [0, width] where the prompts share
        nothing there, or where the model cannot say (`decoder`, and `prefix` on models that read both ways).
        """
        ...

    def text_vectors(self, text: str, place: Place) -> Tensor:
        """[tokens of text, width(place)] float32: what the text alone gives at `place`; for `prefix` its keys and
        values."""
        ...

    def answer_logliks(self, soft: Tensor, place: Place, prompts: Sequence[Rendered], answers: Sequence[str]) -> Tensor:
        """[prompts, answers] float32, differentiable with respect to `soft` [tokens, width(place)]; weights frozen.

        What stands before the vectors is computed without gradient, and remembered where the model reads from
        left to right.
        """
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What one training asks in one step: the arguments of `Tunes.answer_logliks`."""

    soft: Tensor
    place: Place
    prompts: Sequence[Rendered]
    answers: Sequence[str]


@runtime_checkable
class TunesTogether(Protocol):
    """Capability: steps of several trainings on one model in as few forward passes as one of them takes."""

    def answer_logliks_together(self, asked: Sequence[Asked]) -> list[Tensor]:
        """`Tunes.answer_logliks` of each, in order, up to float rounding.

        No result depends on another's vectors, not even where those are not finite. Raises what any of them would
        raise by itself, `torch.OutOfMemoryError` among it.
        """
        ...


@runtime_checkable
class ProposesWords(Protocol):
    """Capability: words of the vocabulary that could stand for labels."""

    def propose_words(
        self, prompts: Sequence[Rendered], targets: Sequence[int], labels: int, count: int, gap: str
    ) -> list[tuple[str, ...]]:
        """Per label `count` words, best first, that tell its prompts from those of the others; no word twice.

        Args:
            prompts: Solved examples, without demonstrations.
            targets: Per prompt the index of its label.
            labels: How many there are.
            count: Words per label.
            gap: What stands between prompt and word; words come back without it.
        """
        ...


@dataclass(frozen=True, slots=True)
class TuneData:
    """What a soft prompt is fitted to. All prompts share one list of answers."""

    prompts: tuple[Rendered, ...]
    targets: tuple[int, ...]
    """Per prompt the index of its right label."""
    answers: tuple[str, ...]
    groups: tuple[int, ...]
    """Per answer the index of its label: several answers of one label add their probabilities."""
    init_text: str
    """The template's own words, for text initialisation."""
    label_words: tuple[str, ...]
    """Texts for label-word initialisation, each with the gap before it."""
    demo_texts: tuple[str, ...] = ()
    """Demonstrations with their answers, for initialisation from them; training examples where the prompt has none."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Answer of `SoftMethod.fit`."""

    snapshots: tuple[SoftPrompt, ...]
    """Candidates in order of training; the caller keeps the best on dev."""
    forward_passes: int
    """Forward equivalents spent in this call (three per example of a step)."""
    loss: float
    """Mean training loss of the last steps."""


@runtime_checkable
class SoftMethod(Protocol):
    """One way to parameterise and train a soft prompt. Its constructor takes the `soft.*` parameters."""

    @property
    def steps(self) -> int:
        """Steps of the whole training, at the last rung."""
        ...

    def fit(self, model: Tunes, data: TuneData, *, until: int, folder: Path | None) -> Fitted:
        """Train up to step `until` in all, going on from the checkpoint in `folder` if there is one.

        Same arguments, same result, whether trained at once or in several calls, in one process or
        two. Raises `TrialError` when the loss is not finite.
        """
        ...


@runtime_checkable
class DemoSelector(Protocol):
    """One strategy; its constructor takes the `demos.*` parameters, and pool, labels, seed and embed injected."""

    @property
    def demonstrations(self) -> Demonstrations:
        """What the prompt needs to say about its demonstrations."""
        ...

    def select(self, queries: Sequence[Example]) -> list[tuple[Example, ...]]:
        """For each query its demonstrations in prompt order; never the query itself."""
        ...


EmbedTexts = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True, slots=True)
class Parent:
    """A text that was tried, and how it did: what a proposer starts from."""

    text: str
    score: float
    """Of the best trial with it, on as much of dev as that trial saw; higher is better."""
    ancestors: tuple[str, ...] = ()
    """The texts it descends from, the first ones first; () for one that the space file names."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A new text, and where it comes from."""

    text: str
    parents: tuple[int, ...]
    """Places among the parents that were given, the one it is most like first; at least one."""
    how: str
    """What was done, for people: `delete 'of our shop'`."""


@runtime_checkable
class Proposer(Protocol):
    """Writes new texts from those that did well. Its constructor takes the options beside its name in the file."""

    @property
    def of(self) -> tuple[str, ...]:
        """Addresses of the texts it can write: `instruction`, `template`."""
        ...

    def problems(self, texts: Sequence[str]) -> list[str]:
        """Why it can make nothing of these texts, the first a search has, one sentence each; [] when it can.

        Looks at the texts alone, and costs nothing.
        """
        ...

    def propose(self, parents: Sequence[Parent], rng: random.Random, count: int) -> list[Proposal]:
        """At most `count` new texts, the more promising first; [] where nothing can be made of the parents.

        Args:
            parents: Best first, no text twice, none empty.
            rng: The source of all choices: same arguments and state, same proposals.
            count: At least 1.

        No text comes twice, is a parent's, or is empty but for blanks. A template keeps the data slots and marks
        (`{text}`, `{@answer}`) of its first parent: each as often, and in the same order.
        """
        ...


class Metric(Protocol):
    """Higher is better. Builders take no options unless the metric has some."""

    def __call__(self, targets: Sequence[str], predictions: Sequence[str], labels: Sequence[str]) -> float:
        """Value on these examples; targets and predictions are label names of equal length >= 1."""
        ...


@runtime_checkable
class Study(Protocol):
    """Owns every decision about trials: what to try next, when to stop one, when to end."""

    def ask(self) -> tuple[int, Params] | None:
        """Number and parameters of the next trial; None when budget or space is used up.

        Trials that a dead driver left unfinished come first, under their old numbers.
        """
        ...

    def report(self, number: int, measurement: Measurement) -> bool:
        """Record a rung; True asks the runner to stop the trial. Reporting a known rung again changes nothing."""
        ...

    def tell(self, number: int, state: TrialState, *, error: str = "") -> TrialRecord | None:
        """End a trial and return its record; None where it is only paused, and may be asked again under its number.

        Trials that wait end when there is nothing more to ask. Raises `SystemicError` when all trials fail for one
        reason.
        """
        ...

    def records(self) -> Sequence[TrialRecord]:
        """Finished trials by number; outcomes and weights are not kept in them."""
        ...


@runtime_checkable
class Probes(Protocol):
    """Capability of a study: says what there is to gain before it spends its budget."""

    @property
    def is_hopeless(self) -> bool:
        """Whether it ended the search for that."""
        ...

    def headroom(self) -> Headroom | None:
        """None until that is known, and where it is not asked for."""
        ...


class Progress(Protocol):
    """What a person at the terminal sees. Only the driver calls it."""

    def begin(self, name: str, trials: int, done: Sequence[TrialRecord], passes: int | None = None) -> None:
        """A search of `trials` trials starts, or goes on after `done`; of `passes` where those decide."""
        ...

    def started(self, number: int, params: Params) -> None: ...

    def measured(self, number: int, measurement: Measurement) -> None: ...

    def finished(self, record: TrialRecord) -> None: ...

    def note(self, text: str) -> None:
        """One line a person should read: a phase that begins, a warning."""
        ...

    def end(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SearchCard:
    """What a tracker shows of a search before it has a result."""

    name: str
    fingerprint: str
    """Of the configuration: the same search continued has the same one."""
    folder: Path
    config_file: Path
    description: str
    """Markdown."""
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    """What never changes about a search, by which searches are compared: model, data, rungs, sampler, seed."""
    files: tuple[Path, ...] = ()
    """What a later search that starts from this one has to know of it, beside its configuration."""


@runtime_checkable
class Tracker(Protocol):
    """A dashboard's view of the search. Only the driver calls it. It never raises after `open`."""

    def open(self, card: SearchCard) -> None:
        """Start or continue the search's parent run. `ConfigError` when the store does not answer."""
        ...

    def log_trial(self, record: TrialRecord) -> None:
        """Record one finished trial; the same trial twice is one entry. Returns at once."""
        ...

    def close(self, description: str, metrics: Mapping[str, float], files: Sequence[Path], *, status: str) -> None:
        """End the parent run with a readable description (Markdown), numbers, and files or folders as artifacts.

        `status` is `finished`, `stopped` or `failed`. Sends what could not be sent before.
        """
        ...


@dataclass(frozen=True, slots=True)
class FinalPrompt:
    """All that an exporter may know."""

    name: str
    prompt: Prompt
    labels: tuple[str, ...]
    fields: tuple[str, ...]
    backend: Mapping[str, Any]
    """The backend's section of the configuration: type and options."""
    model: str
    """Name or folder of the model as the user wrote it."""
    model_fingerprint: str
    data_fingerprints: Mapping[str, str]
    """Split -> fingerprint."""
    scores: Mapping[str, Any]
    """Metric, dev and test scores with intervals, baseline, verdict: plain values for people."""
    golden: tuple[tuple[Example, str], ...]
    """Examples and the prediction each got."""
    created_with: str
    """Version of this package."""
    text_alone: FinalPrompt | None = None
    """Of a prompt with a soft prompt: the same without it, for where vectors cannot go. Else None."""


@runtime_checkable
class Exporter(Protocol):
    """Writes the best prompt in some form."""

    def export(self, final: FinalPrompt, folder: Path) -> Path:
        """Write into `folder` (the search's result folder) and return what was written."""
        ...
