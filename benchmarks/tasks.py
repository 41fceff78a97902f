"""One search per task on real data with a small instruct model; every metric beside the scorer that people cite.

Each row is a whole search: the space below, some dev and test rows, a few trials, the verdict. Its metric is then taken
again from the predictions of the exported prompt on the search's own test rows, by the reference scorer: sacrebleu,
rouge-score, scikit-learn, the rules of SQuAD 1.1's script (written here once more), or equality of numbers. Texts stay
out of the result.

    python benchmarks/tasks.py --model FOLDER --data FOLDER [--only squad_v1 ...] [--out reports/benchmarks/tasks.json]

Rows of the data whose texts are long are left out, and `--small` names a model for the tasks whose texts are long by
nature. A row is written when it is done; a row that is there already is not measured again unless `--again` says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import string
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from harness import ROOT, command_line, save

Texts = Sequence[str]
References = Sequence[Sequence[str]]
Reference = Callable[[Texts, References], float]
"""Answers, "" where none could be read, and the right ones of each, to the score."""


@dataclass(frozen=True)
class Row:
    """One task on one data set."""

    task: str
    data: str
    space: str
    """Name of the file in `search_spaces/`."""
    options: Mapping[str, Any]
    """Of the task, instead of those of the file."""
    reference: str
    changes: Mapping[str, Any] | None = None
    """Sections of the file to replace."""
    is_long: bool = False
    """Whether prompts or answers are too long for the larger model on two shared cores."""
    keep: Callable[[Mapping[str, Any]], bool] = lambda _: True


def squad(said: Texts, right: References) -> float:
    """F1 of the official evaluation script, evaluate-v1.1.py, in its own words."""

    def normalize(text: str) -> list[str]:
        text = "".join(character for character in text.lower() if character not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    def f1(prediction: str, truth: str) -> float:
        ours, theirs = normalize(prediction), normalize(truth)
        same = sum((Counter(ours) & Counter(theirs)).values())
        if same == 0:
            return 0.0
        precision, recall = 1.0 * same / len(ours), 1.0 * same / len(theirs)
        return (2 * precision * recall) / (precision + recall)

    return sum(max(f1(one, truth) for truth in truths) for one, truths in zip(said, right, strict=True)) / len(said)


def sacre(said: Texts, right: References) -> float:
    from sacrebleu.metrics import CHRF

    return float(CHRF().corpus_score(list(said), [list(column) for column in zip(*right, strict=True)]).score / 100)


def rouge(said: Texts, right: References) -> float:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1"], use_stemmer=True)
    scores = [scorer.score_multi(list(texts), one)["rouge1"].fmeasure for one, texts in zip(said, right, strict=True)]
    return sum(scores) / len(scores)


def exact(said: Texts, right: References) -> float:
    return sum(one.strip() in [text.strip() for text in texts] for one, texts in zip(said, right, strict=True)) / len(
        said
    )


def numbers(said: Texts, right: References) -> float:
    """As lm-evaluation-harness reads GSM8K flexibly: the last number, without signs of currency and grouping."""

    def last(text: str) -> float | None:
        found = re.findall(r"-?[$0-9.,]{2,}|-?[0-9]+", text)
        digits = found[-1].replace("$", "").replace(",", "").rstrip(".") if found else ""
        return float(digits) if re.fullmatch(r"-?\d+(\.\d+)?", digits) else None

    wanted = [last(texts[-1]) for texts in right]
    return sum(last(one) is not None and last(one) == number for one, number in zip(said, wanted, strict=True)) / len(
        said
    )


def accuracy(said: Texts, right: References) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score([texts[0] for texts in right], list(said)))


REFERENCES: Mapping[str, tuple[str, Reference]] = {
    "squad": ("evaluate-v1.1.py", squad),
    "chrf": ("sacrebleu CHRF", sacre),
    "rouge": ("rouge-score", rouge),
    "exact": ("equality", exact),
    "numbers": ("last number, lm_eval flexible", numbers),
    "accuracy": ("scikit-learn", accuracy),
}
_CHAT: tuple[str, ...] = ("layout.chat", "layout.system", "layout.answer_prefix")
BANKING = {
    "answer": {"by": "text", "tokens": 12, "stop": ["\n"], "parser": "first-label"},
    "templates": {
        "baseline": {"text": "{text}{@sep}{@Intent}:"},
        "instruction": {
            "style": "instruction",
            "instruction": "Name the intent of each message of a bank's customer.",
            "text": "{@Message}: {text}{@sep}{@Intent}:",
        },
    },
    "verbalizers": None,
    "space": {
        "template": {"kind": "choice", "values": ["baseline", "instruction"]},
        "layout.chat": {"kind": "choice", "values": ["none", "template"]},
        "demos.strategy": {"kind": "choice", "values": ["none", "knn"]},
        "demos.k": {"kind": "int", "low": 2, "high": 6, "when": {"demos.strategy": ["knn"]}},
    },
}
ROWS = (
    Row(
        "instruction induction",
        "instruction_induction",
        "instruction_induction",
        {"text": "input", "target": "references"},
        "exact",
        {"proposals": None},
        keep=lambda row: row["task"] == "singular_to_plural",
    ),
    Row(
        "labels by text",
        "banking77",
        "chat_classification",
        {"text": "text", "labels": None},
        "accuracy",
        BANKING,
        keep=lambda row: row["label_id"] < 8,
    ),
    Row(
        "pairs",
        "rte",
        "pairs",
        {"text": {"premise": "text", "hypothesis": "text_pair"}, "labels": None},
        "accuracy",
        keep=lambda row: len(row["text"] + row["text_pair"]) < 240,
    ),
    Row("translation", "multi30k_en_de", "translation", {"text": {"source": "source"}, "target": "target"}, "chrf"),
    Row(
        "question answering",
        "squad_v1",
        "extractive_qa",
        {},
        "squad",
        is_long=True,
        keep=lambda row: len(row["context"]) < 900,
    ),
    Row(
        "dialogue summary",
        "samsum",
        "dialogue",
        {"turns": "source", "target": "target"},
        "rouge",
        is_long=True,
        keep=lambda row: len(row["source"]) < 500,
    ),
    Row(
        "arithmetic",
        "gsm8k",
        "arithmetic",
        {"target": ["rationale", "answer"]},
        "numbers",
        is_long=True,
        keep=lambda row: len(row["question"]) < 250,
    ),
)


def main() -> None:
    parser = command_line(__doc__, "tasks")
    parser.add_argument("--model", type=Path, required=True, help="folder of SmolLM2-135M-Instruct or another model")
    parser.add_argument("--small", type=Path, help="folder of a small model for tasks with long texts")
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets, each with train, dev and test")
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--train", type=int, default=64)
    parser.add_argument("--dev", type=int, default=24)
    parser.add_argument("--test", type=int, default=48)
    parser.add_argument("--trials", type=int, default=4)
    options = parser.parse_args()
    found = json.loads(options.out.read_text()) if options.out.exists() else {"rows": []}
    rows = {row["data"]: row for row in found["rows"]}
    for row in ROWS:
        if (options.only and row.data not in options.only) or (row.data in rows and not options.again):
            continue
        model = options.small if row.is_long and options.small else options.model
        rows[row.data] = measured(row, model.absolute(), options)
        kept = [rows[one.data] for one in ROWS if one.data in rows]
        save(options.out, {"rows": kept}, table(kept))


def measured(row: Row, model: Path, options: Any) -> dict[str, Any]:
    """Search, then score the exported prompt's predictions on the search's test rows with ours and the reference."""
    from autoprompt_search import load_config, load_prompt, search
    from autoprompt_search.tasks import TASKS

    started = time.process_time()
    config = space_of(row, model, options)
    with tempfile.TemporaryDirectory() as made, contextlib.chdir(made):
        config["task"]["data"] = dict(_subset(row, options))
        Path("space.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        loaded = load_config(Path("space.yaml"))
        result = search(loaded)
        examples = TASKS.build(loaded.task).load(loaded.seed).test
        evaluation = load_prompt(result.folder / "best_prompt").evaluate(examples)
        score = result.data["best"]["test"]["score"]
    said = ["" if p.unscored else p.answer for p in evaluation.predictions]
    name, reference = REFERENCES[row.reference]
    theirs = reference(said, [example.targets for example in examples])
    ours = evaluation.scores[evaluation.metric].score
    return {
        "task": row.task,
        "data": row.data,
        "model": model.name,
        "metric": evaluation.metric,
        "ours": ours,
        "reference": theirs,
        "scorer": name,
        "is_equal": abs(ours - theirs) < 1e-9 and abs(ours - score) < 1e-9,
        "examples": len(examples),
        "unscored": round(evaluation.shares.get("unscored", 0.0), 6),
        "baseline": result.data["baseline"]["test"]["score"],
        "verdict": result.data["verdict"],
        "trials": dict(result.data["trials"]),
        "cpu_seconds": round(time.process_time() - started),
    }


def space_of(row: Row, model: Path, options: Any) -> dict[str, Any]:
    """The task's file in `search_spaces/`, made small."""
    from autoprompt_search.config.rules_chat import names_chat_template

    config = yaml.safe_load((ROOT / f"search_spaces/{row.space}.yaml").read_text(encoding="utf-8"))
    config |= dict(row.changes or {})
    task = {**config["task"], **row.options, "splits": {n: getattr(options, n) for n in ("train", "dev", "test")}}
    config["task"] = {name: value for name, value in task.items() if value is not None}
    if "max_chars" in task:
        config["task"]["max_chars"] = min(task["max_chars"], 500)
    config["space"]["demos.k"] = {**config["space"]["demos.k"], "low": 1, "high": 2}
    if "answer" in config:
        config["answer"]["tokens"] = min(config["answer"]["tokens"], 64 if row.is_long else 32)
    config["backend"] = {"type": "hf-causal", "model": str(model)}
    dropped = () if names_chat_template(str(model)) else _CHAT
    if row.is_long and options.small:
        dropped += ("demos.",)
    config["space"] = {name: param for name, param in config["space"].items() if not name.startswith(dropped)}
    config |= {"rungs": [options.dev], "budget": {"trials": options.trials}}
    config |= {"runner": {"type": "local"}, "tracker": {"type": "none"}}
    config["confirm"] = {"finalists": 1}
    return {name: value for name, value in config.items() if value is not None}


def _subset(row: Row, options: Any) -> Iterator[tuple[str, str]]:
    """The rows of the task in files of their own, those that it does not keep left out."""
    for split in ("train", "dev", "test"):
        lines = (options.data / row.data / f"{split}.jsonl").read_text(encoding="utf-8").split("\n")
        kept = [line for line in lines if line and row.keep(json.loads(line))]
        Path(f"{split}.jsonl").write_text("\n".join(kept) + "\n", encoding="utf-8")
        yield split, f"{split}.jsonl"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = ["| task | data | model | metric | ours | reference | scorer | examples | unscored |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        figures = f"{row['ours']:.6f} | {row['reference']:.6f} | {row['scorer']}"
        lines.append(
            f"| {row['task']} | {row['data']} | {row['model']} | {row['metric']} | {figures} | {row['examples']} | "
            f"{row['unscored']:.1%} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
