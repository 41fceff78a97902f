"""Soft prompts for answers in words: the teacher-forced loss is that of PEFT, and training lowers it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PromptTuningConfig, TaskType, get_peft_model

from autoprompt_search.backends.hf import loading
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.masked import hf_masked
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.backends.hf.shared import SharedBackend
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.prompts import Rendered, Segment, SoftPosition
from autoprompt_search.core.protocols.tuning import TrainsTexts, TuneData
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.soft import SOFT
from autoprompt_search.soft.training import _loss_of

FAMILIES = {
    "gpt2": (hf_causal, loading.CAUSAL),
    "llama": (hf_causal, loading.CAUSAL),
    "t5": (hf_seq2seq, loading.SEQ2SEQ),
}
TASKS = {"gpt2": TaskType.CAUSAL_LM, "llama": TaskType.CAUSAL_LM, "t5": TaskType.SEQ_2_SEQ_LM}
FIELDS = ("the plot was long", "I liked the music and the actor", "a film")
QUESTIONS = tuple(f"Review: {text} Answer:" for text in FIELDS)
TEXTS = (" a dull film", " good", " not very good at all and awful")
PROMPTS = tuple(Rendered((Segment("Review: "), Segment(text, "field:text"), Segment(" Answer:"))) for text in FIELDS)
DATA = TuneData(PROMPTS, (), (), (), "Answer:", (), ("Text Answer: good",), TEXTS, True)
TOKENS = 3


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tiny):
    return request.param, str(tiny(request.param))


def opened(family, **options):
    name, folder = family
    return FAMILIES[name][0](folder, device="cpu", **options)


def peft_loss(family, vectors, questions, texts):
    """The loss that PEFT's own prompt tuning has on this batch with these vectors, and its gradient."""
    name, folder = family
    model = loading.load_model(Path(folder), torch.device("cpu"), torch.float32, FAMILIES[name][1])
    tokenizer = loading.load_tokenizer(Path(folder))
    config = PromptTuningConfig(task_type=TASKS[name], num_virtual_tokens=TOKENS, num_transformer_submodules=1)
    tuned = get_peft_model(model, config).eval()
    weights = tuned.prompt_encoder["default"].embedding.weight
    weights.data.copy_(vectors)
    rows, labels = [], []
    for question, text in zip(questions, texts, strict=True):
        answer = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        asked = tokenizer(question)["input_ids"]
        if name == "t5":
            rows.append(asked)
            labels.append(answer)
        else:
            rows.append([*asked, *answer])
            labels.append([-100] * len(asked) + answer)
    found = tuned(**_padded(rows, labels, apart=name == "t5"))
    (gradient,) = torch.autograd.grad(found.loss, weights)
    return float(found.loss.detach()), gradient


def _padded(rows, labels, *, apart):
    width, wide = max(map(len, rows)), max(map(len, labels))
    assert apart or width == wide
    return {
        "input_ids": torch.tensor([row + [0] * (width - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
        "labels": torch.tensor([row + [-100] * (wide - len(row)) for row in labels]),
    }


def ours(backend, vectors, rows, part=None):
    leaf = vectors.clone().requires_grad_()
    loss = _loss_of(backend, DATA, SoftPosition())(leaf, part or rows, rows)
    return float(loss.detach()), torch.autograd.grad(loss, leaf)[0]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_loss_and_gradient_are_those_of_peft(family):
    backend = opened(family)
    vectors = torch.randn(TOKENS, backend.width(SoftPosition()), generator=torch.Generator().manual_seed(1)) * 0.3
    for rows in ([0], [1], [0, 1, 2]):
        loss, gradient = ours(backend, vectors, rows)
        wanted, theirs = peft_loss(family, vectors, [QUESTIONS[i] for i in rows], [TEXTS[i] for i in rows])
        assert loss == pytest.approx(wanted, abs=1e-4)
        assert torch.allclose(gradient, theirs, atol=1e-5)


def test_parts_of_a_batch_add_up_and_neither_batch_nor_sharing_matters(family):
    backend = opened(family)
    vectors = torch.randn(TOKENS, backend.width(SoftPosition()), generator=torch.Generator().manual_seed(2)) * 0.3
    whole, gradient = ours(backend, vectors, [0, 1, 2])
    parts = [ours(backend, vectors, [0, 1, 2], [i]) for i in range(3)]
    assert sum(loss for loss, _ in parts) == pytest.approx(whole, abs=1e-5)
    assert torch.allclose(sum(g for _, g in parts), gradient, atol=1e-6)
    kind = "hf-seq2seq" if family[0] == "t5" else "hf-causal"
    shared = SharedBackend(of={"type": kind, "model": family[1], "device": "cpu"})
    assert isinstance(shared, TrainsTexts) is True
    assert ours(shared, vectors, [0, 1, 2])[0] == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("options", [{"soft.method": "prompt-tuning"}, {"soft.method": "prefix-tuning"}])
def test_training_lowers_the_loss_from_where_the_text_began(family, options):
    backend = opened(family)
    method = SOFT.build(
        ComponentSpec(type=options["soft.method"], tokens=4, steps=20, batch_size=3, lr=0.3, init="text"), seed=0
    )
    fitted = method.fit(backend, DATA, until=20, folder=None)
    assert fitted.forward_passes == 3 * 3 * 20
    start, best = fitted.snapshots[0], fitted.snapshots[-1]
    written = [backend.generate(PROMPTS, Limits(6), soft).completions for soft in (None, start, best)]
    if options["soft.method"] == "prompt-tuning":
        assert written[0] == written[1]  # the vectors began as the prompt's own text
    assert written[2] != written[1]
    first = method.fit(backend, DATA, until=1, folder=None).loss
    assert fitted.loss < first


def test_an_answer_can_be_learnt_by_heart_with_its_end(tiny):
    backend = hf_causal(str(tiny("gpt2")), device="cpu")
    data = replace(DATA, prompts=PROMPTS[:1], texts=(" good",))
    method = SOFT.build(
        ComponentSpec(type="prompt-tuning", tokens=8, steps=80, batch_size=1, lr=1.0, init="random"), seed=0
    )
    soft = method.fit(backend, data, until=80, folder=None).snapshots[-1]
    (said,) = backend.generate(PROMPTS[:1], Limits(6), soft).completions
    assert (said.text, said.finish) == (" good", "end")


def test_a_backend_that_writes_nothing_is_refused(tiny):
    backend = hf_masked(str(tiny("bert")), device="cpu")
    method = SOFT.build(ComponentSpec(type="prompt-tuning", tokens=2, steps=1), seed=0)
    with pytest.raises(ConfigError, match="no gradients of texts"):
        method.fit(backend, DATA, until=1, folder=None)
