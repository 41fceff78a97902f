"""Exports on tiny models, and their cards' scripts run where autoprompt_search cannot be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from markdown_it import MarkdownIt
from tokenizers import processors
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.prompts import Prompt, SoftPosition, SoftPrompt
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.core.reading import AS_IT_IS, Reading
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import measure
from autoprompt_search.exporters.prompt import PromptFolder
from autoprompt_search.tasks.examples import shorten
from autoprompt_search.testing.backend_contract import packed_soft
from autoprompt_search.testing.tiny import tiny_model

from .finals import LABELS, final_prompt, reviews

NO_PACKAGE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "autoprompt_search":
            raise ImportError(f"{name} is out of reach here")
sys.meta_path.insert(0, Blocked())
"""
"""A `sitecustomize`: the interpreter runs it before anything else."""

_DRIVER = """
import json, os, runpy, sys, warnings
try:
    import autoprompt_search
    raise SystemExit("autoprompt_search can be imported here")
except ImportError:
    pass
import torch
torch.set_num_threads(1)
found = {}

def spied(scores):  # in place of the `max` that picks a label
    def pick(score, key):
        scores.append([float(value) for value in score.values()])
        return max(score, key=key)
    return pick

for name, (folder, script, argument) in json.loads(sys.argv[1]).items():
    os.chdir(folder)
    sys.argv = [script] + argument
    try:
        predict, scores = runpy.run_path(script)["predict"], []
        predict.__globals__["max"] = spied(scores)
        labels = [predict(json.loads(line)["inputs"]) for line in open("golden.jsonl", encoding="utf-8")]
        found[name] = {"labels": labels, "scores": scores}
    except Exception as exc:
        found[name] = {"error": f"{type(exc).__name__}: {exc}"}
print(json.dumps(found))
"""

ODD = (
    {"text": "the film {was} <s> not </s> <mask> good"},
    {"text": " it was 悪い映画 not lovely 悪い\n\n"},
    {"text": "so dull 😀 ```"},
    {"text": "train film 1 was good, lovely"},  # a pool example word for word
)


def with_other(inputs: Mapping[str, str]) -> Mapping[str, str]:
    """Two fields, for pairs of texts."""
    return {**inputs, "other": f"so {inputs['text'][:9]}"}


@dataclass(frozen=True)
class Case:
    """What is exported, and on what."""

    kind: str
    """The backend."""
    prompt: Callable[[Any], Prompt]
    """From the backend."""
    family: str
    labels: tuple[str, ...] = LABELS
    inputs: Callable[[Mapping[str, str]], Mapping[str, str]] = with_other
    """Of the usual one-field input the input of this prompt."""
    options: Mapping[str, Any] | None = None
    argument: bool = False
    """Whether the model is given to the script."""
    reading: Reading = AS_IT_IS


@dataclass(frozen=True)
class Played:
    """One case: what we say and what its script says, per golden item."""

    ours: Sequence[Sequence[float]]
    """[items, labels] log-probabilities."""
    labels: Sequence[str]
    script: Mapping[str, Any]


def soft(backend: Any, place: SoftPosition, tokens: int = 3) -> SoftPrompt:
    """Random vectors, wide enough to change every score."""
    generator = torch.Generator().manual_seed(tokens)
    method = "prefix-tuning" if place.kind == "prefix" else "prompt-tuning"
    return packed_soft(backend, torch.randn(tokens, backend.width(place), generator=generator) * 0.3, place, method)


def model_folder(root: Path, case: Case) -> Path:
    """A tiny model for the case; `closing` is a causal one whose tokenizer closes texts, `span` a T5 with sentinels."""
    classes = 4 if case.kind == "hf-classifier" else 0
    folder = root / f"{case.family}-{classes}"
    if folder.exists():
        return folder
    family = {"closing": "gpt2", "span": "t5"}.get(case.family, case.family)
    tiny_model(folder, family, context=512, classes=classes)
    if case.family in ("closing", "span"):
        _changed(folder, case.family)
    return folder


def _changed(folder: Path, kind: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if kind == "closing":
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", 2)]
        )
    else:
        tokenizer.add_tokens(["<extra_id_0>"], special_tokens=True)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder)
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def script_env(base: Path) -> dict[str, str]:
    """An environment in which only the packages of a card are found; `base` holds the `sitecustomize`."""
    return {**os.environ, "PYTHONPATH": str(base), "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"}


def run_scripts(base: Path, driver: str, jobs: Mapping[str, Any]) -> Any:
    """What `driver` prints last, as JSON, of `jobs`: one process that cannot import this package runs all scripts."""
    (base / "sitecustomize.py").write_text(NO_PACKAGE)
    (base / "driver.py").write_text(driver)
    run = subprocess.run(
        [sys.executable, str(base / "driver.py"), json.dumps(jobs)],
        env=script_env(base),
        cwd=base,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def play(cases: Mapping[str, Case], base: Path) -> dict[str, Played]:
    """Export all cases and run all their scripts in one process: importing torch dominates."""
    jobs, ours = {}, {}
    for number, (name, case) in enumerate(cases.items()):
        final, ours[name] = _final(case, model_folder(base, case))
        folder = PromptFolder().export(final, base / f"out{number}")
        script = base / f"script{number}.py"
        script.write_text(source_in(folder / "README.md"), encoding="utf-8")
        jobs[name] = (str(folder), str(script), [final.model] if case.argument else [])
    found = run_scripts(base, _DRIVER, jobs)
    return {name: Played(*ours[name], found[name]) for name in cases}


def _final(case: Case, folder: Path) -> tuple[FinalPrompt, tuple[Sequence[Sequence[float]], Sequence[str]]]:
    options = {"type": case.kind, "model": str(folder), "device": "cpu", **(case.options or {})}
    backend: Any = BACKENDS.build(ComponentSpec(**options))
    rows = [case.inputs(row) for row in (*(e.inputs for e in reviews(8)), *ODD)]
    golden = [Example(f"g{i}", row, case.labels[0]) for i, row in enumerate(rows)]
    prompt = case.prompt(backend)
    offsets = prompt.answers.calibration.offsets if prompt.answers.calibration else (0.0,) * len(case.labels)
    read = [replace(e, inputs={n: shorten(t, case.reading.max_chars) for n, t in e.inputs.items()}) for e in golden]
    outcomes = measure(replace(prompt, answers=replace(prompt.answers, calibration=None)), read, backend).outcomes
    scores = np.array([o.logprobs for o in outcomes]) - np.array(offsets)
    labels = [case.labels[i] for i in scores.argmax(1)]
    final = final_prompt(prompt, backend=options, labels=case.labels, golden=golden)
    final = replace(final, reading=case.reading, model=str(folder), golden=tuple(zip(golden, labels, strict=True)))
    return final, (normalised(scores), labels)


def normalised(scores: Any) -> Any:
    """Rows of log-probabilities that sum to one."""
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


def source_in(card: Path) -> str:
    """The Python in a card."""
    tokens = MarkdownIt("commonmark").parse(card.read_text(encoding="utf-8"))
    return next(t.content for t in tokens if t.type == "fence" and t.info == "python")
