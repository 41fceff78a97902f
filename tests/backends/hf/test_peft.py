"""Every place, kind and architecture that fits: PEFT loads our adapter and gives our numbers."""

from __future__ import annotations

import json

import pytest
import torch
from peft import PeftModel
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoTokenizer

from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.classifier import hf_classifier
from autoprompt_search.backends.hf.encoder import hf_encoder
from autoprompt_search.backends.hf.loading import ENCODER
from autoprompt_search.backends.hf.masked import hf_masked
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.core.families import FAMILIES
from autoprompt_search.core.prompts import SoftPosition
from autoprompt_search.testing.backend_contract import ANSWERS, PROMPTS, close, packed_soft, rendered
from autoprompt_search.testing.tiny import CAUSAL, MASKED, SEQ2SEQ

pytestmark = [
    pytest.mark.model,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),  # PEFT reads it while it wraps
]
TOKENS = 4
PREFIX = SoftPosition(kind="prefix")
WITHOUT = FAMILIES["hf-masked"].without_prefixes


def places(backend, family):
    found = [SoftPosition(at) for at in FAMILIES[backend].places]
    fits = "prefix-tuning" in FAMILIES[backend].methods and family not in FAMILIES[backend].without_prefixes
    return [*found, PREFIX] if fits else found


def cases(backend, families):
    return [
        pytest.param(family, place, id=f"{family}-{place.kind if place.kind == 'prefix' else place.at}")
        for family in families
        for place in places(backend, family)
    ]


def trained(backend, place):
    """Vectors of the size of the model's own, and what they are packed into."""
    torch.manual_seed(0)
    vectors = torch.randn(TOKENS, backend.width(place)) * 0.3
    method = "prefix-tuning" if place.kind == "prefix" else "prompt-tuning"
    return packed_soft(backend, vectors, place, method)


def with_peft(model, soft, folder):
    """The adapter on a fresh model; ids of its new tokens, if it has some."""
    (folder / "adapter_config.json").write_text(json.dumps(dict(soft.adapter)))
    (folder / "adapter_model.safetensors").write_bytes(soft.weights)
    new = list(soft.adapter.get("token_indices", ()))
    if new:
        model.resize_token_embeddings(new[-1] + 1, mean_resizing=False)
    return PeftModel.from_pretrained(model, folder).eval(), new


def word(tokenizer, answer):
    (token,) = tokenizer(answer, add_special_tokens=False)["input_ids"]
    return token


@pytest.mark.parametrize(("family", "place"), cases("hf-causal", CAUSAL))
def test_causal(family, place, tiny, tmp_path):
    folder = tiny(family)
    backend = hf_causal(str(folder), device="cpu")
    soft = trained(backend, place)
    peft, new = with_peft(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), soft, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ours = backend.score([rendered(p) for p in PROMPTS], ANSWERS, soft).logliks
    for row, prompt in enumerate(PROMPTS):
        ids = torch.tensor([[*tokenizer(prompt)["input_ids"], *new]])
        with torch.no_grad():
            logits = peft(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -1]
        size = len(logits) - len(new)
        last = logits[:size].log_softmax(-1)
        assert close(ours[row], [float(last[word(tokenizer, a)]) for a in ANSWERS])


@pytest.mark.parametrize(("family", "place"), cases("hf-masked", MASKED))
def test_masked(family, place, tiny, tmp_path):
    folder = tiny(family)
    backend = hf_masked(str(folder), device="cpu")
    soft = trained(backend, place)
    peft, new = with_peft(AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32), soft, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ours = backend.score([rendered(p) for p in PROMPTS], ANSWERS, soft).logliks
    for row, prompt in enumerate(PROMPTS):
        ids = tokenizer(prompt)["input_ids"]
        if place.at == "after-cls":
            ids = [ids[0], *new, *ids[1:]]
        masked = torch.tensor(
            [[*ids[:-1], *(new if place.at == "before-answer" else []), tokenizer.mask_token_id, ids[-1]]]
        )
        with torch.no_grad():
            logits = peft(input_ids=masked, attention_mask=torch.ones_like(masked)).logits[0, -2]
        last = logits[: len(logits) - len(new)].log_softmax(-1)
        assert close(ours[row], [float(last[word(tokenizer, a)]) for a in ANSWERS])


@pytest.mark.parametrize(("family", "place"), cases("hf-seq2seq", SEQ2SEQ))
def test_seq2seq(family, place, tiny, tmp_path):
    folder = tiny(family)
    backend = hf_seq2seq(str(folder), device="cpu")
    soft = trained(backend, place)
    peft, new = with_peft(AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32), soft, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    before = tokenizer("a")["input_ids"][: 1 if family == "bart" else 0]
    ours = backend.score([rendered(p) for p in PROMPTS], ANSWERS, soft).logliks
    for row, prompt in enumerate(PROMPTS):
        ids = torch.tensor([tokenizer(prompt)["input_ids"]])
        decoder = torch.tensor([[peft.config.decoder_start_token_id, *new, *before]])
        with torch.no_grad():
            logits = peft(input_ids=ids, attention_mask=torch.ones_like(ids), decoder_input_ids=decoder).logits[0, -1]
        last = logits[: len(logits) - len(new)].log_softmax(-1)
        assert close(ours[row], [float(last[word(tokenizer, a)]) for a in ANSWERS])


@pytest.mark.parametrize(("family", "place"), cases("hf-encoder", MASKED))
def test_encoder(family, place, tiny, tmp_path):
    folder = tiny(family)
    backend = hf_encoder(str(folder), device="cpu")
    soft = trained(backend, place)
    peft, new = with_peft(ENCODER.auto.from_pretrained(folder, dtype=torch.float32), soft, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    plain = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.no_grad()
    def vector(model, ids):
        rows = torch.tensor([ids])
        hidden = model(input_ids=rows, attention_mask=torch.ones_like(rows)).last_hidden_state[0].mean(0)
        return torch.nn.functional.normalize(hidden, dim=0)

    labels = torch.stack([vector(plain, tokenizer(a.strip())["input_ids"]) for a in ANSWERS])
    ours = backend.score([rendered(p) for p in PROMPTS], ANSWERS, soft).logliks
    for row, prompt in enumerate(PROMPTS):
        ids = tokenizer(prompt)["input_ids"]
        query = vector(peft, [ids[0], *new, *ids[1:]])
        assert close(ours[row], (20 * labels @ query).log_softmax(0))


@pytest.mark.parametrize(("family", "place"), cases("hf-classifier", MASKED))
def test_classifier(family, place, tiny, tmp_path):
    from transformers import AutoModelForSequenceClassification

    folder = tiny(family, classes=4)
    backend = hf_classifier(str(folder), device="cpu")
    soft = trained(backend, place)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    columns = [model.config.label2id[a.strip()] for a in ANSWERS]
    peft, new = with_peft(model, soft, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ours = backend.score([rendered(p) for p in PROMPTS], ANSWERS, soft).logliks
    for row, prompt in enumerate(PROMPTS):
        ids = tokenizer(prompt)["input_ids"]
        rows = torch.tensor([[ids[0], *new, *ids[1:]]])
        with torch.no_grad():
            logits = peft(input_ids=rows, attention_mask=torch.ones_like(rows)).logits[0]
        assert close(ours[row], logits.log_softmax(-1)[columns])
