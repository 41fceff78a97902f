"""Sections of a space file that stand for themselves: how much to spend, and how to prove the result."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from autoprompt_search.core.answers import Asking, Limits, Normalise
from autoprompt_search.core.objective import CostName, Limit, Objective
from autoprompt_search.core.registry import ComponentSpec

Preset = Literal["quick", "standard", "thorough"]
PRESETS: Mapping[Preset, int] = MappingProxyType({"quick": 1_500, "standard": 5_000, "thorough": 20_000})
"""Forward-equivalents of a whole search, without the baseline's and the final test's."""
_TRIALS = 48
"""Trials of a search whose budget names no limit."""
_ANCHORS, _FEWEST, _PROBED = 12, 4, 0.1
"""Prompts of a probe at most and at least, and its share of the budget."""


def _typed(value: Any) -> Any:
    """A component without options may be written as its bare type."""
    return {"type": value} if isinstance(value, str) else value


Component = Annotated[ComponentSpec, BeforeValidator(_typed)]


def _several(value: Any) -> Any:
    """One text is a list of one."""
    return [value] if isinstance(value, str) else value


class Section(BaseModel):
    """A part of a space file: frozen, and closed to keys that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Budget(Section):
    """When to stop asking for new trials: whichever comes first. Trials that run are finished.

    Without `preset`, `passes`, `tokens` and `trials` it is 48 trials; with passes or tokens and no `trials` those alone
    decide.
    """

    preset: Preset | None = None
    """A number of passes by name: quick is 1,500, standard 5,000, thorough 20,000. `budget: quick` is short for it."""
    passes: int | None = Field(default=None, ge=1)
    """Forward-equivalents of all trials: one per scored example, three per example of a training step. The baseline's,
    the final test's, and what finishing the last trials takes, come on top."""
    tokens: int | None = Field(default=None, ge=1)
    """Tokens of all prompts and completions, of the baseline and the final test too. It is never passed: nothing begins
    that might not be paid for."""
    requests: int | None = Field(default=None, ge=1)
    """Requests to an endpoint, those of its probe and of the final test too. It is never passed."""
    usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """US dollars, by `backend.prices`, for everything that is asked of an endpoint. It is never passed."""
    trials: int | None = Field(default=None, ge=1)
    """Number of trials, however they end, with the baseline."""
    minutes: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Minutes of wall-clock time."""

    probe: Literal["auto", "always", "never"] = "auto"
    """Whether the first trials are a dozen diverse prompts that show what there is to gain, for at most a tenth of the
    budget. `auto`: where passes decide how many trials there are, or `stop_for_futility`."""
    stop_for_futility: bool = False
    """End the search behind the probe where a gain of `least_gain` is out of reach."""
    least_gain: float = Field(default=0.02, gt=0, lt=1)
    """Smallest gain that is worth a search, in units of the score."""

    @property
    def most_passes(self) -> int | None:
        """Passes that all trials except the baseline may take; None for no limit."""
        return self.passes if self.passes is not None or self.preset is None else PRESETS[self.preset]

    @property
    def limits(self) -> Mapping[str, float]:
        """Unit of `Cost` -> most of it, for limits that are never passed and that the whole search shares."""
        named = {"tokens": self.tokens, "requests": self.requests, "usd": self.usd}
        return {unit: most for unit, most in named.items() if most is not None}

    @property
    def goes_by_passes(self) -> bool:
        """Whether passes, or what they cost, alone limit the number of trials."""
        return self.trials is None and (self.most_passes is not None or bool(self.limits))

    def bought(self, prices: Mapping[str, float]) -> int | None:
        """Forward passes that the budget pays for at these prices of one, unit by unit; None for no limit.

        A limit whose unit has no price is left out.
        """
        passes = [] if self.most_passes is None else [self.most_passes]
        passes += [int(most / prices[unit]) for unit, most in self.limits.items() if prices.get(unit)]
        return min(passes, default=None)

    def most_trials(self, rungs: tuple[int, ...], prices: Mapping[str, float] | None = None) -> int:
        """Most trials; where passes or what they cost decide, the baseline and as many first rungs as they pay for.

        Only trials that cost less, because what they need was measured before, can come up against that.

        Args:
            rungs: Dev examples per rung.
            prices: Of one forward pass, unit by unit; without them limits in other units are left out.
        """
        passes = self.bought(prices or {})
        if self.trials is not None or passes is None:
            return self.trials or _TRIALS
        return 1 + passes // rungs[0]

    def anchors(self, rungs: tuple[int, ...], prices: Mapping[str, float] | None = None) -> int:
        """Prompts of the probe: first rungs that a tenth of the budget pays for, a dozen at most; 0 for no probe.

        Of a budget in trials each counts as if it saw all of dev. Fewer than four could not show how prompts differ.
        Arguments as of `most_trials`.
        """
        is_auto = self.goes_by_passes or self.stop_for_futility
        if self.probe == "never" or (self.probe == "auto" and not is_auto):
            return 0
        trials, passes = self.most_trials(rungs, prices), self.bought(prices or {})
        whole = trials * rungs[-1] if passes is None else min(passes, trials * rungs[-1])
        count = min(_ANCHORS, int(_PROBED * whole / rungs[0]), trials // 4)
        return count if count >= _FEWEST else 0

    def spelled(self, rungs: tuple[int, ...]) -> str:
        """The budget in words: `48 trials`, `5,000 forward passes`, `48 trials or 30 minutes`."""
        limits = [] if self.goes_by_passes else [f"{self.most_trials(rungs)} trials"]
        limits += [f"{self.most_passes:,} forward passes"] if self.most_passes is not None else []
        limits += [amount_in_words(unit, most) for unit, most in self.limits.items()]
        return " or ".join(limits + ([f"{self.minutes:g} minutes"] if self.minutes is not None else []))


def amount_in_words(unit: str, amount: float) -> str:
    """`1,200 tokens`, `2.00 USD`."""
    return f"{amount:,.2f} USD" if unit == "usd" else f"{amount:,.0f} {unit}"


class Proposals(Section):
    """How new texts are added to the values of one parameter, `instruction` or `template`, during the search."""

    slots: int = Field(default=24, ge=1)
    """New texts at most; they are the values `new-1`, `new-2`, ..."""
    share: float = Field(default=0.4, gt=0, le=1)
    """Share of the trials on texts that try a new text, once the first eight were measured."""
    proposers: tuple[Component, ...] = Field(min_length=1)
    """Who writes them. Which one is asked is learned from how often its texts beat those they were made from."""


class Aim(Section):
    """What prompts cost in use. What is maximised is `task.metric`."""

    cost: CostName = "prompt_tokens"
    """What `weight` weighs: mean tokens of a prompt, or milliseconds of one prompt asked alone."""
    weight: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Score that one unit of cost is worth: the search prunes and samples by `score - weight * cost`. The choice among
    finished prompts goes by the score."""
    constraints: tuple[str, ...] = ()
    """`prompt_tokens <= 200`, `latency_ms <= 50`: a prompt that breaks one is never chosen, and is stopped early."""

    tolerance: float = Field(default=0.002, ge=0, allow_inf_nan=False)
    """Score that the chosen prompt may be expected to lose against the best one if it costs fewer tokens."""

    @field_validator("constraints", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("constraints")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(Limit.parse(text)) for text in value)

    @property
    def objective(self) -> Objective:
        """The objective by which trials are compared."""
        return Objective(self.cost, self.weight, tuple(map(Limit.parse, self.constraints)), self.tolerance)


