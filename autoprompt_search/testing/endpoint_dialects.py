"""How servers that call themselves OpenAI-compatible differ: what each takes, ignores, refuses and does in silence.

Written from their documentation and from reports of their users; no recording of anyone's server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Echo = Literal["kept", "ignored", "refused"]
Field = Literal["obeyed", "ignored", "refused"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of server. What is refused answers 400 and names the field; what is ignored answers 200 as if unsaid."""

    owner: str = "library"
    """What its list of models says."""
    has_chat: bool = True
    has_completions: bool = True
    label_ids: Literal["", "logprob_token_ids", "native"] = ""
    """How the log-probabilities of given tokens can be asked for: a field, or the server's own route."""
    echo: Echo = "ignored"
    top: Field = "ignored"
    """`logprobs` and `top_logprobs`."""
    most_top: int = 20
    structured: frozenset[str] = frozenset()
    """Fields that constrain an answer to a choice: `json_schema`, `structured_outputs`. Others are ignored."""
    most_stops: int | None = None
    """More stop strings are refused."""
    stops: Field = "obeyed"
    says_stop: bool = False
    """Whether it says which stop string ended a text."""
    shows_stop: bool = False
    """Whether the text still ends with the stop string."""
    sampling: Field = "obeyed"
    """`temperature`, `top_p` and `seed`."""
    needs_new_cap: bool = False
    """Whether `max_tokens` is refused, and `max_completion_tokens` wanted."""
    thinks: int = 0
    """Tokens that are written, and paid, before the answer, and not shown."""
    system: Literal["kept", "dropped"] = "kept"
    hidden_system: str = ""
    """Is put before conversations that have no system message."""
    context: int | None = None
    """Longer prompts are cut in silence, from their beginning."""
    cache_from: int | None = None
    """Beginnings of so many tokens are cached; None: no caching that is reported."""
    cache_step: int = 16
    warm_flips: float = 0.0
    """Share of prompts that get another answer once their beginning is cached."""
    tokenizes: bool = False
    """Whether there is a route `/tokenize`."""
    tiers: frozenset[str] = frozenset()
    """Known values of `service_tier`."""


_SCHEMA, _OUTPUTS = "json_schema", "structured_outputs"

DIALECTS: Mapping[str, Dialect] = {
    "vllm": Dialect(
        owner="vllm",
        label_ids="logprob_token_ids",
        says_stop=True,
        echo="kept",
        top="obeyed",
        structured=frozenset((_SCHEMA, _OUTPUTS)),
        cache_from=16,
        warm_flips=0.2,
        tokenizes=True,
    ),
    "sglang": Dialect(
        owner="sglang",
        label_ids="native",
        echo="kept",
        top="obeyed",
        structured=frozenset((_SCHEMA,)),
        cache_from=1,
        cache_step=1,
        warm_flips=0.4,
        tokenizes=True,
    ),
    "llama.cpp": Dialect(owner="llamacpp", top="obeyed", structured=frozenset((_SCHEMA,)), tokenizes=True),
    "ollama": Dialect(owner="library", structured=frozenset((_SCHEMA,)), context=4096),
    "openai": Dialect(
        owner="openai",
        has_completions=False,
        top="obeyed",
        structured=frozenset((_SCHEMA,)),
        most_stops=4,
        cache_from=1024,
        cache_step=128,
        tiers=frozenset(("auto", "default", "flex")),
    ),
    "openai-reasoning": Dialect(
        owner="openai",
        has_completions=False,
        top="refused",
        structured=frozenset((_SCHEMA,)),
        stops="refused",
        sampling="refused",
        needs_new_cap=True,
        thinks=48,
        cache_from=1024,
        cache_step=128,
        tiers=frozenset(("auto", "default", "flex")),
    ),
    "litellm": Dialect(owner="openai", stops="ignored", system="dropped"),
    "transformers": Dialect(owner="local", shows_stop=True, hidden_system="You are a helpful assistant."),
}
"""By name. Ollama and LiteLLM stand for servers that drop what they do not know and say nothing."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Money per million tokens."""

    prompt: float = 1.0
    cached: float = 0.1
    completion: float = 4.0


@dataclass(slots=True)
class Bill:
    """What a server would ask to be paid, counted where the tokens are made."""

    prices: Prices = field(default_factory=Prices)
    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    def book(self, prompt: int, cached: int, completion: int) -> None:
        """Count one answered request."""
        self.requests += 1
        self.prompt_tokens += prompt
        self.cached_tokens += cached
        self.completion_tokens += completion

    @property
    def usd(self) -> float:
        """The whole sum."""
        fresh = self.prompt_tokens - self.cached_tokens
        return (
            fresh * self.prices.prompt
            + self.cached_tokens * self.prices.cached
            + self.completion_tokens * self.prices.completion
        ) / 1e6
