"""The exported prompt itself: a folder that was checked, tied to the model it was made for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.answers import LabelAnswers, TextAnswers
from autoprompt_search.core.errors import ConfigError, TamperedError, TrialError
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.protocols.model import Backend, Compares, Generates, Scores
from autoprompt_search.core.protocols.output import PortablePrompt
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import embedder, predict, render_all
from autoprompt_search.exported.results import Evaluation, Prediction, evaluation_of, prediction_of
from autoprompt_search.exported.rows import Row, check_targets, counted, examples_of, sound_rows
from autoprompt_search.exporters.document import GOLDEN, read
from autoprompt_search.exporters.formats import from_jsonl
from autoprompt_search.exporters.manifest import check_folder
from autoprompt_search.metrics import metric_named
from autoprompt_search.prompting import answer_words, as_answer, data_fields
from autoprompt_search.tasks.examples import shorten
from autoprompt_search.tasks.options import FIELD as OPTIONS


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


@dataclass(frozen=True, slots=True)
class GoldenItem:
    """An input with the answer it got at the export."""

    inputs: Mapping[str, str]
    answer: str
    options: tuple[str, ...] = ()
    """What may be answered, where every example has options of its own."""


_NEEDS: Mapping[str, tuple[type, str]] = {
    "likelihood": (Scores, "score answers"),
    "options": (Compares, "compare options"),
    "completion": (Generates, "generate text"),
}
"""Way to ask for an answer -> the capability that it needs, and the same in words."""


class ExportedPrompt:
    """One prompt with its model. Made by `load_prompt`."""

    def __init__(self, document: PortablePrompt, backend: Backend, golden: Sequence[GoldenItem] = ()) -> None:
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
        """The labels it answers with, in the order of `Outcome.logprobs`; () where answers are no labels."""
        return self._document.labels

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields every input must have: those the template shows, and those demonstrations are chosen by."""
        prompt = self._document.prompt
        shown = data_fields(prompt.template.text)
        compared = prompt.demos.examples[0].inputs if prompt.demos.per_query else ()
        return tuple(dict.fromkeys((*shown, *compared)))

    @property
    def has_options(self) -> bool:
        """Whether every input needs `options` of its own, a list of texts."""
        return bool(self.reading.options)

    @property
    def reading(self) -> Reading:
        """How the search made inputs and labels of the rows of its data."""
        return self._document.reading

    def predict(self, texts: Iterable[Row]) -> list[Prediction]:
        """The answer to each input, in the order given: with the probabilities of all labels, or with the text.

        Raises:
            ConfigError: Inputs lack a field or are longer than the model's context; names rows (from 1) and fields.
            TamperedError: At the first call: the golden items no longer get their predictions.
        """
        rows = sound_rows(texts, self.fields, are_options_asked=self.has_options)
        self._check_golden()
        return [prediction_of(o, self.labels) for o in self._outcomes(rows)]

    def evaluate(self, examples: Iterable[Example], metric: str | None = None) -> Evaluation:
        """Metrics with intervals on labelled examples, measured as the search measures.

        Args:
            examples: With targets, among `labels` where it has some. Their ids play no part.
            metric: A registered metric; the search's own by default.
        """
        items = list(examples)
        name = metric or str(self._document.scores.get("metric", "accuracy"))
        metric_named(name, self.labels)
        check_targets(items, self.labels)
        rows = _read_as(items, self.fields)
        self._check_golden()
        outcomes = self._outcomes(rows)
        return evaluation_of(name, outcomes, self.labels, tuple(self._notes(items)))

    def _check_golden(self) -> None:
        if not self._golden:
            return
        wanted = [item.answer for item in self._golden]
        try:
            items = [Example("", item.inputs, "", options=item.options) for item in self._golden]
            got = [o.prediction for o in self._outcomes(_read_as(items, self.fields))]
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
                f"({'; '.join(counted(differing))}). The number format, the device or a library may have changed: "
                "load with check=False to use the prompt all the same"
            )
        self._golden = ()

    def _outcomes(self, rows: Sequence[Example]) -> tuple[Outcome, ...]:
        """What the prompt says on each row, of which it reads as much as it did in the search."""
        if not rows:
            return ()
        prompt = self._document.prompt
        cut = [replace(row, inputs=self._shortened(row)) for row in rows]
        examples = examples_of(cut, {e.id for e in prompt.demos.examples})
        try:
            return predict(prompt, examples, self._backend).outcomes
        except TrialError as exc:
            problems = self._length_problems(examples)
            if not problems:
                raise
            raise ConfigError(problems) from exc

    def _shortened(self, example: Example) -> dict[str, str]:
        """Its inputs, cut as the search cut them; a list of options stays whole."""
        limit, whole = self.reading.max_chars, OPTIONS if self.has_options else ""
        return {name: text if name == whole else shorten(text, limit) for name, text in example.inputs.items()}

    def _length_problems(self, examples: Sequence[Example]) -> list[str]:
        """Which rows the model cannot take, found after the fact."""
        prompt = self._document.prompt
        if isinstance(prompt.answers, TextAnswers):
            return self._text_problems(examples)
        words, _ = answer_words(prompt, self.labels)
        prompts = render_all(prompt, examples, embedder(self._backend))
        problems = [
            f"row {number}: {problem}"
            for number, (one, example) in enumerate(zip(prompts, examples, strict=True), start=1)
            for problem in self._backend.problems([one], words or [as_answer(prompt, o) for o in example.options])
        ]
        return counted(problems)

    def _text_problems(self, examples: Sequence[Example]) -> list[str]:
        """The same where text is written: the longest rows are asked alone until one is answered."""
        prompts = render_all(self._document.prompt, examples, embedder(self._backend))
        problems: dict[int, str] = {}
        for number in sorted(range(len(examples)), key=lambda i: -len(prompts[i].text)):
            try:
                predict(self._document.prompt, [examples[number]], self._backend)
                break
            except TrialError as exc:
                problems[number] = str(exc)
        return counted([f"row {number + 1}: {problems[number]}" for number in sorted(problems)])

    def _notes(self, items: Sequence[Example]) -> Iterator[str]:
        shown = [dict(e.inputs) for e in self._document.prompt.demos.examples]
        known = sum(self._shortened(e) in shown for e in items)
        if known:
            yield f"{known} of {len(items)} examples are training examples that this prompt holds: they flatter it"


