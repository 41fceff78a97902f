"""The card's script of a prompt that writes, run where autoprompt_search cannot be imported, writes what we write."""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autoprompt_search.answering import PARSERS
from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.answers import Completion, Limits, TextAnswers
from autoprompt_search.core.prompts import Prompt, SoftPosition, Template
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.exporters.prompt import PromptFolder
from autoprompt_search.exporters.snippet import obstacle, snippet
from autoprompt_search.exporters.snippet_writing import reading
from autoprompt_search.testing.tiny import tiny_model

from .scripts import run_scripts, soft, source_in
from .written_text import SCRIPTED, reports, text_final, text_prompt

_DRIVER = """
import json, os, runpy, sys
import torch
torch.set_num_threads(1)
found = {}
for name, (folder, script) in json.loads(sys.argv[1]).items():
    os.chdir(folder)
    sys.argv = [script]
    try:
        predict = runpy.run_path(script)["predict"]
        found[name] = [predict(json.loads(line)["inputs"]) for line in open("golden.jsonl", encoding="utf-8")]
    except BaseException as exc:
        found[name] = f"{type(exc).__name__}: {exc}"
print(json.dumps(found))
"""
RAW = TextAnswers(Limits(6), "regex", {"pattern": "(?s)(.+)"})
"""The script gives the whole text."""
PLAIN, SLOT = "Weather: {text}\nIn short:", "Weather: {text} In short{@answer}, so it was"
CASES: dict[str, tuple[str, str, str, SoftPosition | None, TextAnswers]] = {
    "causal, all": ("hf-causal", "llama", PLAIN, None, RAW),
    "causal, a stop string": ("hf-causal", "gpt2", PLAIN, None, TextAnswers(Limits(12, ("e", "a")), "first-line")),
    "causal, vectors": ("hf-causal", "gpt2", PLAIN, SoftPosition(replaces=1), RAW),
    "causal, vectors before the answer": (
        "hf-causal", "llama", PLAIN, SoftPosition("before-answer"), RAW
    ),
    "causal, prefix": ("hf-causal", "gpt2", PLAIN, SoftPosition(kind="prefix"), RAW),
    "seq2seq, all": ("hf-seq2seq", "t5", PLAIN, None, RAW),
    "seq2seq, a slot": ("hf-seq2seq", "t5", SLOT, None, RAW),
    "seq2seq, prefix": ("hf-seq2seq", "t5", PLAIN, SoftPosition(kind="prefix"), RAW),
    "verbatim": ("hf-causal", "llama", PLAIN, None, TextAnswers(Limits(12, ("e", "a", "o")))),
}  # fmt: skip


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], list[str] | str]]:
    """Case -> what we say, and what its script says."""
    base = tmp_path_factory.mktemp("writing")
    jobs, ours = {}, {}
    for number, (name, (kind, family, template, place, answers)) in enumerate(CASES.items()):
        model = base / f"{family}"
        if not model.exists():
            tiny_model(model, family, context=256)
        options = {"type": kind, "model": str(model), "device": "cpu"}
        backend: Any = BACKENDS.build(ComponentSpec(**options))
        vectors = soft(backend, place) if place else None
        prompt = Prompt(Template("t", template), answers, soft=vectors)
        examples = reports(4)
        made = backend.generate([_rendered(prompt, e) for e in examples], answers.limits, vectors)
        texts = [one.text for one in made.completions]
        is_raw = answers.parser == "regex"
        said = [
            t if is_raw else t.strip() if one.finish != "length" else ""
            for t, one in zip(texts, made.completions, strict=True)
        ]
        if answers.parser == "first-line":
            said = [t.strip().partition("\n")[0] for t in said]
        final = replace(
            text_final(prompt, backend=options, golden=()),
            golden=tuple(zip(examples, said, strict=True)),
            golden_texts={e.id: text for e, text in zip(examples, texts, strict=True)},
            model=str(model),
        )
        folder = PromptFolder().export(final, base / f"out{number}")
        script = base / f"script{number}.py"
        script.write_text(source_in(folder / "README.md"), encoding="utf-8")
        jobs[name], ours[name] = (str(folder), str(script)), said
    found = run_scripts(base, _DRIVER, jobs)
    return {name: (ours[name], found[name]) for name in CASES}


def _rendered(prompt: Prompt, example: Any) -> Any:
    from autoprompt_search.prompting import render

    return render(prompt, example)


@pytest.mark.model
@pytest.mark.parametrize("name", CASES)
def test_the_script_writes_what_we_write(name: str, played: dict[str, tuple[list[str], list[str] | str]]) -> None:
    ours, theirs = played[name]
    assert theirs == ours
    assert len(ours) == 4
    assert any(ours)


PARSED = [
    TextAnswers(Limits(8)),
    TextAnswers(Limits(8), "first-line"),
    TextAnswers(Limits(8), "after-marker", {"marker": "so:"}),
    TextAnswers(Limits(8), "after-marker", {"marker": "so:", "which": "last"}),
    TextAnswers(Limits(8), "last-number"),
    TextAnswers(Limits(8), "first-label", {}, ("bad", "good"), {"bad": ("wet", "wet snow"), "good": ("sun",)}),
]
SAID = [
    "wet",
    "wet snow",
    "Sun",
    "sunny",
    " ",
    "\n",
    "So:",
    "so: ",
    ".",
    "-7",
    "+3",
    "1,234.50",
    "12.0",
    "$5",
    "0",
    "x-1",
    "é",
]


@given(st.sampled_from(PARSED), st.lists(st.sampled_from(SAID), max_size=7).map("".join), st.booleans())
def test_the_written_out_parsers_find_what_ours_find(answers: TextAnswers, text: str, ended: bool) -> None:
    assume(answers.parser != "last-number" or not re.search(r"(?<!\d)\.\d", text))  # `.5` is not written plainly
    example = reports(1)[0]
    response = Completion(text, "end" if ended else "length")
    bare = replace(answers, labels=(), verbalizer=answers.verbalizer)
    names = {"labels": [w for ws in answers.verbalizer.values() for w in ws]} if answers.labels else {}
    parser = PARSERS.build(ComponentSpec(type=answers.parser, **answers.options), **names)
    found = parser(response.text, example, finish=response.finish)
    page = {
        "decoding": {"parser": {"type": answers.parser, **answers.options}},
        "parts": {"verbalizer": {label: list(words) for label, words in answers.verbalizer.items()}},
    }
    there: dict[str, Any] = {"re": re, "page": page, "string": text, "ended": ended}
    exec(textwrap.dedent(reading(bare)), there)  # noqa: S102 - our own code
    wanted = found if isinstance(found, str) else ""
    if answers.parser == "first-label":  # the script finds the label of a word however it is written
        assert there["answer"].casefold() == wanted.casefold()
    else:
        assert there["answer"] == wanted


def test_why_there_is_no_script() -> None:
    drawn = text_final(text_prompt(Limits(8, temperature=0.5)))
    assert "scripted" in str(obstacle(drawn))
    assert "drawn at random" in str(obstacle(replace(drawn, backend={"type": "hf-causal"})))
    assert obstacle(replace(text_final(), backend={"type": "hf-causal"})) is None
    assert "texts of the backend 'hf-masked'" in str(obstacle(replace(text_final(), backend={"type": "hf-masked"})))
    assert snippet(text_final(backend=SCRIPTED)) is None
