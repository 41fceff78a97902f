"""A prompt: its parts, the whole, and the whole rendered for one example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoprompt_search.core.answers import Answers
from autoprompt_search.core.chat import Chat, Conversation
from autoprompt_search.core.chat import Segment as Segment  # noqa: PLC0414 - part of this module's names
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.types import Example, Plain, Scalar


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
        """Equal for equal parts of what the model reads before it answers, so far as the prompt decides them."""
        soft = (self.soft.sha256, self.soft.place) if self.soft else None
        parts = (self.template.text, self.instruction, self.layout, self.demos, soft)
        return fingerprint((*parts, self.chat) if self.chat else parts)

    @property
    def kind(self) -> str:
        """`text`, `demos` or `soft`, as `kind_of` says it of the point that made this prompt."""
        if self.soft is not None:
            return "soft"
        return "text" if self.demos.strategy == "none" else "demos"


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
