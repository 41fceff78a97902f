"""What a frozen model must offer, one protocol per capability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from autoprompt_search.core.answers import Completion, Limits
from autoprompt_search.core.arrays import Floats
from autoprompt_search.core.measurements import Cost
from autoprompt_search.core.prompts import Rendered, SoftPrompt


@dataclass(frozen=True, slots=True)
class Scored:
    """What `Scores.score` returns."""

    logliks: Floats
    """[prompts, answers]: natural log-probability of each whole answer given its prompt."""
    prompt_tokens: tuple[int, ...]
    """Tokens of each prompt, soft tokens included."""
    computed: int | None = None
    """How many of the prompts went through the model; the others were known from an earlier call. None: all."""
    spent: Cost | None = None
    """What it took, where the backend counts that itself; None: as many passes as were computed."""
    censored: tuple[tuple[bool, ...], ...] = ()
    """[prompts, answers]: where only an upper bound of the log-probability is known; () for nowhere."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What `Compares.compare` returns."""

    logliks: tuple[tuple[float, ...], ...]
    """Per prompt, for each of its own options: natural log-probability of the whole option given the prompt."""
    tokens: tuple[tuple[int, ...], ...]
    """The same shape: tokens whose log-probabilities were added."""
    prompt_tokens: tuple[int, ...]
    """Tokens of each prompt, soft tokens included."""
    computed: int | None = None
    """How many of the prompts went through the model; the others were known from an earlier call. None: all."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What `Generates.generate` returns."""

    completions: tuple[Completion, ...]
    """One per prompt, in the prompts' order."""
    prompt_tokens: tuple[int, ...]
    """Tokens of each prompt, soft tokens included."""
    computed: int | None = None
    """How many of the prompts went through the model; the others were known from an earlier call. None: all."""
    spent: Cost | None = None
    """As in `Scored`."""


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

        `answers` are exact continuations (" good", with the gap). They exclude one another: one whose tokens begin
        another's is scored without what goes on to that, so that "1" does not hold the probability of "10". Batching,
        padding and the order of the prompts change nothing beyond float rounding. `[]` gives a [0, answers] array.
        Raises `TrialError` for a prompt beyond the context, `ConfigError` for a soft prompt of another model.
        """
        ...


@runtime_checkable
class Compares(Protocol):
    """Capability: compare options of which every prompt has its own."""

    def compare(
        self, prompts: Sequence[Rendered], options: Sequence[Sequence[str]], soft: SoftPrompt | None = None
    ) -> Compared:
        """Log-likelihood of every prompt's own options, in the given orders, and how many tokens each has.

        Options are exact continuations, and those of one prompt exclude one another, as the answers of `Scores.score`
        do; what two prompts begin with, and a prompt for all of its options, is read once where the model can. Neither
        the order of a prompt's options nor the prompts beside it change anything beyond float rounding. `[]` gives
        empty tuples. Raises `TrialError` for an option without tokens, a prompt without options, or one beyond the
        context, `ConfigError` for a soft prompt of another model.
        """
        ...


@runtime_checkable
class Generates(Protocol):
    """Capability: answer in text."""

    def generate(self, prompts: Sequence[Rendered], limits: Limits, soft: SoftPrompt | None = None) -> Generated:
        """One completion per prompt, in the prompts' order.

        A completion depends on its prompt, `limits` and `soft` alone: neither on the prompts beside it nor on
        their number, so that equal prompts get equal completions; who wants several samples asks with several
        seeds. Nothing but the model's end tokens (and a first token that it forces) is taken from its generation
        settings. `[]` gives no completions. Raises `TrialError` for a prompt that leaves no room
        for `limits.tokens` in the context, naming both lengths, `ConfigError` for a soft prompt of another model.
        """
        ...

    def no_room(self, prompts: Sequence[Rendered], limits: Limits, soft: int = 0) -> str | None:
        """Why prompts and `soft` soft tokens leave no room for `limits.tokens` in the context, with both lengths; None
        when all leave enough. Reads the tokenizer, never weights."""
        ...


@runtime_checkable
class Chooses(Protocol):
    """Capability: name one of given answers, where the model gives no probabilities of them."""

    @property
    def gives_probabilities(self) -> bool:
        """Whether `Scores.score` is to be asked instead."""
        ...

    def choose(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Generated:
        """One of `answers`, as it is given, behind every prompt; what names none of them comes back as it was said."""
        ...


@runtime_checkable
class Meters(Protocol):
    """Capability: know everything that was ever asked of the model in this search, whatever it was for."""

    def metered(self) -> Mapping[str, Cost]:
        """Purpose -> what it took, answers that were lost on their way included."""
        ...

    def description(self) -> Mapping[str, Any]:
        """What is known of the model's server, as JSON values: kept with the result."""
        ...

    def settled(self) -> Mapping[str, Any]:
        """Options of the backend that were left to it, as it settled them: an exported prompt names them."""
        ...


@runtime_checkable
class Estimates(Protocol):
    """Capability: say beforehand what asking costs."""

    def estimate(self, prompts: Sequence[Rendered], written: int, answers: int) -> Mapping[str, float]:
        """Unit of `Cost` -> what one prompt like these is expected to take of it, on average.

        Args:
            prompts: One prompt on several examples.
            written: Most new tokens of an answer; 0 where answers are compared.
            answers: How many are compared; 0 for text.
        """
        ...

    def estimate_probe(self, longest: int) -> Mapping[str, float]:
        """Unit of `Cost` -> what has to be asked once, before anything else; 0 where it was.

        Args:
            longest: Characters of the longest prompt of the search.
        """
        ...


@runtime_checkable
class Prices(Protocol):
    """Capability: say what a prompt costs in use."""

    def price(self, prompts: Sequence[Rendered], completion_tokens: float, answers: int) -> float | None:
        """US dollars per 1,000 predictions with a prompt that was rendered like `prompts`; None without prices.

        What all of `prompts` begin with is taken as cached, where the server is known to cache so much.

        Args:
            prompts: One prompt on several examples, at least two.
            completion_tokens: New tokens of an answer, on average.
            answers: Labels that are compared; 0 for text.
        """
        ...


@runtime_checkable
class SetsChats(Protocol):
    """Capability: set conversations into the model's own chat template."""

    def set_chats(self, prompts: Sequence[Rendered]) -> list[Rendered]:
        """The prompts as texts, those in turns with what the template writes around them (origin `chat`).

        Same prompts, same texts, on any day. Raises `ConfigError` where the model has no template, or one that cannot
        hold such a conversation.
        """
        ...

    def chat_settings(self) -> Mapping[str, Any]:
        """What others need to run the template the same way: `clock`, text to put before it, and its `options`."""
        ...

    def prompt_ids(self, prompts: Sequence[Rendered]) -> list[list[int]]:
        """The token ids of each prompt without an answer, as the model reads them."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """Capability: texts to vectors, for choosing demonstrations."""

    def embed(self, texts: Sequence[str]) -> Floats:
        """[texts, width], rows of unit length."""
        ...


@runtime_checkable
class ProposesWords(Protocol):
    """Capability: words of the vocabulary that could stand for labels."""

    def propose_words(
        self, prompts: Sequence[Rendered], targets: Sequence[int], labels: int, count: int, gap: str
    ) -> list[tuple[str, ...]]:
        """For each label, `count` words that tell its prompts from the others', best first; no word occurs twice.

        Args:
            prompts: Solved examples, without demonstrations.
            targets: Per prompt the index of its label.
            labels: How many there are.
            count: Words per label.
            gap: What stands between prompt and word; words come back without it.
        """
        ...
