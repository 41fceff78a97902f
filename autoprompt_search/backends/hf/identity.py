"""Which model a folder holds: a digest of its content, wherever the folder lies. Knows files only, no torch."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from autoprompt_search.core.fingerprint import fingerprint, sha256_bytes, sha256_file

FULL_HASH_BYTES = 2 * 1024**3
"""Weights up to this size in total are hashed whole; larger ones by header, size and sampled chunks."""

_CHUNK = 1024**2
_CHUNKS = 64
_TOKENIZER_FILES = (
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "merges.txt",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
_VOLATILE = ("_name_or_path", "name_or_path", "transformers_version")
"""Fields of JSON files that say where a model came from, not what it is."""

_ENDS = ("eos_token_id", "forced_bos_token_id")
"""Fields of the generation settings that decide which text a model writes."""


def model_fingerprint(folder: Path) -> str:
    """Digest of configuration, tokenizer, weights and end tokens; equal for equal content in any place.

    Args:
        folder: A model folder with safetensors weights.
    """
    weights = weight_files(folder)
    whole = sum(path.stat().st_size for path in weights) <= FULL_HASH_BYTES
    parts: dict[str, str] = {path.name: _cached_digest(path, whole) for path in weights}
    for name in ("config.json", *_TOKENIZER_FILES):
        path = folder / name
        if path.is_file():
            parts[name] = _text_digest(path)
    ends = _generation_ends(folder)
    return fingerprint({**parts, "generation_config.json": fingerprint(ends)} if ends else parts)


def _generation_ends(folder: Path) -> dict[str, object]:
    """What generation takes from `generation_config.json`, where that says anything else than `config.json`."""
    path = folder / "generation_config.json"
    if not path.is_file():
        return {}
    said, known = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (path.name, "config.json"))
    return {name: said[name] for name in _ENDS if said.get(name) is not None and said[name] != known.get(name)}


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files `from_pretrained` would read, sorted by name; [] when there are none."""
    whole = folder / "model.safetensors"
    if whole.is_file():
        return [whole]
    return sorted(folder.glob("model-*.safetensors"))


def weight_names(folder: Path) -> frozenset[str]:
    """Names of all stored tensors, from the headers alone; empty when there are no safetensors files."""
    index = folder / "model.safetensors.index.json"
    if index.is_file() and not (folder / "model.safetensors").is_file():
        return frozenset(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
    return frozenset(
        name for path in weight_files(folder) for name in json.loads(_header(path)) if name != "__metadata__"
    )


def _header(path: Path) -> bytes:
    """The JSON header of a safetensors file: 8 bytes of length, then the text."""
    with path.open("rb") as file:
        return file.read(int.from_bytes(file.read(8), "little"))


def _text_digest(path: Path) -> str:
    if path.suffix != ".json":
        return sha256_file(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, dict):
        content = {key: value for key, value in content.items() if key not in _VOLATILE}
    return fingerprint(content)


def _cached_digest(path: Path, whole: bool) -> str:
    resolved = path.resolve()
    stat = resolved.stat()
    return _digest(resolved, stat.st_size, stat.st_mtime_ns, whole)


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, _changed: int, whole: bool) -> str:
    """Hash of one weight file; size and time of change are part of the key, so that an edited file is read again."""
    if whole:
        return sha256_file(path)
    digest = hashlib.sha256(sha256_bytes(_header(path)).encode() + str(size).encode())
    with path.open("rb") as file:
        for number in range(_CHUNKS):
            file.seek(max(0, size - _CHUNK) * number // (_CHUNKS - 1))
            digest.update(file.read(_CHUNK))
    return digest.hexdigest()
