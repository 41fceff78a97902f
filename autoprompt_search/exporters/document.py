"""`prompt.yaml`: one document that a person can read and a program can take apart, written and read back.

Knows the types of a prompt and nothing of models, searches or folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from autoprompt_search.core.bounded import loads
from autoprompt_search.core.chat import Chat
from autoprompt_search.core.errors import TamperedError
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.prompts import Demonstrations, Layout, Prompt, SoftPosition, SoftPrompt, Template
from autoprompt_search.core.protocols.output import FinalPrompt, PortablePrompt
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.types import Example, Scalar
from autoprompt_search.exporters.decoding import OF_LABELS, calibration, decoding, is_of_labels, read_answers
from autoprompt_search.exporters.formats import IDS, first_line, from_jsonl, from_yaml, plain, to_yaml
from autoprompt_search.exporters.written import rendered

FORMAT = 4
"""Version of the layout of an exported folder; a reader refuses a higher one.

Version 1 knew soft prompts at the start only, and neither slots for answers, second texts nor calibration; up
to version 2 it was not said how rows of data are read, and there were no conversations; up to version 3 every answer
was a label that is compared.
"""

DOCUMENT = "prompt.yaml"
POOL = "demonstrations.jsonl"
"""Where the examples to choose from stand when every query gets demonstrations of its own."""
GOLDEN = "golden.jsonl"
ADAPTER = "adapter"
ADAPTER_CONFIG = "adapter/adapter_config.json"
ADAPTER_WEIGHTS = "adapter/adapter_model.safetensors"

_MOST_SETTINGS = 10_000
"""Values in the settings of an adapter."""
_HEAD = """\
# One prompt, found and measured by autoprompt_search. README.md says how to use it, with this package or without it.
# `rendered` is what the model reads; `parts` are what it is made of. manifest.json holds the hash of this file.
"""


def write(final: FinalPrompt) -> bytes:
    """The `prompt.yaml` of a prompt."""
    return to_yaml(document(final), _HEAD)


def document(final: FinalPrompt) -> dict[str, Any]:
    """Its content, plain values only, in reading order."""
    prompt = final.prompt
    return {
        "format": OF_LABELS if is_of_labels(prompt.answers) else FORMAT,
        "name": final.name,
        "created_with": final.created_with,
        "verdict": plain(final.scores.get("verdict")),
        "rendered": rendered(prompt, final.labels, final.backend),
        "decoding": decoding(final),
        **({"chat": {name: plain(value) for name, value in final.chat.items() if name != IDS}} if prompt.chat else {}),
        "calibration": calibration(prompt.answers.calibration, final.labels),
        "soft_prompt": _soft(prompt.soft),
        "parts": {
            "labels": list(final.labels),
            "fields": list(final.fields),
            "template": plain(prompt.template),
            "instruction": prompt.instruction,
            "layout": plain(prompt.layout),
            **({"chat": plain(prompt.chat)} if prompt.chat else {}),
            "verbalizer": {label: list(prompt.answers.verbalizer[label]) for label in final.labels},
            "demonstrations": _demonstrations(prompt.demos),
            "fingerprint": prompt.fingerprint,
        },
        "reading": plain(final.reading),
        "model": {
            "name": final.model,
            "fingerprint": final.model_fingerprint,
            "backend": plain(final.backend),
        },
        "data": {split: str(value) for split, value in final.data_fingerprints.items()},
        "scores": plain(final.scores),
    }


def read(files: Mapping[str, bytes]) -> PortablePrompt:
    """The exported prompt in these files (path in the folder -> content), checked against itself.

    Raises:
        TamperedError: A part is missing or malformed, or the rendered text is not what the parts give.
    """
    content = _content(files[DOCUMENT])
    try:
        document = _assemble(content, files)
        is_whole = content["rendered"] == rendered(document.prompt, document.labels, document.backend)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as exc:
        raise TamperedError(f"{DOCUMENT} is incomplete or malformed: {_explain(exc)}") from exc
    if not is_whole:
        raise TamperedError(f"{DOCUMENT}: the text under `rendered` is not what its `parts` give")
    return document


def golden_lines(final: FinalPrompt) -> list[dict[str, Any]]:
    """Items with the prediction each got, without those that are demonstrations: a user's input never is one."""
    shown = {e.id for e in final.prompt.demos.examples}
    kept = ((example, answer) for example, answer in final.golden if example.id not in shown)
    return [{"id": e.id, "inputs": dict(e.inputs), "prediction": answer, **_written(final, e)} for e, answer in kept]


