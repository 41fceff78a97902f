"""From a model's name to a frozen model in memory. Knows files, the hub and transformers; nothing of prompts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)
from transformers.utils import logging as transformers_logging

from autoprompt_search.backends.hf.identity import weight_files, weight_names
from autoprompt_search.core.disk import is_folder, is_there
from autoprompt_search.core.errors import ConfigError, first_line

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Names of number formats that a model can be held in."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_TEXT_PATTERNS = ["*.json", "*.txt", "*.model", "*.jinja"]
_WEIGHT_PATTERNS = ["model*.safetensors"]
_SUBFOLDERS = "[!1]*/*"
"""Other formats lie in subfolders; only 1_Pooling says something about the model itself."""


_OWN_CODE = "use a model whose architecture transformers has itself"
_HEADS = ("embed_out.weight", "output_layer.weight")
"""Heads whose names in checkpoints are not those of the modules."""


def resolve_folder(model: str, revision: str | None = None, *, weights: bool = True) -> Path:
    """The local folder of a model: a built-in, a folder, or the snapshot of a hub repository.

    Args:
        model: A built-in (`builtin:gpt`), a folder, or a hub name. What looks like a path is never asked of the hub.
        revision: Branch, tag or commit of a hub repository.
        weights: False fetches configuration and tokenizer only.

    Raises:
        ConfigError: The folder does not exist, or the hub has not given the files.
    """
    if model.startswith("builtin:"):
        return _builtin(model)
    path = Path(model).expanduser()
    if is_folder(path):
        if not (path / "config.json").is_file():
            raise ConfigError(f"model: the folder {model!r} holds no config.json")
        return path
    if is_there(path):
        what = "GGUF files are for other programs" if path.suffix.lower() == ".gguf" else "a model is a folder"
        raise ConfigError(f"model: {model!r} is a file, and {what}: name a folder with config.json and safetensors")
    if _is_path(model):
        raise ConfigError(f"model: the folder {model!r} does not exist")
    return _snapshot(model, revision, weights)


def _builtin(model: str) -> Path:
    from autoprompt_search.embedded import BUILTIN

    folder = BUILTIN.get(model)
    if folder is None:
        raise ConfigError(f"model: unknown built-in model {model!r}; known: {', '.join(BUILTIN)}")
    if not (folder / "config.json").is_file():
        raise ConfigError(f"model: {model!r} is not part of this installation: {folder} is missing")
    return folder


def _is_path(model: str) -> bool:
    """Whether the text can only mean a place on this machine."""
    if model.startswith((".", "/", "~")) or not _HUB_NAME.fullmatch(model) or is_there(Path(model)):
        return True
    return "/" in model and is_folder(Path(model).parent)


def _snapshot(model: str, revision: str | None, weights: bool) -> Path:
    patterns = [*_TEXT_PATTERNS, *_WEIGHT_PATTERNS] if weights else _TEXT_PATTERNS
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=patterns, ignore_patterns=[_SUBFOLDERS]))
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as exc:
        reason = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
        where = f"{model!r} (revision {revision!r})" if revision else repr(model)
        message = f"model: {where} is no folder here, and the model hub has not given it: {reason}"
        raise ConfigError(message) from exc


def load_config(folder: Path) -> Any:
    """The model's configuration; `ConfigError` when it cannot be read."""
    if _needs_own_code(folder):
        raise ConfigError(f"model: {folder} comes with code of its own, which is never run: {_OWN_CODE}")
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as exc:
        raise ConfigError(f"model: the configuration in {folder} cannot be read: {first_line(exc)}") from exc


def _needs_own_code(folder: Path) -> bool:
    """Whether the configuration names classes of the folder's own Python files and transformers has none for it."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "auto_map" in config and config.get("model_type") not in CONFIG_MAPPING_NAMES


def load_tokenizer(folder: Path) -> Any:
    """The model's tokenizer; `ConfigError` when there is none."""
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as exc:
        raise ConfigError(f"model: the tokenizer in {folder} cannot be read: {first_line(exc)}") from exc


_OFFSET = (
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "longformer",
    "mpnet",
    "xmod",
)
"""Architectures whose positions begin behind the padding token's id."""


def context_length(config: Any, tokenizer: Any) -> int | None:
    """Positions the model has, or None when it names no limit."""
    text = config.get_text_config()
    for name in ("max_position_embeddings", "max_seq_len", "seq_length", "n_positions"):
        length = getattr(text, name, None)
        if isinstance(length, int) and length > 0:
            return length - (text.pad_token_id + 1 if text.model_type in _OFFSET else 0)
    length = tokenizer.model_max_length
    return int(length) if length < 10**9 else None


