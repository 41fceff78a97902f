"""A world of prompts and items whose truth is known: what `simulator.py` searches. Needs no model.

Items follow the two-parameter logistic model of item response theory (Birnbaum 1968): a prompt of skill s leads on an
item of slope a and difficulty b by a (s - b) log-odds, and is right with the probability that this says, each time
anew. Skills come from what a prompt says (phrases that instructions share), from its template and label words, from its
demonstrations, and from soft prompts, whose trainings end a little better or worse by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Cost, Fidelity, Measurement, Outcome
from autoprompt_search.core.rng import derive_rng, derive_seed
from autoprompt_search.core.statistics.scores import Scorecard, stderr
from autoprompt_search.core.types import Params
from autoprompt_search.metrics import metric_named
from autoprompt_search.space import SearchSpace

Floats = NDArray[np.float64]
LABELS = ("rare", "usual")
RUNGS = (32, 128, 512)
STEPS, BATCH = 30, 16
"""Of a training of a soft prompt, which takes three passes per example and an equal share of the steps per rung."""
TEMPLATES, INSTRUCTIONS, VERBALIZERS, DRAWS, DEMOS = 6, 24, 4, 6, 8
PHRASES = (
    "read the text with care", "answer in one word", "think of what the author felt", "do not explain yourself",
    "you are an expert of reviews", "mind irony", "weigh good against bad", "go by the last sentence",
    "be brief", "the stars do not count", "take your time", "say what most people would say",
)  # fmt: skip
METHODS = ["none", "prompt-tuning"]


@dataclass(frozen=True)
class Exam:
    """The items of dev, in the order of the rungs."""

    slope: Floats
    difficulty: Floats
    is_rare: NDArray[np.bool_]
    """Which of them have the rare label."""

    @classmethod
    def drawn(cls, rng: np.random.Generator, items: int, rare: float = 0.5) -> Exam:
        """Difficulty with as much spread as slopes have strength: some items everybody gets right, some nobody."""
        return cls(np.exp(rng.normal(0, 0.3, items)), rng.normal(0, 1.5, items), rng.random(items) < rare)

    def margins(self, skill: float, rng: np.random.Generator, lean: float = 0.0) -> Floats:
        """[items]: by how much the right answer leads; `lean` towards the usual label."""
        towards = np.where(self.is_rare, -lean, lean)
        return self.slope * (skill - self.difficulty) + towards + rng.logistic(size=len(self.slope))

    def measured(
        self, margins: Floats, examples: int, *, metric: str = "accuracy", new: int = 0, name: str = "", paired: bool
    ) -> Measurement:
        """As a worker hands it back: on the first examples, `new` passes, outcomes where items are compared."""
        lead = margins[:examples]
        targets = [LABELS[0] if rare else LABELS[1] for rare in self.is_rare[:examples]]
        said = [t if x > 0 else LABELS[t == LABELS[0]] for t, x in zip(targets, lead, strict=True)]
        loss = np.logaddexp(0, -lead)
        outcomes = tuple(
            Outcome(str(i), target, answer, LabelLogprobs((float(-miss), float(-miss - x))))
            for i, (target, answer, miss, x) in enumerate(zip(targets, said, loss, lead, strict=True))
        )
        card = Scorecard.of(outcomes, metric_named(metric, LABELS))
        return Measurement(
            score=card.score,
            stderr=stderr(card) if card.metric.is_mean else 0.0,
            metrics={"loss": float(loss.mean())},
            fidelity=Fidelity(examples, is_full=examples == len(margins)),
            cost=Cost(forward_passes=new),
            prompt=name,
            outcomes=outcomes if paired else (),
        )


@dataclass(frozen=True)
class World:
    """One task, and what every prompt of the space is worth on it."""

    seed: int

    @cached_property
    def dev(self) -> Exam:
        return Exam.drawn(np.random.default_rng(derive_seed(self.seed, "dev")), RUNGS[-1])

    @cached_property
    def _population(self) -> Exam:
        return Exam.drawn(np.random.default_rng(0), 4000)

    def truth(self, skill: float) -> float:
        """Share of all items of its kind that a prompt of this skill gets right, in points."""
        everything = self._population
        lead = everything.slope * (skill - everything.difficulty)
        return float(100 * (1 / (1 + np.exp(-lead))).mean())

    @cached_property
    def texts(self) -> dict[str, dict[str, str]]:
        """Parameter -> value -> what it says."""
        instructions = {}
        for n in range(INSTRUCTIONS):
            said = derive_rng(self.seed, "says", n).sample(PHRASES, 3)
            instructions[f"i{n}"] = "Please " + ", ".join(said) + "."
        return {"instruction": instructions}

    def skill(self, params: Params, trained: float = 1.0) -> float:
        """Of a point, its soft prompt trained for a share of its steps."""
        said = self.texts["instruction"][str(params["instruction"])]
        skill = sum(self._part("phrase", phrase, 0.25) for phrase in PHRASES if phrase in said)
        skill += self._part("instruction", params["instruction"], 0.15)
        skill += self._part("template", params["template"], 0.3)
        skill += self._part("verbalizer", params["verbalizer"], 0.3)
        if "demos.k" in params:
            skill += 0.15 * math.log2(1 + int(params["demos.k"])) - 0.1 + self._part("draw", params["demos.draw"], 0.1)
        if "soft.lr" in params:
            skill += math.sqrt(trained) * self._gain(params)
        return skill

    @cached_property
    def best(self) -> float:
        """Skill of the best text."""
        every = [
            {"template": f"t{t}", "instruction": f"i{i}", "verbalizer": f"v{v}", "demos.k": DEMOS, "demos.draw": d}
            for t in range(TEMPLATES) for i in range(INSTRUCTIONS) for v in range(VERBALIZERS) for d in range(DRAWS)
        ]  # fmt: skip
        return max(self.skill(point) for point in every)

    def passes(self, params: Params, rung: int) -> int:
        """Forward-equivalents that a rung takes, behind the one below."""
        new = RUNGS[rung] - (RUNGS[rung - 1] if rung else 0)
        if "soft.lr" not in params:
            return new
        return RUNGS[rung] + 3 * BATCH * STEPS // len(RUNGS)

    def measured(self, params: Params, rung: int, *, paired: bool, is_again: bool = False) -> Measurement:
        """A point on a rung."""
        is_soft = "soft.lr" in params
        trained = (rung + 1) / len(RUNGS) if is_soft else 1.0
        chance = np.random.default_rng(derive_seed(self.seed, "chance", fingerprint(dict(params))))
        margins = self.dev.margins(self.skill(params, trained), chance)
        name = fingerprint([dict(params), trained])
        new = 0 if is_again else self.passes(params, rung)
        return self.dev.measured(margins, RUNGS[rung], new=new, name=name, paired=paired)

    def _gain(self, params: Params) -> float:
        """Of training: best at a learning rate that the task decides, more with more vectors, and some luck."""
        best = derive_rng(self.seed, "lr").uniform(-1.5, -0.3)
        off = (math.log10(float(params["soft.lr"])) - best) / 0.5
        peak = 1.1 * math.exp(-off * off / 2) * (1 - math.exp(-int(params["soft.tokens"]) / 6))
        return peak - 0.3 + self._part("training", fingerprint(dict(params)), 0.15)

    @lru_cache(maxsize=4096)  # noqa: B019 - a world lives as long as its searches
    def _part(self, what: str, which: Any, spread: float) -> float:
        return derive_rng(self.seed, what, which).gauss(0, spread)


def space(kind: str = "texts", texts: Params | None = None) -> SearchSpace:
    """`texts`, `soft` (soft prompts on one text only) or `joint`."""
    some: dict[str, Any] = {
        "template": _names("t", TEMPLATES),
        "instruction": _names("i", INSTRUCTIONS),
        "verbalizer": _names("v", VERBALIZERS),
        "demos.strategy": {"kind": "choice", "values": ["none", "random"]},
    }
    demos = {"demos.strategy": ["random"]}
    if kind == "soft":
        some = dict(texts or {name: param["values"][0] for name, param in some.items()})
    else:
        some["demos.k"] = {"kind": "int", "low": 1, "high": DEMOS, "when": demos}
        some["demos.draw"] = {"kind": "int", "low": 0, "high": DRAWS - 1, "when": demos}
    if kind != "texts":
        trained = {"soft.method": METHODS[1:]}
        some["soft.method"] = {"kind": "choice", "values": METHODS if kind == "joint" else METHODS[1:]}
        some["soft.tokens"] = {"kind": "int", "low": 1, "high": 40, "when": trained}
        some["soft.lr"] = {"kind": "float", "low": 0.003, "high": 3.0, "log": True, "when": trained}
    return SearchSpace.model_validate(some)


def _names(letter: str, count: int) -> dict[str, Sequence[str] | str]:
    return {"kind": "choice", "values": [f"{letter}{n}" for n in range(count)]}
