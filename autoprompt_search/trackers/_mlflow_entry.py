"""What MLflow shows of one trial, as plain values that survive a round trip through JSON. Knows no MLflow."""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from autoprompt_search.core.measurements import Cost, TrialRecord, TrialState
from autoprompt_search.core.types import Params, Scalar
from autoprompt_search.prompting import LIKE, TEXT
from autoprompt_search.trackers._mlflow_keys import safe_key

STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "FINISHED", TrialState.FAILED: "FAILED"}
"""MLflow's own words for how a run ended. A trial that was stopped early is no fault: its tag `state` says so."""
FULL_SCORE = "dev/full_score"
"""Only on trials that were measured on all of dev, as is everything below `dev/`: sorting by it never ranks others."""
SEEN = "rung"
"""Below that stands what a trial saw on each rung, the number of examples as step."""
Choices = Mapping[str, tuple[Scalar, ...]]
"""Parameters that vary in a search, with their choices; () for a range."""
EXACT = "params"
"""Tag of a trial with its parameters as JSON: MLflow's own are texts, under names without some characters."""
EXACT_LENGTH = 8000
"""MLflow cuts longer tags, and half of a JSON text is none: such a trial goes without."""
NAME_LENGTH = 120
_WORDS_LENGTH = 24
"""Characters of a value in the name of a run."""
NOTE_PROMPT_LENGTH = 4000
"""MLflow cuts tags at 8000 characters; a longer prompt is an artifact too."""


@dataclass(frozen=True, slots=True)
class TrialEntry:
    """A trial as one child run."""

    number: int
    name: str
    note: str
    """Markdown."""
    status: str
    params: dict[str, str]
    metrics: list[tuple[str, float, int]]
    """Name, value, step (number of examples)."""
    tags: dict[str, str]
    prompt: str
    started_ms: int
    ended_ms: int

    @classmethod
    def of(cls, record: TrialRecord, varying: Choices | None = None) -> Self:
        """Everything worth showing of a finished trial, in a search that varies `varying`."""
        ended = record.ended or record.started or time.time()
        return cls(
            number=record.number,
            name=run_name(record, varying),
            note=_note(record),
            status=STATUS[record.state],
            params={safe_key(name): str(value) for name, value in record.params.items()},
            metrics=[(safe_key(k), v, step) for k, v, step in _metrics(record) if math.isfinite(v)],
            tags=_tags(record),
            prompt=record.preview,
            started_ms=int((record.started or ended) * 1000),
            ended_ms=int(ended * 1000),
        )

    @property
    def full_score(self) -> float | None:
        """The score at full fidelity, if the trial got there."""
        return next((value for name, value, _ in self.metrics if name == FULL_SCORE), None)

    def to_json(self) -> str:
        """The entry as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The entry of a line; `ValueError` for a line cut off by a crash."""
        values: dict[str, Any] = {}
        try:
            values = json.loads(line)
            entry = cls(**{**values, "metrics": [(k, v, s) for k, v, s in values["metrics"]]})
            _check_kinds(entry)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as exc:
            raise ValueError(f"not a trial: {line[:80]}") from exc
        return entry


def _check_kinds(entry: TrialEntry) -> None:
    """`TypeError` where a line holds something else than an entry has."""
    texts = (entry.name, entry.status, entry.note, entry.prompt, *entry.params.values(), *entry.tags.values())
    numbers = (entry.number, entry.started_ms, entry.ended_ms, *(step for _, _, step in entry.metrics))
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers):
        raise TypeError("a text or a number is something else")
    if not all(isinstance(name, str) and isinstance(value, (int, float)) for name, value, _ in entry.metrics):
        raise TypeError("a metric is no number")


