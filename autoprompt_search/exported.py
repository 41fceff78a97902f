"""An exported prompt at work: check the folder, load it, predict, evaluate. Knows nothing of the search behind it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.errors import ConfigError, TamperedError, TrialError
from autoprompt_search.core.protocols import Scores
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.stats import Interval, interval
from autoprompt_search.core.types import Example, Outcome
from autoprompt_search.evaluate import ScoringBackend, embedder, measure, metric_named, render_all
from autoprompt_search.exporters.document import GOLDEN, Document, from_jsonl, read, rendered
from autoprompt_search.exporters.manifest import check_folder
from autoprompt_search.prompting import answer_words, data_fields

Row = str | Mapping[str, str]
"""One input: field name -> text, or the text alone where the prompt has one field."""

_NAMED = 10
"""Mistakes named one by one before the rest is only counted."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one input."""

    label: str
    probabilities: Mapping[str, float]
    """Label -> probability, given that one of the labels is the answer; sums to one."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An exported prompt on labelled examples."""

    metric: str
    """The metric the prompt is judged by."""
    scores: Mapping[str, Interval]
    """That metric and accuracy -> value with its 95 % interval."""
    loss: float
    """Mean negative log-probability of the right label."""
    examples: int
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    """[right label][predicted label], counts in label order."""
    predictions: tuple[Prediction, ...]
    """One per example, in the order given."""
    notes: tuple[str, ...] = ()
    """What makes these numbers better than they deserve to be, if anything does."""


def verify(folder: Path | str) -> None:
    """Check every file of an exported folder against its manifest, without loading a model.

    Raises:
        ConfigError: There is no exported prompt.
        TamperedError: A file differs, is missing, was added, is a link, or cannot be what was exported.
    """
    _open(Path(folder))


def load_prompt(folder: Path | str, *, backend: Mapping[str, Any] | None = None, check: bool = True) -> ExportedPrompt:
    """An exported prompt, ready to predict. Weights are loaded at the first prediction.

    Args:
        folder: The `best_prompt` folder.
        backend: Backend options to use instead of the recorded ones, e.g. where the model lies now or another
            device. With a `type` other than the recorded one they stand alone.
        check: Before the first prediction, compare the golden items with what they gave at the export.

    Raises:
        ConfigError: There is no exported prompt, or the model cannot be found or is another one.
        TamperedError: The folder is not as it was exported.
    """
    document, golden = _open(Path(folder))
    return ExportedPrompt(document, _model(document, backend or {}), golden if check else ())


