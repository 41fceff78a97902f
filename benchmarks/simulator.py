"""Searches of a simulated world whose truth is known, by the study and the pruners of the product.

Three questions. Races: in what share of searches does a pruner end the prompt that is the best on all of dev, beside
the `error` that racing promises, among ordinary prompts and among such that are all equally good, by accuracy and by
macro-F1? Quality: how far from the best text is what every sampler and pruner chooses, for the passes of a preset?
Joint: is a search of texts and soft prompts together better than one of either alone at equal forward-equivalents?
The world is described in `simulated.py`; regret is counted in points of true accuracy over all items of its kind.

    python -m benchmarks.simulator [--races 150] [--seeds 24] [--jobs 2]
    python -m benchmarks.simulator --only joint        # the other tables stay as they are
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from autoprompt_search.core.measurements import Measurement, TrialState
from autoprompt_search.core.rng import derive_seed
from autoprompt_search.core.types import Params
from autoprompt_search.metrics import metric_named
from autoprompt_search.space import SearchSpace
from benchmarks.harness import chosen, command_line, play, processes, save, study_of
from benchmarks.machine import described, table
from benchmarks.simulated import LABELS, RUNGS, Exam, World, space

PROMPTS, ERROR, RARE = 24, 0.1, 1 / 8
"""Of a race: prompts, the promised share of lost winners, and the share of the rare label where macro-F1 counts."""
SPREADS = {"ordinary": 0.5, "equal": 0.0}
"""Standard deviation of skills."""
RACES = (*product(("racing", "wilcoxon", "halving"), ("accuracy",)), ("racing", "macro_f1"), ("halving", "macro_f1"))
BUDGETS = {"quick": 1500, "standard": 5000, "thorough": 20_000}
SAMPLERS = ("random", "grid", "tpe", "gp", "cma", "nsga2", "surrogate")
PRUNERS = ("none", "halving", "racing", "wilcoxon", "knowledge-gradient")
QUALITY = (*((sampler, "halving") for sampler in SAMPLERS), *(("tpe", p) for p in PRUNERS if p != "halving"))
PARTS = ("races", "joint", "quality")
Job = tuple[Any, ...]


def race(job: Job) -> dict[str, Any]:
    """Whether the best was lost, and the passes: all prompts climb side by side, so that each has all the others as
    rivals on every rung."""
    spread, pruner, metric, seed = job
    rng = np.random.default_rng(derive_seed("race", spread, metric, seed))
    exam = Exam.drawn(rng, RUNGS[-1], RARE if metric == "macro_f1" else 0.5)
    skills, leans = rng.normal(0.5, SPREADS[spread], PROMPTS), rng.normal(0.5, SPREADS[spread], PROMPTS)
    rows = [exam.margins(skill, rng, lean) for skill, lean in zip(skills, leans, strict=True)]
    names = [f"p{n}" for n in range(PROMPTS)]
    over = SearchSpace.model_validate({"prompt": {"kind": "choice", "values": names}})
    options = {"sampler": "grid", "pruner": pruner, "error": ERROR, "metric": metric_named(metric, LABELS)}
    study = study_of(over, seed, PROMPTS, {"prompt": names[0]}, "simulator", rungs=RUNGS, **options)
    climbing = {number: int(str(params["prompt"])[1:]) for number, params in iter(study.ask, None)}
    passes = 0
    for before, rung in zip((0, *RUNGS), RUNGS, strict=False):
        for number, row in list(climbing.items()):
            passes += rung - before
            if study.report(number, exam.measured(rows[row], rung, metric=metric, paired=True)):
                study.tell(number, TrialState.PRUNED)
                del climbing[number]
    final = [exam.measured(row, RUNGS[-1], metric=metric, paired=False).score for row in rows]
    winners = {n for n, value in enumerate(final) if value >= max(final) - 1e-12}
    return {"lost": not winners & set(climbing.values()), "passes": passes}


def search(job: Job) -> dict[str, float]:
    """What one search chose on dev: its true score, that of the best text, and the passes, the baseline's included."""
    kind, sampler, pruner, passes, seed = job
    world = World(seed)
    over = space(kind)
    first = {"soft.tokens": 10, "soft.lr": 0.1} if kind == "soft" else {}
    baseline = over.baseline(first)
    own = sum(world.passes(baseline, rung) for rung in range(len(RUNGS)))
    texts = world.texts if sampler == "surrogate" else {}
    metric = metric_named("accuracy", LABELS)
    options = {"sampler": sampler, "pruner": pruner, "passes": passes - own, "texts": texts, "metric": metric}
    study = study_of(over, seed, 10_000, baseline, "simulator", rungs=RUNGS, **options)
    seen: dict[int, Params] = {}
    reached: dict[int, int] = {}
    spent = 0

    def measure(number: int, params: Params, rung: int) -> Measurement:
        nonlocal spent
        seen[number] = params
        is_again = rung < reached.get(number, 0)
        measurement = world.measured(params, rung, paired=pruner in ("racing", "wilcoxon"), is_again=is_again)
        spent += measurement.cost.forward_passes
        reached[number] = max(rung + 1, reached.get(number, 0))
        return measurement

    play(study, len(RUNGS), measure)
    best = seen[chosen(study) or 0]
    return {
        "chosen": world.truth(world.skill(best)),
        "baseline": world.truth(world.skill(baseline)),
        "best": world.truth(world.best),
        "passes": spent,
        "trials": len(seen),
        "is_soft": float("soft.lr" in best),
    }


