"""The trainer on its own: starts, snapshots, batches, clipping, memory, checkpoints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load

from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.prompts import SoftPosition
from autoprompt_search.core.protocols.tuning import SoftMethod
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.soft import SOFT
from autoprompt_search.soft.checkpoint import FILE
from autoprompt_search.soft.inits import rms, start
from autoprompt_search.soft.prompt_tuning import prompt_tuning
from autoprompt_search.soft.training import label_logliks
from autoprompt_search.testing.differentiable import TunableModel
from autoprompt_search.testing.soft_contract import DATA, Diverging, logliks, loss
from tests.soft.forms import FORMS

INITS = ("text", "demos", "vocabulary", "labels", "random")


def build(name, **options):
    return SOFT.build(ComponentSpec(type=name, **options), seed=1)


def fit(name, model, until, folder=None, data=DATA, **options):
    return build(name, **options).fit(model, data, until=until, folder=folder)


def vectors(snapshot):
    return load(snapshot.weights)["prompt_embeddings"]


def test_the_registry_checks_options():
    spec = ComponentSpec(type="prompt-tuning", tokens=0, init="words", lr=-1.0, seed=3)
    with pytest.raises(ConfigError) as caught:
        SOFT.build(spec, seed=1)  # which is ours to give
    assert [p.partition(":")[0] for p in caught.value.problems] == [
        "seed",
        "tokens",
        "init",
        "lr",
    ]
    for wrong in ({"type": "prefix-tuning", "placement": "start"}, {"type": "p-tuning", "encoder": "gru"}):
        with pytest.raises(ConfigError, match=list(wrong)[1]):  # a prefix is always at the start
            SOFT.build(ComponentSpec.model_validate(wrong), seed=1)
    for name in SOFT.names():
        built = build(name, tokens=4)
        assert isinstance(built, SoftMethod)
        assert built.steps == 100


@pytest.mark.parametrize(
    ("init", "optimizer"), [*((init, "adamw") for init in INITS), ("text", "adafactor"), ("random", "adafactor")]
)
@pytest.mark.parametrize("name", SOFT.names())
def test_every_method_learns_from_every_start_and_with_every_optimizer(name, init, optimizer):
    model = TunableModel(seed=4)
    fitted = fit(name, model, 30, tokens=5, steps=30, batch_size=12, lr=0.3, init=init, optimizer=optimizer)
    begun, trained = loss(model, fitted.snapshots[0]), loss(model, fitted.snapshots[-1])
    assert trained < 0.5 * begun, f"from {begun:.2f} to {trained:.2f}"


@pytest.mark.parametrize("at", ["start", "after-cls", "before-answer", "decoder"])
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_from_text_step_0_is_the_hard_prompt_at_every_place(name, options, at):
    if name == "prefix-tuning" and at != "start":
        pytest.skip("a prefix always stands at the start, so there is no such place")
    model = TunableModel()
    place = {} if name == "prefix-tuning" else {"placement": at}
    begun = fit(name, model, 1, tokens=3, **options, **place).snapshots[0]
    is_exact = at != "decoder"
    assert (begun.place.replaces > 0) is is_exact
    assert begun.place.at == at
    assert np.allclose(logliks(model, begun), logliks(model), rtol=1e-5, atol=1e-5) is is_exact


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_every_form_begins_exactly_at_its_initial_vectors(name, options, init):
    model = TunableModel(scale=0.1)
    place = SoftPosition(kind="prefix") if name == "prefix-tuning" else SoftPosition()
    built = build(name, tokens=5, init=init, **options)
    begun = start(init, model, DATA, place, 5, 1).vectors
    module = built._module(begun, 1.0)
    assert torch.equal(module(), begun)
    assert torch.equal(vectors(built.fit(model, DATA, until=1, folder=None).snapshots[0]), begun)


def test_snapshots_are_the_start_three_quarters_and_the_end():
    model = TunableModel()
    method = build("prompt-tuning", tokens=3, steps=64, init="labels")  # kept every four steps
    assert [len(method.fit(model, DATA, until=n, folder=None).snapshots) for n in (1, 4, 64)] == [2, 2, 3]
    late, early = (method.fit(model, DATA, until=n, folder=None).snapshots for n in (34, 24))
    assert late[1] == early[-1]  # three quarters of 34 are 25, and 24 is what is kept
    assert late[0] == early[0]


def test_every_epoch_sees_every_prompt_in_an_order_of_the_seed():
    def epochs(seed):
        training = prompt_tuning(seed=seed, batch_size=4)
        places = [i for step in range(6) for i in training._batch(step, 12)]
        return places[:12], places[12:]

    first, second = epochs(1)
    assert sorted(first) == sorted(second) == list(range(12))
    assert len({tuple(first), tuple(second), tuple(epochs(2)[0])}) == 3
    assert len(prompt_tuning(seed=1, batch_size=16)._batch(0, 5)) == 5


def test_forward_passes_are_three_per_example_of_a_step():
    few = replace(DATA, prompts=DATA.prompts[:5], targets=DATA.targets[:5])
    assert fit("prompt-tuning", TunableModel(), 4, batch_size=7).forward_passes == 3 * 4 * 7
    assert fit("prompt-tuning", TunableModel(), 4, batch_size=7, data=few).forward_passes == 3 * 4 * 5


@pytest.mark.parametrize("name", ["prompt-tuning", "prefix-tuning"])
@pytest.mark.parametrize("scale", [0.05, 20.0])
def test_the_learning_rate_is_in_units_of_the_rms_of_what_is_trained(name, scale):
    model = TunableModel(scale=scale)
    begun, moved = map(vectors, fit(name, model, 1, tokens=4, lr=0.1, steps=1).snapshots)
    unit = rms(begun) if name == "prefix-tuning" else rms(model.embedding_table())
    assert float((moved - begun).abs().max()) == pytest.approx(0.1 * unit, rel=0.02)


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_no_form_runs_away_however_large_the_embeddings(name, options, optimizer):
    """Five steps of 0.3 move the vectors by about one unit, whatever stands between them and the optimiser."""
    for scale in (0.05, 20.0):
        fitted = fit(name, TunableModel(scale=scale), 5, steps=5, tokens=5, lr=0.3, optimizer=optimizer, **options)
        begun, moved = vectors(fitted.snapshots[0]), vectors(fitted.snapshots[-1])
        assert 0.1 < rms(moved - begun) / (rms(begun) if name == "prefix-tuning" else scale) < 4


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_the_gradient_is_clipped_to_norm_1_over_all_that_is_trained(name, options, tmp_path):
    options = {"steps": 1, "init": "random", **options}
    # Small embeddings have large gradients; keys and values have them where the answers are sharp.
    fit(name, Sharp(scale=0.001), 1, folder=tmp_path, **options)
    with safe_open(tmp_path / FILE, framework="pt") as file:
        means = [file.get_tensor(n) for n in file.keys() if n.endswith(".exp_avg")]  # noqa: SIM118
    norm = float(torch.stack([mean.pow(2).sum() for mean in means]).sum().sqrt())
    assert norm == pytest.approx(0.1, rel=1e-3)  # a tenth of the first gradient


class Sharp(TunableModel):
    """A model whose gradients are large."""

    def answer_logliks(self, soft, place, prompts, answers):
        return 1000 * super().answer_logliks(soft, place, prompts, answers)


class SmallMemory(TunableModel):
    """A model that holds so many prompts of a training batch."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def answer_logliks(self, soft, place, prompts, answers: Sequence[str]):
        if len(prompts) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return super().answer_logliks(soft, place, prompts, answers)


