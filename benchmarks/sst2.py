"""SST-2 with a real small model: the whole search, its figures committed, its texts not.

    python benchmarks/sst2.py [--out reports/benchmarks/sst2_stories260k.json]

Needs the data set and the model beside the repository (../shared); says so and stops where they are absent.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness import command_line, save

ROOT = Path(__file__).parents[1]
NEEDED = (ROOT.parent / "shared/data/sst2/train.jsonl", ROOT.parent / "shared/models/stories260K/model.safetensors")


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """Numbers and parameter values only: no text of the data set."""
    keys = ("verdict", "difference", "optimism", "trials", "forward_passes", "seconds", "splits", "versions")
    sides = ("trial", "kind", "params", "prompt_tokens", "dev", "test")
    return {
        **{side: {key: result[side][key] for key in sides} for side in ("baseline", "best")},
        **{key: result[key] for key in keys},
    }


def table(found: dict[str, Any], remake: str) -> str:
    """A short Markdown table."""
    gap = found["difference"]
    lines = ["# SST-2 with stories260K", "", f"Figures only. Made by `{remake}`.", ""]
    lines += ["| prompt | kind | prompt tokens | dev | test | 95 % interval |", "|---|---|---|---|---|---|"]
    for side in ("baseline", "best"):
        part = found[side]
        test = part["test"]
        lines.append(
            f"| {side} | {part['kind']} | {part['prompt_tokens']:.0f} | {part['dev']['score']:.3f} | "
            f"{test['score']:.3f} | {test['low']:.3f} to {test['high']:.3f} |"
        )
    lines += [
        "",
        f"Verdict: **{found['verdict']}**; difference {gap['score']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}], "
        f"p = {gap['p']:.2g}; {found['forward_passes']:,} forward passes, {found['seconds']:.0f} s.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__, "sst2_stories260k")
    parser.add_argument("--folder", type=Path, help="keep the full result folder here (it holds texts: do not commit)")
    options = parser.parse_args()
    missing = [str(path) for path in NEEDED if not path.exists()]
    if missing:
        sys.exit(f"this benchmark needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as name:
        folder = (options.folder or Path(name) / "sst2").absolute()
        space = Path(__file__).with_name("sst2_stories260k.yaml")
        command = [sys.executable, "-m", "autoprompt_search", "run", str(space), "--out", str(folder)]
        subprocess.run([*command, "--set", "tracker={type: none}"], check=True, cwd=ROOT)
        found = figures(json.loads((folder / "result.json").read_text(encoding="utf-8")))
    remake = "python benchmarks/sst2.py"
    save(options.out, {**found, "remake": remake}, table(found, remake), indent=2)


if __name__ == "__main__":
    main()
