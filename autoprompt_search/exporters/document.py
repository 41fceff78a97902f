"""The written form of an exported prompt: one YAML document that a person can read and a program can take apart.

Knows the types of a prompt and nothing of models, searches or folders.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from enum import Enum
from pathlib import PurePath
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from autoprompt_search.core.errors import TamperedError
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.protocols import FinalPrompt
from autoprompt_search.core.types import Demonstrations, Example, Layout, Prompt, Scalar, SoftPrompt, Template
from autoprompt_search.prompting import answer_words, prefix_and_query, render_text

FORMAT = 1
"""Version of the layout of an exported folder; a reader refuses a higher one."""

DOCUMENT = "prompt.yaml"
POOL = "demonstrations.jsonl"
"""Where the examples to choose from stand when every query gets demonstrations of its own."""
GOLDEN = "golden.jsonl"
ADAPTER = "adapter"
ADAPTER_CONFIG = "adapter/adapter_config.json"
ADAPTER_WEIGHTS = "adapter/adapter_model.safetensors"

_HEAD = """\
# One prompt, found and measured by autoprompt_search. README.md says how to use it, with this package or without it.
# `rendered` is what the model reads; `parts` are what it is made of. manifest.json holds the hash of this file.
"""
_DECODING = {
    "mode": "label log-likelihood",
    "rule": "tokenise prompt + answer as one text, special tokens in it read as plain text; an answer scores the sum "
    "of the log-probabilities of its tokens; probabilities of several answers of one label add; the likeliest label "
    "wins, the first named one when equal",
}


@dataclass(frozen=True, slots=True)
class Document:
    """An exported prompt as read back, not yet tied to a model."""

    name: str
    prompt: Prompt
    """Complete, demonstrations and soft weights included."""
    labels: tuple[str, ...]
    fields: tuple[str, ...]
    backend: Mapping[str, Any]
    model: str
    model_fingerprint: str
    data: Mapping[str, str]
    scores: Mapping[str, Any]
    created_with: str


def document(final: FinalPrompt) -> dict[str, Any]:
    """The content of `prompt.yaml`, plain values only, in reading order."""
    prompt = final.prompt
    return {
        "format": FORMAT,
        "name": final.name,
        "created_with": final.created_with,
        "verdict": plain(final.scores.get("verdict")),
        "rendered": rendered(prompt, final.labels),
        "parts": {
            "labels": list(final.labels),
            "fields": list(final.fields),
            "template": plain(prompt.template),
            "instruction": prompt.instruction,
            "layout": plain(prompt.layout),
            "verbalizer": {label: list(prompt.verbalizer[label]) for label in final.labels},
            "demonstrations": _demonstrations(prompt.demos),
            "fingerprint": prompt.fingerprint,
        },
        "decoding": dict(_DECODING),
        "model": {
            "name": final.model,
            "fingerprint": final.model_fingerprint,
            "backend": plain(final.backend),
        },
        "soft_prompt": _soft(prompt.soft),
        "data": {split: str(value) for split, value in final.data_fingerprints.items()},
        "scores": plain(final.scores),
    }


def rendered(prompt: Prompt, labels: Sequence[str]) -> dict[str, Any]:
    """What the model reads: the text before the query, the query with its slots, and every label's continuations.

    For a prompt whose demonstrations are chosen per query, the prefix ends where they begin; each
    line of the pool file holds its own text.
    """
    fixed = () if prompt.demos.per_query else prompt.demos.examples
    prefix, query = prefix_and_query(prompt, fixed)
    answers, groups = answer_words(prompt, labels)
    by_label = {label: [a for a, g in zip(answers, groups, strict=True) if g == i] for i, label in enumerate(labels)}
    return {"prefix": prefix, "query": query, "answers": by_label}


def to_yaml(content: Mapping[str, Any]) -> bytes:
    """UTF-8 YAML, texts of several lines as blocks; any text comes back as it was."""
    text = yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)
    return (_HEAD + text).encode()


def from_yaml(data: bytes) -> dict[str, Any]:
    """The mapping in a `prompt.yaml`; `TamperedError` when there is none or its format is not ours."""
    try:
        content = yaml.safe_load(data.decode())
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise TamperedError(f"{DOCUMENT} cannot be read: {_first_line(exc)}") from exc
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise TamperedError(f"{DOCUMENT} is not the description of a prompt: it names no format")
    if content["format"] > FORMAT:
        message = f"{DOCUMENT} has format {content['format']}, this version reads up to {FORMAT}: update the package"
        raise TamperedError(message)
    return content


def pool_lines(prompt: Prompt) -> list[dict[str, Any]]:
    """The examples of a per-query prompt, each with its text as a demonstration, separator included."""
    bare = replace(prompt, instruction="", demos=Demonstrations(), soft=None)
    return [
        {**plain(e), "text": render_text(bare, e, answer=True) + prompt.layout.demo_separator}
        for e in prompt.demos.examples
    ]


def golden_lines(final: FinalPrompt) -> list[dict[str, Any]]:
    """Items with the prediction each got, without those that are demonstrations: a user's input never is one."""
    shown = {e.id for e in final.prompt.demos.examples}
    kept = ((example, label) for example, label in final.golden if example.id not in shown)
    return [{"id": e.id, "inputs": dict(e.inputs), "prediction": label} for e, label in kept]


def to_jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """One JSON object a line, UTF-8."""
    return b"".join(_json_line(row) + b"\n" for row in rows)


def from_jsonl(data: bytes, name: str) -> list[dict[str, Any]]:
    """The objects in a JSONL file; `TamperedError` names file and line."""
    rows = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise TamperedError(f"{name}, line {number}: not JSON") from exc
        if not isinstance(row, dict):
            raise TamperedError(f"{name}, line {number}: not an object")
        rows.append(row)
    return rows


