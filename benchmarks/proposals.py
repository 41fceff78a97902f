"""Do instructions that grow during the search find a better prompt than the fixed list they start from?

    python -m benchmarks.proposals [--seeds 5] [--out reports/benchmarks/proposals.json]

`search_spaces/growing.yaml` on the embedded model, as it is and without its `proposals` section: same seeds, same
number of trials, one process.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from autoprompt_search import load_config, search
from benchmarks.harness import command_line, save

ROOT = Path(__file__).parents[1]
SPACE = ROOT / "search_spaces" / "growing.yaml"
WAYS = {"fixed list": {"proposals": {}}, "with proposals": {}}


def one(seed: int, way: str, folder: Path) -> dict[str, Any]:
    """One whole search: what it chose, and what that is worth on the sealed test split."""
    config = load_config(SPACE, [f"seed={seed}", "runner={type: local}", "tracker={type: none}"])
    result = search(config.model_copy(update=WAYS[way]), out=folder / f"{way.replace(' ', '-')}-{seed}")
    best = result.data["best"]
    return {
        "seed": seed,
        "way": way,
        "verdict": result.data["verdict"],
        "dev": best["dev"]["score"],
        "test": best["test"]["score"],
        "baseline_test": result.data["baseline"]["test"]["score"],
        "forward_passes": result.data["forward_passes"],
        "instruction": best["params"].get("instruction.text") or best["params"]["instruction"],
        "proposers": result.data["proposers"],
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds, and the paired difference in points with its standard error."""
    by_way = {way: [row for row in rows if row["way"] == way] for way in WAYS}
    gains = [100 * (b["test"] - a["test"]) for a, b in zip(*by_way.values(), strict=True)]
    counts: dict[str, list[int]] = {}
    for counted in (t for row in rows for t in row["proposers"]):
        tried, wins = counts.setdefault(counted["proposer"], [0, 0])
        counts[counted["proposer"]] = [tried + counted["tried"], wins + counted["wins"]]
    return {
        "test": {way: statistics.fmean(row["test"] for row in of) for way, of in by_way.items()},
        "forward_passes": {way: statistics.fmean(row["forward_passes"] for row in of) for way, of in by_way.items()},
        "gain_points": statistics.fmean(gains),
        "gain_stderr": statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else None,
        "proposers": {name: {"tried": tried, "wins": wins} for name, (tried, wins) in counts.items()},
    }


def table(found: dict[str, Any]) -> str:
    """Markdown."""
    whole = found["summary"]
    lines = [
        "# Instructions that grow",
        "",
        f"Made by `{found['remake']}`. Embedded GPT and reviews, dev 512, test 1000.",
        "",
    ]
    lines += ["| seed | way | verdict | dev | test | baseline | forward passes | instruction of the best |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| {r['seed']} | {r['way']} | {r['verdict']} | {r['dev']:.3f} | {r['test']:.3f} | {r['baseline_test']:.3f} | "
        f"{r['forward_passes']:,} | {r['instruction']} |"
        for r in found["rows"]
    ]
    error = f" ± {whole['gain_stderr']:.1f}" if whole["gain_stderr"] is not None else ""
    lines += [
        "",
        f"Gain on test: {whole['gain_points']:+.1f}{error} points (mean and standard error, paired by seed).",
    ]
    lines += ["", "| proposer | tried | better than the text it was made from |", "|---|---|---|"]
    lines += [f"| {name} | {c['tried']} | {c['wins']} |" for name, c in whole["proposers"].items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__, "proposals")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = []
        for seed in range(options.seeds):
            for way in WAYS:
                rows.append(one(seed, way, Path(name)))
                print(rows[-1], flush=True)
    found = {
        "summary": summary(rows),
        "rows": rows,
        "remake": f"python -m benchmarks.proposals --seeds {options.seeds}",
    }
    save(options.out, found, table(found), indent=2)


if __name__ == "__main__":
    main()
