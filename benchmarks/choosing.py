"""When to leave the baseline: three rules on simulated searches whose truth is known.

Prompts are drawn from a normal distribution of skills, items from another (`EASE`); three rungs, the better half goes
on from each, as successive halving does; the baseline, the first prompt, sees all of dev whatever it scores. Whoever
scores highest on all of dev then

    lead, shrunk     takes the baseline's place if its lead is real: the product's `Shrinkage` and `Lead`
    best of many     takes it if luck alone would give the best of so many prompts such a lead less often than one
                     prompt is one standard error above the other (`reality_check_p`, White's reality check)
    highest on dev   takes it, whatever its lead

What a rule gains is counted in points of true accuracy over the baseline, 0 where the baseline stays. No model, and no
tie: what a prompt costs is not looked at.

    python -m benchmarks.choosing [--searches 400] [--jobs 2]
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.confirm import Shrinkage
from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.core.rng import derive_seed
from autoprompt_search.core.statistics.reality_check import reality_check_p
from autoprompt_search.testing.factories import measurement
from benchmarks.harness import command_line, processes, save
from benchmarks.machine import described, table

EASE = (1.0, 1.5)
"""Mean and standard deviation of items, in log-odds."""
ONE_STANDARD_ERROR = 0.159
POPULATION = 4000
"""Items that the truth is taken on."""
WORSE = 1.0
"""Points below the baseline that count as a loss."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Of searches."""

    prompts: int
    dev: int
    spread: float
    """Standard deviation of skills, in log-odds."""
    baseline: float
    """Skill of the baseline, in standard deviations above the mean."""


SETTINGS = (
    *(
        Setting(prompts, dev, spread, baseline)
        for prompts in (3, 5, 8, 24)
        for dev in (96, 240)
        for spread, baseline in ((0.0, 0), (0.1, 0), (0.3, 0), (0.3, 1), (0.3, 2), (0.6, 0))
    ),
    Setting(50, 96, 0.3, 0),
    Setting(24, 512, 0.15, 0),
)
Hits = NDArray[np.float64]
Rule = Callable[[Sequence[TrialRecord], Hits, int], bool]


def halved(hits: Hits) -> list[TrialRecord]:
    """Trials of which the better half goes on from every rung, and the baseline in any case."""
    rungs = (hits.shape[1] // 4, hits.shape[1] // 2, hits.shape[1])
    reach, alive = np.full(len(hits), rungs[0]), np.arange(len(hits))
    for below, rung in itertools.pairwise(rungs):
        order = np.argsort(-hits[alive, :below].mean(axis=1), kind="stable")
        alive = np.union1d(alive[order[: max(1, len(alive) // 2)]], [0])
        reach[alive] = rung
    return [
        TrialRecord(
            number,
            {},
            TrialState.COMPLETE if seen == rungs[-1] else TrialState.PRUNED,
            tuple(
                measurement(float(row[:n].mean()), n, stderr=float(row[:n].std() / n**0.5)) for n in rungs if n <= seen
            ),
        )
        for number, (row, seen) in enumerate(zip(hits, reach, strict=True))
    ]


def complete(records: Sequence[TrialRecord]) -> list[int]:
    """Trials that saw all of dev."""
    return [r.number for r in records if r.state is TrialState.COMPLETE]


def by_lead(records: Sequence[TrialRecord], hits: Hits, best: int) -> bool:
    """The product's."""
    gap = float(hits[best].mean() - hits[0].mean())
    return Shrinkage.of(records, hits[complete(records)].tolist()).lead(gap, hits.shape[1]).is_real


def by_luck(records: Sequence[TrialRecord], hits: Hits, best: int) -> bool:
    """Against the best of as many prompts that are no better than the baseline."""
    rivals = [n for n in complete(records) if n]
    return reality_check_p((hits[rivals] - hits[0]).T, rivals.index(best), len(records) - 1) <= ONE_STANDARD_ERROR


RULES: Mapping[str, Rule] = {"lead, shrunk": by_lead, "best of many": by_luck, "highest on dev": lambda *_: True}


def search(setting: Setting, seed: int) -> dict[str, tuple[bool, float]]:
    """Rule -> whether the baseline was left, and the gain in points."""
    rng = np.random.default_rng(derive_seed("choosing", repr(setting), seed))
    skill = rng.normal(0, setting.spread, size=setting.prompts)
    skill[0] = setting.baseline * setting.spread
    items, population = rng.normal(*EASE, size=setting.dev), rng.normal(*EASE, size=POPULATION)
    chance, truth = (1 / (1 + np.exp(-some - skill[:, None])) for some in (items, population))
    hits = (rng.random(chance.shape) < chance).astype(float)
    records = halved(hits)
    best = max(complete(records), key=lambda n: (hits[n].mean(), -n))
    gain = float(100 * (truth[best].mean() - truth[0].mean()))
    found = {}
    for name, rule in RULES.items():
        is_left = best != 0 and rule(records, hits, best)
        found[name] = (is_left, gain if is_left else 0.0)
    return found


def row(setting: Setting, found: Sequence[Mapping[str, tuple[bool, float]]]) -> dict[str, Any]:
    """Means over searches."""
    made: dict[str, Any] = {
        "prompts": setting.prompts,
        "dev": setting.dev,
        "spread": setting.spread,
        "baseline": setting.baseline,
    }
    for name in RULES:
        left, gains = zip(*(one[name] for one in found), strict=True)
        made[name] = {
            "left": round(statistics.fmean(left), 3),
            "gain": round(statistics.fmean(gains), 2),
            "gain_stderr": round(statistics.stdev(gains) / len(gains) ** 0.5, 2),
            "worse": round(statistics.fmean(gain < -WORSE for gain in gains), 3),
        }
    return made


def text_of(made: Mapping[str, Any]) -> str:
    """The table, as Markdown."""
    rows = [
        {
            "prompts": one["prompts"],
            "dev": one["dev"],
            "they differ by": f"{one['spread']:g}",
            "baseline": f"{one['baseline']:+d} sd",
            **{
                name: f"{one[name]['gain']:+.2f} ± {one[name]['gain_stderr']:.2f} "
                f"({one[name]['left']:.0%}, {one[name]['worse']:.0%})"
                for name in RULES
            },
        }
        for one in made["rows"]
    ]
    return (
        f"# When to leave the baseline\n\nMade by `{made['remake']}` on {made['machine']}: {made['searches']} "
        "simulated searches a row. Mean gain over the baseline in points of true accuracy ± one standard error (share "
        f"of searches that leave the baseline, share that end more than {WORSE:g} point below it). Prompts differ by "
        "so many log-odds, one standard deviation; so many of which the baseline is better than their mean. "
        f"`lead, shrunk` is what the product does.\n\n{table(rows)}\n"
    )


def main() -> None:
    parser = command_line(__doc__, "choosing")
    parser.add_argument("--searches", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side, one core each")
    options = parser.parse_args()
    with processes(options.jobs) as pool:
        rows = [
            row(setting, list(pool.map(partial(search, setting), range(options.searches), chunksize=20)))
            for setting in SETTINGS
        ]
    remake = f"python -m benchmarks.choosing --searches {options.searches}"
    made = {**described(), "searches": options.searches, "rows": rows, "remake": remake}
    save(options.out, made, text_of(made))
    print(text_of(made))


if __name__ == "__main__":
    main()
