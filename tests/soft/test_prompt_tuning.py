"""Prompt tuning learns, starts where it says, and resumes bit for bit."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load

from autoprompt_search.backends.hf_causal import HfCausal
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.protocols import SoftMethod, TuneData
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Rendered, Segment
from autoprompt_search.soft import SOFT
from autoprompt_search.soft.checkpoint import FILE
from autoprompt_search.soft.inits import embedding_rms, initial_vectors
from autoprompt_search.soft.prompt_tuning import PromptTuning, label_logliks

GOOD = ["good", "great", "lovely", "fine"]
BAD = ["bad", "poor", "awful", "dull"]


def prompt(text):
    return Rendered((Segment(f"Review: the plot was {text} Sentiment:", "field:text"),))


DATA = TuneData(
    prompts=tuple(prompt(f"{word} {extra}") for word in GOOD + BAD for extra in ("and long", "and short", "")),
    targets=(1,) * 12 + (0,) * 12,
    answers=(" no", " yes", " yes again"),
    groups=(0, 1, 1),
    init_text="Review: Sentiment:",
    label_words=(" no", " yes"),
)


@pytest.fixture
def model(tiny):
    return HfCausal(str(tiny()), device="cpu")


def vectors(snapshot):
    return load(snapshot.weights)["prompt_embeddings"]


def accuracy(model, soft):
    logliks = torch.tensor(model.score(DATA.prompts, DATA.answers, soft).logliks)
    return float((label_logliks(logliks, DATA.groups).argmax(1) == torch.tensor(DATA.targets)).float().mean())


def test_the_registry_checks_its_options():
    spec = ComponentSpec(type="prompt-tuning", tokens=0, init="words", lr=-1.0, seed=3)
    assert len(SOFT.problems(spec, "seed")) == 4  # the seed is ours to give
    built = SOFT.build(ComponentSpec(type="prompt-tuning", tokens=4), seed=1)
    assert isinstance(built, SoftMethod)
    assert built.steps == 100


@pytest.mark.parametrize("init", ["text", "vocabulary", "labels", "random"])
def test_it_learns(init, model):
    method = PromptTuning(seed=1, tokens=6, init=init, steps=60, lr=0.3)
    start = PromptTuning(seed=1, tokens=6, init=init, steps=60, lr=1e-9).fit(model, DATA, until=1, folder=None)
    fitted = method.fit(model, DATA, until=60, folder=None)
    assert fitted.loss < 0.5 * start.loss
    assert fitted.forward_passes == 3 * 60 * 16
    assert [s.tokens for s in fitted.snapshots] == [6, 6]
    assert accuracy(model, fitted.snapshots[-1]) > max(0.85, accuracy(model, start.snapshots[-1]))


def test_snapshots_are_complete_soft_prompts(model):
    (snapshot,) = PromptTuning(seed=1, tokens=3, steps=20).fit(model, DATA, until=1, folder=None).snapshots
    assert snapshot.base_model == model.fingerprint
    assert snapshot.adapter["num_virtual_tokens"] == 3
    assert vectors(snapshot).shape == (3, 32)
    assert vectors(snapshot).dtype == torch.float32


def test_training_in_parts_equals_training_at_once(model, tmp_path):
    def method():
        return PromptTuning(seed=4, tokens=5, init="vocabulary", steps=24, batch_size=7, weight_decay=0.01)

    once = method().fit(model, DATA, until=24, folder=None)
    parts = [method().fit(model, DATA, until=until, folder=tmp_path / "a") for until in (3, 11, 24)]
    assert parts[-1].snapshots == once.snapshots
    assert parts[-1].loss == once.loss
    assert sum(p.forward_passes for p in parts) == once.forward_passes
    again = method().fit(model, DATA, until=11, folder=tmp_path / "a")
    assert again.snapshots == parts[1].snapshots
    assert (again.forward_passes, again.loss) == (0, parts[1].loss)
    unseen = method().fit(model, DATA, until=10, folder=tmp_path / "a")
    assert unseen.snapshots == method().fit(model, DATA, until=10, folder=None).snapshots
    assert method().fit(model, DATA, until=24, folder=tmp_path / "a").forward_passes == 0


_GO_ON = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from test_prompt_tuning import DATA, FEW, HfCausal, PromptTuning
fitted = PromptTuning(**FEW).fit(HfCausal(sys.argv[2], device="cpu"), DATA, until=8, folder=Path(sys.argv[3]))
print(fitted.snapshots[-1].sha256)
"""
FEW = {"seed": 2, "tokens": 4, "steps": 8, "batch_size": 3}


@pytest.mark.model
def test_another_process_goes_on_bit_for_bit(model, tmp_path):
    half = PromptTuning(**FEW).fit(model, DATA, until=4, folder=tmp_path)
    here = str(Path(__file__).parent)
    command = [sys.executable, "-W", "ignore", "-c", _GO_ON, here, model.model, str(tmp_path)]
    there = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    once = PromptTuning(**FEW).fit(model, DATA, until=8, folder=None)
    assert there.stdout.split()[-1] == once.snapshots[-1].sha256 != half.snapshots[-1].sha256


def test_every_epoch_sees_every_prompt_in_an_order_of_the_seed():
    def epochs(seed):
        places = [i for step in range(6) for i in PromptTuning(seed=seed, batch_size=4)._batch(step, 12)]
        return places[:12], places[12:]

    first, second = epochs(1)
    assert sorted(first) == sorted(second) == list(range(12))
    assert len({tuple(first), tuple(second), tuple(epochs(2)[0])}) == 3
    assert len(PromptTuning(seed=1, batch_size=16)._batch(0, 5)) == 5


