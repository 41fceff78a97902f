"""Every method learns, starts where it says, and resumes bit for bit."""

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

from autoprompt_search.backends.causal import hf_causal
from autoprompt_search.backends.encoder import hf_encoder
from autoprompt_search.backends.masked import hf_masked
from autoprompt_search.backends.seq2seq import hf_seq2seq
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.protocols import SoftMethod, TuneData
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Place, Rendered, Segment
from autoprompt_search.soft import SOFT
from autoprompt_search.soft.checkpoint import FILE
from autoprompt_search.soft.fits import FITS, misfit
from autoprompt_search.soft.inits import rms, start
from autoprompt_search.soft.prompt_tuning import PromptTuning
from autoprompt_search.soft.training import label_logliks
from autoprompt_search.testing.backend_contract import close

GOOD = ["good", "great", "lovely", "fine"]
BAD = ["bad", "poor", "awful", "dull"]
FAMILIES = {"hf-causal": (hf_causal, "llama"), "hf-masked": (hf_masked, "bert"), "hf-seq2seq": (hf_seq2seq, "t5")}
FAMILIES["hf-encoder"] = (hf_encoder, "bert")
INITS = ("text", "demos", "vocabulary", "labels", "random")
EXTRAS = [("prompt-tuning", {}), ("p-tuning", {"encoder": "mlp"}), ("p-tuning", {"encoder": "lstm"})]
EXTRAS += [("residual-prompt-tuning", {"hidden": 16}), ("prefix-tuning", {}), ("prefix-tuning", {"projection": True})]
METHODS = [pytest.param(name, extra, id="-".join([name, *map(str, extra.values())])) for name, extra in EXTRAS]


def prompt(text):
    return Rendered((Segment(f"Review: the plot was {text} Sentiment:", "field:text"),))


DATA = TuneData(
    prompts=tuple(prompt(f"{word} {extra}") for word in GOOD + BAD for extra in ("and long", "and short", "")),
    targets=(1,) * 12 + (0,) * 12,
    answers=(" no", " yes", " yes again"),
    groups=(0, 1, 1),
    init_text="Review: Sentiment:",
    label_words=(" no", " yes"),
    demo_texts=("Review: a lovely film Sentiment: yes", "Review: an awful film Sentiment: no"),
)


@pytest.fixture
def model(tiny):
    return hf_causal(str(tiny()), device="cpu")


def build(name, **options):
    return SOFT.build(ComponentSpec(type=name, **options), seed=1)


def vectors(snapshot):
    return load(snapshot.weights)["prompt_embeddings"]


def accuracy(model, soft):
    logliks = torch.tensor(model.score(DATA.prompts, DATA.answers, soft).logliks)
    return float((label_logliks(logliks, DATA.groups).argmax(1) == torch.tensor(DATA.targets)).float().mean())


def test_the_registry_checks_its_options():
    spec = ComponentSpec(type="prompt-tuning", tokens=0, init="words", lr=-1.0, seed=3)
    assert len(SOFT.problems(spec, "seed")) == 4  # the seed is ours to give
    for name in SOFT.names():
        built = build(name, tokens=4)
        assert isinstance(built, SoftMethod)
        assert built.steps == 100


