"""The card's script, taken from README.md and run where autoprompt_search cannot be imported, says what we say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from safetensors.torch import save
from tokenizers import processors
from transformers import AutoTokenizer

from autoprompt_search.backends.hf_causal import HfCausal
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.protocols import FinalPrompt
from autoprompt_search.core.types import Example, Layout, Prompt, SoftPrompt, Template, Verbalizer
from autoprompt_search.evaluate import measure, render_all
from autoprompt_search.exporters.prompt import PromptFolder
from autoprompt_search.prompting import answer_words
from autoprompt_search.testing.tiny import tiny_model

from .finals import LABELS, final_prompt, fixed, nearest, reviews

pytestmark = pytest.mark.model

_NO_PACKAGE = """
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
for name, (folder, script, argument) in json.loads(sys.argv[1]).items():
    os.chdir(folder)
    sys.argv = [script] + argument
    it = runpy.run_path(script)
    rows = [json.loads(line) for line in open("golden.jsonl", encoding="utf-8")]
    shown = [it["demonstrations"](row["inputs"]) if "demonstrations" in it else "" for row in rows]
    prefix, answers = it["text"]["prefix"], [a for words in it["text"]["answers"].values() for a in words]
    found[name] = {
        "labels": [it["predict"](row["inputs"]) for row in rows],
        "before": [prefix + s for s in shown],
        "first": [float(it["loglik"](prefix + shown[0] + "So:", a)) for a in answers],
    }
print(json.dumps(found))
"""

_ODD = (
    {"text": "the film {was} <s> not </s> good"},
    {"text": " it was 悪い映画 not lovely 悪い\n\n"},
    {"text": "so dull 😀 ```"},
    {"text": "train film 1 was good, lovely"},  # a pool example word for word
)


Words = tuple[str, str]


@dataclass(frozen=True)
class Case:
    """What is exported, and on what backend."""

    prompt: Callable[[HfCausal, Words], Prompt]
    """From the model, and a pair of words to be among the labels' own."""
    family: str = "gpt2"
    labels: tuple[str, ...] = LABELS
    inputs: Callable[[Mapping[str, str]], Mapping[str, str]] = dict
    """Of the usual one-field input the input of this prompt."""
    options: Mapping[str, Any] | None = None


def soft(model: HfCausal, tokens: int = 4) -> SoftPrompt:
    torch.manual_seed(tokens)
    rows = torch.randn(tokens, model.embedding_table().shape[1])
    weights = save({"prompt_embeddings": rows})
    config = model.adapter_config(tokens)
    return SoftPrompt("prompt-tuning", tokens, model.fingerprint, weights, sha256_bytes(weights), config)


def two_fields(inputs: Mapping[str, str]) -> Mapping[str, str]:
    return {"review-text": inputs["text"], "kind of it": inputs["text"][:9]}


def pool(change: Callable[[Mapping[str, str]], Mapping[str, str]] = dict) -> tuple[Example, ...]:
    odd = tuple(Example(f"odd-{i}", row, LABELS[i % 2]) for i, row in enumerate(_ODD[1:3]))
    return tuple(Example(e.id, change(e.inputs), e.target) for e in (*reviews(6, "train"), *odd))


TEMPLATE = Template("t", "Review: {text}{@sep}Sentiment:")
TWO_FIELDS = Template("d", "{{so}} {kind of it}: {review-text}\nSo:")
CASES = {
    "zero-shot, words of one token": Case(lambda _, words: Prompt(TEMPLATE, verbalizer(words))),
    "several words of several tokens, BOS": Case(
        lambda _, words: Prompt(
            TEMPLATE,
            {"mixed": ("so so", "meh"), "bad": (words[0], "poorly made"), "good": ("great!", words[1])},
            instruction="Judge the film.",
        ),
        family="llama",
        labels=("mixed", "bad", "good"),
    ),
    "fixed demonstrations, answers that merge with the prompt": Case(
        lambda _, words: Prompt(
            Template("m", "Review: {text}\nSentiment: "),
            {"negative": (words[0], "awful"), "positive": (words[1],)},
            layout=Layout(answer_gap=""),
            demos=fixed(3),
        )
    ),
    "a tokenizer that closes texts": Case(
        lambda _, words: Prompt(TEMPLATE, verbalizer(words), demos=fixed(1)), family="closing"
    ),
    "nearest by TF-IDF, two fields": Case(
        lambda _, words: Prompt(
            TWO_FIELDS, verbalizer(words), instruction="Judge.", demos=nearest(pool(two_fields), k=3)
        ),
        inputs=two_fields,
    ),
    "soft prompt": Case(lambda model, words: Prompt(TEMPLATE, verbalizer(words), demos=fixed(1), soft=soft(model))),
    "nearest by embeddings, soft prompt, BOS": Case(
        lambda model, words: Prompt(
            TEMPLATE,
            {"negative": (words[0], "dull"), "positive": (words[1], "lovely")},
            demos=nearest(pool(), by="embedding", order="similar-first"),
            soft=soft(model, 7),
        ),
        family="llama",
    ),
    "bfloat16, given as an argument": Case(
        lambda _, words: Prompt(TEMPLATE, verbalizer(words)), options={"dtype": "bfloat16"}
    ),
}