def test_a_checkpoint_of_another_training_or_a_damaged_one_is_not_used(model, tmp_path):
    PromptTuning(seed=1, tokens=3, steps=6).fit(model, DATA, until=6, folder=tmp_path)
    fresh = PromptTuning(seed=2, tokens=3, steps=6).fit(model, DATA, until=6, folder=None)
    other = PromptTuning(seed=2, tokens=3, steps=6).fit(model, DATA, until=6, folder=tmp_path)
    assert other == fresh
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-50])
    assert PromptTuning(seed=2, tokens=3, steps=6).fit(model, DATA, until=6, folder=tmp_path) == fresh


def test_the_checkpoint_is_one_readable_file(model, tmp_path):
    PromptTuning(seed=1, tokens=3, steps=6).fit(model, DATA, until=3, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    with safe_open(tmp_path / FILE, framework="pt") as file:
        facts = json.loads(file.metadata()["state"])
        assert file.get_tensor("soft").shape == (3, 32)
    assert len(facts["losses"]) == 3


class Diverging:
    """A model whose answers are NaN from some call on."""

    def __init__(self, model, after):
        self.model = model
        self.left = after

    def __getattr__(self, name):
        return getattr(self.model, name)

    def answer_logliks(self, soft, prompts, answers):
        self.left -= 1
        return self.model.answer_logliks(soft, prompts, answers) * (1.0 if self.left >= 0 else float("nan"))


def test_a_loss_that_is_not_finite_fails_the_trial_at_its_step(model):
    with pytest.raises(TrialError, match="step 4"):
        PromptTuning(seed=1, tokens=3, steps=10).fit(Diverging(model, 3), DATA, until=10, folder=None)


class SmallMemory(Diverging):
    """A model that holds two prompts of a training batch."""

    def answer_logliks(self, soft, prompts, answers):
        if len(prompts) > self.left:
            raise torch.OutOfMemoryError("out of memory")
        return self.model.answer_logliks(soft, prompts, answers)


def test_out_of_memory_splits_the_batch(model):
    whole = PromptTuning(seed=1, tokens=3, steps=5).fit(model, DATA, until=5, folder=None)
    split = PromptTuning(seed=1, tokens=3, steps=5).fit(SmallMemory(model, 2), DATA, until=5, folder=None)
    assert torch.allclose(vectors(split.snapshots[-1]), vectors(whole.snapshots[-1]), atol=1e-4)
    with pytest.raises(TrialError, match="out of memory"):
        PromptTuning(seed=1, tokens=3, steps=5).fit(SmallMemory(model, 0), DATA, until=5, folder=None)


# Starts


def test_text_repeats_or_cuts_the_templates_words(model):
    own = model.embed_tokens(DATA.init_text)
    count = len(own)
    assert torch.equal(initial_vectors("text", model, DATA, count, 1), own)
    assert torch.equal(initial_vectors("text", model, DATA, 2, 1), own[:2])
    assert torch.equal(initial_vectors("text", model, DATA, count + 2, 1), torch.cat([own, own[:2]]))


def test_vocabulary_draws_tokens_of_the_training_prompts(model):
    table = model.embedding_table()
    drawn = initial_vectors("vocabulary", model, DATA, 8, 1)
    ids = {int((table == row).all(1).nonzero()[0]) for row in drawn}
    seen = {i for p in DATA.prompts for i in model._tokenizer(p.text)["input_ids"]}
    assert len(ids) == 8
    assert ids <= seen
    assert not ids & set(model._tokenizer.all_special_ids)
    assert torch.equal(drawn, initial_vectors("vocabulary", model, DATA, 8, 1))
    assert not torch.equal(drawn, initial_vectors("vocabulary", model, DATA, 8, 2))


def test_labels_come_first_then_vocabulary(model):
    start = initial_vectors("labels", model, DATA, 5, 1)
    assert torch.equal(start[0], model.embed_tokens(" no").mean(0))
    assert torch.equal(start[1], model.embed_tokens(" yes").mean(0))
    assert torch.equal(start[2:], initial_vectors("vocabulary", model, DATA, 5, 1)[:3])


def test_random_has_the_size_of_real_embeddings(tiny):
    for family in ("gpt2", "gemma3"):
        model = HfCausal(str(tiny(family)), device="cpu")
        start = initial_vectors("random", model, DATA, 400, 1)
        assert float(start.pow(2).mean().sqrt()) == pytest.approx(embedding_rms(model), rel=0.05)


def test_a_template_without_words_starts_from_the_vocabulary(model):
    bare = replace(DATA, init_text="")
    start = initial_vectors("text", model, bare, 4, 1)
    assert torch.equal(start, initial_vectors("vocabulary", model, bare, 4, 1))


def test_the_learning_rate_is_in_units_of_the_embeddings_rms(tiny):
    for family in ("gpt2", "gemma3"):
        model = HfCausal(str(tiny(family)), device="cpu")
        start = initial_vectors("text", model, DATA, 4, 1)
        fitted = PromptTuning(seed=1, tokens=4, lr=0.1, steps=1).fit(model, DATA, until=1, folder=None)
        moved = (vectors(fitted.snapshots[-1]) - start).abs()
        assert float(moved.max()) == pytest.approx(0.1 * embedding_rms(model), rel=0.02)


def test_answers_of_one_label_add_their_probabilities():
    logliks = torch.tensor([[0.2, 0.1, 0.3]]).log()
    assert torch.allclose(label_logliks(logliks, (0, 1, 1)).exp(), torch.tensor([[0.2, 0.4]]))
