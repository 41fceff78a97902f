"""What `hf-causal` refuses, shares, saves and survives."""

from __future__ import annotations

import json
import shutil

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from autoprompt_search.backends import BACKENDS
from autoprompt_search.backends.hf import identity
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.prompts import SoftPosition, SoftPrompt
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.testing.backend_contract import ANSWERS, LONG_ANSWERS, PROMPTS, close, rendered
from autoprompt_search.testing.tiny import CAUSAL

ROWS = [rendered(p) for p in PROMPTS]


def packed(vectors, backend):
    made = backend.adapter(vectors, SoftPosition())
    digest = sha256_bytes(made.weights)
    return SoftPrompt("prompt-tuning", len(vectors), backend.fingerprint, made.weights, digest, made.config)


def model_and_tokenizer(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(
        folder
    )


def test_the_registry_builds_it_and_checks_its_options(tiny):
    spec = ComponentSpec(type="hf-causal", model=str(tiny()), batch_tokens=512)
    assert BACKENDS.build(spec)._spec.batch_tokens == 512
    wrong = ComponentSpec(type="hf-causal", model="x", dtype="float8", batch_tokens=0, threds=2)
    with pytest.raises(ConfigError) as caught:
        BACKENDS.build(wrong)
    assert [p.partition(":")[0] for p in caught.value.problems] == ["threds", "dtype", "batch_tokens"]


# Finding the model


@pytest.mark.parametrize("name", ["./absent", "/absent/model", "~/absent", "a/b/absent", "absent\\model", ".."])
def test_a_missing_folder_is_named_and_never_asked_of_the_hub(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        hf_causal(name).score(ROWS, ANSWERS)
    assert repr(name) in str(caught.value)
    assert hf_causal(name).problems(ROWS, ANSWERS) == list(caught.value.problems)


def test_a_name_below_an_existing_folder_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    with pytest.raises(ConfigError, match="'models/absent' does not exist"):
        _ = hf_causal("models/absent").fingerprint


def test_a_hub_name_that_cannot_be_had_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"'nobody/no-such-model' \(revision 'v1'\) is no folder here"):
        _ = hf_causal("nobody/no-such-model", revision="v1").fingerprint


def test_unknown_builtin_and_device(tiny):
    assert "builtin:gpt" in hf_causal("builtin:gtp").problems([], [])[0]
    assert "not a device" in hf_causal(str(tiny()), device="gpu7").problems([], [])[0]


def test_a_folder_without_safetensors_is_refused(tiny, tmp_path):
    folder = shutil.copytree(tiny(), tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert any("no safetensors" in p for p in hf_causal(str(folder)).problems(ROWS, ANSWERS))
    with pytest.raises(ConfigError, match="no safetensors"):
        hf_causal(str(folder)).score(ROWS, ANSWERS)


@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
def test_a_missing_head_is_refused_before_and_at_loading(family, tiny, tmp_path):
    folder = shutil.copytree(tiny(family), tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    head = [name for name in weights if name.endswith(("lm_head.weight", "embed_out.weight"))]
    assert head
    save_file({n: w for n, w in weights.items() if n not in head}, folder / "model.safetensors", {"format": "pt"})
    (problem,) = hf_causal(str(folder)).problems([], [])
    assert "no head for causal LM" in problem
    with pytest.raises(ConfigError, match="no head for causal LM"):
        hf_causal(str(folder)).score(ROWS, ANSWERS)


def test_any_other_missing_weight_is_refused(tiny, tmp_path):
    folder = shutil.copytree(tiny(), tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    weights.pop("transformer.h.1.mlp.c_fc.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match=r"would be random: transformer\.h\.1\.mlp\.c_fc\.weight"):
        hf_causal(str(folder)).score(ROWS, ANSWERS)


@pytest.mark.parametrize(("kind", "words"), [("t5", "no causal LM form"), ("bert", "left to right")])
def test_models_of_another_form_are_refused(kind, words, tiny, tmp_path):
    folder = shutil.copytree(tiny(), tmp_path / "m")
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    assert any(words in p for p in hf_causal(str(folder)).problems([], []))


# Fingerprint and memory


def test_the_fingerprint_follows_content_not_place(tiny, tmp_path):
    here = hf_causal(str(tiny())).fingerprint
    moved = shutil.copytree(tiny(), tmp_path / "elsewhere")
    assert hf_causal(str(moved)).fingerprint == here
    assert hf_causal(str(tiny("gpt2", 1))).fingerprint != here
    config = json.loads((moved / "tokenizer_config.json").read_text())
    (moved / "tokenizer_config.json").write_text(json.dumps({**config, "add_prefix_space": True}))
    assert hf_causal(str(moved)).fingerprint != here


def test_large_weights_are_sampled(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "FULL_HASH_BYTES", 1000)
    folder = shutil.copytree(tiny(), tmp_path / "m")
    sampled = hf_causal(str(folder)).fingerprint
    assert sampled == hf_causal(str(tiny())).fingerprint
    weights = load_file(folder / "model.safetensors")
    weights["transformer.wte.weight"][3, 3] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert hf_causal(str(folder)).fingerprint != sampled


def test_weights_are_loaded_once_and_frozen(tiny):
    one, two = hf_causal(str(tiny()), device="cpu"), hf_causal(str(tiny()), device="cpu", batch_tokens=64)
    assert one._loaded is two._loaded
    assert not one._loaded.model.training
    assert not any(p.requires_grad for p in one._loaded.model.parameters())
    assert hf_causal(str(tiny()), device="cpu", dtype="bfloat16")._loaded is not one._loaded


def test_bfloat16_scores_near_float32(tiny):
    full = hf_causal(str(tiny()), device="cpu").score(ROWS, LONG_ANSWERS).logliks
    half = hf_causal(str(tiny()), device="cpu", dtype="bfloat16").score(ROWS, LONG_ANSWERS).logliks
    assert half.dtype == np.float32
    assert np.abs(half - full).max() < 1.0


# Length


def test_over_long_prompts_name_both_lengths(tiny):
    backend = hf_causal(str(tiny()), device="cpu")
    with pytest.raises(TrialError, match=r"1 of 2 prompts .* 201 tokens .* context is 128"):
        backend.score([rendered("a" + " a" * 199), ROWS[0]], ANSWERS)
    with pytest.raises(TrialError, match="100 soft tokens"):
        backend.score(ROWS, ANSWERS, packed(torch.zeros(100, 32), backend))
    fits = backend.score([rendered("a" + " a" * 126)], ANSWERS)
    assert fits.prompt_tokens == (127,)


def test_a_prompt_without_tokens_is_refused(tiny):
    with pytest.raises(TrialError, match="nothing to continue from"):
        hf_causal(str(tiny()), device="cpu").score([rendered("")], ANSWERS)
    assert hf_causal(str(tiny("llama")), device="cpu").score([rendered("")], ANSWERS).prompt_tokens == (1,)


# Soft prompts


@pytest.mark.parametrize("family", ["gpt2", "opt", "gpt_neox"])
def test_a_soft_prompt_of_a_texts_own_vectors_equals_that_text(family, tiny):
    backend = hf_causal(str(tiny(family)), device="cpu")
    soft = packed(backend.embed_tokens("a good film"), backend)
    hard = backend.score([rendered(f"a good film {p}") for p in PROMPTS], LONG_ANSWERS)
    ours = backend.score([rendered(f" {p}") for p in PROMPTS], LONG_ANSWERS, soft)
    assert close(ours.logliks, hard.logliks)
    assert ours.prompt_tokens == hard.prompt_tokens


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT reads it while it wraps
@pytest.mark.parametrize("family", CAUSAL)
def test_the_exported_adapter_gives_peft_the_same_logits(family, tiny, tmp_path):
    folder = tiny(family)
    backend = hf_causal(str(folder), device="cpu")
    torch.manual_seed(0)
    soft = packed(torch.randn(5, backend.embedding_table().shape[1]) * 0.3, backend)
    (tmp_path / "adapter_config.json").write_text(json.dumps(dict(soft.adapter)))
    (tmp_path / "adapter_model.safetensors").write_bytes(soft.weights)
    model, tokenizer = model_and_tokenizer(folder)
    peft = PeftModel.from_pretrained(model, tmp_path).eval()
    ours = backend.score(ROWS, ANSWERS, soft).logliks
    for row, prompt in enumerate(PROMPTS):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            last = peft(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -1].log_softmax(-1)
        words = [tokenizer(answer, add_special_tokens=False)["input_ids"] for answer in ANSWERS]
        assert all(len(word) == 1 for word in words)
        assert close(ours[row], [float(last[word[0]]) for word in words])


def test_a_soft_prompt_with_damaged_weights_is_refused(tiny):
    backend = hf_causal(str(tiny()), device="cpu")
    good = packed(torch.zeros(3, 32), backend)
    for weights in (b"nonsense", save({"other": torch.zeros(3, 32)}), save({"prompt_embeddings": torch.zeros(3, 31)})):
        bad = SoftPrompt(good.method, 3, good.base_model, weights, sha256_bytes(weights))
        with pytest.raises(ConfigError, match="soft prompt"):
            backend.score(ROWS, ANSWERS, bad)


def test_embeddings_are_what_the_first_layer_receives(tiny):
    backend = hf_causal(str(tiny("gemma3")), device="cpu")
    model, tokenizer = model_and_tokenizer(tiny("gemma3"))
    ids = tokenizer("a good film", add_special_tokens=False)["input_ids"]
    raw = model.get_input_embeddings().weight[ids].detach()
    assert close(backend.embed_tokens("a good film"), raw * 32**0.5)
    assert close(backend.embedding_table()[ids], raw * 32**0.5)
