"""Any causal LM that transformers can load, frozen: scores answers, embeds texts, gives gradients to soft prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors

from autoprompt_search.backends import loading, scoring
from autoprompt_search.backends.identity import model_fingerprint
from autoprompt_search.backends.prefixes import Prefix, PrefixStore, Soft
from autoprompt_search.backends.tokens import Encoder, check_lengths, length_problem
from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.protocols import Floats, Scored
from autoprompt_search.core.types import Rendered, SoftPrompt

_SHORTEST_PREFIX = 8
"""Shared beginnings below this many tokens are not worth a forward pass of their own."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What stays in memory of one model."""

    model: Any
    prefixes: PrefixStore


_LOADED: dict[tuple[str, str, str], _Loaded] = {}
"""Models of this process by (fingerprint, device, dtype): every backend of one model shares its weights."""


class HfCausal:
    """A frozen causal LM; implements `Backend`, `Scores`, `Embeds` and `Tunes`.

    Prompts are tokenised whole; special tokens written in a text stay text. Weights are loaded at the
    first use, once per process.

    Args:
        model: Hub name, local folder, or `builtin:gpt`.
        revision: Branch, tag or commit of a hub repository.
        device: `auto` (CUDA, else MPS, else CPU) or a torch device.
        dtype: `auto` is bfloat16 on CUDA where supported, else float32.
        batch_tokens: Budget of one forward pass: rows x (shared prefix + longest rest). On CPUs a few thousand
            are best; raise it on GPUs.
        threads: Threads of torch in this process; None leaves them alone.
        prefix_megabytes: Memory for keys and values of shared prompt beginnings.
    """

    def __init__(
        self,
        model: str,
        *,
        revision: str | None = None,
        device: str = "auto",
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        batch_tokens: Annotated[int, Field(ge=1)] = 8192,
        threads: Annotated[int, Field(ge=1)] | None = None,
        prefix_megabytes: Annotated[int, Field(ge=0)] = 256,
    ) -> None:
        self.model = model
        self.revision = revision
        self.device = device
        self.dtype = dtype
        self.batch_tokens = batch_tokens
        self.threads = threads
        self.prefix_megabytes = prefix_megabytes

    @cached_property
    def fingerprint(self) -> str:
        """Of configuration, tokenizer and weights; equal wherever the files lie. `ConfigError` without a model."""
        return model_fingerprint(self._folder)

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str]) -> list[str]:
        """See `Backend.problems`. Reads files and tokenizer, never weights."""
        try:
            loading.pick_device(self.device)
            head = loading.weights_problem(self.model, self._texts_folder) or loading.head_problem(
                self._texts_folder, self._config
            )
            encoder = self._encoder
        except ConfigError as exc:
            return list(exc.problems)
        found = [head] if head else []
        found += _answer_problems(encoder, prompts[0].text if prompts else "", answers)
        if prompts:
            joined = encoder.join([p.text for p in prompts], answers)
            length = length_problem(joined, soft=0, context=self._context)
            found += [length] if length else []
        return found

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        """See `Scores.score`. Natural log-probabilities over the whole vocabulary, float32 [prompts, answers].

        Raises:
            TrialError: A prompt is longer than the context, or memory is too small for one prompt.
            ConfigError: `soft` belongs to another model, or the model cannot be loaded.
        """
        loaded = self._loaded
        vectors = self._soft_vectors(soft) if soft else None
        offset = soft.tokens if soft else 0
        joined = self._encoder.join([p.text for p in prompts], answers)
        check_lengths(joined, soft=offset, context=self._context)
        rows = scoring.rows_of(joined)
        try:
            front = self._prefix(loaded, rows, vectors) or vectors
            shape = (len(prompts), len(answers))
            values = scoring.score_rows(loaded.model, rows, shape, front=front, budget=self.batch_tokens)
        except RuntimeError as exc:
            if scoring.out_of_memory(exc):
                raise TrialError("out of memory while reading the prompts' shared beginning") from exc
            raise
        return Scored(values.numpy(), tuple(len(one.prompt) + offset for one in joined))

    def embed(self, texts: Sequence[str]) -> Floats:
        """See `Embeds.embed`. Mean of the last hidden states over the text's tokens, cut at the context's end."""
        model = self._loaded.model
        ids = [row[: self._context] for row in self._encoder.prompts(texts)]
        out = np.zeros((len(ids), model.get_output_embeddings().weight.shape[1]), dtype=np.float32)
        out[:, 0] = [not row for row in ids]  # a text without tokens has no direction of its own
        some = [i for i, row in enumerate(ids) if row]
        for group in scoring.batches([len(ids[i]) for i in some], self.batch_tokens):
            with torch.no_grad():
                batch = scoring.padded([ids[some[g]] for g in group], model.device)
                hidden = model.base_model(input_ids=batch, use_cache=False).last_hidden_state.float()
                for place, i in enumerate(some[g] for g in group):
                    vector = hidden[place, : len(ids[i])].mean(0)
                    out[i] = torch.nn.functional.normalize(vector, dim=0).cpu().numpy()
        return out

    def adapter_config(self, tokens: int) -> Mapping[str, str | int | float | bool | None]:
        """See `Tunes.adapter_config`. Vectors are stored as the first layer receives them, initialisation named RANDOM:
        PEFT's text initialisation would load a tokenizer by the name in this file."""
        config = self._config.get_text_config()
        return {
            "peft_type": "PROMPT_TUNING",
            "task_type": "CAUSAL_LM",
            "inference_mode": True,
            "base_model_name_or_path": self.model,
            "revision": self.revision,
            "num_virtual_tokens": tokens,
            "token_dim": self._loaded.model.get_input_embeddings().embedding_dim,
            "num_transformer_submodules": 1,
            "num_attention_heads": getattr(config, "num_attention_heads", None),
            "num_layers": getattr(config, "num_hidden_layers", None),
            "prompt_tuning_init": "RANDOM",
            "prompt_tuning_init_text": None,
            "tokenizer_name_or_path": None,
        }

    def embedding_table(self) -> torch.Tensor:
        """See `Tunes.embedding_table`. Scaled embeddings come out scaled."""
        embeddings = self._loaded.model.get_input_embeddings()
        return self._vectors_of(range(embeddings.num_embeddings))

    def embed_tokens(self, text: str) -> torch.Tensor:
        """See `Tunes.embed_tokens`. Without BOS."""
        return self._vectors_of(self._encoder.texts([text])[0])

    def answer_logliks(self, soft: torch.Tensor, prompts: Sequence[Rendered], answers: Sequence[str]) -> torch.Tensor:
        """See `Tunes.answer_logliks`. One forward pass; `soft` may be float32 over weights of any format."""
        model = self._loaded.model
        joined = self._encoder.join([p.text for p in prompts], answers)
        check_lengths(joined, soft=len(soft), context=self._context)
        rows = scoring.rows_of(joined)
        values = scoring.read(model, rows, Soft(soft))
        return scoring.table(rows, values, (len(prompts), len(answers)))

    @cached_property
    def _folder(self) -> Path:
        return loading.resolve_folder(self.model, self.revision)

    @cached_property
    def _texts_folder(self) -> Path:
        """Configuration and tokenizer, without waiting for the weights of a hub repository."""
        return loading.resolve_folder(self.model, self.revision, weights=False)

    @cached_property
    def _config(self) -> Any:
        return loading.load_config(self._texts_folder)

    @cached_property
    def _tokenizer(self) -> Any:
        return loading.load_tokenizer(self._texts_folder)

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self._tokenizer)

    @cached_property
    def _context(self) -> int | None:
        return loading.context_length(self._config, self._tokenizer)

    @property
    def _loaded(self) -> _Loaded:
        device = loading.pick_device(self.device)
        dtype = loading.pick_dtype(self.dtype, device)
        key = (self.fingerprint, str(device), str(dtype))
        if key not in _LOADED:
            if self.threads:
                torch.set_num_threads(self.threads)
            problem = loading.head_problem(self._folder, self._config)
            if problem:
                raise ConfigError(problem)
            store = PrefixStore(self.prefix_megabytes * 1024**2)
            _LOADED[key] = _Loaded(loading.load_model(self._folder, device, dtype), store)
        return _LOADED[key]

    def _prefix(self, loaded: _Loaded, rows: Sequence[scoring.Row], soft: Soft | None) -> Prefix | None:
        shared = scoring.shared_length(rows)
        if not rows or (soft is None and (len(rows) < 2 or shared < _SHORTEST_PREFIX)):
            return None
        return loaded.prefixes.get(loaded.model, rows[0].ids[:shared], soft)

    def _vectors_of(self, ids: Sequence[int]) -> torch.Tensor:
        model = self._loaded.model
        with torch.no_grad():
            found = model.get_input_embeddings()(torch.tensor(list(ids), dtype=torch.long, device=model.device))
        return found.float()  # type: ignore[no-any-return]

    def _soft_vectors(self, soft: SoftPrompt) -> Soft:
        if soft.base_model != self.fingerprint:
            raise ConfigError(
                f"the soft prompt was trained on model {soft.base_model}, and {self.model!r} is {self.fingerprint}"
            )
        try:
            vectors = load_safetensors(soft.weights)["prompt_embeddings"]
        except (SafetensorError, KeyError) as exc:
            raise ConfigError(f"the soft prompt holds no prompt_embeddings: {exc}") from exc
        width = self._loaded.model.get_input_embeddings().embedding_dim
        if tuple(vectors.shape) != (soft.tokens, width):
            raise ConfigError(f"the soft prompt is {list(vectors.shape)}, not [{soft.tokens}, {width}]")
        model = self._loaded.model
        return Soft(vectors.to(device=model.device, dtype=model.dtype), soft.sha256)


def _answer_problems(encoder: Encoder, prompt: str, answers: Sequence[str]) -> list[str]:
    """Answers that leave no tokens, and pairs that cannot be told apart, after this prompt."""
    one = encoder.join([prompt], answers)[0]
    found: list[str] = []
    seen: dict[tuple[int, ...], str] = {}
    for answer, whole, start in zip(answers, one.whole, one.starts, strict=True):
        if start == len(whole):
            found.append(f"the answer {answer!r} has no tokens")
        elif tuple(whole) in seen:
            found.append(f"the answers {seen[tuple(whole)]!r} and {answer!r} have the same tokens")
        seen.setdefault(tuple(whole), answer)
    return found
