"""What each part of the search adds: templates only, with demonstrations, with a soft prompt; over several seeds.

Runs the quickstart with `--set`, as a user would, and writes figures only.

    python benchmarks/ablation.py [--seeds 7 8 9] [--trials 48] [--out reports/benchmarks/ablation.json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SPACE = Path(__file__).parents[1] / "search_spaces" / "quickstart.yaml"
VARIANTS = {
    "templates only": ["space.demos.strategy=none", "space.soft.method=none"],
    "+ demonstrations": ["space.soft.method=none"],
    "+ soft prompt": [],
}


def run(variant: str, seed: int, trials: int, folder: Path) -> dict[str, float]:
    """One search in a process of its own; its headline figures."""
    sets = [*VARIANTS[variant], f"seed={seed}", f"budget.trials={trials}", "tracker={type: none}"]
    out = folder / f"{variant.strip('+ ').replace(' ', '-')}-{seed}"
    command = [sys.executable, "-m", "autoprompt_search", "run", str(SPACE), "--out", str(out)]
    subprocess.run([*command, *(part for item in sets for part in ("--set", item))], check=True)
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    return {
        "seed": seed,
        "baseline_test": result["baseline"]["test"]["score"],
        "best_dev": result["best"]["dev"]["score"],
        "best_test": result["best"]["test"]["score"],
        "difference_low": result["difference"]["low"],
        "verdict": result["verdict"],
        "kind": result["best"]["kind"],
        "forward_passes": result["forward_passes"],
        "seconds": result["seconds"],
    }


def table(rows: dict[str, list[dict[str, float]]], remake: str) -> str:
    """Markdown, one line per variant."""
    lines = [
        "# Ablation of the quickstart search",
        "",
        f"Mean test accuracy over seeds, each in brackets. Made by `{remake}`.",
        "",
        "| search over | baseline test | best test | by seed | verdicts | mean seconds |",
        "|---|---|---|---|---|---|",
    ]
    for variant, found in rows.items():
        best = [r["best_test"] for r in found]
        lines.append(
            f"| {variant} | {statistics.mean(r['baseline_test'] for r in found):.3f} | {statistics.mean(best):.3f} | "
            f"{', '.join(f'{b:.3f}' for b in best)} | {', '.join(str(r['verdict']) for r in found)} | "
            f"{statistics.mean(r['seconds'] for r in found):.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks/ablation.json"))
    options = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
    with tempfile.TemporaryDirectory() as name:
        for seed in options.seeds:
            for variant in VARIANTS:
                rows[variant].append(run(variant, seed, options.trials, Path(name)))
                print(variant, rows[variant][-1], flush=True)
    remake = "python benchmarks/ablation.py"
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"rows": rows, "remake": remake}, indent=2) + "\n", encoding="utf-8")
    options.out.with_suffix(".md").write_text(table(rows, remake), encoding="utf-8")


if __name__ == "__main__":
    main()
