"""Inputs that once failed, through the command line as their users typed it; they lie beside the repository."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).parents[3] / "shared" / "cases"
TOKENIZERS = CASES.parent / "models" / "tokenizers"

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not CASES.is_dir(), reason="the shared folder of failed inputs is not on this machine"),
]
Take = Callable[[str], Path]
Cli = Callable[..., Any]


@pytest.fixture
def take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Take:
    """A copy of a case's folder, in which the process then is."""

    def copied(number: str) -> Path:
        source = next(CASES.glob(number + "*"))
        shutil.copytree(source, tmp_path / "case", dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path / "case")
        return tmp_path / "case"

    return copied


def run(cli: Cli) -> Path:
    """The case's search, without a dashboard; the prompt it exports."""
    cli("run", "space.yaml", "--set", "tracker=none", "--out", "out", "-q")
    return Path("out/best_prompt")


def notes(cli: Cli, data: str) -> str:
    """What `init` has to say about a data file."""
    return str(cli("init", "--data", data, "--text", "text", "--label", "label", "--model", "gpt2").stderr)


def test_a_label_that_begins_anothers_answer_is_named(take: Take, cli: Cli) -> None:
    take("01")
    assert "begins" in cli("check", "space.yaml").stdout


def test_texts_are_cut_in_the_exported_prompt_as_in_the_search(take: Take, cli: Cli) -> None:
    take("02")
    run(cli)
    test = json.loads(Path("out/result.json").read_text(encoding="utf-8"))["best"]["test"]["score"]
    assert test == 1.0
    shown = cli("evaluate", "out/best_prompt", "--data", "data.csv").stdout
    assert "1.0000" in next(line for line in shown.splitlines() if line.startswith("accuracy"))


def test_a_column_with_a_dot_is_a_field(take: Take, cli: Cli) -> None:
    take("04")
    columns = ("--text", "review.text", "--label", "review.rating")
    assert "review_text" in cli("init", "--data", "data.csv", *columns, "--model", "gpt2").stdout


def test_dates_beside_the_text_are_kept_by_predict(take: Take, cli: Cli) -> None:
    take("06")
    run(cli)
    rows = cli("predict", "out/best_prompt", "--input", "data.parquet", "--output", "-").stdout.splitlines()
    assert all({"prediction", "label"} <= json.loads(row).keys() for row in rows if row.startswith("{"))


@pytest.mark.parametrize("space", ["csv", "csv_float", "jsonl"])
def test_labels_are_whole_numbers_however_they_are_written(space: str, take: Take, cli: Cli) -> None:
    take("07")
    assert "is sound" in cli("check", f"{space}.yaml").stdout


def test_an_exported_prompt_knows_the_raw_values_of_labels(take: Take, cli: Cli) -> None:
    take("08")
    run(cli)
    assert "accuracy" in cli("evaluate", "out/best_prompt", "--data", "data.csv").stdout


def test_predict_reads_an_array(take: Take, cli: Cli) -> None:
    take("12")
    run(cli)
    number = len(json.loads(Path("data.json").read_text(encoding="utf-8")))
    rows = cli("predict", "out/best_prompt", "--input", "data.json", "--output", "-").stdout.splitlines()
    assert sum("prediction" in row for row in rows) == number
    cli("evaluate", "out/best_prompt", "--data", "data.json")


@pytest.mark.parametrize(
    ("case", "file", "said"),
    [
        ("03", "data.tsv", "60 labelled rows"),
        ("03", "other.tsv", "60 labelled rows"),
        ("15", "data.parquet", "2 labels: negative"),
        ("18", "semi.csv", "semicolon"),
        ("18", "sep.csv", "semicolons"),
        ("18", "cp1252.csv", "1252"),
        ("19", "nfc.csv", "Unicode"),
        ("19", "nan.csv", "nan"),
        ("22", "rare.csv", "fewer than 4 rows are left out: 'rare' (1)"),
        ("22", "empty.csv", "left out: without a label"),
    ],
)
def test_tables_are_read_as_they_are_meant_and_init_says_how(
    case: str, file: str, said: str, take: Take, cli: Cli
) -> None:
    take(case)
    assert said in notes(cli, file)


def test_what_init_writes_passes_check(take: Take, cli: Cli) -> None:
    folder = take("16")
    for data, model in (("case.csv", "builtin:gpt"), ("chinese.csv", "model")):
        if model == "model":
            small_gpt2(folder)
        made = cli("init", "--data", data, "--text", "text", "--label", "label", "--model", model)
        (folder / "space.yaml").write_text(made.stdout, encoding="utf-8")
        assert "is sound" in cli("check", "space.yaml").stdout


def small_gpt2(folder: Path) -> None:
    """A model with the tokenizer and the 1024 positions of GPT-2."""
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(TOKENIZERS / "gpt2")
    config = transformers.GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=1024)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")


def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model of a case, by its own script."""
    monkeypatch.setitem(os.environ, "TOKENIZERS", str(TOKENIZERS))
    exec(compile((folder / "make_model.py").read_text(encoding="utf-8"), "make_model.py", "exec"), {})  # noqa: S102


def test_a_tokenizer_without_offsets_is_read(take: Take, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    make(take("09"), monkeypatch)
    assert "is sound" in cli("check", "space.yaml").stdout


def test_a_causal_model_that_reads_both_ways_is_refused(take: Take, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    make(take("10"), monkeypatch)
    assert "xlnet" in cli("check", "space.yaml", code=2).stderr.lower()


@pytest.mark.parametrize("prompt", ["prompt_alias_bomb", "prompt_empty_words", "prompt_adapter_config_deep"])
def test_a_hostile_prompt_with_a_manifest_that_agrees_is_one_error(prompt: str, take: Take, cli: Cli) -> None:
    take("faults")
    said = cli("predict", prompt, "--input", "in.jsonl", code=1).stderr
    assert said.startswith("Error: ")
    assert "unexpectedly" not in said


def test_a_model_that_is_a_file_is_called_one(work: Path, cli: Cli) -> None:
    Path("model.gguf").write_bytes(b"GGUF")
    columns = ("--data", "reviews.jsonl", "--text", "text", "--label", "label")
    assert "is a file" in cli("init", *columns, "--model", "./model.gguf", code=2).stderr
