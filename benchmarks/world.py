"""The embedded world searched by several strategies: how many forward passes until the prompt is nearly the best?

Every text of a space over the embedded reviews and the embedded GPT is measured once on all of dev, so that the best
is known. In that world an instruction that speaks of experts is answered by the careful rater, whatever the rest of
the prompt: 2 of 24 instructions do. (Of the quickstart's own texts, with up to 8 demonstrations, 28 % are within a
point of the best: four random ones find it, and no search is needed.) Then each strategy searches that table at a row
of budgets, and what counts is the budget from which on its choices are within one point of the best, on average over
seeds. Ours, random search and TPE with full evaluation are the study of the product with another sampler and pruner;
MIPROv2's way (minibatches of 35 random examples, the best mean measured on everything after every fifth) is written
down here. All but MIPROv2's pay for the baseline too. Truth is dev itself, as in the replay: what choosing on few
examples adds is the matter of `aa.py`.

    python -m benchmarks.world [--seeds 10] [--keep FILE]
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import yaml
from numpy.typing import NDArray

from autoprompt_search.config import SearchConfig
from autoprompt_search.config.sections import Budget
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Cost, Fidelity, Measurement
from autoprompt_search.core.rng import derive_seed
from autoprompt_search.core.types import Params, Scalar
from autoprompt_search.evaluate import losses, measure
from autoprompt_search.runners import RUNNERS
from autoprompt_search.session import prepare
from autoprompt_search.space import AnyParam, SearchSpace
from autoprompt_search.studies.grid import points
from autoprompt_search.trial import backend_of, build_prompt
from autoprompt_search.workspace import Workspace
from benchmarks.harness import chosen, command_line, minibatches, play, save, study_of
from benchmarks.machine import described, table

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "search_spaces" / "quickstart.yaml"
INSTRUCTIONS = (
    "Say what the customer thinks.",
    "Reviews from a shop.",
    "Here are some opinions about products.",
    "Decide how the customer feels.",
    "Read the review and answer.",
    "A review and what it says.",
    "What people write about what they bought.",
    "Tell a good review from a bad one.",
    "Answer with one word.",
    "These are reviews of many things.",
    "Think about the review first.",
    "Look at every word of the review.",
    "Expert judges.",
    "Every review has an answer.",
    "Opinions of customers, old and new.",
    "Give the feeling of the text.",
    "Some customers are happy, and some are not.",
    "A list of comments.",
    "Please judge the review.",
    "Does the customer like it?",
    "Careful readers.",
    "The answer stands behind the review.",
    "Reviews of this week.",
    "Find out whether it is good or bad.",
)
SPACE: dict[str, Any] = {
    "instruction": {"kind": "choice", "values": [f"i{n}" for n in range(len(INSTRUCTIONS))]},
    "demos.strategy": {"kind": "choice", "values": ["none", "balanced"]},
    "demos.k": {"kind": "choice", "values": [4, 8], "when": {"demos.strategy": ["balanced"]}},
}
"""Beside the quickstart's templates and separators."""
RUNGS = (32, 128, 512)
BUDGETS = (1024, 2048, 2896, 4096, 5793, 8192, 11585, 16384, 23170)
WITHIN = 1.0
"""Points."""
MINIBATCH = 35
Bits = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """All that can be known."""

    space: SearchSpace
    rows: Mapping[str, int]
    """Fingerprint of a point -> its row."""
    right: Bits
    """[points, examples]: 1 where the prompt is right."""
    loss: Bits
    """[points, examples]."""

    def row(self, params: Params) -> int:
        return self.rows[fingerprint(dict(params))]

    def regret(self, row: int) -> float:
        """In points."""
        means = self.right.mean(axis=1)
        return float(100 * (means.max() - means[row]))

    def measured(self, row: int, examples: int, before: int) -> Measurement:
        """As a worker would hand it back."""
        right, loss = self.right[row, :examples], self.loss[row, :examples]
        return Measurement(
            score=float(right.mean()),
            stderr=float(right.std() / math.sqrt(examples - 1)),
            metrics={"loss": float(loss.mean())},
            fidelity=Fidelity(examples, is_full=examples == self.right.shape[1]),
            cost=Cost(forward_passes=examples - before),
            prompt=str(row),
        )


Strategy = Callable[[World, int, int], int]
"""(world, passes, seed) -> the row chosen."""


def space_of() -> tuple[dict[str, Any], SearchSpace]:
    """The plain configuration of the world and its space."""
    plain = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    kept = {name: plain["space"][name] for name in ("template", "layout.separator")}
    plain |= {"space": {**kept, **SPACE}, "rungs": [RUNGS[-1]], "runner": "local", "tracker": "none"}
    plain["instructions"] = {f"i{n}": text for n, text in enumerate(INSTRUCTIONS)}
    return plain, SearchSpace.model_validate(plain["space"])


def measured_world(keep: Path | None) -> World:
    """Every point on all of dev: some ten minutes of a core, or a file that an earlier call left."""
    plain, space = space_of()
    every = list(points(space, {}))
    rows = {fingerprint(point): n for n, point in enumerate(every)}
    if keep is not None and keep.exists():
        with np.load(keep, allow_pickle=False) as found:
            return World(space, rows, found["right"], found["loss"])
    config = SearchConfig.model_validate(plain)
    right, loss = np.zeros((len(every), RUNGS[-1])), np.zeros((len(every), RUNGS[-1]))
    with (
        tempfile.TemporaryDirectory() as folder,
        Workspace(Path(folder), config, fresh=False) as place,
        closing(RUNNERS.build(config.runner)) as runner,
    ):
        job = prepare(config, place, runner).job
        backend = backend_of(job.backend)
        for n, point in enumerate(every):
            made = measure(build_prompt(job, point, backend), job.dev, backend, metric=job.metric)
            right[n], loss[n] = [o.is_right for o in made.outcomes], losses(made.outcomes)
            if n % 50 == 0:
                print(f"{n} of {len(every)} points measured", flush=True, file=sys.stderr)
    if keep is not None:
        keep.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(keep, right=right, loss=loss)
    return World(space, rows, right, loss)


