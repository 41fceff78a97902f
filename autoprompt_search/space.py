"""The declared search space: what may vary, and under which condition. Knows no sampler and no prompt."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator, model_validator

from autoprompt_search.core.types import Params, Scalar


class _Param(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    when: dict[str, list[Scalar]] = Field(default_factory=dict)
    """Active only while each named parameter, declared above, holds one of these values."""


class Choice(_Param):
    """One of a list of values, without order."""

    kind: Literal["choice"]
    values: list[Scalar] = Field(min_length=1)

    @field_validator("values")
    @classmethod
    def _distinct(cls, values: list[Scalar]) -> list[Scalar]:
        if len(set(values)) < len(values):
            raise ValueError("values must be distinct (1, 1.0 and true count as one)")
        return values

    @property
    def first(self) -> Scalar:
        """The value of the baseline prompt, unless the file names another."""
        return self.values[0]

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.values)

    def random(self, rng: Random) -> Scalar:
        """A value; each is as likely as any other."""
        return rng.choice(self.values)

    def contains(self, value: Scalar) -> bool:
        """Whether `value` may be drawn; `True` is not 1 here."""
        return any(type(v) is type(value) and v == value for v in self.values)


class Fixed(_Param):
    """One value for the whole search; in a file, the bare value is enough: `soft.method: none`.

    Parameters whose `when` needs another value of it are switched off: that is how an ablation is written.
    """

    kind: Literal["fixed"]
    value: Scalar

    @property
    def values(self) -> list[Scalar]:
        """The one value."""
        return [self.value]

    @property
    def first(self) -> Scalar:
        """The one value."""
        return self.value

    @property
    def size(self) -> float:
        """The number of values: one."""
        return 1

    def random(self, rng: Random) -> Scalar:
        """The one value; it advances `rng` as a choice does, so that fixing a parameter leaves the others' draws."""
        return rng.choice(self.values)

    def contains(self, value: Scalar) -> bool:
        """Whether it is the one value."""
        return type(self.value) is type(value) and self.value == value


class _Range(_Param):
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.low, self.high  # type: ignore[attr-defined]
        if low > high:
            raise ValueError(f"low must not exceed high: low is {low}, high is {high}")
        if self.log and low <= 0:
            raise ValueError(f"a log scale needs low above 0: low is {low}")
        return self