def _written(final: FinalPrompt, example: Example) -> dict[str, Any]:
    """Text that the model wrote, options that it had, and the ids of a conversation, where there are such."""
    texts = {"text": final.golden_texts[example.id]} if example.id in final.golden_texts else {}
    ids: Mapping[str, Sequence[int]] = final.chat.get(IDS, {})
    read = {IDS: list(ids[example.id])} if example.id in ids else {}
    return {**texts, **({"options": list(example.options)} if example.options else {}), **read}


def _content(data: bytes) -> dict[str, Any]:
    content = from_yaml(data, DOCUMENT)
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise TamperedError(f"{DOCUMENT} is not the description of a prompt: it names no format")
    if content["format"] > FORMAT:
        message = f"{DOCUMENT} has format {content['format']}, this version reads up to {FORMAT}: update the package"
        raise TamperedError(message)
    return content


def _assemble(content: Mapping[str, Any], files: Mapping[str, bytes]) -> PortablePrompt:
    parts, model = content["parts"], content["model"]
    demos = _read_demonstrations(parts["demonstrations"], files)
    prompt = Prompt(
        template=TypeAdapter(Template).validate_python(parts["template"]),
        answers=read_answers(content),
        instruction=_TEXT.validate_python(parts["instruction"]),
        layout=TypeAdapter(Layout).validate_python(parts["layout"]),
        demos=demos,
        soft=_read_soft(content["soft_prompt"], files),
        chat=TypeAdapter(Chat).validate_python(parts["chat"]) if "chat" in parts else None,
    )
    return PortablePrompt(
        name=_TEXT.validate_python(content["name"]),
        prompt=prompt,
        labels=_TEXTS.validate_python(parts["labels"]),
        fields=_TEXTS.validate_python(parts["fields"]),
        backend=_ANY.validate_python(model["backend"]),
        model=_TEXT.validate_python(model["name"]),
        model_fingerprint=_TEXT.validate_python(model["fingerprint"]),
        data_fingerprints=TypeAdapter(dict[str, str]).validate_python(content["data"]),
        scores=_ANY.validate_python(content["scores"]),
        created_with=_TEXT.validate_python(content["created_with"]),
        reading=_read_reading(content, _TEXTS.validate_python(parts["labels"])),
    )


_TEXT = TypeAdapter(str)
_TEXTS = TypeAdapter(tuple[str, ...])
_EXAMPLES = TypeAdapter(tuple[Example, ...])
_OPTIONS: TypeAdapter[dict[str, Scalar]] = TypeAdapter(dict[str, Scalar])
_ANY: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


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
        "place": plain(soft.place),
        "base_model": soft.base_model,
        "sha256": soft.sha256,
        "adapter": ADAPTER,
        "adapter_type": soft.adapter.get("peft_type"),
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
        adapter=_ANY.validate_python(_read_json(files[ADAPTER_CONFIG], ADAPTER_CONFIG)),
        place=TypeAdapter(SoftPosition).validate_python(content.get("place", {})),
    )


def _read_reading(content: Mapping[str, Any], labels: Sequence[str]) -> Reading:
    if content["format"] <= 2:
        return Reading()
    reading = TypeAdapter(Reading).validate_python(content["reading"])
    if strange := set(reading.labels.values()) - set(labels):
        raise ValueError(f"reading.labels: {min(strange)!r} is none of the labels")
    if reading.max_chars is not None and reading.max_chars < 1:
        raise ValueError(f"reading.max_chars: must be 1 or more (got {reading.max_chars})")
    return reading


def _read_json(data: bytes, name: str) -> Any:
    try:
        return loads(data, most=_MOST_SETTINGS)
    except ValueError as exc:
        raise TamperedError(f"{name} cannot be read: {first_line(exc)}") from exc


def _explain(exc: BaseException) -> str:
    if isinstance(exc, ValidationError):
        first = exc.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    return f"no {exc}" if isinstance(exc, KeyError) else first_line(exc)
