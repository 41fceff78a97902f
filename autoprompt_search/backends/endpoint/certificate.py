"""What a probe found out about an endpoint: plain values that are kept with the result. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

Api = Literal["chat", "completions"]
Way = Literal["exact", "echo", "top-k", "constrained", "text"]
WAYS: tuple[Way, ...] = ("exact", "echo", "top-k", "constrained", "text")
"""From the best to the least: whole label probabilities; those of a prompt that is read back; the most likely tokens;
a choice without probabilities; text that is read."""
MEANINGS: Mapping[Way, str] = {
    "exact": "log-probabilities of the very tokens that are asked for",
    "echo": "log-probabilities of the answer, read back as part of the prompt",
    "top-k": "the most likely tokens; a label that is not among them is censored",
    "constrained": "a choice among the labels, without probabilities",
    "text": "text, in which the label is looked for",
}
SAMPLED = ("temperature", "top_p", "seed")


@dataclass(frozen=True, slots=True)
class Certificate:
    """How an endpoint may be asked, and how far its answers can be trusted."""

    url: str
    """Without secrets."""
    model: str
    served: str = ""
    """The name that answers bear."""
    owner: str = ""
    """What the server says of itself."""
    apis: tuple[Api, ...] = ("chat",)
    ways: tuple[Way, ...] = ("text",)
    """Ways to score labels that were verified, best first, of the first of `apis`."""
    chat_ways: tuple[Way, ...] = ("text",)
    """Those of conversations."""
    route: str = ""
    """Of the way `exact`: `field` (`logprob_token_ids`) or `native` (`/generate`)."""
    structured: str = ""
    """Field that constrains answers: `response_format` or `structured_outputs`."""
    cap_field: str = "max_tokens"
    dropped: tuple[str, ...] = ()
    """Fields of a request that are refused and therefore not sent."""
    tokenizes: bool = False
    """Whether it counts the tokens of a text for us."""
    context: int | None = None
    """Longer prompts, in tokens, are cut in silence or refused; None where the probe met no end."""
    thinks: int = 0
    """Tokens that it writes before an answer of one word, and does not show."""
    cache_from: int = 1024
    """Beginnings of so many tokens are cached."""
    cache_step: int = 0
    """They are cached in steps of so many tokens; 0: caching was not seen."""
    tokens_per_character: float = 0.3
    overhead: int = 8
    """Tokens of a prompt beside those of its text."""
    findings: Mapping[str, str] = field(default_factory=dict)
    """Question -> what was found, for people."""

    @property
    def identity(self) -> tuple[str, ...]:
        """What decides the numbers that it gives: part of every address in the ledger."""
        return (
            *(self.url, self.model, self.served, self.route, self.structured),
            *(*self.apis, "plain", *self.ways, "chat", *self.chat_ways),
        )

    @property
    def way(self) -> Way:
        """The first way that was verified, of plain prompts."""
        return self.ways[0]

    def ways_of(self, api: Api) -> tuple[Way, ...]:
        """Verified ways of one route, best first."""
        return self.chat_ways if api == "chat" else self.ways

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The table that people read."""
        return [
            ("endpoint", self.url),
            ("model", self.model + (f" (answers as {self.served})" if self.served not in ("", self.model) else "")),
            ("server", self.owner or "says nothing of itself"),
            ("routes", ", ".join(self.apis)),
            ("labels are scored by", f"{self.way}: {MEANINGS[self.way]}"),
            *(
                [("labels in conversations", f"{self.chat_ways[0]}: {MEANINGS[self.chat_ways[0]]}")]
                if self.chat_ways != self.ways
                else []
            ),
            *self.findings.items(),
        ]

    def plain(self) -> dict[str, Any]:
        """The certificate as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """What `plain` wrote."""
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in plain.items()}
        return cls(**values)