@pytest.mark.parametrize("name", SOFT.names())
def test_out_of_memory_splits_the_batch(name):
    whole, split = (fit(name, SmallMemory(room), 5, steps=5).snapshots[-1] for room in (99, 2))
    assert torch.allclose(vectors(split), vectors(whole), atol=1e-4)
    with pytest.raises(TrialError, match="out of memory"):
        fit(name, SmallMemory(0), 5, steps=5)


def test_a_loss_that_is_not_finite_is_named_with_step_and_rate():
    with pytest.raises(TrialError, match=r"not finite at step 4 \(loss nan, lr 0\.7\)"):
        fit("prompt-tuning", Diverging(3), 10, lr=0.7)


# Checkpoints

CHANGES = [
    ("prompt-tuning", {"tokens": 2}),
    ("prompt-tuning", {"init": "labels"}),
    ("prompt-tuning", {"placement": "before-answer"}),
    ("prompt-tuning", {"optimizer": "adafactor"}),
    ("prompt-tuning", {"lr": 0.2}),
    ("prompt-tuning", {"steps": 7}),
    ("prompt-tuning", {"batch_size": 5}),
    ("prompt-tuning", {"weight_decay": 0.1}),
    ("p-tuning", {"encoder": "lstm"}),
    ("p-tuning", {"hidden": 9}),
    ("residual-prompt-tuning", {"hidden": 9}),
    ("prefix-tuning", {"projection": True}),
    ("prefix-tuning", {"hidden": 9}),
]


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_every_option_is_part_of_what_a_checkpoint_is_known_by(name, change, tmp_path):
    fit(name, TunableModel(), 1, folder=tmp_path)
    assert fit(name, TunableModel(), 1, folder=tmp_path).forward_passes == 0
    assert fit(name, TunableModel(), 1, folder=tmp_path, **change).forward_passes > 0


def test_every_part_of_the_data_is_part_of_it_too(tmp_path):
    for change in ({"demo_texts": ()}, {"init_text": ""}, {"answers": (" yes", " no", " yes again")}):
        fit("prompt-tuning", TunableModel(), 1, folder=tmp_path)
        assert fit("prompt-tuning", TunableModel(), 1, folder=tmp_path, data=replace(DATA, **change)).forward_passes


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_the_checkpoint_is_one_readable_file_without_pickle(optimizer, tmp_path):
    fit("residual-prompt-tuning", TunableModel(), 3, folder=tmp_path, tokens=3, steps=6, optimizer=optimizer)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    with safe_open(tmp_path / FILE, framework="pt") as file:
        facts, names = json.loads(file.metadata()["state"]), set(file.keys())
    assert len(facts["losses"]) == 3
    assert {"parameters/vectors", "parameters/network.0.weight", "history/0", "history/3"} <= names
    assert {name.partition(".")[0] for name in names if name.startswith("optimizer/")} == {
        f"optimizer/{i}" for i in range(5)
    }


def test_answers_of_one_label_add_their_probabilities():
    found = torch.tensor([[0.2, 0.1, 0.3]]).log()
    assert torch.allclose(label_logliks(found, (0, 1, 1)).exp(), torch.tensor([[0.2, 0.4]]))
