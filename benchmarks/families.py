"""Three model families on the embedded world: what texts, demonstrations and soft prompts add, alone and together.

Runs each family's quickstart with `--set`, as a user would, over several seeds, and writes figures only.

    python benchmarks/families.py [--families gpt bert t5] [--seeds 7 8 9] [--trials 24] [--jobs 2] [--keep DIR]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from harness import command_line, save

ROOT = Path(__file__).parents[1]
SPACES = {"gpt": "quickstart.yaml", "bert": "quickstart_bert.yaml", "t5": "quickstart_t5.yaml"}
NO_DEMOS, NO_SOFT = "space.demos.strategy=none", "space.soft.method=none"
CONDITIONS: Mapping[str, list[str]] = {
    "text": [NO_DEMOS, NO_SOFT],
    "text + demonstrations": [NO_SOFT],
    "soft": [NO_DEMOS, "space.template=baseline", 'space.layout.separator=" "', "space.layout.casing=as-is"],
    "joint": [],
}
"""What may vary; `soft` keeps the baseline's text."""


def run(family: str, seed: int, condition: str, trials: int, folder: Path) -> list[dict[str, Any]]:
    """One search in a process of its own; the rows it gives."""
    sets = [*CONDITIONS[condition], f"seed={seed}", f"budget.trials={trials}"]
    sets += ["tracker={type: none}", "runner={type: local}", "backend.threads=1", "exports=[]", "confirm.finalists=1"]
    out = folder / f"{family}-{seed}-{condition.replace(' ', '')}"
    command = [sys.executable, "-m", "autoprompt_search", "run", str(ROOT / "search_spaces" / SPACES[family])]
    command += ["--out", str(out), *(part for item in sets for part in ("--set", item))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if not (out / "result.json").exists():  # one that was kept is read
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    head = {"family": family, "seed": seed}
    best = result["best"]
    rows = [
        {
            **head,
            "condition": condition,
            "dev": best["dev"]["score"],
            "test": best["test"]["score"],
            "verdict": result["verdict"],
            "kind": best["kind"],
            "method": best["params"].get("soft.method"),
            "forward_passes": result["forward_passes"],
            "seconds": round(result["seconds"], 1),
        }
    ]
    if condition == "text":
        base = result["baseline"]
        rows.append({**head, "condition": "baseline", "dev": base["dev"]["score"], "test": base["test"]["score"]})
    return rows


def table(rows: list[dict[str, Any]], remake: str) -> str:
    """Markdown, one line per family."""
    names = ["baseline", *CONDITIONS]
    lines = [
        "# Families: what each part of the search adds",
        "",
        "Mean test accuracy over seeds, each seed in brackets; `text` and `soft` without demonstrations, `soft` on the "
        f"baseline's text. Made by `{remake}`.",
        "",
        f"| family | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    for family in dict.fromkeys(r["family"] for r in rows):
        cells = []
        for name in names:
            found = [r["test"] for r in rows if (r["family"], r["condition"]) == (family, name)]
            each = ", ".join(f"{value:.3f}" for value in found)
            cells.append(f"{statistics.mean(found):.3f} ({each})" if found else "")
        lines.append(f"| {family} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write(rows: list[dict[str, Any]], out: Path, remake: str) -> None:
    """Both files, after every search, so that a run that is stopped leaves what it has."""
    names = ["baseline", *CONDITIONS]
    rows.sort(key=lambda r: (list(SPACES).index(r["family"]), r["seed"], names.index(r["condition"])))
    save(out, {"rows": rows, "remake": remake}, table(rows, remake))


def main() -> None:
    parser = command_line(__doc__, "families")
    parser.add_argument("--families", nargs="+", choices=tuple(SPACES), default=list(SPACES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--jobs", type=int, default=2, help="searches side by side, one core each")
    parser.add_argument("--keep", type=Path, help="where the searches stay; run again, they are not repeated")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    place = nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory()
    with place as name, ThreadPoolExecutor(options.jobs) as pool:
        todo = [(f, s, c) for s in options.seeds for f in options.families for c in CONDITIONS]
        for done in as_completed([pool.submit(run, *one, options.trials, Path(name)) for one in todo]):
            rows += done.result()
            write(rows, options.out, f"python benchmarks/families.py --trials {options.trials}")
    print(options.out.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
