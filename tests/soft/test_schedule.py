"""What happens between the first step and the last: warm-up, batches, and who may write the checkpoint."""

from __future__ import annotations

import pytest
from safetensors.torch import load

from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.soft import SOFT
from autoprompt_search.soft.inits import rms
from autoprompt_search.soft.training import _WARM_UP
from autoprompt_search.testing.differentiable import TunableModel
from autoprompt_search.testing.soft_contract import DATA


def build(**options):
    return SOFT.build(ComponentSpec(type="prompt-tuning", **options), seed=1)


def vectors(snapshot):
    return load(snapshot.weights)["prompt_embeddings"]


@pytest.mark.parametrize("steps", [1, 100, 400])
def test_the_first_step_is_as_small_as_the_warm_up_is_long(steps):
    model = TunableModel()
    begun, moved = map(vectors, build(tokens=4, lr=0.1, steps=steps).fit(model, DATA, until=1, folder=None).snapshots)
    step = 0.1 * rms(model.embedding_table()) / max(1.0, _WARM_UP * steps)
    assert float((moved - begun).abs().max()) == pytest.approx(step, rel=0.05)


class Reads(TunableModel):
    """Remembers which prompts a training showed it."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def answer_logliks(self, soft, place, prompts, answers):
        self.seen.update(prompt.text for prompt in prompts)
        return super().answer_logliks(soft, place, prompts, answers)


def test_an_epoch_of_steps_reads_every_prompt():
    model, size = Reads(), 4
    build(batch_size=size).fit(model, DATA, until=-(-len(DATA.prompts) // size), folder=None)
    assert model.seen == {prompt.text for prompt in DATA.prompts}


def test_an_earlier_step_that_was_not_kept_is_trained_anew_and_leaves_the_checkpoint_alone(tmp_path):
    method = build(steps=64, batch_size=4)
    whole = method.fit(TunableModel(), DATA, until=64, folder=tmp_path)
    early = method.fit(TunableModel(), DATA, until=3, folder=tmp_path)  # every fourth step is kept
    assert early.forward_passes == 3 * 3 * 4
    again = method.fit(TunableModel(), DATA, until=64, folder=tmp_path)
    assert again.forward_passes == 0
    assert again.snapshots == whole.snapshots