def verbalizer(words: Words) -> Verbalizer:
    return {"negative": (words[0],), "positive": (words[1],)}


@dataclass(frozen=True)
class Exported:
    """One case, exported, and what our own backend says of it."""

    final: FinalPrompt
    folder: Path
    before: list[str]
    first: Sequence[float]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("models")
    made = {family: tiny_model(base / family, family, context=512) for family in ("gpt2", "llama")}
    made["closing"] = tiny_model(base / "closing", "gpt2", context=512, seed=1)
    tokenizer = AutoTokenizer.from_pretrained(made["closing"])
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", 2)]
    )
    tokenizer.save_pretrained(made["closing"])
    return made


@pytest.fixture(scope="module")
def exported(models: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    return {name: export(case, models[case.family], tmp_path_factory.mktemp("out")) for name, case in CASES.items()}


def export(case: Case, folder: Path, out: Path) -> Exported:
    backend = {"type": "hf-causal", "model": str(folder), "device": "cpu", **(case.options or {})}
    model = HfCausal(**{k: v for k, v in backend.items() if k != "type"})  # type: ignore[arg-type]
    rows = [*(e.inputs for e in reviews(8)), *_ODD]
    golden = [Example(f"g{i}", case.inputs(row), case.labels[0]) for i, row in enumerate(rows)]
    final = next(f for f in finals(case, model, backend, golden) if len({label for _, label in f.golden}) > 1)
    prompt = final.prompt
    whole = render_all(prompt, golden, case.labels, model.embed)
    bare = Prompt(prompt.template, prompt.verbalizer, layout=prompt.layout)
    queries = render_all(bare, golden, case.labels, None)
    before = [w.text.removesuffix(q.text) for w, q in zip(whole, queries, strict=True)]
    probe = Prompt(Template("p", "So:"), prompt.verbalizer, instruction=before[0], layout=Layout(demo_separator=""))
    text = render_all(probe, golden[:1], case.labels, None)
    answers, _ = answer_words(prompt, case.labels)
    first = model.score(text, answers, prompt.soft).logliks[0].tolist()
    return Exported(final, PromptFolder().export(final, out), before, first)


def finals(case: Case, model: HfCausal, backend: Mapping[str, Any], golden: Sequence[Example]) -> Iterator[FinalPrompt]:
    """With other words each: a random model gives most pairs of words one answer on every input."""
    for words in permutations(("bad", "good", "poor", "fine", "awful", "long", "short", "great"), 2):
        yield final_prompt(case.prompt(model, words), backend=backend, labels=case.labels, golden=golden)


@pytest.fixture(scope="module")
def answered(exported: Mapping[str, Exported], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All scripts in one process that cannot import the package: importing torch dominates."""
    base = tmp_path_factory.mktemp("elsewhere")
    (base / "sitecustomize.py").write_text(_NO_PACKAGE)
    (base / "driver.py").write_text(_DRIVER)
    jobs = {}
    for number, (name, one) in enumerate(exported.items()):
        script = base / f"script{number}.py"
        script.write_text(source_in(one.folder / "README.md"), encoding="utf-8")
        jobs[name] = (str(one.folder), str(script), [one.final.model] if "argument" in name else [])
    run = subprocess.run(
        [sys.executable, str(base / "driver.py"), json.dumps(jobs)],
        env={**os.environ, "PYTHONPATH": str(base), "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"},
        cwd=base,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout.splitlines()[-1]))


def source_in(card: Path) -> str:
    tokens = MarkdownIt("commonmark").parse(card.read_text(encoding="utf-8"))
    return next(t.content for t in tokens if t.type == "fence" and t.info == "python")


@pytest.mark.parametrize("name", CASES)
def test_the_script_predicts_what_we_predict(
    name: str, exported: Mapping[str, Exported], answered: Mapping[str, Any]
) -> None:
    ours = [label for _, label in exported[name].final.golden]
    assert len(ours) == 12
    assert answered[name]["labels"] == ours


@pytest.mark.parametrize("name", CASES)
def test_the_script_reads_and_scores_what_we_read_and_score(
    name: str, exported: Mapping[str, Exported], answered: Mapping[str, Any]
) -> None:
    assert answered[name]["before"] == exported[name].before
    tolerance = 0.2 if "bfloat16" in name else 1e-4
    np.testing.assert_allclose(answered[name]["first"], exported[name].first, rtol=0, atol=tolerance)


def test_the_soft_prompt_matters(exported: Mapping[str, Exported]) -> None:
    final = exported["soft prompt"].final
    model = HfCausal(final.model, device="cpu")
    examples = [e for e, _ in final.golden]
    bare = Prompt(final.prompt.template, final.prompt.verbalizer, demos=final.prompt.demos)
    assert measure(bare, examples, LABELS, model).outcomes != measure(final.prompt, examples, LABELS, model).outcomes