@pytest.mark.parametrize(("name", "extra"), METHODS)
def test_every_method_learns(name, extra, model):
    options = {"tokens": 6, "init": "vocabulary", "steps": 60, "lr": 0.3, **extra}
    fitted = build(name, **options).fit(model, DATA, until=60, folder=None)
    begun = build(name, **options).fit(model, DATA, until=1, folder=None)
    assert fitted.loss < 0.6 * begun.loss
    assert fitted.forward_passes == 3 * 60 * 16
    assert [s.tokens for s in fitted.snapshots] == [6, 6]
    assert {s.method for s in fitted.snapshots} == {name}
    assert accuracy(model, fitted.snapshots[-1]) > max(0.8, accuracy(model, begun.snapshots[0]))


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_every_start_and_optimizer_learns(init, optimizer, model):
    method = build("prompt-tuning", tokens=5, init=init, steps=60, lr=0.3, optimizer=optimizer)
    first = method.fit(model, DATA, until=1, folder=None)
    assert method.fit(model, DATA, until=60, folder=None).loss < 0.7 * first.loss


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize(("name", "extra"), METHODS)
def test_from_text_step_0_is_the_hard_prompt(family, name, extra, tiny):
    make, kind = FAMILIES[family]
    if misfit(family, name):
        pytest.skip("does not fit")
    backend = make(str(tiny(kind)), device="cpu")
    hard = backend.score(DATA.prompts, DATA.answers)
    for at in FITS[family].places if name != "prefix-tuning" else ("start",):
        place = {} if name == "prefix-tuning" else {"placement": at}
        found = build(name, tokens=4, steps=8, **extra, **place).fit(backend, DATA, until=1, folder=None)
        begun = found.snapshots[0]
        is_exact = at != "decoder" and (name != "prefix-tuning" or family == "hf-causal")
        assert (begun.place.replaces > 0) is is_exact
        ours = backend.score(DATA.prompts, DATA.answers, begun)
        assert close(ours.logliks, hard.logliks) is is_exact
        if is_exact:
            assert ours.prompt_tokens == hard.prompt_tokens


@pytest.mark.parametrize(("name", "extra"), METHODS)
@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_training_in_parts_equals_training_at_once(name, extra, optimizer, model, tmp_path):
    def method():
        options = {"tokens": 5, "init": "vocabulary", "steps": 24, "batch_size": 7, "weight_decay": 0.01}
        return build(name, optimizer=optimizer, **options, **extra)

    once = method().fit(model, DATA, until=24, folder=None)
    parts = [method().fit(model, DATA, until=until, folder=tmp_path) for until in (3, 11, 24)]
    assert parts[-1].snapshots == once.snapshots
    assert parts[-1].loss == once.loss
    assert sum(p.forward_passes for p in parts) == once.forward_passes
    again = method().fit(model, DATA, until=11, folder=tmp_path)
    assert again.snapshots == parts[1].snapshots
    assert (again.forward_passes, again.loss) == (0, parts[1].loss)
    unseen = method().fit(model, DATA, until=10, folder=tmp_path)
    assert unseen.snapshots == method().fit(model, DATA, until=10, folder=None).snapshots
    assert method().fit(model, DATA, until=24, folder=tmp_path).forward_passes == 0


