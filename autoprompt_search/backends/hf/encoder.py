"""Sentence encoders (MiniLM, E5, ...): an answer scores by how near its vector is to that of the prompt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Unpack

import torch

from autoprompt_search.backends.hf import loading
from autoprompt_search.backends.hf.answer_tokens import same_tokens
from autoprompt_search.backends.hf.backend import HfBackend
from autoprompt_search.backends.hf.bidirectional import both_ways, framed, one_row
from autoprompt_search.backends.hf.family import Reading
from autoprompt_search.backends.hf.loaded_model import LoadedModel, ModelSpec
from autoprompt_search.backends.hf.options import LoadingOptions
from autoprompt_search.backends.hf.positions import Base, Soft, mask_of, padded
from autoprompt_search.backends.hf.scoring import Row, Unit, batches
from autoprompt_search.backends.hf.tokenizer import Ids
from autoprompt_search.backends.hf.training import TrainingBatch
from autoprompt_search.core.prompts import Rendered, Segment
from autoprompt_search.core.signatures import complete

_SCALE = 20.0
"""Cosines times this are logits: the scale sentence encoders are trained with (Reimers & Gurevych's ranking loss)."""
_POOLING = "1_Pooling/config.json"
_BATCH = 4096
"""Tokens of one forward pass over labels and demonstrations."""
_REMEMBERED = 50_000
"""Texts whose vectors are kept."""


def hf_encoder(
    model: str,
    *,
    pooling: Literal["auto", "mean", "cls"] = "auto",
    **options: Unpack[LoadingOptions],
) -> HfBackend:
    """Any encoder that transformers can load, frozen; labels are compared by cosine.

    A label's vector is that of its answer (`layout.answer` is its template). With demonstrations it is the mean
    over the answer and the demonstrations of that label (prototypes, Snell et al. 2017, arXiv 1703.05175): the
    answer counts as one more example, so that labels without demonstrations have a vector, too. Demonstrations
    are not put into the text. A soft prompt stands in the query only.

    Args:
        model: Hub name or local folder.
        pooling: `auto` is what the model's own 1_Pooling/config.json says, else `mean`.
        options: See `LoadingOptions`.
    """
    spec = ModelSpec(model, loading.ENCODER, complete(LoadingOptions, options))
    return HfBackend(spec, EncoderFamily(spec, pooling))


class EncoderFamily:
    """Implements `ModelFamily` and `ComparesTexts`."""

    form = loading.ENCODER
    task = "FEATURE_EXTRACTION"
    extra = 0

    def __init__(self, spec: ModelSpec, pooling: str) -> None:
        self._spec, self._pooling = spec, pooling

    def refusal(self) -> str | None:
        """See `ModelFamily.refusal`."""
        config = self._spec.config
        if config.is_encoder_decoder:
            return f"holds a {config.model_type!r} encoder-decoder, which is no sentence encoder"
        if config.model_type in loading.CAUSAL.mapping and config.model_type not in loading.MASKED.mapping:
            return f"holds a {config.model_type!r} model, which reads from left to right: use hf-causal"
        return None

    def answer_problems(self, _prompt: str, answers: Sequence[str], /) -> list[str]:
        """See `ModelFamily.answer_problems`."""
        return same_tokens(answers, [tuple(ids) for ids in self._spec.tokenizer.encode([a.strip() for a in answers])])

    def bases(self, prompts: Sequence[Rendered]) -> list[Base]:
        """See `ModelFamily.bases`. Demonstrations are no part of the text."""
        return [base for base, _ in framed(self._spec.tokenizer, [_query(p) for p in prompts])]

    def units(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: Soft | None) -> list[Unit]:
        """See `ModelFamily.units`."""
        queries = framed(self._spec.tokenizer, [_query(p) for p in prompts])
        columns = range(len(answers))
        return [(one_row(number, bare, border, columns, soft),) for number, (bare, border) in enumerate(queries)]

    def labels(self, loaded: LoadedModel, prompts: Sequence[Rendered], answers: Sequence[str]) -> torch.Tensor:
        """See `ComparesTexts.labels`; vectors are remembered by text."""
        named = [a.strip() for a in answers]
        shots = [[(s.answer, "".join(t.text for t in s.segments)) for s in p.shots] for p in prompts]
        self._remember(loaded, [*named, *(text for one in shots for _, text in one)])
        known = loaded.vectors
        own = torch.stack([known[name] for name in named])
        if not any(shots):
            return own[None]
        if all(one == shots[0] for one in shots):
            shots = shots[:1]
        means = []
        for one in shots:
            groups = [[known[text] for answer, text in one if answer == wanted] for wanted in answers]
            means.append(torch.stack([torch.stack([v, *g]).mean(0) for v, g in zip(own, groups, strict=True)]))
        return torch.nn.functional.normalize(torch.stack(means), dim=-1)

    def read(self, loaded: LoadedModel, rows: Sequence[Row], reading: Reading) -> torch.Tensor:
        """See `ModelFamily.read`. Log-softmax over the answers of cosines x 20."""
        if reading.labels is None:
            raise ValueError("an encoder compares rows with the vectors of labels, and was given none")
        hidden = loaded.model(**both_ways(loaded.model, rows, reading.soft)).last_hidden_state
        vectors = torch.nn.functional.normalize(self._pool(hidden, [row.ids for row in rows]), dim=-1)
        which = [row.wants[0].prompt if len(reading.labels) > 1 else 0 for row in rows]
        labels = reading.labels.to(vectors.device)[torch.tensor(which, device=vectors.device)]
        scores = torch.einsum("rd,rad->ra", vectors, labels) * _SCALE
        return scores.log_softmax(-1).flatten()

    def learn(self, loaded: LoadedModel, batches: Sequence[TrainingBatch]) -> list[torch.Tensor]:
        """See `ModelFamily.learn`. One forward pass for each: every training has its own labels' vectors."""
        labels = [self.labels(loaded, batch.prompts, batch.answers) for batch in batches]
        pairs = zip(batches, labels, strict=True)
        return [self.read(loaded, batch.rows, Reading(batch.soft, labels=own)) for batch, own in pairs]

    def pooled(self, loaded: LoadedModel, ids: Sequence[Ids]) -> torch.Tensor:
        """See `ModelFamily.pooled`. As the model itself pools."""
        rows = self._spec.tokenizer.in_frame(ids)
        inputs = {"input_ids": padded(rows, loaded.model.device), "attention_mask": mask_of(rows, loaded.model.device)}
        return self._pool(loaded.model(**inputs).last_hidden_state, rows)

    def _pool(self, hidden: torch.Tensor, rows: Sequence[Ids]) -> torch.Tensor:
        if self._is_cls:
            return hidden[:, 0].float()
        mask = mask_of(rows, hidden.device)[..., None]
        return (hidden.float() * mask).sum(1) / mask.sum(1)

    @property
    def _is_cls(self) -> bool:
        if self._pooling != "auto":
            return self._pooling == "cls"
        path: Path = self._spec.folder / _POOLING
        if not path.is_file():
            return False
        return bool(json.loads(path.read_text(encoding="utf-8")).get("pooling_mode_cls_token"))

    def _remember(self, loaded: LoadedModel, wanted: Sequence[str]) -> None:
        """Vectors of texts that are not known yet."""
        if len(loaded.vectors) > _REMEMBERED:
            loaded.vectors.clear()
        new = [text for text in dict.fromkeys(wanted) if text not in loaded.vectors]
        tokenizer = self._spec.tokenizer
        limit = (self._spec.context or 10**9) - len(tokenizer.before) - len(tokenizer.after)
        rows = [row[:limit] for row in tokenizer.encode(new)]
        for group in batches([len(row) for row in rows], _BATCH, loaded.sizer.passes):
            with torch.no_grad():
                vectors = self.pooled(loaded, [rows[i] for i in group])
            for i, vector in zip(group, torch.nn.functional.normalize(vectors, dim=-1), strict=True):
                loaded.vectors[new[i]] = vector


def _query(prompt: Rendered) -> Rendered:
    """The prompt without demonstrations; marks of answers mean nothing here."""
    segments = prompt.query or prompt.segments
    return Rendered(tuple(s if s.origin != "answer" else Segment("") for s in segments))