class Answer(Section):
    """How an answer is asked for and read.

    `answer.by`, `answer.parser`, `answer.tokens` and `answer.normalise` may also be parameters of the space.
    """

    by: Literal["likelihood", "text"] | None = None
    """`likelihood` compares the words of labels, or an example's own options; `text` lets the model write and a parser
    read. Without: likelihood for labels and options."""
    tokens: int = Field(default=64, ge=1)
    """Most tokens that the model may write."""
    stop: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """The text ends before the first of these."""
    parser: str | None = None
    """How the answer is found in the text: a name of `parsers`, or a parser that needs no options, such as `verbatim`,
    `first-line`, `last-number`, `first-label` or `option-letter`. All parsers read the same stored text, so that
    searching over `answer.parser` costs no generation."""
    parsers: dict[str, Component] = Field(default_factory=dict)
    """Name -> a parser with its options: `{type: after-marker, marker: "####"}`."""
    normalise: Normalise = "none"
    """How log-likelihoods of answers of unequal length are compared: whole, per `token`, per UTF-8 `byte`, or by `pmi`,
    less the answer's log-likelihood without the question. One forward pass gives all but the last, which asks once per
    list of options more."""
    premise: str | None = Field(default=None, min_length=1)
    """For `pmi`: the text before an answer without the question. Without: what the template says behind its last
    field."""

    @field_validator("stop")
    @classmethod
    def _not_empty(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(value):
            raise ValueError("must not hold an empty text, at which every answer would end")
        return value

    @property
    def asking(self) -> Asking:
        """The same as prompts take it."""
        return Asking(
            by=self.by or "",
            limits=Limits(self.tokens, self.stop),
            parser=self.parser or "",
            parsers={name: (spec.type, dict(spec.options)) for name, spec in self.parsers.items()},
            normalise=self.normalise,
            has_pmi=self.normalise == "pmi",
            premise=self.premise or "",
        )


class Confirm(Section):
    """The final comparison on the sealed test split."""

    finalists: int = Field(default=3, ge=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


def preset_named(value: Any) -> Any:
    """A budget without anything beside its preset may be written as its bare name."""
    return {"preset": value} if isinstance(value, str) else value
