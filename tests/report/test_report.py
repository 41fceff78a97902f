from __future__ import annotations

import csv
import dataclasses
import functools
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.measurements import Outcome, TrialState
from autoprompt_search.report import ReportData, write_report

from .synthetic import report, search

VOID = {"meta", "link", "br", "hr", "img", "input"}
EVIL = "<script>alert(1)</script>|`*_[x](javascript:y)"


class Page(HTMLParser):
    """Holds that tags are closed in order, ids are unique and nothing is fetched or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self.problems: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href", "xlink:href", "action", "data"}:
                self.links.append(value or "")
            if name.startswith("on"):
                self.problems.append(f"handler {name}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def write(folder: Path, data: ReportData) -> tuple[Page, str, list[list[str]]]:
    html, markdown, table = write_report(folder, data)
    assert [p.name for p in (html, markdown, table)] == ["report.html", "summary.md", "trials.csv"]
    page = Page(html.read_text(encoding="utf-8"))
    assert not page.problems
    assert not page.open
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert page.tags.count("script") == 2  # the data and our own code; neither is fetched
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) == len(data.records) + 1
    return page, markdown.read_text(encoding="utf-8"), rows


@functools.cache
def promoted() -> ReportData:
    return search()


def test_the_verdict_comes_first_and_the_sections_in_order(tmp_path: Path) -> None:
    page, markdown, _ = write(tmp_path, promoted())
    words = [
        "Promote",
        "0.875 on 1,000 unseen examples against 0.669 for the baseline (+0.206, 95",
        "Best prompt",
        "[8 soft tokens]",
        "Scores on dev and test",
        "Optimism",
        "without the luck of having been chosen",
        "0.765 ± 0.018 (cross-fitting: 4 of 5 parts chose this prompt)",
        "Finalists",
        "Score against cost",
        "Search history",
        "Scores per rung",
        "All trials",
        "Importance of each parameter",
        "Confusion on test",
        "Examples that changed",
        "Won 10 of 298",
        "Lost 10 of 92",
        "Failures",
        "Cost",
        "How to reproduce",
        "Notes",
    ]
    text = page.text[page.text.index("Prompt search") :]
    places = [text.find(word, text.find("Reproduce") if i > 3 else 0) for i, word in enumerate(words)]
    assert -1 not in places, words[places.index(-1)]
    assert places == sorted(places)
    assert markdown.startswith("# quickstart: Promote\n\n**The best prompt holds: accuracy 0.875")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<body class="promote">' in html
    assert html.count("<svg") == html.count('role="img"') == 3
    assert len(html) < 400_000


def test_the_same_data_gives_the_same_bytes(tmp_path: Path) -> None:
    first = [p.read_bytes() for p in write_report(tmp_path / "a", search(trials=16))]
    again = [p.read_bytes() for p in write_report(tmp_path / "b", search(trials=16))]
    assert first == again


def test_the_csv_has_a_column_per_parameter_and_no_times(tmp_path: Path) -> None:
    _, _, (head, *rows) = write(tmp_path, promoted())
    params = ["template", "demos.strategy", "demos.k", "soft.method", "soft.tokens", "soft.lr"]
    fixed = ["number", "state", "kind", "score", "stderr", "examples", "steps", "prompt_tokens", "loss"]
    assert head == [*fixed, *params, "error"]
    records = promoted().records
    assert [int(row[0]) for row in rows] == [r.number for r in records]
    assert [row[1] for row in rows] == [r.state.value for r in records]
    assert [float(row[3]) if row[3] else None for row in rows] == [r.last.score if r.last else None for r in records]


def evil_search() -> ReportData:
    data = search(trials=14, labels=("negative", EVIL), seed=5)
    records = [
        dataclasses.replace(r, params={**r.params, "template": EVIL}, error=EVIL if r.error else "", kind=r.kind)
        for r in data.records
    ]
    records.append(dataclasses.replace(records[-1], number=14, state=TrialState.FAILED, error=EVIL, measurements=()))
    result: dict[str, Any] = {**data.result, "reason": EVIL, "notes": [EVIL], "model": EVIL, "name": EVIL}
    result["best"] = {**result["best"], "params": {"template": EVIL, EVIL: EVIL}}
    result["versions"] = {EVIL: EVIL}
    return dataclasses.replace(
        data,
        name=EVIL,
        result=result,
        records=records,
        texts=dict.fromkeys(data.texts, EVIL + "</td>"),
        best_prompt=EVIL + "\n```\n# not a heading\n</pre>",
        config={**data.config, "name": EVIL},
    )


def test_foreign_text_stays_text(tmp_path: Path) -> None:
    data = evil_search()
    page, markdown, _ = write(tmp_path, data)
    assert page.text.count("<script>alert(1)</script>") > 20
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count("<script") == 2
    outside = re.sub(r"^(````+)text\n.*?^\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)<script", outside)
    assert "# not a heading" not in outside
    for line in outside.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == len(re.findall(r"(?<!\\)\|", _head(outside, line)))


def _head(markdown: str, line: str) -> str:
    """The first line of the table that `line` is in."""
    lines = markdown.splitlines()
    at = lines.index(line)
    while lines[at - 1].startswith("|"):
        at -= 1
    return lines[at]


def test_odd_names_do_not_break_figures(tmp_path: Path) -> None:
    data = search(trials=20)
    records = [dataclasses.replace(r, kind=r.kind.replace("demos", r"$\frac{<&")) for r in data.records]
    page, _, _ = write(tmp_path, dataclasses.replace(data, records=records))
    assert r"$\frac{<&" in page.text


def test_nothing_pruned_and_one_rung(tmp_path: Path) -> None:
    records = [r for r in promoted().records if r.state is TrialState.COMPLETE]
    records = [dataclasses.replace(r, measurements=r.measurements[-1:]) for r in records]
    page, _, _ = write(tmp_path, report(records, ("negative", "positive")))
    assert "One rung only" in page.text
    assert (
        "stopped early" not in page.text[page.text.index("Search history") : page.text.index("Scores per rung")][:200]
    )


def test_a_single_trial_is_a_baseline_that_stays(tmp_path: Path) -> None:
    page, markdown, _ = write(tmp_path, search(trials=1, verdict="reject"))
    assert "The baseline prompt stays: its accuracy on 1,000 unseen examples is 0.669" in page.text
    assert "Too few trials" in page.text
    assert "## The baseline prompt, which stays" in markdown


def test_all_failed_but_the_baseline(tmp_path: Path) -> None:
    base = promoted().records[0]
    failed = [
        dataclasses.replace(r, state=TrialState.FAILED, measurements=(), error="TrialError: loss is nan")
        for r in promoted().records[1:]
    ]
    data = report([base, *failed], ("negative", "positive"), verdict="reject")
    page, markdown, _ = write(tmp_path, dataclasses.replace(data, result={**data.result, "finalists": []}))
    assert page.text.count("TrialError: loss is nan") == 47
    assert "no trial but the baseline reached the last rung" in page.text
    assert markdown.count("TrialError: loss is nan") == 47


def test_twelve_labels_long_prompts_and_answers_that_are_no_label(tmp_path: Path) -> None:
    labels = [f"label {i}" for i in range(12)]
    data = search(trials=12, labels=labels, verdict="tie", best_prompt="word " * 3000)
    stray = [Outcome(o.example, o.target, "neither", LabelLogprobs(())) for o in data.best_outcomes[:5]]
    data = dataclasses.replace(data, best_outcomes=[*stray, *data.best_outcomes[5:]])
    page, markdown, _ = write(tmp_path, data)
    assert page.text.count("word") >= 3000
    assert "neither" in page.text
    assert "Tie" in markdown.splitlines()[0]


def test_the_text_of_a_soft_prompt_is_shown_by_itself(tmp_path: Path) -> None:
    data = promoted()
    gap = {"score": 0.05, "low": 0.01, "high": 0.09, "p": 0.01, "method": "exact McNemar"}
    text = {**data.result["baseline"], "trial": None, "dev_gain": {**gap, "score": 0.08}, "test_gain": gap}
    gains = [{**gap, "low": low} for low in (0.01, -0.01, -0.01)]
    finalists = [
        {**f, "chosen": i == 0, "tied": i < 2, "gain": gains[i] if i < 2 else None}
        for i, f in enumerate(data.result["finalists"][:3])
    ]
    result = {**data.result, "own_text": text, "finalists": finalists}
    page, markdown, _ = write(tmp_path, dataclasses.replace(data, result=result))
    assert "| its text alone | – |" in markdown
    assert "The soft prompt adds +0.050 there (95" in markdown
    assert "and +0.080 on dev" in markdown
    assert markdown.count("no better than its own text") == 1
    assert "Its text alone" in page.text
    assert "no better than its own text" in page.text


def test_numbers_that_are_missing_are_dashes(tmp_path: Path) -> None:
    data = search(trials=3)
    result = {
        "name": "x",
        "verdict": "tie",
        "baseline": {"trial": 0, "params": {}},
        "best": {"trial": 1, "params": {"template": "cloze"}},
    }
    bare = ReportData("x", {}, result, data.records, ("a", "b"))
    page, _, _ = write(tmp_path, bare)
    assert "No predictions on the test split were kept" in page.text


def test_text_no_file_can_hold_is_replaced(tmp_path: Path) -> None:
    page, _, _ = write(tmp_path, search(trials=2, best_prompt="half a pair \ud83d here"))
    assert "half a pair ? here" in page.text


@pytest.mark.parametrize("folder", ["new", "new/deeper"])
def test_the_folder_is_made(folder: str, tmp_path: Path) -> None:
    write(tmp_path / folder, search(trials=2))


def test_importing_the_report_imports_no_library_of_the_field() -> None:
    code = """
import sys, autoprompt_search.report
sys.exit(", ".join({"matplotlib", "optuna", "jinja2", "sklearn"} & set(sys.modules)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