class ExportedPrompt:
    """One prompt with its model. Made by `load_prompt`."""

    def __init__(self, document: Document, backend: ScoringBackend, golden: Sequence[tuple[Row, str]] = ()) -> None:
        self._document = document
        self._backend = backend
        self._golden = tuple(golden)
        """Items still to be checked; emptied by the check."""

    @property
    def name(self) -> str:
        """The name of the search it comes from."""
        return self._document.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it answers with, in the order of `Outcome.logprobs`."""
        return self._document.labels

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields every input must have: those the template shows, and those demonstrations are chosen by."""
        prompt = self._document.prompt
        shown = data_fields(prompt.template.text)
        compared = prompt.demos.examples[0].inputs if prompt.demos.per_query else ()
        return tuple(dict.fromkeys((*shown, *compared)))

    def predict(self, texts: Iterable[Row]) -> list[Prediction]:
        """The label of each input, with the probabilities of all labels, in the order given.

        Raises:
            ConfigError: Inputs lack a field or are longer than the model's context; names rows (from 1) and fields.
            TamperedError: At the first call: the golden items no longer get their predictions.
        """
        rows = self._rows(texts)
        self._check_golden()
        return [self._prediction(o) for o in self._outcomes(rows)]

    def evaluate(self, examples: Iterable[Example], metric: str | None = None) -> Evaluation:
        """Metrics with intervals on labelled examples, measured as the search measures.

        Args:
            examples: With targets among `labels`. Their ids play no part.
            metric: A registered metric; the search's own by default.
        """
        items = list(examples)
        name = metric or str(self._document.scores.get("metric", "accuracy"))
        metric_named(name)
        self._check_targets(items)
        rows = self._rows(e.inputs for e in items)
        self._check_golden()
        return self._evaluation(name, items, self._outcomes(rows, [e.target for e in items]))

    def describe(self) -> str:
        """The prompt in a few lines, for people."""
        document = self._document
        shown = rendered(document.prompt, document.labels)
        demos = document.prompt.demos
        lines = [
            f"{document.name}: {', '.join(self.fields)} -> {' | '.join(document.labels)}",
            f"model: {document.model} ({document.model_fingerprint})",
        ]
        lines += [f"verdict: {document.scores['verdict']}"] if document.scores.get("verdict") else []
        lines += [f"demonstrations: {demos.strategy}, {len(demos.examples)}"] if demos.strategy != "none" else []
        soft = document.prompt.soft
        lines += [f"soft prompt: {soft.method}, {soft.tokens} tokens"] if soft else []
        gap = "{demonstrations}" if demos.per_query else ""
        return "\n".join([*lines, "", f"{shown['prefix']}{gap}{shown['query']}"])

    def _rows(self, texts: Iterable[Row]) -> list[Mapping[str, str]]:
        fields = self.fields
        rows: list[Mapping[str, str]] = []
        problems: list[str] = []
        for number, given in enumerate(texts, start=1):
            found = _row_problems(given, fields)
            problems += [f"row {number}: {problem}" for problem in found]
            if not found:
                rows.append(dict.fromkeys(fields, given) if isinstance(given, str) else {f: given[f] for f in fields})
        if problems:
            raise ConfigError(_counted(problems))
        return rows

    def _check_targets(self, items: Sequence[Example]) -> None:
        if not items:
            raise ConfigError("there are no examples to evaluate on")
        known = ", ".join(map(repr, self.labels))
        problems = [
            f"row {number}: the label {e.target!r} is none of this prompt's: {known}"
            for number, e in enumerate(items, start=1)
            if e.target not in self.labels
        ]
        if problems:
            raise ConfigError(_counted(problems))

    def _check_golden(self) -> None:
        if not self._golden:
            return
        wanted = [label for _, label in self._golden]
        try:
            got = [o.prediction for o in self._outcomes(self._rows(row for row, _ in self._golden))]
        except ConfigError as exc:
            raise TamperedError(f"{GOLDEN} does not fit the prompt: {exc}") from exc
        differing = [
            f"item {number}: {now!r} instead of {then!r}"
            for number, (now, then) in enumerate(zip(got, wanted, strict=True), start=1)
            if now != then
        ]
        if differing:
            raise TamperedError(
                f"{len(differing)} of {len(wanted)} golden items of {self.name!r} no longer get their predictions "
                f"({'; '.join(_counted(differing))}). The number format, the device or a library may have changed: "
                "load with check=False to use the prompt all the same"
            )
        self._golden = ()

    def _outcomes(self, rows: Sequence[Mapping[str, str]], targets: Sequence[str] | None = None) -> tuple[Outcome, ...]:
        """What the prompt says on each row. Ids are made up, so that no row is taken for a demonstration."""
        if not rows:
            return ()
        taken = {e.id for e in self._document.prompt.demos.examples}
        head = next(h for h in _heads() if not any(i.startswith(h) for i in taken))
        answers = targets or [self.labels[0]] * len(rows)
        examples = [
            Example(f"{head}{number}", row, target)
            for number, (row, target) in enumerate(zip(rows, answers, strict=True))
        ]
        try:
            return measure(self._document.prompt, examples, self.labels, self._backend).outcomes
        except TrialError as exc:
            problems = self._length_problems(examples)
            if not problems:
                raise
            raise ConfigError(problems) from exc

    def _length_problems(self, examples: Sequence[Example]) -> list[str]:
        """Which rows the model cannot take, found after the fact."""
        prompt = self._document.prompt
        answers, _ = answer_words(prompt, self.labels)
        prompts = render_all(prompt, examples, self.labels, embedder(self._backend))
        found = [
            f"row {number}: {problem}"
            for number, one in enumerate(prompts, start=1)
            for problem in self._backend.problems([one], answers)
        ]
        return _counted(found)

    def _prediction(self, outcome: Outcome) -> Prediction:
        raw = [math.exp(value) for value in outcome.logprobs]
        return Prediction(outcome.prediction, {label: p / sum(raw) for label, p in zip(self.labels, raw, strict=True)})

    def _evaluation(self, metric: str, items: Sequence[Example], outcomes: Sequence[Outcome]) -> Evaluation:
        targets, predictions = [o.target for o in outcomes], [o.prediction for o in outcomes]
        pairs = list(zip(targets, predictions, strict=True))
        names = dict.fromkeys((metric, "accuracy"))
        places = {label: i for i, label in enumerate(self.labels)}
        return Evaluation(
            metric=metric,
            scores={n: interval(metric_named(n), targets, predictions, self.labels) for n in names},
            loss=-sum(o.logprobs[places[o.target]] for o in outcomes) / len(outcomes),
            examples=len(outcomes),
            labels=self.labels,
            confusion=tuple(tuple(pairs.count((t, p)) for p in self.labels) for t in self.labels),
            predictions=tuple(self._prediction(o) for o in outcomes),
            notes=tuple(self._notes(items)),
        )

    def _notes(self, items: Sequence[Example]) -> Iterator[str]:
        shown = [dict(e.inputs) for e in self._document.prompt.demos.examples]
        known = sum(dict(e.inputs) in shown for e in items)
        if known:
            yield f"{known} of {len(items)} examples are training examples that this prompt holds: they flatter it"