def by_study(sampler: str, pruner: str | None) -> Strategy:
    """A search by the study of the product, one trial at a time, until the passes are spent; where trials may end
    early with the probe that the product puts before such a search.
    """

    def choose(world: World, passes: int, seed: int) -> int:
        rungs = RUNGS if pruner != "none" else RUNGS[-1:]
        spent = max(1, passes - RUNGS[-1])
        study = study_of(
            world.space,
            seed,
            10_000,
            world.space.baseline({}),
            "world",
            rungs=rungs,
            passes=spent,
            probe=Budget(passes=spent).anchors(rungs) if pruner != "none" else 0,
            sampler=sampler,
            pruner=pruner,
        )
        rows: dict[int, int] = {}
        known: dict[int, int] = {}
        left = passes

        def measure(number: int, params: Params, rung: int) -> Measurement | None:
            nonlocal left
            row = rows[number] = world.row(params)
            examples, before = rungs[rung], known.get(number, 0)
            if examples > before:
                if left < examples - before:
                    return None
                left -= examples - before
                known[number] = examples
            return world.measured(row, examples, min(before, examples))

        play(study, len(rungs), measure)
        return rows[chosen(study) or 0]

    return choose


def mipro(world: World, passes: int, seed: int) -> int:
    """TPE over minibatches of random examples, no two alike; full evaluations enter with equal weight."""
    rng = np.random.default_rng(seed)
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    total = world.right.shape[1]

    def tried() -> tuple[int, float]:
        trial = study.ask()
        row = world.row(world.space.point(partial(_suggested, trial)))
        score = float(world.right[row, rng.choice(total, MINIBATCH, replace=False)].mean())
        study.tell(trial, score)
        return row, score

    return minibatches(tried, lambda row: float(world.right[row].mean()), passes, batch=MINIBATCH, total=total)


def _suggested(trial: optuna.Trial, name: str, param: AnyParam) -> Scalar:
    """Every parameter of this world is a choice."""
    value: Scalar = trial.suggest_categorical(name, param.values)  # type: ignore[union-attr]
    return value


STRATEGIES: Mapping[str, Strategy] = {
    "random search, full evaluation": by_study("random", "none"),
    "Optuna TPE, full evaluation": by_study("tpe", "none"),
    "MIPROv2-style": mipro,
    "ours: tpe, knowledge-gradient (default)": by_study("tpe", None),
    "ours: tpe, halving": by_study("tpe", "halving"),
}
RANDOM, OURS = "random search, full evaluation", "ours: tpe, knowledge-gradient (default)"
"""`ratio` is that of the defaults; `ratios` has all."""


def needed(regrets: Sequence[float]) -> int | None:
    """The passes from which on the mean regret stays within `WITHIN`, between budgets on a log scale; None: more."""
    place = len(regrets)
    while place and regrets[place - 1] <= WITHIN:
        place -= 1
    if place == len(regrets):
        return None
    if place == 0:
        return BUDGETS[0]
    over, under = regrets[place - 1] - WITHIN, WITHIN - regrets[place]
    low, high = math.log(BUDGETS[place - 1]), math.log(BUDGETS[place])
    return round(math.exp(low + (high - low) * over / (over + under)))


def main() -> None:
    parser = command_line(__doc__, "world")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--keep", type=Path, help="where the measured world stays")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    world = measured_world(options.keep)
    regret: dict[str, list[float]] = {}
    for name, choose in STRATEGIES.items():
        regret[name] = [
            statistics.fmean(
                world.regret(choose(world, passes, derive_seed("world", seed))) for seed in range(options.seeds)
            )
            for passes in BUDGETS
        ]
        print(name, [round(r, 2) for r in regret[name]], flush=True, file=sys.stderr)
    passes = {name: needed(values) for name, values in regret.items()}
    means = world.right.mean(axis=1)
    top = passes[RANDOM] or BUDGETS[-1]
    ratios = {name: round(top / n, 2) if n else None for name, n in passes.items()}
    made = {
        **described("optuna"),
        "points": len(means),
        "within_one_point": int((means >= means.max() - WITHIN / 100).sum()),
        "best": round(float(means.max()), 4),
        "seeds": options.seeds,
        "budgets": BUDGETS,
        "regret": {name: [round(r, 3) for r in values] for name, values in regret.items()},
        "passes": passes,
        "ratio": ratios[OURS],
        "ratios": ratios,
        "remake": f"python -m benchmarks.world --seeds {options.seeds}",
    }
    shown = BUDGETS[:-1]
    rows = [
        {
            "strategy": name,
            **{f"{b:,}": f"{values[BUDGETS.index(b)]:.2f}" for b in shown},
            "passes to within 1 point": f"{passes[name]:,}" if passes[name] else f"more than {BUDGETS[-1]:,}",
            "fewer than random": f"{ratios[name]} times" if ratios[name] else "",
        }
        for name, values in regret.items()
    ]
    text = (
        f"# The embedded world\n\n{made['points']} texts, the best right on {made['best']:.1%} of dev, "
        f"{made['within_one_point']} within a point of it. Regret in points after so many forward passes, mean over "
        f"{options.seeds} seeds. Made by `{made['remake']}`.\n\n{table(rows)}\n"
    )
    save(options.out, made, text)


if __name__ == "__main__":
    main()
