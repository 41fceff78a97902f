"""Rows with tests become examples whose reference solutions pass; what is wrong is named before the search."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.sandbox.verdicts import sandbox
from autoprompt_search.tasks import TASKS
from autoprompt_search.tasks.rereading import rows_of
from autoprompt_search.tasks.tables import Row
from autoprompt_search.testing.task_contract import TaskContract

pytestmark = pytest.mark.skipif(sandbox() is None, reason="bubblewrap cannot make a sandbox on this machine")


def row(n, **changes):
    base = {
        "text": f"Add {n}.",
        "code": f"def add_{n}(x):\n    return x + {n}",
        "test_list": [f"assert add_{n}(1) == {n + 1}", f"assert add_{n}(-{n}) == 0"],
    }
    return {**base, **changes}


def written(folder: Path, rows) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return str(path)


def made(folder, rows, **options):
    return TASKS.build(
        ComponentSpec(type="code", data=written(folder, rows), **{"allow_code_execution": True, **options})
    )


class TestCode(TaskContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return made(self.folder, [row(n) for n in range(40)])


def test_tests_and_entry_point_are_read_and_no_prompt_shows_the_tests(tmp_path):
    splits = made(tmp_path, [row(n) for n in range(24)], seconds=2, megabytes=256).load(0)
    one = splits.dev[0]
    n = int(one.inputs["text"].split()[1].rstrip("."))
    assert one.inputs == {"text": f"Add {n}.", "entry_point": f"add_{n}"}
    assert one.tests.cases == (f"assert add_{n}(1) == {n + 1}", f"assert add_{n}(-{n}) == 0")
    assert (one.tests.seconds, one.tests.megabytes) == (2.0, 256)


def test_humaneval_rows_are_read(tmp_path):
    rows = [
        {
            "prompt": f'def add_{n}(x):\n    """Add {n}."""\n',
            "canonical_solution": f"    return x + {n}\n",
            "test": f"def check(candidate):\n    assert candidate(1) == {n + 1}\n",
            "entry_point": f"add_{n}",
        }
        for n in range(24)
    ]
    columns = {"text": "prompt", "target": "canonical_solution", "tests": "test"}
    with pytest.raises(ConfigError, match="the field 'entry_point' is made of the tests"):
        made(tmp_path, rows, **{**columns, "text": ["prompt", "entry_point"]})
    task = made(tmp_path, rows, **columns, beginning="prompt", entry_point="entry_point")
    assert task.load(0).dev[0].tests.cases[-1].startswith("check(add_")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code": "def add_3(x):\n    return x"}, "reference solution does not pass its tests (failed)"),
        ({"code": "def add_3(x) return"}, "reference solution does not pass its tests (no-program)"),
        ({"test_list": ["assert add_3(1) =="]}, "a test in 'test_list' is no Python"),
        ({"test_list": []}, "no tests in 'test_list'"),
        ({"code": ""}, "empty reference in 'code'"),
    ],
)
def test_a_bad_row_is_named_before_the_search(tmp_path, changes, message):
    rows = [row(n) for n in range(24)]
    rows[3] |= changes
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, rows).load(0)
    assert message in str(caught.value)
    assert "rows.jsonl:4" in str(caught.value) or "rows:4: its reference" in str(caught.value)


def test_nothing_runs_without_permission(tmp_path):
    with pytest.raises(ConfigError, match="allow_code_execution: programs that a model wrote are run"):
        made(tmp_path, [row(n) for n in range(24)], allow_code_execution=False)


@pytest.mark.parametrize(
    "settings", [{"seconds": "1e9"}, {"seconds": "soon"}, {"megabytes": 10**9}, {"megabytes": None}]
)
def test_limits_that_an_export_claims_are_bounded(settings):
    reading = Reading({"text": "text"}, "code", task="code", settings={"seconds": "5", "megabytes": 512, **settings})
    with pytest.raises(ConfigError, match=next(iter(settings))):
        rows_of(reading).gold(Row(1, "rows.jsonl:1", row(1)))
