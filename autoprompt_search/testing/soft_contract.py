"""What every soft-prompt method must keep. Subclass `SoftContract` in a test file and say how to make yours."""

# ruff: noqa: S101  (a contract is made of asserts)

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoprompt_search.core.arrays import Floats
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.prompts import Rendered, Segment, SoftPosition, SoftPrompt
from autoprompt_search.core.protocols.tuning import SoftMethod, TuneData
from autoprompt_search.testing.differentiable import TunableModel

TOKENS = 5
STEPS = 32

_TEXTS = [
    f" {word}{more}"
    for word in ("good", "great", "lovely", "fine", "bad", "poor", "awful", "dull")
    for more in (" and long", " and short", "")
]
DATA = TuneData(
    prompts=tuple(
        Rendered((Segment("Review: the plot was"), Segment(text, "field:text"), Segment(" Sentiment:")))
        for text in _TEXTS
    ),
    targets=(1,) * 12 + (0,) * 12,
    answers=(" no", " yes", " yes again"),
    groups=(0, 1, 1),
    init_text="Review: Sentiment:",
    label_words=(" no", " yes"),
    demo_texts=("Review: a lovely film Sentiment: yes", "Review: an awful film Sentiment: no"),
)
"""Two labels, one of them with two answers; the prompts share four words in front and one before the answer."""


def logliks(model: TunableModel, soft: SoftPrompt | None = None) -> Floats:
    """Scores [prompts, answers] of `DATA`."""
    return model.score(DATA.prompts, DATA.answers, soft).logliks


def loss(model: TunableModel, soft: SoftPrompt | None = None) -> float:
    """Mean cross-entropy over the labels of `DATA`."""
    scores = logliks(model, soft).astype(float)
    labels = np.stack([scores[:, 0], np.logaddexp(scores[:, 1], scores[:, 2])], 1)
    sure = labels - np.logaddexp.reduce(labels, axis=1, keepdims=True)
    return float(-sure[range(len(sure)), DATA.targets].mean())