def weights_problem(model: str, folder: Path) -> str | None:
    """That a folder of the user holds no weights we read; None for a hub repository, whose weights come later."""
    is_local = model.startswith("builtin:") or is_folder(Path(model).expanduser())
    return _no_weights(folder) if is_local and not weight_files(folder) else None


def _no_weights(folder: Path) -> str:
    return f"model: {folder} holds no safetensors weights (other formats are not read)"


@dataclass(frozen=True, slots=True)
class Form:
    """The form in which a model is loaded."""

    name: str
    """Its name in error messages."""
    auto: Any
    """One of transformers' `AutoModel...` classes."""
    mapping: Mapping[str, Any]
    """Architectures that have this form."""
    reads_both_ways: bool = False
    """Whether a state depends on what stands after it, too."""
    needs_head: bool = True
    spare: tuple[str, ...] = ()
    """Beginnings of weights that are never used and may be missing."""


CAUSAL = Form("causal LM", AutoModelForCausalLM, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
MASKED = Form("masked LM", AutoModelForMaskedLM, MODEL_FOR_MASKED_LM_MAPPING_NAMES, reads_both_ways=True)
SEQ2SEQ = Form("seq2seq LM", AutoModelForSeq2SeqLM, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES)
ENCODER = Form(
    "encoder", AutoModel, MODEL_MAPPING_NAMES, reads_both_ways=True, needs_head=False, spare=("pooler.", "lm_head.")
)
CLASSIFIER = Form(
    "sequence classification",
    AutoModelForSequenceClassification,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    reads_both_ways=True,
)


def head_problem(folder: Path, config: Any, form: Form) -> str | None:
    """Why this folder cannot be loaded in this form, judged without reading weights; None when it can.

    transformers fills a missing head with random numbers and goes on, so it is looked for by name.
    """
    kind = config.model_type
    if kind not in form.mapping:
        return f"model: {folder} holds a {kind!r} model, which has no {form.name} form"
    names = weight_names(folder)
    if not form.needs_head or not names:
        return None
    head = _head_names(config, form)
    if not head or names.intersection(head) or any(name.endswith(_HEADS) for name in names):
        return None
    # Old checkpoints call parts of a head otherwise (gamma and beta): only a head without any part is missing.
    return f"model: {folder} has no head for {form.name} ({head[0]} is not among its weights): it would be random"


def _head_names(config: Any, form: Form) -> list[str]:
    """Names of the head's own weights, those tied to the embeddings left out."""
    with torch.device("meta"):
        model = form.auto.from_config(config, trust_remote_code=False)
    body, prefix = model.base_model, f"{model.base_model_prefix}."
    if body is model:  # an encoder-decoder that is its own body: the head is its output embedding
        head = model.get_output_embeddings()
        names = [f"{n}.weight" for n, module in model.named_modules() if module is head]
    else:
        names = [name for name in model.state_dict() if not name.startswith(prefix)]
    tied = set(getattr(model, "all_tied_weights_keys", None) or {})
    return sorted((n for n in names if n not in tied and n != "final_logits_bias"), key=lambda n: n.endswith("bias"))


def class_of(config: Any, form: Form) -> Any:
    """The class that a model of this configuration has in this form; None where there is none."""
    return form.auto._model_mapping.get(type(config), None)


def load_model(folder: Path, device: torch.device, dtype: torch.dtype, form: Form) -> PreTrainedModel:
    """The frozen model: evaluation mode, no gradients, head present.

    Raises:
        ConfigError: No safetensors weights, or some weights are missing (a missing head is never made up).
    """
    if not weight_files(folder):
        raise ConfigError(_no_weights(folder))
    try:
        with _without_progress_bars():
            model, info = form.auto.from_pretrained(
                folder,
                dtype=dtype,
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError) as exc:
        raise ConfigError(f"model: the weights in {folder} cannot be loaded: {first_line(exc)}") from exc
    lacking = sorted(map(str, info["missing_keys"])) + sorted(str(m[0]) for m in info["mismatched_keys"])
    missing = [name for name in lacking if not name.startswith(form.spare)]
    if missing:
        named = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise ConfigError(f"model: {folder} lacks weights that would be random: {named}")
    return model.to(device).eval().requires_grad_(False)


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA, else MPS, else CPU; `ConfigError` for a device this machine has not."""
    if name == "auto":
        accelerated = [d for d in ("cuda", "mps") if _is_available(d)]
        return torch.device(accelerated[0] if accelerated else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise ConfigError(f"device: {name!r} is not a device; write auto, cpu, cuda, cuda:1 or mps") from exc
    if not _is_available(device.type):
        raise ConfigError(f"device: {name!r} is not available on this machine")
    return device


@lru_cache
def _is_available(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    return kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available())


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on a CUDA device that has it, float32 elsewhere."""
    if name != "auto":
        return DTYPES[name]
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