def _open(folder: Path) -> tuple[Document, tuple[tuple[Row, str], ...]]:
    """The prompt and the golden items in a folder whose every file has been checked."""
    files = {path: (folder / path).read_bytes() for path in check_folder(folder)}
    document = read(files)
    golden = []
    for number, row in enumerate(from_jsonl(files[GOLDEN], GOLDEN), start=1):
        inputs, label = row.get("inputs"), row.get("prediction")
        if not isinstance(inputs, dict) or label not in document.labels:
            raise TamperedError(f"{GOLDEN}, line {number}: no inputs, or a prediction that is no label")
        golden.append((inputs, label))
    return document, tuple(golden)


def _model(document: Document, options: Mapping[str, Any]) -> ScoringBackend:
    """The recorded backend, some of its options replaced, on the very model the prompt was made for."""
    is_same_type = options.get("type", document.backend.get("type")) == document.backend.get("type")
    section = {**document.backend, **options} if is_same_type else dict(options)
    made = BACKENDS.build(ComponentSpec(**section))
    if not isinstance(made, Scores):
        raise ConfigError(f"type: the backend {section['type']!r} cannot score answers, and this prompt needs that")
    name = section.get("model", document.model)
    try:
        found = made.fingerprint
    except ConfigError as exc:
        hint = (
            f"the prompt was made for the model {document.model!r}: say where it is now by the backend option `model`"
        )
        raise ConfigError([*exc.problems, hint]) from exc
    if found != document.model_fingerprint:
        raise ConfigError(
            f"the model {name!r} has fingerprint {found}, and this prompt was made for {document.model!r} with "
            f"fingerprint {document.model_fingerprint}: neither wording nor soft prompt carries over to another model"
        )
    return made


def _row_problems(given: object, fields: Sequence[str]) -> list[str]:
    if isinstance(given, str) and len(fields) == 1:
        return [] if _is_text(given) else [f"is not a text (got {given!r:.60})"]
    if isinstance(given, str):
        named = ", ".join(map(repr, fields))
        return [f"is one text, and the prompt reads {len(fields)} fields: {named}"]
    if not isinstance(given, Mapping):
        return [f"is neither a text nor a mapping of fields (got {given!r:.60})"]
    missing = [f"the field {name!r} is missing" for name in fields if name not in given]
    wrong = [
        f"the field {name!r} is not a text (got {given[name]!r:.60})"
        for name in fields
        if name in given and not _is_text(given[name])
    ]
    return missing + wrong


def _is_text(value: object) -> bool:
    """Whether a tokenizer can read it: half of a surrogate pair, which JSON can hold, it cannot."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _heads() -> Iterator[str]:
    """Beginnings of made-up ids; the first that no real id has is used."""
    head = "input-"
    while True:
        yield head
        head = f"_{head}"


def _counted(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _NAMED
    return [*lines[:_NAMED], f"and {more} more"] if more > 0 else list(lines)
