"""A search that starts where earlier ones ended, and what it refuses to learn from them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoprompt_search import SearchResult, load_config, search
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.space import SearchSpace
from autoprompt_search.tasks import TASKS
from autoprompt_search.warm import MOST, remember

from .conftest import BASE, space_file


def warm(folder: Path, **changes: Any) -> Path:
    return space_file(folder, study={"type": "optuna", "reduction": 2, "warm_start": ["old"]}, **changes)


def recalled(path: Path) -> list[dict[str, Any]]:
    config = load_config(path)
    return [dict(point) for point in remember(config, TASKS.build(config.task).load(config.seed)).points]


@pytest.fixture
def old(folder: Path, finished: SearchResult) -> Path:
    finished.folder.rename(folder / "old")
    return folder / "old"


def test_the_best_points_come_right_after_the_baseline_and_resume_needs_nothing_else(folder: Path, old: Path) -> None:
    earlier = json.loads((old / "result.json").read_text())
    first = recalled(warm(folder))
    assert 0 < len(first) <= MOST
    best = [f["params"] for f in earlier["finalists"] if f["trial"]]
    assert first[0] == best[0]
    budget = {"trials": 6, "probe": "never"}
    result = search(load_config(warm(folder, budget=budget)))
    assert [dict(r.params) for r in result.records[1:6]] == first[:5]
    shutil.rmtree(old)
    more = search(load_config(warm(folder, budget={"trials": 16, "probe": "never"})))
    assert [dict(r.params) for r in more.records[: 1 + len(first)]][1:] == first
    assert len({fingerprint(r.params) for r in more.records}) == 16


def test_a_name_stands_for_the_text_that_it_had(folder: Path, old: Path) -> None:
    """The two templates have changed names; then one of them is another text."""
    swapped = dict(zip(["cloze", "baseline"], BASE["templates"].values(), strict=True))
    turn = {"baseline": "cloze", "cloze": "baseline"}
    straight = recalled(warm(folder))
    turned = recalled(warm(folder, templates=swapped, baseline={"template": "cloze"}))
    assert turned == [{**point, "template": turn[str(point["template"])]} for point in straight]
    other = {**BASE["templates"], "cloze": {**BASE["templates"]["cloze"], "text": "{text} In short it was"}}
    assert {point["template"] for point in recalled(warm(folder, templates=other))} <= {"baseline"}


def test_points_that_do_not_exist_here_are_left_out(folder: Path, old: Path) -> None:
    everything = recalled(warm(folder))
    assert any(point.get("demos.k", 0) > 1 for point in everything)
    space = {**BASE["space"], "demos.k": {**BASE["space"]["demos.k"], "high": 1}}
    assert all(point.get("demos.k", 1) == 1 for point in recalled(warm(folder, space=space)))
    without = {n: p for n, p in BASE["space"].items() if n != "layout.casing"}
    assert recalled(warm(folder, space=without)) == []
    more = {**BASE["space"], "calibration": {"kind": "choice", "values": ["none", "batch"]}}
    assert recalled(warm(folder, space=more)) == [{**point, "calibration": "none"} for point in everything]


def test_texts_that_a_search_wrote_are_left_out(folder: Path, old: Path) -> None:
    before = recalled(warm(folder))
    with (old / "trials.csv").open(newline="") as file:
        rows = [{**row, "template.text": ""} for row in csv.DictReader(file)]
    best = max(
        (row for row in rows if row["state"] == "complete"), key=lambda r: (float(r["score"]), -float(r["loss"]))
    )
    best |= {"template": "new-1", "template.text": "{text} So it is"}
    with (old / "trials.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert recalled(warm(folder))[: len(before) - 1] == before[1:]


def test_what_earlier_prompts_were_chosen_on_may_not_be_the_test_split(folder: Path, old: Path) -> None:
    """Another seed is another split of the same rows; the same one is the same."""
    assert recalled(warm(folder))
    with pytest.raises(ConfigError, match=r"old chose its prompts on \d+ examples of this search's test split"):
        recalled(warm(folder, seed=4))
    (old / "state" / "examples.json").unlink()
    assert recalled(warm(folder)), "the same test split is safe whatever is known"
    with pytest.raises(ConfigError, match="old does not say on which examples"):
        recalled(warm(folder, seed=4))


@pytest.mark.parametrize(
    "damage",
    [
        shutil.rmtree,
        lambda old: (old / "trials.csv").unlink(),
        lambda old: (old / "trials.csv").write_text("number,state\n1,complete\n"),
        lambda old: (old / "trials.csv").write_bytes(b"\xff\xfe\x00state"),
        lambda old: (old / "trials.csv").write_text(
            (old / "trials.csv").read_text().replace(",as-is,", ",__import__,").replace(",upper,", ",x,")
        ),
        lambda old: (old / "config.yaml").write_text("!!python/object/apply:os.system [ls]"),
        lambda old: (old / "state" / "examples.json").write_text("[1]"),
        lambda old: (old / "state" / "examples.json").write_text("{"),
    ],
)
def test_a_damaged_folder_is_one_clear_error(folder: Path, old: Path, damage: Any) -> None:
    damage(old)
    with pytest.raises(ConfigError) as caught:
        search(load_config(warm(folder)))
    (line,) = caught.value.problems
    assert line.startswith("study.warm_start: old does not hold a finished search that can be read:")


def test_the_test_scores_of_an_earlier_search_are_never_read(folder: Path, old: Path) -> None:
    before = recalled(warm(folder))
    for name in ("result.json", "report.html", "summary.md", "state/report.json", "state/ledger.sqlite"):
        (old / name).unlink()
    assert recalled(warm(folder)) == before


def test_of_another_family_only_the_text_is_taken(folder: Path, old: Path) -> None:
    """The earlier search, as if its best trials had trained soft prompts."""
    soft = {"soft.method": {"kind": "choice", "values": ["none", "prompt-tuning"]}}
    document = yaml.safe_load((old / "config.yaml").read_text())
    document["space"] |= soft
    (old / "config.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    with (old / "trials.csv").open(newline="") as file:
        rows = [
            {**row, "soft.method": "prompt-tuning" if int(row["number"]) else "none"} for row in csv.DictReader(file)
        ]
    with (old / "trials.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    config = load_config(warm(folder))
    config = config.model_copy(update={"space": SearchSpace.model_validate({**BASE["space"], **soft})})
    splits = TASKS.build(config.task).load(config.seed)
    assert {point["soft.method"] for point in remember(config, splits).points} == {"prompt-tuning"}
    document["backend"] = {"type": "hf-masked", "model": "some/bert"}
    (old / "config.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    texts = remember(config, splits).points
    assert texts
    assert {point["soft.method"] for point in texts} == {"none"}
