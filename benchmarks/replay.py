"""Published prompt scores searched again, without a model: how far from the best is what a budget finds?

27 runs of finitearth/capo (Apache-2.0; Zehle et al. 2025, arXiv 2504.16005), some 50 prompts each, scored on 10
blocks of 30 dev items. Asking for a prompt on a block costs 30 forward passes; regret is the best prompt's mean over
all blocks minus that of the prompt chosen, in points. Ours is the study and the pruner of a real search
(`study.pruner: knowledge-gradient`); beside it stands what others do, in `Baselines`. Scores per item were not
published, so that pruners that compare item by item cannot be replayed.

    python benchmarks/replay.py [--repeats 60] [--jobs 2] [--keep FILE]
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import command_line, minibatches, play, processes, save, study_of
from numpy.typing import NDArray

from autoprompt_search.core.measurements import Cost, Fidelity, Measurement, TrialState
from autoprompt_search.core.rng import derive_seed
from autoprompt_search.core.types import Params
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.optuna import OptunaStudy

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared/replay/capo_scores.json"
PASSES = (1200, 2400, 3600, 6000)
OURS = "ours: knowledge-gradient"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """One run in one random order: what a search may ask, and the truth that it may not."""

    scores: Floats
    """[prompts, blocks]; prompts in the order in which they are proposed, blocks in the order of dev."""
    items: int
    """Per block."""

    @classmethod
    def shuffled(cls, run: dict[str, Any], seed: int) -> World:
        rng = np.random.default_rng(seed)
        scores = np.array(run["scores"], dtype=float)
        shuffled = scores[rng.permutation(len(scores))][:, rng.permutation(scores.shape[1])]
        return cls(shuffled, run["items_per_block"])

    def regret(self, chosen: int) -> float:
        """In points."""
        means = self.scores.mean(axis=1)
        return float(100 * (means.max() - means[chosen]))

    def measured(self, prompt: int, blocks: int) -> Measurement:
        """As a worker would hand it back: on the first blocks, of which only the last is new."""
        score, examples = float(self.scores[prompt, :blocks].mean()), blocks * self.items
        return Measurement(
            score=score,
            stderr=math.sqrt(score * (1 - score) / (examples - 1)),
            metrics={"loss": 1 - score},
            fidelity=Fidelity(examples, is_full=blocks == self.scores.shape[1]),
            cost=Cost(forward_passes=self.items),
            prompt=str(prompt),
        )


def ours(pruner: str) -> Callable[[World, int, int], int]:
    """A search of one point after another by the study of the product, until the passes are spent."""

    def chosen(world: World, passes: int, seed: int) -> int:
        prompts, blocks = world.scores.shape
        study = study_of(
            SearchSpace.model_validate({"prompt": {"kind": "int", "low": -1, "high": prompts - 1}}),
            seed,
            prompts + 1,
            {"prompt": -1},
            "replay",
            rungs=tuple(world.items * (b + 1) for b in range(blocks)),
            passes=passes,
            sampler="random",
            pruner=pruner,
        )
        seen = _play(study, world, passes)
        leader = study.leader()
        if leader is not None:
            return seen[leader][0]
        prompt, _ = max(seen.values(), key=lambda found: (found[1], world.measured(*found).score))
        return prompt

    return chosen


def _play(study: OptunaStudy, world: World, passes: int) -> dict[int, tuple[int, int]]:
    """Trial -> (prompt, blocks seen). The published runs have no baseline prompt: trial 0 fails, and costs nothing."""
    study.ask()
    study.tell(0, TrialState.FAILED, error="no baseline was published")
    seen: dict[int, tuple[int, int]] = {}
    left = passes

    def measure(number: int, params: Params, rung: int) -> Measurement | None:
        nonlocal left
        prompt, blocks = int(params["prompt"]), rung + 1
        if blocks > seen.get(number, (prompt, 0))[1]:
            if left < world.items:
                return None
            left -= world.items
            seen[number] = (prompt, blocks)
        return world.measured(prompt, blocks)

    play(study, world.scores.shape[1], measure)
    return seen


class Baselines:
    """What others do. A cell is one prompt on one block; unpaired, every prompt has blocks in an order of its own."""

    def __init__(self, *, is_paired: bool) -> None:
        self._is_paired = is_paired

    def subset(self, world: World, cells: int, rng: np.random.Generator) -> int:
        """As many prompts as can be measured on everything; the best of them."""
        blocks = world.scores.shape[1]
        return int(world.scores[: max(1, cells // blocks)].mean(axis=1).argmax())

    def mipro(self, world: World, cells: int, rng: np.random.Generator) -> int:
        """MIPROv2's evaluation: random prompts on random minibatches; every fifth time the prompt with the best mean so
        far is measured on everything, and the best of those is returned. Prompts are drawn uniformly."""
        prompts, blocks = world.scores.shape

        def tried() -> tuple[int, float]:
            prompt = int(rng.integers(prompts))
            return prompt, world.scores[prompt, rng.integers(blocks)]

        return minibatches(tried, lambda prompt: float(world.scores[prompt].mean()), cells, batch=1, total=blocks)

    def halving(self, world: World, cells: int, rng: np.random.Generator) -> int:
        """Successive halving: half of the prompts go on, on twice as many blocks, until the budget ends. Two fifths of
        it go into the first round, the best start of those between a quarter and all."""
        start, blocks = round(0.4 * cells), world.scores.shape[1]
        ladder = [*(2**n for n in range(blocks.bit_length()) if 2**n < blocks), blocks]
        return self._climb(world, cells, [(start // 2**n, rung) for n, rung in enumerate(ladder)], rng)

    def racing(self, world: World, cells: int, rng: np.random.Generator) -> int:
        """After every block the worst 30 % are dropped; as many start as can be paid for."""

        def plan(start: int) -> list[tuple[int, int]]:
            return [(math.ceil(start * 0.7**n), n + 1) for n in range(world.scores.shape[1])]

        paid = (n for n in range(1, len(world.scores) + 1) if sum(count for count, _ in plan(n)) <= cells)
        return self._climb(world, cells, plan(max(paid)), rng)

    def _climb(self, world: World, cells: int, plan: list[tuple[int, int]], rng: np.random.Generator) -> int:
        """Rounds of (prompts that go on, blocks they have then seen), while cells last; the best mean at the end."""
        seen = world.scores if self._is_paired else rng.permuted(world.scores, axis=1)
        alive, means, before = np.arange(len(seen)), np.zeros(len(seen)), 0
        for count, blocks in plan:
            alive = alive[np.argsort(-means[alive], kind="stable")][: max(1, count)]
            more = min(blocks - before, cells // len(alive))
            if more == 0:
                break
            cells, before = cells - more * len(alive), before + more
            means = seen[:, :before].mean(axis=1)
        return int(alive[means[alive].argmax()])


def strategies() -> dict[str, Callable[[World, int, int], int]]:
    """Name -> (world, passes, seed) -> the prompt chosen."""

    def by_cells(play: Callable[[World, int, np.random.Generator], int]) -> Callable[[World, int, int], int]:
        return lambda world, passes, seed: play(world, passes // world.items, np.random.default_rng(seed))

    paired, unpaired = Baselines(is_paired=True), Baselines(is_paired=False)
    return {
        "full evaluation of a random subset": by_cells(paired.subset),
        "MIPROv2-style": by_cells(paired.mipro),
        "successive halving, unpaired": by_cells(unpaired.halving),
        "successive halving, paired": by_cells(paired.halving),
        "racing, unpaired": by_cells(unpaired.racing),
        "racing, paired": by_cells(paired.racing),
        "ours: knowledge-gradient": ours("knowledge-gradient"),
    }


def replay(place: int, name: str, repeats: int) -> dict[str, float]:
    """Passes -> mean regret of a strategy on one run; all strategies see the same orders."""
    run, choose = json.loads(DATA.read_text(encoding="utf-8"))[place], strategies()[name]
    found = {}
    for passes in PASSES:
        seeds = [derive_seed("replay", place, repeat) for repeat in range(repeats)]
        worlds = ((World.shuffled(run, seed), seed) for seed in seeds)
        found[str(passes)] = statistics.fmean(world.regret(choose(world, passes, seed)) for world, seed in worlds)
    return found


def summary(found: Mapping[tuple[int, str], dict[str, float]], repeats: int) -> dict[str, Any]:
    """Means over runs, and at each budget ours against the best of the others, paired over runs."""
    from scipy.stats import wilcoxon

    runs = sorted({place for place, _ in found})
    by_run = {name: {str(p): [found[n, name][str(p)] for n in runs] for p in PASSES} for name in strategies()}
    regret = {name: {p: round(statistics.fmean(r), 3) for p, r in row.items()} for name, row in by_run.items()}
    tests = {}
    for passes in map(str, PASSES):
        best = min((name for name in regret if name != OURS), key=lambda n: regret[n][passes])
        p = float(wilcoxon(by_run[OURS][passes], by_run[best][passes], alternative="less").pvalue)
        figures = {"ours": regret[OURS][passes], "regret": regret[best][passes]}
        tests[passes] = {**figures, "best_other": best, "p": round(p, 5)}
    return {"regret": regret, "tests": tests, "runs": len(runs), "repeats": repeats}


def table(found: dict[str, Any]) -> str:
    """Markdown."""
    heads = " | ".join(f"{p:,}" for p in PASSES)
    lines = [
        "# Replay of published prompt scores",
        "",
        f"Regret in points after so many forward passes, mean over {found['runs']} published runs, {found['repeats']} "
        f"random orders each. Made by `{found['remake']}`.",
        "",
        f"| strategy | {heads} |",
        f"|---|{'---|' * len(PASSES)}",
    ]
    for name, row in found["regret"].items():
        lines.append(f"| {name} | {' | '.join(f'{row[str(p)]:.2f}' for p in PASSES)} |")
    lines += ["", f"`{OURS}` against the best of the others, one-sided Wilcoxon test over runs:", ""]
    for passes, test in found["tests"].items():
        pair = f"{test['ours']:.2f} against {test['regret']:.2f} ({test['best_other']})"
        lines.append(f"- {int(passes):,}: {pair}, p = {test['p']:.2g}")
    return "\n".join(lines) + "\n"


def write(found: Mapping[tuple[int, str], dict[str, float]], repeats: int, out: Path) -> None:
    """Both files."""
    plain = {**summary(found, repeats), "remake": f"python benchmarks/replay.py --repeats {repeats}"}
    save(out, plain, table(plain))


def kept(path: Path | None) -> Iterator[tuple[tuple[int, str], dict[str, float]]]:
    """What an earlier call finished."""
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            place, name, regrets = json.loads(line)
            yield (place, name), regrets


def main() -> None:
    parser = command_line(__doc__, "replay")
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side, one core each")
    parser.add_argument("--keep", type=Path, help="where finished parts are kept; run again, they are not repeated")
    options = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"this benchmark needs {DATA.relative_to(ROOT.parent)}")
    found = dict(kept(options.keep))
    runs = range(len(json.loads(DATA.read_text(encoding="utf-8"))))
    wanted = [(place, name) for name in strategies() for place in runs if (place, name) not in found]
    with processes(options.jobs) as pool:
        waiting = {pool.submit(replay, *one, options.repeats): one for one in wanted}
        for done in as_completed(waiting):
            found[waiting[done]] = done.result()
            print(f"{len(found)} of {len(runs) * len(strategies())} done", flush=True, file=sys.stderr)
            if options.keep:
                with options.keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([*waiting[done], done.result()]) + "\n")
    write(found, options.repeats, options.out)


if __name__ == "__main__":
    main()