_GO_ON = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from autoprompt_search.backends.causal import hf_causal
from tests.soft.test_training import DATA, FEW, build
fitted = build(**FEW).fit(hf_causal(sys.argv[1], device="cpu"), DATA, until=8, folder=Path(sys.argv[2]))
print(fitted.snapshots[-1].sha256)
"""
FEW = {"name": "p-tuning", "tokens": 4, "steps": 8, "batch_size": 3, "encoder": "lstm"}


@pytest.mark.model
def test_another_process_goes_on_bit_for_bit(tiny, model, tmp_path):
    half = build(**FEW).fit(model, DATA, until=4, folder=tmp_path)
    command = [sys.executable, "-W", "ignore", "-c", _GO_ON, str(tiny()), str(tmp_path)]
    there = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    once = build(**FEW).fit(model, DATA, until=8, folder=None)
    assert there.stdout.split()[-1] == once.snapshots[-1].sha256 != half.snapshots[-1].sha256


def test_the_first_snapshots_hold_the_start_and_later_ones_do_not(model):
    method = build("prompt-tuning", tokens=3, steps=40, init="labels")
    early, late = (method.fit(model, DATA, until=until, folder=None).snapshots for until in (10, 40))
    assert [len(early), len(late)] == [3, 2]
    assert torch.equal(vectors(early[0]), start("labels", model, DATA, Place(), 3, 1).vectors)


def test_every_epoch_sees_every_prompt_in_an_order_of_the_seed():
    def epochs(seed):
        training = PromptTuning(seed=seed, batch_size=4)._training
        places = [i for step in range(6) for i in training._batch(step, 12)]
        return places[:12], places[12:]

    first, second = epochs(1)
    assert sorted(first) == sorted(second) == list(range(12))
    assert len({tuple(first), tuple(second), tuple(epochs(2)[0])}) == 3
    assert len(PromptTuning(seed=1, batch_size=16)._training._batch(0, 5)) == 5


def test_a_checkpoint_of_another_training_or_a_damaged_one_is_not_used(model, tmp_path):
    PromptTuning(seed=1, tokens=3, steps=6).fit(model, DATA, until=6, folder=tmp_path)
    fresh = PromptTuning(seed=2, tokens=3, steps=6).fit(model, DATA, until=6, folder=None)
    other = PromptTuning(seed=2, tokens=3, steps=6).fit(model, DATA, until=6, folder=tmp_path)
    assert other == fresh
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-50])
    assert PromptTuning(seed=2, tokens=3, steps=6).fit(model, DATA, until=6, folder=tmp_path) == fresh


def test_every_option_is_part_of_what_a_checkpoint_is_known_by(model, tmp_path):
    build("p-tuning", tokens=3, steps=6, hidden=8).fit(model, DATA, until=6, folder=tmp_path)
    for changed in ({"hidden": 9}, {"encoder": "lstm"}, {"placement": "before-answer"}, {"optimizer": "adafactor"}):
        options = {"tokens": 3, "steps": 6, "hidden": 8, **changed}
        assert build("p-tuning", **options).fit(model, DATA, until=6, folder=tmp_path).forward_passes > 0
        build("p-tuning", tokens=3, steps=6, hidden=8).fit(model, DATA, until=6, folder=tmp_path)


def test_the_checkpoint_is_one_readable_file(model, tmp_path):
    PromptTuning(seed=1, tokens=3, steps=6).fit(model, DATA, until=3, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    with safe_open(tmp_path / FILE, framework="pt") as file:
        facts = json.loads(file.metadata()["state"])
        assert file.get_tensor("parameters/vectors").shape == (3, 32)
    assert len(facts["losses"]) == 3


class Diverging:
    """A model whose answers are NaN from some call on."""

    def __init__(self, model, after):
        self.model = model
        self.left = after

    def __getattr__(self, name):
        return getattr(self.model, name)

    def answer_logliks(self, soft, place, prompts, answers):
        self.left -= 1
        return self.model.answer_logliks(soft, place, prompts, answers) * (1.0 if self.left >= 0 else float("nan"))


@pytest.mark.parametrize("name", SOFT.names())
def test_a_loss_that_is_not_finite_fails_the_trial_at_its_step(name, model):
    with pytest.raises(TrialError, match="step 4"):
        build(name, tokens=3, steps=10).fit(Diverging(model, 3), DATA, until=10, folder=None)


class SmallMemory(Diverging):
    """A model that holds two prompts of a training batch."""

    def answer_logliks(self, soft, place, prompts, answers):
        if len(prompts) > self.left:
            raise torch.OutOfMemoryError("out of memory")
        return self.model.answer_logliks(soft, place, prompts, answers)


def test_out_of_memory_splits_the_batch(model):
    whole = PromptTuning(seed=1, tokens=3, steps=5).fit(model, DATA, until=5, folder=None)
    split = PromptTuning(seed=1, tokens=3, steps=5).fit(SmallMemory(model, 2), DATA, until=5, folder=None)
    assert torch.allclose(vectors(split.snapshots[-1]), vectors(whole.snapshots[-1]), atol=1e-4)
    with pytest.raises(TrialError, match="out of memory"):
        PromptTuning(seed=1, tokens=3, steps=5).fit(SmallMemory(model, 0), DATA, until=5, folder=None)


# Starts


def begin(init, model, tokens, data=DATA, seed=1):
    return start(init, model, data, Place(), tokens, seed)


def test_text_takes_the_place_of_the_prompts_own_tokens(model):
    own = model.embed_tokens("Review: the plot was")
    begun = begin("text", model, 4)
    assert torch.equal(begun.vectors, own[:4])
    assert begun.place == Place(replaces=4)
    assert torch.equal(begin("text", model, 100).vectors, own)  # what the prompts share, and no more


def test_where_prompts_share_nothing_the_templates_words_stand_in_front(model):
    apart = replace(DATA, prompts=tuple(Rendered((Segment(w),)) for w in GOOD))
    begun = begin("text", model, 9, apart)
    own = model.embed_tokens(DATA.init_text)
    assert begun.place.replaces == 0
    assert torch.equal(begun.vectors, own[torch.arange(9) % len(own)])
    bare = replace(apart, init_text="")
    assert torch.equal(begin("text", model, 4, bare).vectors, begin("vocabulary", model, 4, bare).vectors)


def test_vocabulary_draws_tokens_of_the_training_prompts(model):
    table, tokenizer = model.embedding_table(), model._source.texts.tokenizer
    drawn = begin("vocabulary", model, 8).vectors
    ids = {int((table == row).all(1).nonzero()[0]) for row in drawn}
    seen = {i for p in DATA.prompts for i in tokenizer(p.text)["input_ids"]}
    assert len(ids) == 8
    assert ids <= seen
    assert not ids & set(tokenizer.all_special_ids)
    assert torch.equal(drawn, begin("vocabulary", model, 8).vectors)
    assert not torch.equal(drawn, begin("vocabulary", model, 8, seed=2).vectors)


def test_labels_come_first_then_vocabulary(model):
    found = begin("labels", model, 5).vectors
    assert torch.equal(found[0], model.embed_tokens(" no").mean(0))
    assert torch.equal(found[1], model.embed_tokens(" yes").mean(0))
    assert torch.equal(found[2:], begin("vocabulary", model, 5).vectors[:3])


def test_demonstrations_give_their_own_tokens(model):
    rows = torch.cat([model.embed_tokens(text) for text in DATA.demo_texts])
    found = begin("demos", model, 6).vectors
    assert torch.equal(found[0], rows[0])
    assert torch.equal(found[-1], rows[-1])
    assert all((rows == row).all(1).any() for row in found)


def test_random_has_the_size_of_real_embeddings(tiny):
    for family in ("gpt2", "gemma3"):
        model = hf_causal(str(tiny(family)), device="cpu")
        assert rms(begin("random", model, 400).vectors) == pytest.approx(rms(model.embedding_table()), rel=0.05)


def test_the_learning_rate_is_in_units_of_the_embeddings_rms(tiny):
    for family in ("gpt2", "gemma3"):
        model = hf_causal(str(tiny(family)), device="cpu")
        fitted = PromptTuning(seed=1, tokens=4, lr=0.1, steps=1).fit(model, DATA, until=1, folder=None)
        moved = (vectors(fitted.snapshots[-1]) - begin("text", model, 4).vectors).abs()
        assert float(moved.max()) == pytest.approx(0.1 * rms(model.embedding_table()), rel=0.02)


def test_answers_of_one_label_add_their_probabilities():
    logliks = torch.tensor([[0.2, 0.1, 0.3]]).log()
    assert torch.allclose(label_logliks(logliks, (0, 1, 1)).exp(), torch.tensor([[0.2, 0.4]]))


# The table of fits


def test_a_pair_that_does_not_fit_names_those_that_do():
    assert misfit("hf-encoder", "prefix-tuning") == (
        "'prefix-tuning' does not fit hf-encoder: choose among prompt-tuning, p-tuning, residual-prompt-tuning"
    )
    assert "choose among start, before-answer" in misfit("hf-causal", "prompt-tuning", "after-cls")
    assert "choose among start" in misfit("hf-masked", "prefix-tuning", "before-answer")
    assert misfit("hf-masked", "p-tuning", "after-cls") is None
    assert misfit("somebody-elses", "prefix-tuning") is None
