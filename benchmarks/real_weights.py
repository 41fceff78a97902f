"""Real weights, equal spending: our search beside random search and TPE with full evaluation.

all-MiniLM-L6-v2 on sst2, subj and ag_news with 64 labelled examples per class and on banking77 with 16, as `minilm.py`
splits them. Each search may spend the same number of forward-equivalents (a training step on one example counts 3), by
default as many as `budget: standard` gives. Ours is the study that a search gets where nothing is said of it. All three
search the same space, texts before soft prompts, and choose by the same rule, so that what differs is what is tried
and on how much of dev. `best on dev` is what people do instead of that rule: the highest dev score, whatever it is
worth. Figures only.

    python -m benchmarks.real_weights --keep DIR [--seeds 5] [--passes 5000] [--jobs 2]
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from benchmarks import minilm
from benchmarks.harness import command_line, processes, save
from benchmarks.machine import described, table

SHOTS = {"sst2": 64, "subj": 64, "ag_news": 64, "banking77": 16}
STRATEGIES: Mapping[str, Mapping[str, str]] = {
    "ours": {},
    "random search": {"sampler": "random", "pruner": "none"},
    "TPE, full evaluation": {"sampler": "tpe", "pruner": "none"},
}


def job(dataset: str, seed: int, model: str, keep: Path, passes: int) -> list[dict[str, Any]]:
    """All strategies on one draw of labelled examples."""
    from autoprompt_search import search
    from autoprompt_search.config import SearchConfig

    folder = keep / f"{dataset}-{seed}"
    teach, choose = minilm.labelled(dataset, SHOTS[dataset], seed)
    test = minilm.tested(dataset)
    labels = sorted({r["label"] for r in teach})
    each = min(sum(r["label"] == label for r in teach) for label in labels)
    folder.mkdir(parents=True, exist_ok=True)
    for part, found in (("train", teach), ("dev", choose), ("test", test)):
        text = "".join(json.dumps(row) + "\n" for row in found)
        (folder / f"{part}.jsonl").write_text(text, encoding="utf-8")
    plan = minilm.config(dataset, "joint", seed, folder, labels, each, len(choose), model).model_dump()
    made = []
    for name, study in STRATEGIES.items():
        said = {"study": {"type": "optuna", **study}, "budget": {"passes": passes}, "confirm": {"finalists": 3}}
        config = SearchConfig.model_validate({**plan, **said})
        result = search(config, out=folder / name.replace(" ", "-")).data
        made.append({"dataset": dataset, "shots": SHOTS[dataset], "seed": seed, "strategy": name, **_row(result)})
    return made


def _row(result: Mapping[str, Any]) -> dict[str, Any]:
    best, base, lucky = result["best"], result["baseline"], result["finalists"][0]
    return {
        "trials": sum(result["trials"].values()),
        "passes": result["forward_passes"],
        "zero_shot": base["test"]["score"],
        "test": best["test"]["score"],
        "dev": best["dev"]["score"],
        "kind": best["kind"],
        "verdict": result["verdict"],
        "difference": {key: result["difference"][key] for key in ("score", "low", "high")},
        "best_on_dev": {"dev": lucky["dev"]["score"], "test": lucky["test"]["score"]},
    }


def summary(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row per data set and strategy, and one over all data sets."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in found:
        groups[row["dataset"], row["strategy"]].append(row)
        groups["all", row["strategy"]].append(row)
    order = [(dataset, name) for dataset in (*SHOTS, "all") for name in STRATEGIES if (dataset, name) in groups]
    return [
        {
            "data": dataset,
            "strategy": name,
            "zero-shot": f"{statistics.fmean(r['zero_shot'] for r in part):.3f}",
            "test, mean (spread)": _spread([r["test"] for r in part]),
            "dev minus test": f"{100 * statistics.fmean(r['dev'] - r['test'] for r in part):+.1f}",
            "below zero-shot": f"{sum(r['test'] < r['zero_shot'] for r in part)} of {len(part)}",
            "beyond the interval": sum(r["difference"]["high"] < 0 for r in part),
            "best on dev: test": f"{statistics.fmean(r['best_on_dev']['test'] for r in part):.3f}",
            "its dev minus test": (
                f"{100 * statistics.fmean(r['best_on_dev']['dev'] - r['best_on_dev']['test'] for r in part):+.1f}"
            ),
            "it below zero-shot": f"{sum(r['best_on_dev']['test'] < r['zero_shot'] for r in part)} of {len(part)}",
            "trials": f"{statistics.fmean(r['trials'] for r in part):.0f}",
            "passes": f"{statistics.fmean(r['passes'] for r in part):,.0f}",
        }
        for dataset, name in order
        for part in [groups[dataset, name]]
    ]


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.3f} ({statistics.stdev(values) if len(values) > 1 else 0:.3f})"


def write(found: list[dict[str, Any]], out: Path, passes: int) -> None:
    """Both files, after every job."""
    names = list(STRATEGIES)
    found.sort(key=lambda r: (list(SHOTS).index(r["dataset"]), r["seed"], names.index(r["strategy"])))
    seeds = {dataset: len({r["seed"] for r in found if r["dataset"] == dataset}) for dataset in SHOTS}
    remake = f"python -m benchmarks.real_weights --keep DIR --seeds {max(seeds.values())} --passes {passes}"
    plain = {**described("optuna"), "model": "all-MiniLM-L6-v2", "rows": found, "remake": remake}
    draws = ", ".join(f"{count} of {dataset}" for dataset, count in seeds.items() if count)
    text = (
        f"# Real weights at equal spending\n\nall-MiniLM-L6-v2, joint search, {passes:,} forward-equivalents each, "
        f"test accuracy on {minilm.TEST} examples. Draws of labelled examples: {draws}. Dev minus test in points. "
        f"Made by `{remake}`.\n\n{table(summary(found))}\n"
    )
    save(out, plain, text)


def main() -> None:
    parser = command_line(__doc__, "real_weights")
    parser.add_argument("--datasets", nargs="+", choices=tuple(SHOTS), default=list(SHOTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=5000, help="forward-equivalents of each search")
    parser.add_argument("--jobs", type=int, default=2, help="searches side by side, one core each")
    parser.add_argument("--keep", type=Path, required=True, help="where the searches stay; run again, they go on")
    options = parser.parse_args()
    model = minilm.model_folder(options.datasets)
    wanted = [(dataset, seed) for seed in range(1, options.seeds + 1) for dataset in options.datasets]
    found: list[dict[str, Any]] = []
    with processes(options.jobs) as pool:
        waiting = {pool.submit(job, *one, model, options.keep, options.passes): one for one in wanted}
        for done in as_completed(waiting):
            found += done.result()
            write(found, options.out, options.passes)
            print(f"{len(found) // len(STRATEGIES)} of {len(wanted)} done", flush=True, file=sys.stderr)


if __name__ == "__main__":
    main()
