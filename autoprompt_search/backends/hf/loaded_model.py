"""Which model, where and how it is held in this process. Knows files and devices, no prompts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from autoprompt_search.backends.hf import cascade, loading
from autoprompt_search.backends.hf.batch_sizer import BatchSizer, sizer_on
from autoprompt_search.backends.hf.batching import most_positions
from autoprompt_search.backends.hf.chat import ChatTemplate
from autoprompt_search.backends.hf.encoder_cache import EncoderCache
from autoprompt_search.backends.hf.heads import HiddenStateCache
from autoprompt_search.backends.hf.identity import model_fingerprint
from autoprompt_search.backends.hf.options import LoadingOptions
from autoprompt_search.backends.hf.prefix_cache import PrefixCache
from autoprompt_search.backends.hf.tokenizer import PromptTokenizer
from autoprompt_search.core.errors import ConfigError

_MEGABYTE = 1024**2


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What stays in memory of one model."""

    model: Any
    prefixes: PrefixCache
    states: HiddenStateCache
    sizer: BatchSizer
    vectors: dict[str, torch.Tensor] = field(default_factory=dict)
    """Text -> its vector, for models that compare texts."""
    sources: EncoderCache = field(default_factory=EncoderCache)
    """What an encoder made of prompts, for models with a decoder behind it."""
    tried: dict[str, bool] = field(default_factory=dict)
    """What was found out about this model by trying."""

    def can(self, what: str, trial: Callable[[], bool]) -> bool:
        """The outcome of `trial`, which is made once."""
        if what not in self.tried:
            self.tried[what] = trial()
        return self.tried[what]


_LOADED: dict[tuple[str, ...], LoadedModel] = {}
"""Models of this process by (fingerprint, form, device, dtype, attention): every backend of one model shares its
weights."""


@dataclass(frozen=True)
class ModelSpec:
    """A model as the user names it; files are read, and weights loaded, at the first use."""

    model: str
    form: loading.Form
    options: LoadingOptions
    """All of them, defaults included."""
    prefix_megabytes: int = 0
    state_megabytes: int = 0
    source_megabytes: int = 0
    attention: str = ""
    """A way to attend that is installed in the model; empty for its own."""

    @property
    def batch_tokens(self) -> int:
        """Most positions of a forward pass: the option, or what suits the device."""
        return self.options["batch_tokens"] or most_positions(loading.pick_device(self.options["device"]))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of configuration, tokenizer and weights, wherever the files lie. `ConfigError` without a model."""
        return model_fingerprint(self.folder)

    @cached_property
    def folder(self) -> Path:
        """The folder of configuration, tokenizer and weights."""
        return loading.resolve_folder(self.model, self.options["revision"])

    @cached_property
    def tokenizer_folder(self) -> Path:
        """Configuration and tokenizer, without waiting for the weights of a hub repository."""
        return loading.resolve_folder(self.model, self.options["revision"], weights=False)

    @cached_property
    def config(self) -> Any:
        """The model's configuration."""
        return loading.load_config(self.tokenizer_folder)

    @cached_property
    def tokenizer(self) -> PromptTokenizer:
        """The tokenizer as prompts use it."""
        return PromptTokenizer(loading.load_tokenizer(self.tokenizer_folder))

    @cached_property
    def chat(self) -> ChatTemplate:
        """The tokenizer's chat template at work."""
        return ChatTemplate(self.tokenizer.raw)

    @cached_property
    def context(self) -> int | None:
        """Positions; None for no limit."""
        return loading.context_length(self.config, self.tokenizer.raw)

    def problems(self, refusal: Callable[[], str | None]) -> list[str]:
        """Why this model cannot be used, judged by files alone; [] when it can.

        Args:
            refusal: Says what a family has against the configuration.
        """
        try:
            loading.pick_device(self.options["device"])
            folder, _ = self.tokenizer_folder, self.config
            problem = loading.weights_problem(self.model, folder) or self._head_problem(folder, refusal)
            _ = self.tokenizer
        except ConfigError as exc:
            return list(exc.problems)
        return [problem] if problem else []

    def loaded(self, refusal: Callable[[], str | None]) -> LoadedModel:
        """The model in memory, the same one for every backend of this process that names it."""
        device = loading.pick_device(self.options["device"])
        dtype = loading.pick_dtype(self.options["dtype"], device)
        key = (self.fingerprint, self.form.name, str(device), str(dtype), self.attention)
        if key not in _LOADED:
            threads = self.options["threads"]
            if threads:
                torch.set_num_threads(threads)
            problem = self._head_problem(self.folder, refusal)
            if problem:
                raise ConfigError(problem)
            model = loading.load_model(self.folder, device, dtype, self.form)
            if self.attention == "cascade":
                cascade.install(model)
            states = HiddenStateCache(self.state_megabytes * _MEGABYTE, one_way=not self.form.reads_both_ways)
            prefixes = PrefixCache(self.prefix_megabytes * _MEGABYTE)
            sources = EncoderCache(self.source_megabytes * _MEGABYTE)
            sizer = sizer_on(device, model.config.get_text_config().hidden_size)
            _LOADED[key] = LoadedModel(model, prefixes, states, sizer, sources=sources)
        return _LOADED[key]

    def _head_problem(self, folder: Path, refusal: Callable[[], str | None]) -> str | None:
        problem = refusal()
        if problem:
            return f"model: {folder} {problem}"
        return loading.head_problem(folder, self.config, self.form)
