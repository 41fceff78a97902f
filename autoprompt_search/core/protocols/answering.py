"""What a way of getting answers out of a model must offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from autoprompt_search.core.answers import Response
from autoprompt_search.core.measurements import Cost, Outcome
from autoprompt_search.core.prompts import Prompt, Rendered
from autoprompt_search.core.protocols.model import Backend
from autoprompt_search.core.types import Example


@dataclass(frozen=True, slots=True)
class Responses:
    """What a model said to some prompts."""

    responses: tuple[Response, ...]
    """One per prompt, in order."""
    prompt_tokens: tuple[int, ...]
    """Tokens of each prompt, soft tokens included."""
    computed: int | None = None
    """How many of the prompts went through the model; the others were known from an earlier call. None: all."""
    spent: Cost | None = None
    """As in `Scored`."""


@dataclass(frozen=True, slots=True)
class Derived:
    """How a prompt's responses follow from another's without asking the model."""

    prompt: Prompt
    """The prompt whose responses they follow from."""
    turn: Callable[[Response], Response]
    """One response of that prompt to the response of the derived one."""


class Answering(Protocol):
    """One way to ask for answers and to read them. It keeps no state, and knows no metric and no search."""

    def key(self, prompt: Prompt) -> object:
        """What decides the response beside the text that the model reads: a plain value for `fingerprint`.

        Prompts with equal texts and equal keys have equal responses. What only decides how a response is read, such as
        a parser, is not in it.
        """
        ...

    def source(self, prompt: Prompt) -> Derived | None:
        """How the responses follow from those of another prompt; None where the model must be asked."""
        ...

    def ask(
        self, backend: Backend, rendered: Sequence[Rendered], prompt: Prompt, examples: Sequence[Example]
    ) -> Responses:
        """Ask the model. `rendered` is `prompt` on each of `examples`, in order; targets are never looked at.

        Raises `ConfigError` for a backend without the capability this way needs, `TrialError` for responses that are no
        numbers.
        """
        ...

    def read(self, prompt: Prompt, example: Example, response: Response, prompt_tokens: int) -> Outcome:
        """The answer in a response. Never raises for what a model said: what cannot be read is `unscored`."""
        ...
