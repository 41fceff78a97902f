"""A frozen Hugging Face model as a backend: what all families share. How one of them reads, its `ModelFamily` says."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from autoprompt_search.backends.hf import adapters, kv, loading, scoring
from autoprompt_search.backends.hf.exclusive import Cell, exclusive, nested_cells
from autoprompt_search.backends.hf.family import ModelFamily
from autoprompt_search.backends.hf.loaded_model import LoadedModel, ModelSpec
from autoprompt_search.backends.hf.positions import Soft, insert, shared_at, wordings
from autoprompt_search.backends.hf.reading import read_units
from autoprompt_search.backends.hf.scoring import Row, Unit
from autoprompt_search.backends.hf.tokenizer import too_long
from autoprompt_search.backends.hf.training import TrainingBatch
from autoprompt_search.backends.hf.truncating import shortened
from autoprompt_search.core.arrays import Floats
from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.nesting import nested
from autoprompt_search.core.prompts import Rendered, SoftPosition, SoftPrompt
from autoprompt_search.core.protocols.model import Scored
from autoprompt_search.core.protocols.tuning import Adapter, Asked

_LAID_OUT = 8192
"""Prompts of trainings whose rows are kept."""


class HfBackend:
    """A frozen model; implements `Backend`, `Scores`, `Embeds` and `Tunes`. Made by the families' functions.

    Prompts are tokenised whole; special tokens written in a text stay text. Weights are loaded at the first
    use, once per process.

    Args:
        spec: The model, and how it is loaded and read.
        family: How it reads.
    """

    def __init__(self, spec: ModelSpec, family: ModelFamily) -> None:
        self._spec, self._family, self._truncate = spec, family, spec.options["truncate"]
        self._laid_out: OrderedDict[tuple[Any, Rendered], list[Row]] = OrderedDict()
        """Rows of prompts that are trained on."""

    @property
    def fingerprint(self) -> str:
        """See `Backend.fingerprint`."""
        return self._spec.fingerprint

    @property
    def architecture(self) -> str:
        """The model's type, as its configuration names it."""
        return str(self._spec.config.model_type)

    @property
    def context(self) -> int | None:
        """Positions of the model; None for no limit."""
        return self._spec.context

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: int = 0) -> list[str]:
        """See `Backend.problems`. Reads files and tokenizer, never weights."""
        problems = self._spec.problems(self._family.refusal)
        if problems:
            return problems
        try:
            prompts = self.set_chats(prompts)
        except ConfigError as exc:
            return list(exc.problems)
        problems += self._family.answer_problems(self._spec.tokenizer.text_of(prompts[0]) if prompts else "", answers)
        if prompts and answers and not problems:
            fitting = self._fitting(prompts, answers, soft)
            units = self._family.units(fitting, answers, None)
            problem = self._length_problem(units, soft, outside=soft)
            problems += [problem] if problem else []
        return problems

    def nested_answers(self, prompts: Sequence[Rendered], answers: Sequence[str]) -> list[tuple[int, int]]:
        """Pairs of answers, as indices, whose shorter one is scored without what goes on to the longer one."""
        units = self._family.units(self._fitting(prompts, answers, 0), answers, None)
        return sorted({(short, long) for _, short, long in self._nested_cells(units, answers)})

    def count_tokens(self, prompts: Sequence[Rendered]) -> list[int]:
        """Tokens of each prompt, without an answer."""
        return [len(ids) for ids in self.prompt_ids(prompts)]

    def set_chats(self, prompts: Sequence[Rendered]) -> list[Rendered]:
        """See `SetsChats.set_chats`."""
        if all(prompt.conversation is None for prompt in prompts):
            return list(prompts)
        if self._family.form is not loading.CAUSAL:
            kind = self._spec.config.model_type
            raise ConfigError(
                f"layout.chat: a {kind!r} model used as a {self._family.form.name} model takes no conversation; "
                "leave layout.chat at none, or use hf-causal with a model that has a chat template"
            )
        return self._spec.chat.set(prompts)

    @property
    def has_chat_template(self) -> bool:
        """Whether the model was trained on conversations, and its tokenizer says how they are written."""
        return self._family.form is loading.CAUSAL and bool(self._spec.tokenizer.raw.chat_template)

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """Tokens that mean something beyond their letters."""
        return tuple(t.content for t in self._spec.tokenizer.raw.added_tokens_decoder.values() if t.special)

    def chat_settings(self) -> dict[str, Any]:
        """See `SetsChats.chat_settings`."""
        return self._spec.chat.settings

    def prompt_ids(self, prompts: Sequence[Rendered]) -> list[list[int]]:
        """See `SetsChats.prompt_ids`."""
        return [list(base.ids) for base in self._family.bases(self.set_chats(prompts))]

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        """See `Scores.score`. Natural log-probabilities, float32 [prompts, answers].

        Raises:
            TrialError: A prompt is longer than the context, or memory is too small for one prompt.
            ConfigError: `soft` belongs to another model, or the model cannot be loaded.
        """
        placed, offset = self._placed(soft), soft.tokens if soft else 0
        prompts = self._fitting(self.set_chats(prompts), answers, offset)
        units = self._family.units(prompts, answers, placed)
        self._check_lengths(units, offset, outside(placed))
        out, asked = self._values(units, (prompts, answers), placed, (len(prompts), len(answers)))
        out = exclusive(out, self._nested_cells(units, answers))
        return Scored(out.numpy(), self._prompt_tokens(prompts, placed), asked)

    def embed(self, texts: Sequence[str]) -> Floats:
        """See `Embeds.embed`. A text beyond the context is cut at its end."""
        tokenizer, context = self._spec.tokenizer, self._spec.context
        limit = None if context is None else context - len(tokenizer.before) - len(tokenizer.after)
        rows = [row[:limit] for row in tokenizer.encode(texts)]
        some = [i for i, row in enumerate(rows) if row]
        vectors: dict[int, torch.Tensor] = {}
        with torch.no_grad():
            for group in scoring.batches(
                [len(rows[i]) for i in some], self._spec.batch_tokens, self._loaded.sizer.passes
            ):
                indices = [some[g] for g in group]
                pooled = self._family.pooled(self._loaded, [rows[i] for i in indices])
                vectors |= dict(zip(indices, torch.nn.functional.normalize(pooled, dim=1).cpu(), strict=True))
        width = len(next(iter(vectors.values()))) if vectors else self._spec.config.get_text_config().hidden_size
        out = np.zeros((len(rows), width), dtype=np.float32)
        for i, row in enumerate(rows):
            if row:
                out[i] = vectors[i].numpy()
            else:
                out[i, 0] = 1  # a text without tokens has no direction of its own
        return out

    def adapter(self, vectors: torch.Tensor, place: SoftPosition) -> Adapter:
        """See `Tunes.adapter`."""
        spec, task = self._spec, self._family.task
        return adapters.to_peft(
            self._loaded.model, vectors, place, task=task, name=spec.model, revision=spec.options["revision"]
        )

    def width(self, place: SoftPosition) -> int:
        """See `Tunes.width`."""
        model = self._loaded.model
        if place.kind == "prefix":
            return kv.shape_of(model).width
        return int(model.get_input_embeddings().embedding_dim)

    def embedding_table(self) -> torch.Tensor:
        """See `Tunes.embedding_table`. Scaled embeddings come out scaled."""
        return self._vectors(range(self._loaded.model.get_input_embeddings().num_embeddings))

    def embed_tokens(self, text: str) -> torch.Tensor:
        """See `Tunes.embed_tokens`. Without BOS."""
        return self._vectors(self._spec.tokenizer.encode([text])[0])

    def own_vectors(self, prompts: Sequence[Rendered], place: SoftPosition, limit: int) -> torch.Tensor:
        """See `Tunes.own_vectors`."""
        if place.kind == "prefix" and (self._family.form.reads_both_ways or self._is_two_part):
            return torch.zeros(0, self.width(place))
        prompts = self.set_chats(prompts)
        ids = shared_at(self._family.bases([*prompts, *wordings(prompts, place)]), place, limit)
        if place.kind == "prefix":
            return kv.text_prefix(self._loaded.model, ids) if ids else torch.zeros(0, self.width(place))
        return self._vectors(ids)

    def text_vectors(self, text: str, place: SoftPosition) -> torch.Tensor:
        """See `Tunes.text_vectors`."""
        if place.kind == "embeddings":
            return self.embed_tokens(text)
        ids = self._spec.tokenizer.encode([text])[0]
        return kv.text_prefix(self._loaded.model, ids) if ids else torch.zeros(0, self.width(place))

    def answer_logliks(
        self, soft: torch.Tensor, place: SoftPosition, prompts: Sequence[Rendered], answers: Sequence[str]
    ) -> torch.Tensor:
        """See `Tunes.answer_logliks`. `soft` may be float32 over weights of any format."""
        return self.answer_logliks_together([Asked(soft, place, prompts, answers)])[0]

    def answer_logliks_together(self, asked: Sequence[Asked]) -> list[torch.Tensor]:
        """See `TunesTogether.answer_logliks_together`."""
        batches = [self._training_batch(one) for one in asked]
        return [
            exclusive(
                scoring.table(batch.rows, values, (len(batch.prompts), len(batch.answers))),
                self._nested_cells([batch.rows], batch.answers),
            )
            for batch, values in zip(batches, self._family.learn(self._loaded, batches), strict=True)
        ]

    @property
    def _loaded(self) -> LoadedModel:
        return self._spec.loaded(self._family.refusal)

    @property
    def _is_two_part(self) -> bool:
        return bool(self._spec.config.is_encoder_decoder)

    def _prompt_tokens(self, prompts: Sequence[Rendered], soft: Soft | None) -> tuple[int, ...]:
        """Tokens of each prompt, soft tokens included."""
        beside = outside(soft) + (soft.length if soft and soft.place.at == "decoder" else 0)
        return tuple(len(insert(base, soft).ids) + beside for base in self._family.bases(prompts))

    def _values(
        self,
        units: Sequence[Unit],
        asked: tuple[Sequence[Rendered], Sequence[str]],
        soft: Soft | None,
        shape: tuple[int, int],
    ) -> tuple[torch.Tensor, int]:
        """See `read_units`."""
        return read_units(
            self._loaded,
            self._family,
            units,
            asked=asked,
            soft=soft,
            shape=shape,
            budget=self._spec.batch_tokens,
            remembers=self._spec.state_megabytes > 0,
        )

    def _nested_cells(self, units: Sequence[Sequence[Row]], answers: Sequence[str]) -> list[Cell]:
        pairs = () if self._family.form.reads_both_ways else nested(answers)
        return nested_cells((row for unit in units for row in unit), pairs) if pairs else []

    def _training_batch(self, asked: Asked) -> TrainingBatch:
        """The rows of one step. A training sees its prompts many times: they are laid out once."""
        soft = Soft(asked.soft, asked.place)
        layout = (asked.place, soft.length, tuple(asked.answers))
        new = [prompt for prompt in dict.fromkeys(asked.prompts) if (layout, prompt) not in self._laid_out]
        layouts = self._rows(new, asked.answers, soft) if new else {}
        layouts |= {prompt: self._laid_out[layout, prompt] for prompt in asked.prompts if prompt not in layouts}
        self._lay_out(layout, {prompt: layouts[prompt] for prompt in new})
        rows = [row.of(number) for number, prompt in enumerate(asked.prompts) for row in layouts[prompt]]
        return TrainingBatch(rows, soft, asked.prompts, asked.answers)

    def _lay_out(self, layout: object, found: Mapping[Rendered, list[Row]]) -> None:
        """Keep rows of prompts that are trained on; the oldest go."""
        self._laid_out |= {(layout, prompt): rows for prompt, rows in found.items()}
        while len(self._laid_out) > _LAID_OUT:
            self._laid_out.popitem(last=False)

    def _rows(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: Soft) -> dict[Rendered, list[Row]]:
        fitting = self._fitting(self.set_chats(prompts), answers, soft.length)
        units = self._family.units(fitting, answers, soft)
        self._check_lengths(units, soft.length, outside(soft))
        rows_of: dict[Rendered, list[Row]] = {prompt: [] for prompt in prompts}
        for row in (row for unit in units for row in unit):
            rows_of[prompts[row.wants[0].prompt]].append(row)
        return rows_of

    def _fitting(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: int) -> Sequence[Rendered]:
        """The prompts, cut where that is wanted and needed."""
        context = self._spec.context
        if self._truncate is None or context is None or not prompts or not answers:
            return prompts
        field, tokenizer = self._truncate, self._spec.tokenizer

        def lengths(some: Sequence[Rendered]) -> list[int]:
            longest = self._lengths(self._family.units(some, answers, None))
            return [longest[i] + soft for i in range(len(some))]

        return [
            shortened(prompt, field, tokenizer, lambda one: lengths([one])[0] - context) if n > context else prompt
            for prompt, n in zip(prompts, lengths(prompts), strict=True)
        ]

    def _lengths(self, units: Sequence[Unit]) -> dict[int, int]:
        """Per prompt the positions of its longest row."""
        longest: dict[int, int] = {}
        for row in (row for unit in units for row in unit):
            length = max(len(row.ids) + self._family.extra, len(row.source))
            longest[row.wants[0].prompt] = max(longest.get(row.wants[0].prompt, 0), length)
        return longest

    def _length_problem(self, units: Sequence[Unit], soft: int, outside: int) -> str | None:
        """What is too long, of rows that hold their soft tokens but for `outside` of them."""
        if any(want.place < 0 for unit in units for row in unit for want in row.wants):
            return "a prompt has no token before the answer: nothing to continue from"
        longest = [length + outside for length in self._lengths(units).values()]
        return too_long(longest, soft=soft, context=self._spec.context)

    def _check_lengths(self, units: Sequence[Unit], soft: int, outside: int) -> None:
        problem = self._length_problem(units, soft, outside)
        if problem:
            raise TrialError(problem)

    def _placed(self, soft: SoftPrompt | None) -> Soft | None:
        if soft is None:
            return None
        if soft.base_model != self.fingerprint:
            raise ConfigError(
                f"the soft prompt was trained on model {soft.base_model}, and "
                f"{self._spec.model!r} is {self.fingerprint}"
            )
        model = self._loaded.model
        vectors = adapters.from_peft(model, soft, self.width(soft.place))
        return Soft(vectors.to(model.dtype), soft.place, f"{soft.sha256}{soft.place}")

    def _vectors(self, ids: Sequence[int]) -> torch.Tensor:
        model = self._loaded.model
        with torch.no_grad():
            vectors = model.get_input_embeddings()(torch.tensor(list(ids), dtype=torch.long, device=model.device))
        return vectors.float()  # type: ignore[no-any-return]


def outside(soft: Soft | None) -> int:
    """Positions that a soft prompt takes beside the ids of a row."""
    return soft.length if soft is not None and soft.is_prefix else 0