class Int(_Range):
    """A whole number from `low` to `high`, both included."""

    kind: Literal["int"]
    low: int
    high: int

    @property
    def first(self) -> Scalar:
        """The lowest value."""
        return self.low

    @property
    def size(self) -> float:
        """How many values there are."""
        return self.high - self.low + 1

    def random(self, rng: Random) -> Scalar:
        """A value; each is as likely as any other, on a log scale each stretch of equal ratio."""
        if not self.log:
            return rng.randint(self.low, self.high)
        drawn = math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5)))
        return min(max(round(drawn), self.low), self.high)

    def contains(self, value: Scalar) -> bool:
        """Whether `value` may be drawn."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


class Float(_Range):
    """A number from `low` to `high`."""

    kind: Literal["float"]
    low: float
    high: float

    @property
    def first(self) -> Scalar:
        """The lowest value."""
        return self.low

    @property
    def size(self) -> float:
        """Infinite, unless the range is one point."""
        return 1 if self.low == self.high else math.inf

    def random(self, rng: Random) -> Scalar:
        """A value; the range is covered evenly, on a log scale each stretch of equal ratio."""
        if not self.log:
            return min(max(rng.uniform(self.low, self.high), self.low), self.high)
        drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return min(max(drawn, self.low), self.high)

    def contains(self, value: Scalar) -> bool:
        """Whether `value` may be drawn."""
        return isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high


AnyParam = Choice | Fixed | Int | Float
Pick = Callable[[str, AnyParam], Scalar]
"""(name, parameter) -> the value it takes."""
Param = Annotated[AnyParam, Field(discriminator="kind")]


class SearchSpace(RootModel[dict[str, Param]]):
    """Parameters in declaration order; a condition may only look back."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _bare_values(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        bare = (str, int, float, bool)
        return {n: {"kind": "fixed", "value": p} if isinstance(p, bare) else p for n, p in value.items()}

    @model_validator(mode="after")
    def _conditions_look_back(self) -> Self:
        problems: list[str] = []
        if not self.root:
            problems.append("the space is empty: declare at least one parameter, e.g. `template`")
        seen: dict[str, AnyParam] = {}
        for name, param in self.root.items():
            for parent, allowed in param.when.items():
                if parent not in seen:
                    problems.append(f"{name}: `when` names {parent!r}, which is not declared above it")
                    continue
                never = [v for v in allowed if not seen[parent].contains(v)]
                if (never and not isinstance(seen[parent], Fixed)) or not allowed:
                    problems.append(f"{name}: `when` can never hold: {parent!r} is never one of {never or allowed}")
            seen[name] = param
        problems += [] if problems else self._never_active()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def point(self, pick: Pick) -> dict[str, Scalar]:
        """The point whose active parameters take the picked values; inactive ones are absent, not None.

        Parameters are asked for in declaration order. A value picked for a `Float` becomes a float, so that 1 and 1.0
        are one point; nothing else is checked, see `contains`.
        """
        point: dict[str, Scalar] = {}
        for name, param in self.root.items():
            if _holds(param.when, point):
                value = pick(name, param)
                point[name] = float(value) if isinstance(param, Float) else value
        return point

    def random_point(self, rng: Random, given: Params | None = None) -> dict[str, Scalar]:
        """A random point that has the values of `given`."""
        given = given or {}

        def pick(name: str, param: AnyParam) -> Scalar:
            drawn = param.random(rng)  # drawn even where it is given, so that the other values stay as they are
            return given.get(name, drawn)

        return self.point(pick)

    def contains(self, point: Params) -> bool:
        """Whether `point` has exactly the active parameters, each with a possible value."""
        active = {name for name, param in self.root.items() if _holds(param.when, point)}
        return set(point) == active and all(self.root[n].contains(v) for n, v in point.items())

    def baseline(self, given: Params | None = None) -> dict[str, Scalar]:
        """The point of trial 0: `given` where it speaks, else the first choice and the lowest number."""
        given = given or {}
        return self.point(lambda name, param: given.get(name, param.first))

    @property
    def numbers(self) -> list[str]:
        """Parameters that are ranges of more than one number."""
        return [name for name, param in self.root.items() if isinstance(param, _Range) and param.size > 1]

    @property
    def size(self) -> float:
        """How many distinct points there are; infinite with an active float."""
        return sum(
            number * math.prod(p.size for n, p in self.root.items() if n not in chosen and _holds(p.when, chosen))
            for chosen, number in self._conditions()
        )

    def _never_active(self) -> list[str]:
        """Conditions that are possible one by one and never together, whatever is fixed at the moment."""
        waiting = {name: param.when for name, param in self.root.items() if param.when}
        for chosen, _ in self._conditions(is_fixed_free=True):
            waiting = {name: when for name, when in waiting.items() if not _holds(when, chosen)}
        return [f"{name}: `when` can never hold: {when} never come together" for name, when in waiting.items()]

    def _conditions(self, *, is_fixed_free: bool = False) -> Iterator[tuple[dict[str, Scalar], float]]:
        """Every assignment of the parameters that others depend on, and how many points of theirs it stands for."""
        parents = [n for n in self.root if any(n in p.when for p in self.root.values())]

        def grow(
            names: list[str], point: dict[str, Scalar], number: float
        ) -> Iterator[tuple[dict[str, Scalar], float]]:
            if not names:
                yield point, number
            elif not _holds(self.root[names[0]].when, point):
                yield from grow(names[1:], point, number)
            else:
                for value, times in self._cases(names[0], is_fixed_free):
                    yield from grow(names[1:], {**point, names[0]: value}, number * times)

        yield from grow(parents, {}, 1)

    def _cases(self, name: str, is_fixed_free: bool) -> list[tuple[Scalar, float]]:
        """The values that conditions tell apart, and one for all others: NaN, which equals none of them."""
        param = self.root[name]
        told_apart = dict.fromkeys(v for p in self.root.values() for v in p.when.get(name, ()))
        named = [v for v in told_apart if param.contains(v) or (is_fixed_free and isinstance(param, Fixed))]
        others = max(param.size - len(named), 0)
        return [(value, 1) for value in named] + ([(math.nan, others)] if others else [])


def _holds(when: Mapping[str, Sequence[Scalar]], point: Params) -> bool:
    return all(parent in point and point[parent] in allowed for parent, allowed in when.items())