def run_name(record: TrialRecord, varying: Choices | None = None) -> str:
    """`#12 demos template=cloze k=4`: the parameters that vary, each by what tells its value from the others."""
    shown = record.params if varying is None else {n: v for n, v in record.params.items() if n in varying}
    told = {name: distinct(value, (varying or {}).get(name, ())) for name, value in shown.items()}
    parts = [f"#{record.number}", record.kind, *(f"{n}={v}" for n, v in short_params(told).items())]
    name = " ".join(parts)
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def short_params(params: Params) -> dict[str, str]:
    """Last part of each address where that is unique; what is switched off is left out."""
    counts = Counter(name.rpartition(".")[2] for name in params)
    shown = {name: value for name, value in params.items() if value != "none" and not name.endswith((TEXT, LIKE))}
    return {(short if counts[short := name.rpartition(".")[2]] == 1 else name): _short(v) for name, v in shown.items()}


def distinct(value: Scalar, choices: Sequence[Scalar]) -> Scalar:
    """`value`, or of a long text its place among the choices and the words with which it goes its own way."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if len(text) <= _WORDS_LENGTH or value not in choices:
        return value
    others = [" ".join(str(c).split()) for c in choices if c != value]
    same = max((_common(text, other) for other in others), default=0)
    start = text.rfind(" ", 0, same + 1) + 1 if same else 0
    cut = text[start : start + _WORDS_LENGTH]
    return f"{choices.index(value) + 1}/{len(choices)} {'…' if start else ''}{cut}"


def _common(one: str, other: str) -> int:
    """Characters with which both begin."""
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def fenced(text: str) -> str:
    """A Markdown code block that no run of backticks inside `text` can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _short(value: Scalar) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return " ".join(text.split())[:40]


def _metrics(record: TrialRecord) -> Iterator[tuple[str, float, int]]:
    spent = Cost()
    for m in record.measurements:
        step = m.fidelity.examples
        spent += m.cost
        yield f"{SEEN}/score", m.score, step
        yield f"{SEEN}/stderr", m.stderr, step
        for name, value in m.metrics.items():
            yield f"{SEEN}/{name}", value, step
        yield "prompt/tokens", m.prompt_tokens, step
        yield "cost/forward_passes", spent.forward_passes, step
        yield "cost/seconds", spent.seconds, step
        if m.fidelity.is_full:
            yield FULL_SCORE, m.score, step
            yield "dev/stderr", m.stderr, step
            for name, value in m.metrics.items():
                yield f"dev/{name}", value, step


def _tags(record: TrialRecord) -> dict[str, str]:
    last = record.last
    tags = {
        "trial": str(record.number),
        "kind": record.kind,
        "state": record.state.value,
        "rung": str(last.fidelity.examples if last else 0),
    }
    exact = json.dumps(dict(record.params), ensure_ascii=False)
    if len(exact) <= EXACT_LENGTH:
        tags[EXACT] = exact
    if record.origin is not None:
        tags["proposer"] = record.origin.proposer
        tags["parents"] = ", ".join(f"#{number}" for number in record.origin.parents)
    if record.error:
        tags["reason"] = record.error[:500]
    elif record.state is TrialState.PRUNED and last:
        tags["reason"] = (
            f"not taken beyond {last.fidelity.examples} dev examples, where it scored {last.score:.3f}: "
            "only some of the trials go on to the next rung"
        )
    return tags


def _note(record: TrialRecord) -> str:
    last = record.last
    lines = [f"**Trial {record.number}** ({record.kind}), {record.state.value}."]
    if last:
        soft = f" after {last.fidelity.steps} steps" if last.fidelity.steps else ""
        lines.append(
            f"Score **{last.score:.4f}** ± {last.stderr:.4f} on {last.fidelity.examples} dev examples{soft}, "
            f"{last.prompt_tokens:.1f} tokens per prompt."
        )
    if record.error:
        lines.append(f"Failed:\n\n{fenced(record.error[:1000])}")
    if record.preview:
        cut = record.preview[:NOTE_PROMPT_LENGTH]
        more = "\n\nThe whole prompt is the artifact `prompt.txt`." if len(cut) < len(record.preview) else ""
        lines.append(f"The prompt on one example:\n\n{fenced(cut)}{more}")
    return "\n\n".join(lines)
