"""What shows and keeps a search: progress, dashboard, exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from autoprompt_search.core.measurements import Allowance, Measurement, TrialRecord
from autoprompt_search.core.prompts import Prompt
from autoprompt_search.core.reading import AS_IT_IS, Reading
from autoprompt_search.core.slotted import SlottedTurn
from autoprompt_search.core.types import Example, Params, Scalar


class Progress(Protocol):
    """What a person at the terminal sees. Only the driver calls it."""

    def begin(self, name: str, trials: int, done: Sequence[TrialRecord], limit: Allowance | None = None) -> None:
        """A search of `trials` trials starts, or goes on after `done`; `limit` is given where that decides."""
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
    """Fingerprint of the configuration: a continued search has the same one."""
    folder: Path
    config_file: Path
    description: str
    """The summary as Markdown."""
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    """What never changes about a search, by which searches are compared: model, data, rungs, sampler, seed."""
    files: tuple[Path, ...] = ()
    """What a later search that starts from this one has to know of it, beside its configuration."""
    varying: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    """Parameters with more than one value, in the order of the space file, with their choices; () for a range."""
    data: tuple[SplitCard, ...] = ()
    """The examples of each split."""


@dataclass(frozen=True, slots=True)
class SplitCard:
    """One split of the data, without its texts."""

    split: str
    source: str
    """Where the data came from, as the user wrote it."""
    digest: str
    """Fingerprint of the examples."""
    examples: int
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Winner:
    """What a tracker may show of the prompt that was chosen."""

    trial: int
    verdict: str
    """`promote`, `tie` or `reject`."""
    reason: str
    metric: str
    dev: float
    test: float
    turns: tuple[SlottedTurn, ...]
    """The text of the prompt; without the trained vectors, where it has some."""
    folder: Path
    """The exported prompt."""


@runtime_checkable
class ShowsWinner(Protocol):
    """A tracker that marks the chosen trial."""

    def crown(self, winner: Winner) -> None:
        """Remember the winner until `close`, which shows it. Returns at once, and never raises."""
        ...


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PortablePrompt:
    """A prompt with all that is needed to use it elsewhere: what an export holds, and what is read back."""

    name: str
    prompt: Prompt
    """Complete, demonstrations and soft weights included."""
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
    created_with: str
    """Version of this package."""
    reading: Reading = AS_IT_IS
    """How the search made examples of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalPrompt(PortablePrompt):
    """Everything that an exporter may know: the prompt, and what the search saw of it."""

    golden: tuple[tuple[Example, str], ...]
    """Examples and the prediction each got."""
    chat: Mapping[str, Any] = field(default_factory=dict)
    """For a prompt in turns: how the model's chat template was run, the text it gives, and the ids of golden items."""
    golden_texts: Mapping[str, str] = field(default_factory=dict)
    """Id of a golden example -> what the model wrote; empty where it compares answers."""
    golden_prompts: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Id of a golden example -> the prompt it got, up to the answer: role and text of each turn; of a plain text one
    turn, whose role is empty."""
    baseline: Prompt | None = None
    """The prompt that the best one was compared with."""
    text_alone: FinalPrompt | None = None
    """The same prompt without its soft prompt, for places that take no vectors; None where there is no soft prompt."""


@runtime_checkable
class Exporter(Protocol):
    """Writes the best prompt in some form."""

    def export(self, final: FinalPrompt, folder: Path) -> Path:
        """Write into `folder` (the search's result folder) and return what was written."""
        ...