def races(run: Callable[..., Any], number: int) -> list[dict[str, Any]]:
    """One row per kind of prompts, pruner and metric."""
    rows = []
    for spread, (pruner, metric) in product(SPREADS, RACES):
        found = list(run(race, [(spread, pruner, metric, seed) for seed in range(number)]))
        lost = statistics.fmean(f["lost"] for f in found)
        rows.append(
            {
                "prompts": spread,
                "pruner": pruner,
                "metric": metric,
                "promised": ERROR if pruner == "racing" else None,
                "lost": round(lost, 4),
                "stderr": round(math.sqrt(lost * (1 - lost) / number), 4),
                "passes": round(statistics.fmean(f["passes"] for f in found) / (PROMPTS * RUNGS[-1]), 3),
            }
        )
        print(rows[-1], flush=True)
    return rows


def quality(run: Callable[..., Any], seeds: int) -> list[dict[str, Any]]:
    """One row per sampler, pruner and budget."""
    rows = []
    for (sampler, pruner), name in product(QUALITY, ("quick", "standard")):
        found = list(run(search, [("texts", sampler, pruner, BUDGETS[name], seed) for seed in range(seeds)]))
        regret = [f["best"] - f["chosen"] for f in found]
        row = {"sampler": sampler, "pruner": pruner, "budget": name}
        rows.append(row | _summed("regret", regret) | _costs(found))
        print(rows[-1], flush=True)
    return rows


def joint(run: Callable[..., Any], seeds: int) -> list[dict[str, Any]]:
    """One row per pruner, budget and kind of search; what the joint search is ahead, in pairs over worlds."""
    rows = []
    for pruner, name in product(("knowledge-gradient", "halving"), ("standard", "thorough")):
        found = {
            kind: list(run(search, [(kind, "tpe", pruner, BUDGETS[name], seed) for seed in range(seeds)]))
            for kind in ("joint", "texts", "soft")
        }
        for kind, made in found.items():
            gained = [f["chosen"] - t["baseline"] for f, t in zip(made, found["texts"], strict=True)]
            ahead = [j["chosen"] - f["chosen"] for j, f in zip(found["joint"], made, strict=True)]
            row = {"search": kind, "pruner": pruner, "budget": name, **_summed("gain", gained), **_costs(made)}
            soft = round(statistics.fmean(f["is_soft"] for f in made), 3)
            rows.append(row | {"chose_soft": soft, **_summed("joint_ahead", ahead)})
            print(rows[-1], flush=True)
    return rows


