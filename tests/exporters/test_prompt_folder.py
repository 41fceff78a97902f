from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search import load_prompt
from autoprompt_search.core.answers import Calibration
from autoprompt_search.core.errors import ConfigError, TamperedError
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.prompts import Prompt, SoftPosition, SoftPrompt, Template
from autoprompt_search.core.protocols.output import Exporter, FinalPrompt
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.exporters import EXPORTERS
from autoprompt_search.exporters.document import read
from autoprompt_search.exporters.manifest import check_folder
from autoprompt_search.exporters.prompt import PromptFolder
from autoprompt_search.testing.factories import label_answers

from .finals import TEMPLATE, WORDS, final_prompt, nearest, reviews

SOFT = SoftPrompt("prompt-tuning", 2, "base", b"weights", sha256_bytes(b"weights"), {"peft_type": "PROMPT_TUNING"})


def test_it_is_registered_without_options() -> None:
    built = EXPORTERS.build(ComponentSpec(type="prompt"))
    assert isinstance(built, PromptFolder)
    assert isinstance(built, Exporter)
    with pytest.raises(ConfigError, match="unknown prompt option 'folder'"):
        EXPORTERS.build(ComponentSpec(type="prompt", folder="x"))


def test_the_manifest_lists_every_other_file(tmp_path: Path) -> None:
    final = final_prompt()
    place = PromptFolder().export(replace(final, prompt=replace(final.prompt, soft=SOFT)), tmp_path / "new")
    assert place == tmp_path / "new" / "best_prompt"
    manifest = json.loads((place / "manifest.json").read_text())
    found = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()} - {"manifest.json"}
    assert set(manifest["files"]) == found
    assert "adapter/adapter_model.safetensors" in found
    for path, entry in manifest["files"].items():
        data = (place / path).read_bytes()
        assert entry == {"sha256": sha256_bytes(data), "bytes": len(data)}


def test_an_earlier_export_is_replaced_whole(tmp_path: Path) -> None:
    final = final_prompt()
    place = PromptFolder().export(replace(final, prompt=replace(final.prompt, soft=SOFT)), tmp_path)
    (place / "notes.txt").write_text("mine")
    assert PromptFolder().export(final, tmp_path) == place
    assert sorted(p.name for p in place.iterdir()) == ["README.md", "golden.jsonl", "manifest.json", "prompt.yaml"]
    assert [p.name for p in tmp_path.iterdir()] == ["best_prompt"]


def test_a_failed_export_leaves_the_earlier_one(tmp_path: Path) -> None:
    place = PromptFolder().export(final_prompt(), tmp_path)
    before = (place / "prompt.yaml").read_bytes()
    broken = final_prompt()
    with pytest.raises(TypeError):
        PromptFolder().export(replace(broken, scores={"metric": {1, 2}}), tmp_path)
    bad = replace(broken.prompt, soft=replace(SOFT, sha256="0" * 64))
    with pytest.raises(ValueError, match="hash"):
        PromptFolder().export(replace(broken, prompt=bad), tmp_path)
    assert (place / "prompt.yaml").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["best_prompt"]


def with_text() -> FinalPrompt:
    """A prompt with a soft prompt and its text alone."""
    final = final_prompt()
    return replace(final, prompt=replace(final.prompt, soft=SOFT), text_alone=final)


def test_the_text_alone_is_an_exported_prompt_inside(tmp_path: Path) -> None:
    place = PromptFolder().export(with_text(), tmp_path)
    listed = json.loads((place / "manifest.json").read_text())["files"]
    assert [path for path in listed if path.startswith("text/")] == ["text/manifest.json"]
    assert check_folder(place) == sorted(listed)
    files = {path: (place / "text" / path).read_bytes() for path in check_folder(place / "text")}
    assert read(files).prompt == final_prompt().prompt
    alone = PromptFolder().export(final_prompt(), tmp_path / "alone")
    assert {p.name: p.read_bytes() for p in (place / "text").iterdir()} == {
        p.name: p.read_bytes() for p in alone.iterdir()
    }


def test_with_a_pool_of_demonstrations_both_have_it(tmp_path: Path) -> None:
    final = final_prompt(Prompt(TEMPLATE, label_answers(WORDS), demos=nearest(reviews(4, "train"))))
    soft = replace(final, prompt=replace(final.prompt, soft=SOFT), text_alone=final)
    place = PromptFolder().export(soft, tmp_path)
    check_folder(place)
    assert (place / "demonstrations.jsonl").read_bytes() == (place / "text/demonstrations.jsonl").read_bytes()


def exported_again(text: Path) -> None:
    """Another whole export in its place."""
    other = PromptFolder().export(final_prompt(name="another"), text.parent.parent / "other")
    shutil.rmtree(text)
    other.rename(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: (text / "golden.jsonl").write_text("{}"), r"golden.jsonl in .*text was changed"),
        (lambda text: (text / "more.txt").write_text(""), "more.txt was not exported"),
        (lambda text: (text / "prompt.yaml").unlink(), "prompt.yaml is missing"),
        (lambda text: (text / "manifest.json").unlink(), "text/manifest.json is missing"),
        (shutil.rmtree, "text/manifest.json is missing"),
        (exported_again, "text/manifest.json in .* was changed"),
        (lambda text: (text / "link").symlink_to("prompt.yaml"), "text/link in .* is a link"),
    ],
)
def test_what_is_changed_in_the_text_alone_is_noticed_outside(tmp_path: Path, change: Any, message: str) -> None:
    place = PromptFolder().export(with_text(), tmp_path)
    change(place / "text")
    with pytest.raises(TamperedError, match=message):
        check_folder(place)


def test_a_text_alone_that_nobody_exported_is_noticed(tmp_path: Path) -> None:
    place = PromptFolder().export(final_prompt(), tmp_path)
    PromptFolder().export(final_prompt(), tmp_path / "other").rename(place / "text")
    with pytest.raises(TamperedError, match=r"text/README\.md was not exported"):
        check_folder(place)


def test_the_text_alone_can_be_used_by_itself(tmp_path: Path) -> None:
    place = PromptFolder().export(with_text(), tmp_path)
    found = load_prompt(place / "text").predict([e.inputs for e in reviews(12)])
    assert [p.label for p in found] == [label for _, label in final_prompt().golden]


@pytest.mark.model
def test_both_can_be_used_on_a_real_architecture(tmp_path: Path) -> None:
    from autoprompt_search.backends.hf.masked import hf_masked
    from autoprompt_search.testing.tiny import tiny_model

    from .scripts import soft

    backend = {"type": "hf-masked", "model": str(tiny_model(tmp_path / "model", "bert")), "device": "cpu"}
    prompt = Prompt(
        Template("t", "{text} It was{@answer}, so."), label_answers(WORDS, Calibration("batch", (-0.5, -2.0)))
    )
    vectors = soft(hf_masked(backend["model"], device="cpu"), SoftPosition("before-answer", replaces=1))
    alone = final_prompt(prompt, backend=backend)
    final = replace(final_prompt(replace(prompt, soft=vectors), backend=backend), text_alone=alone)
    place = PromptFolder().export(final, tmp_path)
    for folder, expected in ((place, final), (place / "text", alone)):
        found = load_prompt(folder).predict([e.inputs for e, _ in expected.golden])
        assert [p.label for p in found] == [label for _, label in expected.golden]
