"""What a model's chat template is worth: plain text, the template, and the template with an answer prefix.

Each set is one search over these three ways, each with and without batch calibration, zero-shot: every point is
measured on the same dev rows. The search chooses the cheapest prompt within one standard error of its best trial.

    python benchmarks/chat.py --model FOLDER --data FOLDER [--out reports/benchmarks/chat.json]

Figures only; with few rows they say how the ways compare on this model, and not which one is better in general.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from harness import command_line, save

SETS: Mapping[str, Mapping[str, Any]] = {
    "sst2": {
        "text": "{text}{@sep}{@Sentiment}:",
        "instruction": "Is the sentiment of the text negative or positive?",
        "prefix": "The sentiment is",
        "words": {"negative": "negative", "positive": "positive"},
    },
    "ag_news": {
        "text": "{text}{@sep}{@Topic}:",
        "instruction": "Is the topic of the text world, sports, business or technology?",
        "prefix": "The topic is",
        "words": {"World": "world", "Sports": "sports", "Business": "business", "Sci/Tech": "technology"},
    },
}


def main() -> None:
    parser = command_line(__doc__, "chat")
    parser.add_argument("--model", type=Path, required=True, help="folder of an instruct model with a chat template")
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets, each with train, dev and test")
    parser.add_argument("--train", type=int, default=24)
    parser.add_argument("--dev", type=int, default=48)
    parser.add_argument("--test", type=int, default=24)
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    found = json.loads(options.out.read_text()) if options.out.exists() else {"sets": {}}
    for name in SETS:
        if name not in found["sets"] or options.again:
            found["sets"][name] = measured(name, options)
            save(options.out, found, table(found["sets"]))


def measured(name: str, options: Any) -> dict[str, Any]:
    """The scores of all ways on dev, and of the search over them."""
    from autoprompt_search import load_config, search

    started = time.process_time()
    with tempfile.TemporaryDirectory() as made, contextlib.chdir(made):
        Path("space.yaml").write_text(yaml.safe_dump(space_of(name, options), sort_keys=False), encoding="utf-8")
        result = search(load_config(Path("space.yaml")))
        with (result.folder / "trials.csv").open(encoding="utf-8") as file:
            trials = list(csv.DictReader(file))
        data = result.data
    ways = {_way(trial): float(trial["score"]) for trial in trials if trial["score"]}
    return {
        "model": options.model.name,
        "metric": "accuracy",
        "dev": options.dev,
        "ways": ways,
        "best_trial": max(float(trial["score"]) for trial in trials if trial["score"]),
        "chosen": data["best"]["dev"]["score"],
        "winner": _way({k: str(v) for k, v in data["best"]["params"].items()}),
        "test": {side: data[side]["test"]["score"] for side in ("baseline", "best")},
        "test_examples": data["best"]["test"]["examples"],
        "verdict": data["verdict"],
        "cpu_seconds": round(time.process_time() - started),
    }


def space_of(name: str, options: Any) -> dict[str, Any]:
    """One template with one instruction in three ways and two calibrations; every point once."""
    own = SETS[name]
    chat = {"when": {"layout.chat": ["template"]}}
    labels = list(own["words"])
    return {
        "name": name.replace("_", "-"),
        "task": {
            "type": "classification",
            "data": {
                split: str((options.data / name / f"{split}.jsonl").resolve()) for split in ("train", "dev", "test")
            },
            "text": "text",
            "label": "label",
            "labels": labels,
            "max_chars": 400,
            "splits": {split: getattr(options, split) for split in ("train", "dev", "test")},
        },
        "backend": {"type": "hf-causal", "model": str(options.model.absolute())},
        "templates": {"baseline": {"text": own["text"], "instruction": own["instruction"], "words": own["words"]}},
        "space": {
            "layout.chat": {"kind": "choice", "values": ["none", "template"]},
            "layout.answer_prefix": {"kind": "choice", "values": ["none", own["prefix"]], **chat},
            "calibration": {"kind": "choice", "values": ["none", "batch"]},
        },
        "rungs": [options.dev],
        "budget": {"trials": 6},
        "study": {"type": "optuna", "sampler": "grid"},
        "runner": {"type": "local"},
        "tracker": {"type": "none"},
        "confirm": {"finalists": 1},
    }


def _way(params: Mapping[str, str]) -> str:
    chat, prefix = params.get("layout.chat", "none"), params.get("layout.answer_prefix") or "none"
    form = "plain" if chat != "template" else "chat" if prefix == "none" else "chat with answer prefix"
    return f"{form}, batch calibration" if params.get("calibration") == "batch" else form


def table(sets: Mapping[str, Mapping[str, Any]]) -> str:
    """Ways by sets, as Markdown."""
    ways: Sequence[str] = list(next(iter(sets.values()))["ways"])
    lines = ["| zero-shot, accuracy on dev | " + " | ".join(sets) + " |", "|---|" + "---|" * len(sets)]
    lines += [f"| {way} | " + " | ".join(f"{one['ways'].get(way, float('nan')):.3f}" for one in sets.values()) + " |"
              for way in ways]  # fmt: skip
    for name, key in (("best trial of the search", "best_trial"), ("chosen by the search", "chosen")):
        lines.append(f"| {name} | " + " | ".join(f"{one[key]:.3f}" for one in sets.values()) + " |")
    rows = ", ".join(f"{one['dev']} dev rows of {name}" for name, one in sets.items())
    return "\n".join(lines) + f"\n\n{next(iter(sets.values()))['model']}; {rows}.\n"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
