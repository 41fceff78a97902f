"""The main job as a newcomer runs it: the embedded model and data, Ray, MLflow, verdict, prompt, snippet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from autoprompt_search.embedded import GPT_FOLDER

pytestmark = [pytest.mark.ray, pytest.mark.model, pytest.mark.slow]
SPACE = Path(__file__).parents[2] / "search_spaces" / "quickstart.yaml"
WITHOUT_PACKAGE = """
import json, runpy, sys
sys.modules["autoprompt_search"] = None
sys.argv = sys.argv[1:]
script = runpy.run_path(sys.argv[0])
print(json.dumps([script["predict"](json.loads(line)["inputs"]) for line in open("golden.jsonl", encoding="utf-8")]))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder after `autoprompt-search run search_spaces/quickstart.yaml`."""
    folder = tmp_path_factory.mktemp("quickstart")
    run = subprocess.run([sys.executable, "-m", "autoprompt_search", "run", str(SPACE)], cwd=folder, check=False)
    assert run.returncode == 0
    return folder


def test_the_quickstart_promotes_a_clearly_better_prompt(finished: Path) -> None:
    result = json.loads((finished / "reports/quickstart/result.json").read_text())
    assert result["verdict"] == "promote"
    assert result["baseline"]["test"]["score"] <= 0.75
    assert result["best"]["test"]["score"] >= result["baseline"]["test"]["score"] + 0.10
    assert result["difference"]["low"] > 0
    assert sum(result["trials"].values()) >= 40
    assert result["trials"]["failed"] == 0
    assert (finished / "mlflow.db").exists()


def test_the_cards_snippet_agrees_in_a_process_without_this_package(finished: Path, tmp_path: Path) -> None:
    prompt = finished / "reports/quickstart/best_prompt"
    (script,) = (t.content for t in MarkdownIt().parse((prompt / "README.md").read_text()) if t.info == "python")
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, "-c", WITHOUT_PACKAGE, str(tmp_path / "script.py"), str(GPT_FOLDER)]
    run = subprocess.run(command, cwd=prompt, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    golden = [json.loads(line) for line in (prompt / "golden.jsonl").read_text().splitlines()]
    assert len(golden) >= 10
    assert json.loads(run.stdout.splitlines()[-1]) == [item["prediction"] for item in golden]


def test_predict_pipes_answers(finished: Path) -> None:
    command = [sys.executable, "-m", "autoprompt_search", "predict", "reports/quickstart/best_prompt"]
    text = json.dumps({"text": "The hinge was superb, but everybody hated the price."}) + "\n"
    run = subprocess.run(
        [*command, "--input", "-", "--output", "-"],
        cwd=finished,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    (answer,) = [json.loads(line) for line in run.stdout.splitlines()]
    assert answer["prediction"] in {"negative", "positive"}
    assert abs(sum(answer["probabilities"].values()) - 1) < 1e-3
