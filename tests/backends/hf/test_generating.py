"""`hf-causal` and `hf-seq2seq` write what the model writes when it is asked for one prompt alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from autoprompt_search.backends.hf import kv, loaded_model, loading, ragged_attention, writers
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.decoders import RaggedDecoder
from autoprompt_search.backends.hf.positions import vectors_of
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.backends.hf.transcript import decoding_of
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.prompts import Rendered, Segment, SoftPosition
from autoprompt_search.testing.backend_contract import PROMPTS, packed_soft, rendered
from autoprompt_search.testing.generation_contract import ASKED, FREE, LocalGenerationContract
from autoprompt_search.testing.reference import plain_completions
from autoprompt_search.testing.tiny import CAUSAL, SEQ2SEQ

STORIES = Path(__file__).parents[4] / "shared" / "models" / "stories260K"
CPU = torch.device("cpu")
ROWS = [rendered(p) for p in ASKED]
RAGGED = [family for family in CAUSAL if family != "gemma3"]


def maker(family):
    return hf_seq2seq if family in SEQ2SEQ else hf_causal


def opened(folder, family):
    return (
        loading.load_model(folder, CPU, torch.float32, loading.SEQ2SEQ if family in SEQ2SEQ else loading.CAUSAL),
        loading.load_tokenizer(folder),
    )


class _Suite(LocalGenerationContract):
    @pytest.fixture
    def make(self, folder):
        return lambda **options: maker(self.family)(str(folder), device="cpu", **options)

    @pytest.fixture
    def plain(self, folder):
        model, tokenizer = opened(folder, self.family)
        return lambda prompts, tokens: plain_completions(model, tokenizer, prompts, tokens)


class TestArchitectures(_Suite):
    """One for each way to write."""

    @pytest.fixture(params=["llama", "gemma3", "t5"])
    def folder(self, request, tiny):
        self.family = request.param
        return tiny(request.param)


@pytest.mark.parametrize("family", ["gpt2", "opt", "gpt_neox", "qwen3", "bart"])
def test_the_other_architectures_write_what_the_model_writes_alone(family, tiny):
    model, tokenizer = opened(tiny(family), family)
    found = maker(family)(str(tiny(family)), device="cpu").generate(ROWS, FREE).completions
    assert list(found) == plain_completions(model, tokenizer, ASKED, FREE.tokens)


@pytest.mark.model
@pytest.mark.skipif(not STORIES.is_dir(), reason="the shared small model stories260K is not on this machine")
class TestStories(_Suite):
    """A trained Llama whose tokenizer is of the sentencepiece kind, with bytes where it lacks characters."""

    family = "llama"

    @pytest.fixture
    def folder(self):
        return STORIES

    def test_text_goes_on_where_the_prompt_ends(self, backend, folder):
        """A decoder of this kind drops the space in front of what it decodes."""
        tokenizer = AutoTokenizer.from_pretrained(folder)
        (one,) = backend.generate([rendered("Once upon a")], FREE).completions
        assert one.text.startswith(" ")
        whole = tokenizer("Once upon a" + one.text)["input_ids"]
        assert tokenizer.decode(whole, skip_special_tokens=True) == "Once upon a" + one.text


# What is fast, and what it falls back to


@pytest.mark.parametrize("family", CAUSAL)
def test_which_way_a_model_is_continued(family, tiny, monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    backend = hf_causal(str(tiny(family)), device="cpu")
    backend.generate(ROWS, FREE)
    assert backend._loaded.tried == ({"ragged": True} if family in RAGGED else {"remembered": True})


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3"])
@pytest.mark.parametrize("way", ["even", "again"])
def test_every_way_writes_the_same(family, way, tiny, monkeypatch, caplog):
    fast = hf_causal(str(tiny(family)), device="cpu").generate(ROWS, FREE)
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    monkeypatch.setattr(writers, "writes_ragged", lambda _model: False)
    monkeypatch.setattr(writers, "writes_remembered", lambda _model: way == "even")
    assert hf_causal(str(tiny(family)), device="cpu").generate(ROWS, FREE) == fast
    assert any("reads every answer again" in r.getMessage() for r in caplog.records) == (way == "again")


def test_an_attention_that_sees_too_much_is_found_out(tiny, monkeypatch):
    """The check made at the first use: here a mask that hides nothing."""
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    monkeypatch.setattr(ragged_attention.torch.Tensor, "masked_fill_", lambda self, *_args: self)
    assert not writers.writes_ragged(hf_causal(str(tiny("llama")), device="cpu")._loaded.model)
    monkeypatch.undo()
    assert writers.writes_ragged(hf_causal(str(tiny("llama")), device="cpu")._loaded.model)


def test_the_model_attends_as_before_afterwards(tiny):
    backend = hf_causal(str(tiny("llama")), device="cpu", state_megabytes=0)
    before = backend.score(ROWS, [" good", " bad"]).logliks
    backend.generate(ROWS, FREE)
    assert (backend.score(ROWS, [" good", " bad"]).logliks == before).all()
    assert backend._loaded.model.config._attn_implementation == "sdpa"


def test_what_prompts_share_is_read_once_and_rows_leave_when_they_end(tiny, monkeypatch):
    """Counted in tokens that go through the model."""
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    backend = hf_causal(str(tiny("llama")), device="cpu")
    rows = [rendered(PROMPTS[0] + word) for word in ("", " good", " bad", " it")]
    backend.generate(rows, FREE)  # the check is made
    backend._loaded.prefixes.clear()
    sizes = []
    hook = backend._loaded.model.base_model.register_forward_pre_hook(
        lambda _module, _args, given: sizes.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    found = backend.generate(rows, FREE).completions
    hook.remove()
    longest = len(backend._spec.tokenizer.encode([PROMPTS[0]])[0])
    assert sum(rows * columns for rows, columns in sizes) < longest + 4 * FREE.tokens + 4 * 4
    sizes.clear()
    stop = found[0].text[:2]
    hook = backend._loaded.model.base_model.register_forward_pre_hook(
        lambda _module, _args, given: sizes.append(len(given["input_ids"])), with_kwargs=True
    )
    again = backend.generate(rows, replace(FREE, stop=(stop,))).completions
    hook.remove()
    assert again[0].finish == "stop"
    assert sizes[-1] < len(rows)


def test_rows_take_the_places_of_those_that_have_left(tiny, monkeypatch):
    joined = []
    inside = RaggedDecoder.join
    monkeypatch.setattr(
        RaggedDecoder, "join", lambda self, openings: joined.append(len(openings)) or inside(self, openings)
    )
    backend = hf_causal(str(tiny("llama")), device="cpu", batch_tokens=150)
    rows = [rendered(f"{PROMPTS[0]} {word}") for word in "abcdefghijklmnop"]
    narrow = backend.generate(rows, FREE)
    assert len(joined) > 1
    assert narrow == hf_causal(str(tiny("llama")), device="cpu").generate(rows, FREE)


def test_memory_that_runs_out_halves_the_batch(tiny, monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    backend = hf_causal(str(tiny("gpt2")), device="cpu")
    wanted = backend.generate(ROWS, FREE)
    tried = []
    inside = RaggedDecoder.step

    def step(self, tokens):
        tried.append(len(tokens))
        if len(tokens) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return inside(self, tokens)

    monkeypatch.setattr(RaggedDecoder, "step", step)
    assert backend.generate(ROWS, FREE) == wanted
    assert max(tried) > 2
    assert backend._loaded.sizer._limit is not None
    monkeypatch.setattr(RaggedDecoder, "step", lambda _self, _tokens: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(TrialError, match=r"out of memory on one prompt of \d+ tokens and 8 new ones"):
        backend.generate(ROWS, FREE)


def test_other_errors_are_not_taken_for_memory(tiny, monkeypatch):
    def broken(_self, _tokens):
        raise RuntimeError("something else")

    monkeypatch.setattr(RaggedDecoder, "step", broken)
    with pytest.raises(RuntimeError, match="something else"):
        hf_causal(str(tiny("gpt2")), device="cpu").generate(ROWS, FREE)


def test_a_model_without_numbers_fails_its_trial(tiny, monkeypatch):
    monkeypatch.setattr(RaggedDecoder, "step", lambda _self, tokens: torch.full((len(tokens), 9), torch.nan))
    with pytest.raises(TrialError, match="no finite numbers"):
        hf_causal(str(tiny("gpt2")), device="cpu").generate(ROWS, FREE)


# Soft prompts


def soft_of(backend, place, tokens=4):
    torch.manual_seed(0)
    return packed_soft(backend, torch.randn(tokens, backend.width(place)) * 0.3, place)


PLACES = [SoftPosition(), SoftPosition("before-answer"), SoftPosition(kind="prefix"), SoftPosition(replaces=2)]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3", *SEQ2SEQ])
@pytest.mark.parametrize("place", [*PLACES, SoftPosition("decoder")], ids=lambda p: f"{p.kind}-{p.at}-{p.replaces}")
def test_a_soft_prompt_is_written_behind_in_every_place(family, place, tiny):
    """As by reading everything again for each token."""
    if place.at == "decoder" and family in CAUSAL:
        pytest.skip("a causal model has no decoder beside it, so there is no such place")
    backend = maker(family)(str(tiny(family)), device="cpu", state_megabytes=0)
    soft = soft_of(backend, place)
    found = backend.generate(ROWS, FREE, soft)
    scored = backend.score(ROWS, [" good"], soft)
    assert found.prompt_tokens == scored.prompt_tokens
    assert found.completions != backend.generate(ROWS, FREE).completions
    openings = backend._writer.openings(ROWS[2:5], backend._placed(soft))
    ids = [reread(backend, opening, soft, FREE.tokens) for opening in openings]
    decode = decoding_of(backend._spec.tokenizer.raw).whole
    shown = [one.text for one in found.completions[2:5]]
    assert shown == [decode(some) for some in ids]


def with_vectors(model, ids, placed):
    """[1, tokens, width] embeddings."""
    if placed.is_prefix:
        return model.get_input_embeddings()(torch.tensor([ids]))
    return vectors_of(model, torch.tensor([ids]), placed)


@torch.no_grad()
def reread(backend, row, soft, tokens):
    """The same by a forward pass over everything for each token."""
    model, placed, ids = backend._loaded.model, backend._placed(soft), list(row.ids)
    written = []
    for _ in range(tokens):
        inside = with_vectors(model, ids, placed)
        past = {"past_key_values": kv.cache_of(model, placed.vectors)} if placed.is_prefix else {"use_cache": False}
        if row.source:
            source = with_vectors(model, list(row.source), placed)
            states = model.get_encoder()(inputs_embeds=source)
            logits = model(encoder_outputs=states, decoder_inputs_embeds=inside, **past).logits
        else:
            logits = model(inputs_embeds=inside, **past).logits
        written.append(int(logits[0, -1].argmax()))
        ids.append(written[-1])
    return written


@pytest.mark.model
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.filterwarnings("ignore:Position ids are not supported:UserWarning")
@pytest.mark.parametrize("family", ["gpt2", "llama", "opt", "qwen3", "t5", "bart"])
@pytest.mark.parametrize("place", [SoftPosition(), SoftPosition(kind="prefix")], ids=["embeddings", "prefix"])
def test_peft_writes_the_same_alone(family, place, tiny, tmp_path):
    """One prompt at a time: PEFT is wrong on batches that are filled up on the left."""
    folder = tiny(family)
    backend = maker(family)(str(folder), device="cpu")
    soft = soft_of(backend, place)
    (tmp_path / "adapter_config.json").write_text(json.dumps(dict(soft.adapter)))
    (tmp_path / "adapter_model.safetensors").write_bytes(soft.weights)
    form = AutoModelForSeq2SeqLM if family in SEQ2SEQ else AutoModelForCausalLM
    model = PeftModel.from_pretrained(form.from_pretrained(folder).eval(), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for row, one in zip(ROWS, backend.generate(ROWS, FREE, soft).completions, strict=True):
        ids = tokenizer(row.text, return_tensors="pt", split_special_tokens=True)["input_ids"]
        options = {
            "attention_mask": torch.ones_like(ids),
            "max_new_tokens": FREE.tokens,
            "do_sample": False,
            "pad_token_id": 0,
        }
        new = model.generate(input_ids=ids, **options)[0].tolist()
        new = new[1:] if family in SEQ2SEQ else new[ids.shape[1] :]
        assert tokenizer.decode(new, skip_special_tokens=True) == one.text


# Templates with a slot, context


def test_a_slot_is_filled_up_to_the_mark_of_the_next_one(tiny, tmp_path):
    folder = shutil.copytree(tiny("t5"), tmp_path / "t5")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<extra_id_0>", "<extra_id_1>"]})
    tokenizer.save_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    backend = hf_seq2seq(str(folder), device="cpu")
    first, second = tokenizer.convert_tokens_to_ids(["<extra_id_0>", "<extra_id_1>"])
    row = Rendered((Segment("It was ", "field:text"), Segment("", "answer"), Segment(" to watch")))
    (opening,) = backend._writer.openings([row], None)
    assert opening.ids[-1] == first
    assert first in opening.source
    assert backend._writer.ends(backend._loaded) >= {second, 2}
    mixed = backend.generate([row, ROWS[0]], FREE)
    assert mixed.completions == tuple(backend.generate([one], FREE).completions[0] for one in (row, ROWS[0]))


def test_a_long_field_is_cut_so_that_the_answer_has_room(tiny):
    long = Rendered((Segment("Review: "), Segment("a film " * 80, "field:text"), Segment(" Sentiment:")))
    with pytest.raises(TrialError, match=r"1 of 2 prompts are too long: \d+ tokens \(the 8 of an answer included\)"):
        hf_causal(str(tiny("llama")), device="cpu").generate([ROWS[0], long], FREE)
    found = hf_causal(str(tiny("llama")), device="cpu", truncate="text").generate([ROWS[0], long], FREE)
    assert found.prompt_tokens[1] <= 128 - FREE.tokens
    assert found.prompt_tokens[1] > 100


def test_soft_tokens_count_towards_the_context(tiny):
    backend = hf_causal(str(tiny("gpt2")), device="cpu")
    for place in (SoftPosition(), SoftPosition(kind="prefix")):
        with pytest.raises(TrialError, match=r"too long: .*4 soft tokens and the 90 of an answer included"):
            backend.generate(ROWS, Limits(90), soft_of(backend, place))
