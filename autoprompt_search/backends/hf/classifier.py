"""Sequence classifiers with a head of their own: a prompt text is joined to the input, and the head answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import torch

from autoprompt_search.backends.hf import loading
from autoprompt_search.backends.hf.backend import HfBackend
from autoprompt_search.backends.hf.bidirectional import both_ways, framed, mean_pooled, one_row
from autoprompt_search.backends.hf.family import Reading
from autoprompt_search.backends.hf.loaded_model import LoadedModel, ModelSpec
from autoprompt_search.backends.hf.options import LoadingOptions
from autoprompt_search.backends.hf.positions import Base, Soft
from autoprompt_search.backends.hf.scoring import Row, Unit
from autoprompt_search.backends.hf.tokenizer import Ids
from autoprompt_search.backends.hf.training import TrainingBatch, apart
from autoprompt_search.core.prompts import Rendered
from autoprompt_search.core.signatures import complete


def hf_classifier(model: str, **options: Unpack[LoadingOptions]) -> HfBackend:
    """Any sequence classifier over an encoder that transformers can load, frozen, with the head it was trained with.

    A label's word is the name of one of the head's classes (`id2label`), whatever its case. `{@pair}` in a
    template makes what follows it the second text of a pair.

    Args:
        model: Hub name or local folder.
        options: See `LoadingOptions`.
    """
    spec = ModelSpec(model, loading.CLASSIFIER, complete(LoadingOptions, options))
    return HfBackend(spec, ClassifierFamily(spec))


class ClassifierFamily:
    """Implements `ModelFamily`: one row per prompt; answers are columns of the head."""

    form = loading.CLASSIFIER
    task = "FEATURE_EXTRACTION"
    """PEFT's SEQ_CLS wants a head of its own in the adapter; the frozen one is what is used here."""
    extra = 0

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec

    def refusal(self) -> str | None:
        """See `ModelFamily.refusal`. Decoders pool their last token, which padding and soft prompts move."""
        config = self._spec.config
        kind = config.model_type
        if config.is_encoder_decoder or kind not in loading.MASKED.mapping:
            return f"holds a {kind!r} model: only classifiers over encoders that read both ways are supported"
        if len(config.id2label) < 2:
            return "holds a regression head, which names no classes"
        return None

    def answer_problems(self, _prompt: str, answers: Sequence[str], /) -> list[str]:
        """See `ModelFamily.answer_problems`."""
        classes = _classes(self._spec.config)
        problems = [f"the answer {a!r} has no tokens" for a in answers if not a.strip()]
        problems += [
            f"the answer {a.strip()!r} is no class of the model's head (it has {', '.join(map(repr, classes))})"
            for a in answers
            if a.strip() and _class(classes, a) is None
        ]
        seen: dict[int | None, str] = {}
        for answer in answers:
            index = _class(classes, answer)
            if index is not None and index in seen:
                problems.append(f"the answers {seen[index]!r} and {answer!r} have the same tokens: they are one class")
            seen.setdefault(index, answer)
        return problems

    def bases(self, prompts: Sequence[Rendered]) -> list[Base]:
        """See `ModelFamily.bases`."""
        return [base for base, _ in framed(self._spec.tokenizer, prompts)]

    def units(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: Soft | None) -> list[Unit]:
        """See `ModelFamily.units`."""
        classes = _classes(self._spec.config)
        columns = [_class(classes, answer) or 0 for answer in answers]
        return [
            (one_row(number, bare, border, columns, soft),)
            for number, (bare, border) in enumerate(framed(self._spec.tokenizer, prompts))
        ]

    def read(self, loaded: LoadedModel, rows: Sequence[Row], reading: Reading) -> torch.Tensor:
        """See `ModelFamily.read`. Log-probabilities over the head's classes."""
        logits: torch.Tensor = loaded.model(**both_ways(loaded.model, rows, reading.soft)).logits
        scores = logits.float().log_softmax(-1)
        places = [(r, want.token) for r, row in enumerate(rows) for want in row.wants]
        where = torch.tensor(places, dtype=torch.long, device=scores.device)
        return scores[where[:, 0], where[:, 1]]

    def learn(self, loaded: LoadedModel, batches: Sequence[TrainingBatch]) -> list[torch.Tensor]:
        """See `ModelFamily.learn`."""
        return apart(lambda rows, soft: self.read(loaded, rows, Reading(soft)), batches)

    def pooled(self, loaded: LoadedModel, ids: Sequence[Ids]) -> torch.Tensor:
        """See `ModelFamily.pooled`. Mean of the last hidden states."""
        return mean_pooled(loaded.model.base_model, self._spec.tokenizer.in_frame(ids))


def _classes(config: Any) -> list[str]:
    return [str(config.id2label[i]) for i in sorted(config.id2label)]


def _class(classes: Sequence[str], answer: str) -> int | None:
    wanted = answer.strip().casefold()
    return next((i for i, name in enumerate(classes) if name.casefold() == wanted), None)
