"""How long one prompt takes by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoprompt_search.core.prompts import Rendered, SoftPrompt
from autoprompt_search.core.protocols.model import Scored
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.testing.factories import examples, job, prompt
from autoprompt_search.testing.scripted import ScriptedBackend
from autoprompt_search.trial import run_rungs
from autoprompt_search.trial.latency import TIMED, latency


class Counting(ScriptedBackend):
    """Knows some prompts already, as a backend that remembers states does."""

    def __init__(self, known: int, seconds: float = 0.0) -> None:
        super().__init__(seconds=seconds)
        self._known, self.asked = known, 0

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        made = super().score(prompts, answers, soft)
        self.asked += len(prompts)
        return Scored(made.logliks, made.prompt_tokens, 0 if self.asked <= self._known else 1)


def test_what_the_model_remembers_is_not_timed(tmp_path: Path) -> None:
    work = job(tmp_path, train=examples(20, name="train"))
    backend = Counting(known=7, seconds=0.002)
    took = latency(work, prompt(), backend)[0]
    assert took is not None
    assert took >= 2
    assert backend.asked == 7 + TIMED
    assert latency(work, prompt(), Counting(known=10**6))[0] is None


def test_the_last_rung_is_timed_and_the_first_where_it_matters(tmp_path: Path) -> None:
    spec = ComponentSpec.model_validate({"type": "scripted", "seconds": 0.001})
    for times_first in (False, True):
        made = list(run_rungs(job(tmp_path, backend=spec, times_first=times_first), {"template": "plain"}))
        assert [m.latency_ms is not None for m in made] == [times_first, True]
    assert made[0].latency_ms == made[1].latency_ms