def read(files: Mapping[str, bytes]) -> Document:
    """The exported prompt in these files (path in the folder -> content), checked against itself.

    Raises:
        TamperedError: A part is missing or malformed, or the rendered text is not what the parts give.
    """
    content = from_yaml(files[DOCUMENT])
    try:
        made = _assemble(content, files)
        is_whole = content["rendered"] == rendered(made.prompt, made.labels)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise TamperedError(f"{DOCUMENT} is incomplete or malformed: {_explain(exc)}") from exc
    if not is_whole:
        raise TamperedError(f"{DOCUMENT}: the text under `rendered` is not what its `parts` give")
    return made


def _assemble(content: Mapping[str, Any], files: Mapping[str, bytes]) -> Document:
    parts, model = content["parts"], content["model"]
    demos = _read_demonstrations(parts["demonstrations"], files)
    prompt = Prompt(
        template=TypeAdapter(Template).validate_python(parts["template"]),
        verbalizer=TypeAdapter(dict[str, tuple[str, ...]]).validate_python(parts["verbalizer"]),
        instruction=_TEXT.validate_python(parts["instruction"]),
        layout=TypeAdapter(Layout).validate_python(parts["layout"]),
        demos=demos,
        soft=_read_soft(content["soft_prompt"], files),
    )
    return Document(
        name=_TEXT.validate_python(content["name"]),
        prompt=prompt,
        labels=_TEXTS.validate_python(parts["labels"]),
        fields=_TEXTS.validate_python(parts["fields"]),
        backend=TypeAdapter(dict[str, Any]).validate_python(model["backend"]),
        model=_TEXT.validate_python(model["name"]),
        model_fingerprint=_TEXT.validate_python(model["fingerprint"]),
        data=TypeAdapter(dict[str, str]).validate_python(content["data"]),
        scores=TypeAdapter(dict[str, Any]).validate_python(content["scores"]),
        created_with=_TEXT.validate_python(content["created_with"]),
    )


_TEXT = TypeAdapter(str)
_TEXTS = TypeAdapter(tuple[str, ...])
_EXAMPLES = TypeAdapter(tuple[Example, ...])
_OPTIONS: TypeAdapter[dict[str, Scalar]] = TypeAdapter(dict[str, Scalar])
_ADAPTER: TypeAdapter[dict[str, Scalar | None]] = TypeAdapter(dict[str, Scalar | None])


def _demonstrations(demos: Demonstrations) -> dict[str, Any]:
    head = {"strategy": demos.strategy, "per_query": demos.per_query, "options": plain(demos.options)}
    if demos.per_query:
        return {**head, "pool": POOL, "pool_size": len(demos.examples)}
    return {**head, "examples": [plain(e) for e in demos.examples]}


def _read_demonstrations(content: Mapping[str, Any], files: Mapping[str, bytes]) -> Demonstrations:
    per_query = TypeAdapter(bool).validate_python(content["per_query"])
    rows = from_jsonl(files[POOL], POOL) if per_query else content["examples"]
    return Demonstrations(
        strategy=_TEXT.validate_python(content["strategy"]),
        examples=_EXAMPLES.validate_python(rows),
        per_query=per_query,
        options=_OPTIONS.validate_python(content["options"]),
    )


def _soft(soft: SoftPrompt | None) -> dict[str, Any] | None:
    if soft is None:
        return None
    return {
        "method": soft.method,
        "tokens": soft.tokens,
        "base_model": soft.base_model,
        "sha256": soft.sha256,
        "adapter": ADAPTER,
    }


def _read_soft(content: Mapping[str, Any] | None, files: Mapping[str, bytes]) -> SoftPrompt | None:
    if content is None:
        return None
    if sha256_bytes(files[ADAPTER_WEIGHTS]) != content["sha256"]:
        raise TamperedError(f"{ADAPTER_WEIGHTS} is not the soft prompt that {DOCUMENT} names")
    return SoftPrompt(
        method=_TEXT.validate_python(content["method"]),
        tokens=TypeAdapter(int).validate_python(content["tokens"]),
        base_model=_TEXT.validate_python(content["base_model"]),
        weights=files[ADAPTER_WEIGHTS],
        sha256=_TEXT.validate_python(content["sha256"]),
        adapter=_ADAPTER.validate_python(json.loads(files[ADAPTER_CONFIG])),
    )


def plain(value: Any) -> Any:
    """Mappings, lists and scalars only, so that any reader of YAML or JSON understands it."""
    if isinstance(value, Enum):
        return plain(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, PurePath):
        return value.as_posix()
    if hasattr(value, "item"):  # a NumPy number
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"cannot write a {type(value).__name__} into {DOCUMENT}: {value!r}")


def _json_line(row: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair has no UTF-8 form
        return json.dumps(row).encode()


_LIKE_A_SCALAR = re.compile(r"[-+.]?\d|[yn]$", re.IGNORECASE)
"""Texts that readers of other YAML versions take for a number or a truth value: quoted, so that all agree."""


class _Dumper(yaml.SafeDumper):
    """`SafeDumper` that writes texts of several lines as blocks and never uses anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if "\n" in text and _is_block(text):
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    style = ("'" if _LIKE_A_SCALAR.match(text) else None) if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_block(text: str) -> bool:
    """Whether a block scalar holds the text exactly: YAML gives other line ends and control characters a meaning."""
    return (
        all(c == "\n" or unicodedata.category(c)[0] not in "CZ" or c == " " for c in text) and text.strip("\n ") != ""
    )


_Dumper.add_representer(str, _represent_text)


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]


def _explain(exc: BaseException) -> str:
    if isinstance(exc, ValidationError):
        first = exc.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    return f"no {exc}" if isinstance(exc, KeyError) else _first_line(exc)
