"""Metrics of programs, from what became of their tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.protocols.metric import Metric

_PASSED, _COMPILED, _ENDED = ("passed",), ("passed", "failed", "error", "timeout"), ("passed", "failed", "error")


def pass_at_1() -> Metric:
    """Share of programs that pass all their tests: pass@1 of one program per example (Chen et al. 2021)."""
    return _Share(_PASSED, "programs:1")


def compile_rate() -> Metric:
    """Share of answers that hold a program which Python can compile, whatever it does."""
    return _Share(_COMPILED)


def ended_rate() -> Metric:
    """Share of answers whose program came to its end within the limit of time: one minus the timeout rate, among
    answers that hold a program at all."""
    return _Share((*_ENDED, "no-program", ""))


def pass_at_k(programs: int, passed: int, k: int) -> float:
    """The unbiased estimate of the chance that one of `k` programs passes (Chen et al. 2021, arXiv 2107.03374).

    Args:
        programs: How many were drawn for the example, at least `k`.
        passed: How many of them passed.
        k: How many may be tried.
    """
    if not 1 <= k <= programs or not 0 <= passed <= programs:
        raise ValueError(f"1 <= k <= programs and 0 <= passed <= programs (got {k=}, {programs=}, {passed=})")
    return 1.0 - comb(programs - passed, k) / comb(programs, k)


@dataclass(frozen=True, slots=True)
class _Share:
    """The mean of whether the verdict is one of some."""

    verdicts: tuple[str, ...]
    signature: str = ""
    answers: tuple[str, ...] = ("program",)
    is_mean: bool = True

    def statistics(self, outcome: Outcome) -> Sequence[float]:
        """1 where the verdict is one of those, else 0."""
        return (float(outcome.verdict in self.verdicts),)

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:
        """The share."""
        scores: Doubles = sums[..., 0] / n
        return scores