class Diverging(TunableModel):
    """Its answers are not numbers after so many calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left = calls

    def answer_logliks(
        self, soft: torch.Tensor, place: SoftPosition, prompts: Sequence[Rendered], answers: Sequence[str]
    ) -> torch.Tensor:
        """See `Tunes.answer_logliks`."""
        self.left -= 1
        return super().answer_logliks(soft, place, prompts, answers) * (1.0 if self.left >= 0 else torch.nan)


class SoftContract:
    """The contract of `SoftMethod`, as tests that pytest collects in a subclass named `Test...`."""

    @abstractmethod
    def make(self, *, seed: int, tokens: int, steps: int) -> SoftMethod:
        """The method under test."""

    def usual(self, **changes: Any) -> SoftMethod:
        """Build the method with the suite's seed, tokens and steps, and with `changes`."""
        return self.make(**{"seed": 1, "tokens": TOKENS, "steps": STEPS, **changes})

    def test_it_says_its_steps(self) -> None:
        method = self.usual(steps=7)
        assert isinstance(method, SoftMethod)
        assert method.steps == 7

    def test_snapshots_are_soft_prompts_of_this_model(self) -> None:
        model = TunableModel()
        fitted = self.usual().fit(model, DATA, until=STEPS, folder=None)
        assert fitted.snapshots, "nothing to choose from"
        assert fitted.forward_passes > 0
        for soft in fitted.snapshots:
            assert soft.base_model == model.fingerprint
            assert soft.sha256 == sha256_bytes(soft.weights)
            assert 1 <= soft.tokens <= TOKENS
            assert soft.method not in ("", "none")
            assert np.isfinite(logliks(model, soft)).all()

    def test_it_learns(self) -> None:
        model = TunableModel(seed=1)
        method = self.usual(steps=60)
        first, last = (method.fit(model, DATA, until=until, folder=None) for until in (1, 60))
        assert last.loss < 0.5 * first.loss, f"the training loss went from {first.loss:.3f} to {last.loss:.3f}"
        assert loss(model, last.snapshots[-1]) < 0.5 * loss(model), "the last snapshot is no better than no vectors"

    def test_same_arguments_same_result(self) -> None:
        """Equal arguments give equal results, and another seed gives others."""
        model = TunableModel()
        one, two = (self.usual().fit(model, DATA, until=12, folder=None) for _ in range(2))
        assert one == two
        other = self.usual(seed=2).fit(model, DATA, until=12, folder=None)
        assert other.snapshots[-1].sha256 != one.snapshots[-1].sha256

    def test_training_in_parts_equals_training_at_once(self, tmp_path: Path) -> None:
        """Bit for bit, each part by a method of its own, whose costs add."""
        model = TunableModel()
        once = self.usual().fit(model, DATA, until=STEPS, folder=None)
        parts = [self.usual().fit(model, DATA, until=until, folder=tmp_path) for until in (3, 11, STEPS)]
        assert (parts[-1].snapshots, parts[-1].loss) == (once.snapshots, once.loss)
        assert sum(part.forward_passes for part in parts) == once.forward_passes

    def test_a_step_that_is_done_is_not_trained_again(self, tmp_path: Path) -> None:
        """After the end of the same call, and after a later one."""
        model = TunableModel()
        parts = {until: self.usual().fit(model, DATA, until=until, folder=tmp_path) for until in (11, STEPS)}
        for until, before in parts.items():
            again = self.usual().fit(model, DATA, until=until, folder=tmp_path)
            assert again == replace(before, forward_passes=0)

    def test_a_step_that_no_checkpoint_holds_is_what_it_would_have_been(self, tmp_path: Path) -> None:
        model = TunableModel()
        self.usual().fit(model, DATA, until=STEPS, folder=tmp_path)
        between = self.usual().fit(model, DATA, until=9, folder=tmp_path)
        assert between.snapshots == self.usual().fit(model, DATA, until=9, folder=None).snapshots

    def test_what_another_training_left_behind_is_not_used(self, tmp_path: Path) -> None:
        """Another seed, other data, another model."""
        fewer = replace(DATA, prompts=DATA.prompts[1:], targets=DATA.targets[1:])
        others = [(self.usual(seed=2), TunableModel(), DATA), (self.usual(), TunableModel(), fewer)]
        others += [(self.usual(), TunableModel(seed=3), DATA)]
        for method, model, data in others:
            self.usual().fit(TunableModel(), DATA, until=3, folder=tmp_path)
            fresh = method.fit(model, data, until=3, folder=None)
            assert method.fit(model, data, until=3, folder=tmp_path) == fresh

    def test_a_damaged_checkpoint_is_not_used(self, tmp_path: Path) -> None:
        """A file that was cut, and one that is something else."""
        model = TunableModel()
        whole = self.usual().fit(model, DATA, until=3, folder=tmp_path)
        for damage in (lambda old: old[: len(old) // 2], lambda _: b"something else"):
            for path in [p for p in tmp_path.rglob("*") if p.is_file()]:
                path.write_bytes(damage(path.read_bytes()))
            assert self.usual().fit(model, DATA, until=3, folder=tmp_path).snapshots == whole.snapshots

    def test_a_loss_that_is_no_number_fails_the_trial(self, tmp_path: Path) -> None:
        """The failed trial leaves nothing behind that a later call would continue from."""
        for calls in (3, 0):
            with pytest.raises(TrialError, match=rf"not finite .*step {calls + 1}\b"):
                self.usual().fit(Diverging(calls), DATA, until=STEPS, folder=tmp_path)


class ExactStartContract(SoftContract):
    """Adds, for methods that begin as the prompt's own text, that the first snapshot is that text."""

    def test_the_first_snapshot_is_the_hard_prompt(self) -> None:
        """The first snapshot equals the text for small and large embeddings, so training never ends below its text."""
        for scale in (0.05, 20.0):
            model = TunableModel(scale=scale)
            for until in (1, STEPS):
                begun = self.usual().fit(model, DATA, until=until, folder=None).snapshots[0]
                assert begun.place.replaces == begun.tokens
                assert np.allclose(logliks(model, begun), logliks(model), rtol=1e-5, atol=1e-5)