def _read_as(items: Sequence[Example], fields: Sequence[str]) -> list[Example]:
    """Examples with the fields of the prompt; `ConfigError` names those that lack one."""
    rows = sound_rows((e.inputs for e in items), fields)
    return [replace(item, inputs=row.inputs) for item, row in zip(items, rows, strict=True)]


def _open(folder: Path) -> tuple[PortablePrompt, tuple[GoldenItem, ...]]:
    """The prompt and the golden items in a folder whose every file has been checked."""
    files = {path: (folder / path).read_bytes() for path in check_folder(folder)}
    document = read(files)
    golden = []
    for number, row in enumerate(from_jsonl(files[GOLDEN], GOLDEN), start=1):
        inputs, answer, options = row.get("inputs"), row.get("prediction"), row.get("options", [])
        if not isinstance(inputs, dict) or not isinstance(answer, str) or not isinstance(options, list):
            raise TamperedError(f"{GOLDEN}, line {number}: no inputs, or no text as the prediction")
        if document.labels and answer not in document.labels:
            raise TamperedError(f"{GOLDEN}, line {number}: the prediction {answer!r:.60} is no label")
        golden.append(GoldenItem(inputs, answer, tuple(map(str, options))))
    return document, tuple(golden)


def _model(document: PortablePrompt, options: Mapping[str, Any]) -> Backend:
    """The recorded backend, some of its options replaced, on the very model the prompt was made for."""
    is_same_type = options.get("type", document.backend.get("type")) == document.backend.get("type")
    section = {**document.backend, **options} if is_same_type else dict(options)
    backend = BACKENDS.build(ComponentSpec(**section))
    answers = document.prompt.answers
    is_normalised = isinstance(answers, LabelAnswers) and answers.normalise != "none"
    needed, does = _NEEDS["options" if is_normalised else answers.way]
    if not isinstance(backend, needed):
        raise ConfigError(f"type: the backend {section['type']!r} cannot {does}, and this prompt needs that")
    name = section.get("model", document.model)
    try:
        fingerprint = backend.fingerprint
    except ConfigError as exc:
        hint = (
            f"the prompt was made for the model {document.model!r}: say where it is now by the backend option `model`"
        )
        raise ConfigError([*exc.problems, hint]) from exc
    if fingerprint != document.model_fingerprint:
        raise ConfigError(
            f"the model {name!r} has fingerprint {fingerprint}, and this prompt was made for {document.model!r} with "
            f"fingerprint {document.model_fingerprint}: neither wording nor soft prompt carries over to another model"
        )
    return backend
