"""The card's script compares options, and words of labels, as we do: run where autoprompt_search cannot be imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.answers import Calibration, LabelAnswers, OptionAnswers
from autoprompt_search.core.prompts import Demonstrations, Prompt, SoftPosition, Template
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import predict
from autoprompt_search.exporters.document import read
from autoprompt_search.exporters.prompt import PromptFolder, files_of
from autoprompt_search.exporters.snippet import obstacle
from autoprompt_search.testing.tiny import tiny_model

from .finals import LABELS, final_prompt
from .scripts import run_scripts, soft, source_in

OPTIONS = [("a dull plot", "the music", "never"), ("good", "good and long", "bad"), ("Straße", "no film", "yes")]
EXAMPLES = [
    Example(f"q{i}", {"question": f"Why was {'so ' * i}it {i}?"}, own[i % 3], options=own)
    for i, own in enumerate(OPTIONS * 2)
]
SHOWN = Demonstrations("random", (Example("d", {"question": "Why?"}, "a film", options=("a film", "1")),))
TEXT = "{@Question}: {question}{@sep}{@Answer}:"
WORDS = {"negative": ("not good at all", "bad"), "positive": ("good",)}


@dataclass(frozen=True)
class Case:
    family: str
    kind: str
    answers: LabelAnswers | OptionAnswers
    place: SoftPosition | None = None
    text: str = TEXT


def labels(how: str, calibration: Calibration | None = None) -> LabelAnswers:
    return LabelAnswers(LABELS, WORDS, calibration, how, "Answer:" if how == "pmi" else None)


CASES = {
    "causal, whole": Case("gpt2", "hf-causal", OptionAnswers()),
    "causal, token, soft": Case("llama", "hf-causal", OptionAnswers("token"), SoftPosition(replaces=2)),
    "causal, pmi": Case("llama", "hf-causal", OptionAnswers("pmi", "Answer:")),
    "seq2seq, byte": Case("t5", "hf-seq2seq", OptionAnswers("byte")),
    "seq2seq, pmi": Case("t5", "hf-seq2seq", OptionAnswers("pmi", "So:")),
    "masked, token": Case("bert", "hf-masked", OptionAnswers("token"), None, "{question} It is {@answer}, or so."),
    "labels, token": Case("gpt2", "hf-causal", labels("token", Calibration("batch", (-0.5, -2.0)))),
    "labels, byte": Case("bert", "hf-masked", labels("byte")),
    "labels, pmi": Case("t5", "hf-seq2seq", labels("pmi")),
}
_DRIVER = """
import json, os, runpy, sys
import torch
torch.set_num_threads(1)
found = {}
jobs = json.loads(sys.argv[1])
sys.argv = sys.argv[:1]
for name, (folder, script) in jobs.items():
    os.chdir(folder)
    made = runpy.run_path(script)
    page, text, scores = made["page"], made["text"], []
    for row in map(json.loads, open("golden.jsonl", encoding="utf-8")):
        words = page["parts"]["verbalizer"]
        own = {a: w for label in words for a, w in zip(text["answers"][label], words[label])} if words else {
            text["option"].replace("{}", option): option for option in row["options"]}
        scores.append([float(value) for value in made["compared"](row["inputs"], own).values()])
    found[name] = scores
print(json.dumps(found))
"""


def exported(case: Case, folder: Path) -> tuple[FinalPrompt, list[Sequence[float]]]:
    """The final prompt, and what we compare options by on each golden item."""
    options = {"type": case.kind, "model": str(folder), "device": "cpu"}
    backend: Any = BACKENDS.build(ComponentSpec(**options))
    is_label = isinstance(case.answers, LabelAnswers)
    examples = [replace(e, target=LABELS[0], options=()) for e in EXAMPLES] if is_label else EXAMPLES
    prompt = Prompt(
        Template("t", case.text),
        case.answers,
        demos=Demonstrations() if is_label else SHOWN,
        soft=soft(backend, case.place) if case.place else None,
    )
    raw = (
        replace(case.answers, calibration=None, is_raw=True) if isinstance(case.answers, LabelAnswers) else case.answers
    )
    responses = [o.response for o in predict(replace(prompt, answers=raw), examples, backend).outcomes]
    final = final_prompt(prompt, backend=options, labels=case.answers.labels, golden=examples)
    return replace(final, model=str(folder)), [r.compared(case.answers.normalise) for r in responses]  # type: ignore[union-attr]


@pytest.mark.model
@pytest.mark.slow
def test_scripts_compare_as_we_do(tmp_path: Path) -> None:
    jobs, wanted = {}, {}
    for number, (name, case) in enumerate(CASES.items()):
        model = tmp_path / case.family
        final, wanted[name] = exported(case, model if model.exists() else tiny_model(model, case.family, context=512))
        assert read(files_of(final)).prompt == final.prompt, name
        folder = PromptFolder().export(final, tmp_path / f"out{number}")
        script = tmp_path / f"script{number}.py"
        script.write_text(source_in(folder / "README.md"), encoding="utf-8")
        jobs[name] = (str(folder), str(script))
    for name, rows in run_scripts(tmp_path, _DRIVER, jobs).items():
        for ours, theirs in zip(wanted[name], rows, strict=True):
            assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-4), name


def test_what_no_script_does_is_said() -> None:
    final = final_prompt(golden=())
    backend = {"type": "hf-seq2seq", "model": "m"}
    slotted = Prompt(Template("t", "{question} It is {@answer}, or so."), OptionAnswers("pmi", "It is"))
    assert "premise" in str(obstacle(replace(final, prompt=slotted, labels=(), backend=backend)))
    assert (
        obstacle(replace(final, prompt=replace(slotted, answers=OptionAnswers()), labels=(), backend=backend)) is None
    )
