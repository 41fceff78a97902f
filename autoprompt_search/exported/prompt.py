"""The exported prompt itself: a folder that was checked, tied to the model it was made for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.errors import ConfigError, TamperedError, TrialError
from autoprompt_search.core.protocols.model import Backend, Scores
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example, Outcome
from autoprompt_search.evaluate import embedder, predict, render_all
from autoprompt_search.exported.results import Evaluation, Prediction, evaluation_of, prediction_of
from autoprompt_search.exported.rows import Row, check_targets, counted, examples_of, sound_rows
from autoprompt_search.exporters.document import GOLDEN, Document, read
from autoprompt_search.exporters.formats import from_jsonl
from autoprompt_search.exporters.manifest import check_folder
from autoprompt_search.metrics import metric_named
from autoprompt_search.prompting import answer_words, data_fields
from autoprompt_search.tasks.examples import shorten


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

    def __init__(self, document: Document, backend: Backend, golden: Sequence[tuple[Row, str]] = ()) -> None:
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

    @property
    def reading(self) -> Reading:
        """How the search made inputs and labels of the rows of its data."""
        return self._document.reading

    def predict(self, texts: Iterable[Row]) -> list[Prediction]:
        """The label of each input, with the probabilities of all labels, in the order given.

        Raises:
            ConfigError: Inputs lack a field or are longer than the model's context; names rows (from 1) and fields.
            TamperedError: At the first call: the golden items no longer get their predictions.
        """
        rows = sound_rows(texts, self.fields)
        self._check_golden()
        return [prediction_of(o, self.labels) for o in self._outcomes(rows)]

    def evaluate(self, examples: Iterable[Example], metric: str | None = None) -> Evaluation:
        """Metrics with intervals on labelled examples, measured as the search measures.

        Args:
            examples: With targets among `labels`. Their ids play no part.
            metric: A registered metric; the search's own by default.
        """
        items = list(examples)
        name = metric or str(self._document.scores.get("metric", "accuracy"))
        metric_named(name, self.labels)
        check_targets(items, self.labels)
        rows = sound_rows((e.inputs for e in items), self.fields)
        self._check_golden()
        outcomes = self._outcomes(rows, [e.target for e in items])
        return evaluation_of(name, outcomes, self.labels, tuple(self._notes(items)))

    def _check_golden(self) -> None:
        if not self._golden:
            return
        wanted = [label for _, label in self._golden]
        try:
            got = [o.prediction for o in self._outcomes(sound_rows((row for row, _ in self._golden), self.fields))]
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

    def _outcomes(self, rows: Sequence[Mapping[str, str]], targets: Sequence[str] | None = None) -> tuple[Outcome, ...]:
        """What the prompt says on each row, of which it reads as much as it did in the search."""
        if not rows:
            return ()
        limit = self.reading.max_chars
        rows = [{name: shorten(text, limit) for name, text in row.items()} for row in rows]
        prompt = self._document.prompt
        examples = examples_of(rows, targets or [""] * len(rows), {e.id for e in prompt.demos.examples})
        try:
            return predict(prompt, examples, self._backend).outcomes
        except TrialError as exc:
            problems = self._length_problems(examples)
            if not problems:
                raise
            raise ConfigError(problems) from exc

    def _length_problems(self, examples: Sequence[Example]) -> list[str]:
        """Which rows the model cannot take, found after the fact."""
        prompt = self._document.prompt
        answers, _ = answer_words(prompt, self.labels)
        prompts = render_all(prompt, examples, embedder(self._backend))
        found = [
            f"row {number}: {problem}"
            for number, one in enumerate(prompts, start=1)
            for problem in self._backend.problems([one], answers)
        ]
        return counted(found)

    def _notes(self, items: Sequence[Example]) -> Iterator[str]:
        shown = [dict(e.inputs) for e in self._document.prompt.demos.examples]
        limit = self.reading.max_chars
        known = sum({name: shorten(text, limit) for name, text in e.inputs.items()} in shown for e in items)
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


def _model(document: Document, options: Mapping[str, Any]) -> Backend:
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