def _summed(name: str, values: Sequence[float]) -> dict[str, float]:
    error = statistics.stdev(values) / math.sqrt(len(values))
    return {name: round(statistics.fmean(values), 2), f"{name}_stderr": round(error, 2)}


def _costs(found: Sequence[Mapping[str, float]]) -> dict[str, int]:
    return {name: round(statistics.fmean(f[name] for f in found)) for name in ("passes", "trials")}


def _both(name: str, row: Mapping[str, float]) -> str:
    return f"{row[name]:.2f} ± {row[f'{name}_stderr']:.2f}"


def text_of(made: Mapping[str, Any]) -> str:
    """The tables, as Markdown."""
    raced = [
        {
            "prompts": row["prompts"],
            "pruner": row["pruner"],
            "metric": row["metric"],
            "best lost": f"{row['lost']:.1%} ± {row['stderr']:.1%}",
            "promised": f"{row['promised']:.0%} at most" if row["promised"] else "nothing",
            "passes, of all": f"{row['passes']:.0%}",
        }
        for row in made["races"]
    ]
    chosen: dict[tuple[str, str], dict[str, Any]] = {}
    for row in made["quality"]:
        line = chosen.setdefault((row["sampler"], row["pruner"]), {"sampler": row["sampler"], "pruner": row["pruner"]})
        line[f"{row['budget']} ({BUDGETS[row['budget']]:,})"] = _both("regret", row)
        line[f"trials, {row['budget']}"] = row["trials"]
    both = [
        {
            "search": row["search"],
            "pruner": row["pruner"],
            "budget": f"{row['budget']} ({BUDGETS[row['budget']]:,})",
            "gain over the baseline text": _both("gain", row),
            "joint is ahead by": "" if row["search"] == "joint" else _both("joint_ahead", row),
            "passes": f"{row['passes']:,}",
            "chose a soft prompt": f"{row['chose_soft']:.0%}",
        }
        for row in made["joint"]
    ]
    return (
        f"# The simulated world\n\nMade by `{made['remake']}` on {made['machine']}. ± is one standard error.\n\n"
        f"## The best prompt lost\n\n{made['searches']} races of {PROMPTS} prompts, side by side, rungs {list(RUNGS)}; "
        f"best is who is best on all of dev. `error` is {ERROR:g}.\n\n{table(raced)}\n\n"
        f"## Regret in points\n\nOf the choice on dev behind the best text of the space, over {made['seeds']} worlds, "
        f"by forward passes.\n\n{table(list(chosen.values()))}\n\n"
        f"## Texts, soft prompts, or both\n\nIn points, over {made['seeds_joint']} worlds, at equal "
        "forward-equivalents, by `tpe`. `knowledge-gradient` is what a budget in passes gets where no pruner is named."
        f"\n\n{table(both)}\n"
    )


def main() -> None:
    parser = command_line(__doc__, "simulator")
    parser.add_argument("--races", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=24, help="worlds; twice as many for texts against soft prompts")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side, one core each")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="make these again, keep the others")
    options = parser.parse_args()
    before = {} if set(options.only) == set(PARTS) else json.loads(options.out.read_text(encoding="utf-8"))
    wanted = {"races": (races, options.races), "joint": (joint, 2 * options.seeds), "quality": (quality, options.seeds)}
    with processes(options.jobs) as pool:
        run = partial(pool.map, chunksize=2)
        made = {
            **described("optuna", "scikit-learn", "cmaes"),
            "searches": options.races,
            "seeds": options.seeds,
            "seeds_joint": 2 * options.seeds,
            "error": ERROR,
            **{
                name: make(run, count) if name in options.only else before[name]
                for name, (make, count) in wanted.items()
            },
            "remake": f"python -m benchmarks.simulator --races {options.races} --seeds {options.seeds}",
        }
    save(options.out, made, text_of(made))


if __name__ == "__main__":
    main()
