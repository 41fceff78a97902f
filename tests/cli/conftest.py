"""A working folder with data and a space file that takes milliseconds, and the command line inside this process."""

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import autoprompt_search
from autoprompt_search.cli.app import app

SPACE = """\
name: tiny
task: {type: classification, data: reviews.jsonl, labels: [neg, pos], splits: {train: 10, dev: 20, test: 40}}
backend: {type: scripted, cues: {bad: awful, good: lovely}, skill: 0.8}
templates:
  plain: {text: "Review: {text} Mood:", words: {neg: bad, pos: good}}
  cloze: {text: "{text} It was", words: {neg: bad, pos: good}}
space:
  template: {kind: choice, values: [plain, cloze]}
  demos.strategy: {kind: choice, values: [none, random]}
  demos.k: {kind: int, low: 1, high: 3, when: {demos.strategy: [random]}}
rungs: [10, 20]
budget: {trials: 4}
runner: local
tracker: none
"""

COLOURS = ("amber", "bronze", "copper", "denim", "ebony", "flint", "garnet", "hazel", "indigo", "jade", "khaki")


def rows(number):
    words = [("awful", "neg"), ("lovely", "pos")]
    return [
        {
            "text": f"{COLOURS[i % 11]}{i} {COLOURS[i // 11]}{i} item{i} {words[i % 2][0]}",
            "label": words[i % 2][1],
            "stars": i,
        }
        for i in range(number)
    ]


def fill(folder):
    lines = "".join(json.dumps(row) + "\n" for row in rows(70))
    (folder / "reviews.jsonl").write_text(lines, encoding="utf-8")
    (folder / "space.yaml").write_text(SPACE, encoding="utf-8")


def call(*args, stdin=None, code=0):
    result = CliRunner().invoke(app, [str(a) for a in args], input=stdin)
    assert result.exit_code == code, f"{result.stdout}\n{result.stderr}\n{result.exception!r}"
    return result


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    return tmp_path


@pytest.fixture
def cli():
    return call


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder in which the search has been run."""
    folder = tmp_path_factory.mktemp("finished")
    fill(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        call("run", "space.yaml")
    return folder


@pytest.fixture
def searched(work, finished):
    """A copy of it to play with."""
    shutil.copytree(finished, work, dirs_exist_ok=True)
    return work


@pytest.fixture
def outside():
    """The environment of a process that finds this package, installed or not."""
    root = str(Path(autoprompt_search.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
