"""Silent failures of generation, one named test for each that concerns how a local model writes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, GenerationConfig

from autoprompt_search.backends.hf import generating, loaded_model, loading
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.backends.hf.transcript import decoding_of
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.errors import TrialError
from autoprompt_search.testing.backend_contract import rendered
from autoprompt_search.testing.generation_contract import ASKED, FREE, WARM
from autoprompt_search.testing.reference import plain_completions
from autoprompt_search.testing.tiny import CAUSAL, SEQ2SEQ

CPU = torch.device("cpu")
ROWS = [rendered(p) for p in ASKED]


def maker(family):
    return hf_seq2seq if family in SEQ2SEQ else hf_causal


def opened(folder, family):
    return (
        loading.load_model(folder, CPU, torch.float32, loading.SEQ2SEQ if family in SEQ2SEQ else loading.CAUSAL),
        loading.load_tokenizer(folder),
    )


def with_ends(folder, target, ends):
    """The same model, which ends its text with these tokens."""
    folder = shutil.copytree(folder, target)
    GenerationConfig(eos_token_id=ends, pad_token_id=ends[0], do_sample=True, temperature=5.0).save_pretrained(folder)
    return folder


def written(backend, row, tokens=FREE.tokens):
    """The ids of a greedy answer."""
    (opening,) = backend._writer.openings([row], None)
    found = []
    decoding = decoding_of(backend._spec.tokenizer.raw)
    inside = generating.Transcript.add
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generating.Transcript, "add", lambda self, token: found.append(token) or inside(self, token))
        generating.completions(
            backend._loaded, backend._writer, decoding, [opening], Limits(tokens), soft=None, budget=8192
        )
    return found


@pytest.mark.parametrize("family", ["gpt2", "gemma3", "t5"])
def test_g1_a_model_that_never_ends_is_cut_at_the_cap_and_every_answer_says_so(family, tiny):
    found = maker(family)(str(tiny(family)), device="cpu").generate(ROWS, Limits(5)).completions
    assert {one.finish for one in found} == {"length"}
    assert {one.tokens for one in found} == {5}


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_g2_a_prompt_begins_with_one_bos(family, tiny):
    backend = hf_causal(str(tiny(family)), device="cpu")
    for text in ("a film", "<s>a film"):  # in data it is text
        (opening,) = backend._writer.openings([rendered(text)], None)
        assert opening.ids.count(1) == 1
        assert opening.ids[0] == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(data=st.data())
def test_g6_no_company_batch_or_order_changes_an_answer(tiny, data):
    family = data.draw(st.sampled_from([*CAUSAL, *SEQ2SEQ]))
    texts = data.draw(st.lists(st.sampled_from([*ASKED, "x", "1 2 3 " * 9]), min_size=1, max_size=5))
    budget = data.draw(st.integers(1, 400))
    limits = data.draw(st.sampled_from([FREE, WARM, Limits(8, stop=("e",))]))
    folder = str(tiny(family))
    together = maker(family)(folder, device="cpu", batch_tokens=budget).generate([rendered(t) for t in texts], limits)
    backend = maker(family)(folder, device="cpu")
    for text, one in zip(texts, together.completions, strict=True):
        assert backend.generate([rendered(text)], limits).completions[0] == one


@pytest.mark.parametrize("family", ["gpt2", "gemma3", "t5"])
def test_g7_any_end_token_ends_an_answer_though_padding_has_the_same_id(family, tiny, tmp_path):
    """All end tokens count, of which one is what rows would be filled up with; the others go on."""
    plain = maker(family)(str(tiny(family)), device="cpu")
    ids = {row: written(plain, row) for row in ROWS}
    end = ids[ROWS[0]][3]
    backend = maker(family)(str(with_ends(tiny(family), tmp_path / family, [end, 511])), device="cpu")
    tokenizer = AutoTokenizer.from_pretrained(tiny(family))
    for row, one in zip(ROWS, backend.generate(ROWS, FREE).completions, strict=True):
        at = ids[row].index(end) if end in ids[row] else None
        assert (one.finish, one.tokens) == (("length", FREE.tokens) if at is None else ("end", at + 1))
        assert one.text == tokenizer.decode(ids[row][:at], skip_special_tokens=True)


@pytest.mark.parametrize("family", ["gpt2", "gemma3", "t5"])
def test_g8_a_stopped_row_changes_no_other_and_nothing_of_it_is_left(family, tiny):
    backend = maker(family)(str(tiny(family)), device="cpu")
    whole = backend.generate(ROWS, FREE).completions
    for target in whole[:4]:
        clean = target.text.replace("\ufffd", "")
        stop = clean[1:4] if clean[1:4] in target.text else clean[:1]
        stop = stop or "never written"
        for before, one in zip(whole, backend.generate(ROWS, replace(FREE, stop=(stop,))).completions, strict=True):
            assert stop not in one.text
            assert one.text == before.text.partition(stop)[0]


def test_g12_the_models_own_sampling_settings_are_not_used(tiny, tmp_path):
    hot = hf_causal(str(with_ends(tiny("llama"), tmp_path / "llama", [2])), device="cpu")
    cool = hf_causal(str(tiny("llama")), device="cpu")
    assert hot.generate(ROWS, FREE) == cool.generate(ROWS, FREE)


def test_end_tokens_are_part_of_the_models_identity(tiny, tmp_path):
    """Else the answers of one model would be taken for those of the other one."""
    folder = tiny("llama")
    same = with_ends(folder, tmp_path / "same", [2])
    json_of = json.loads((same / "generation_config.json").read_text(encoding="utf-8"))
    (same / "generation_config.json").write_text(json.dumps({**json_of, "eos_token_id": 2, "top_p": 0.5}))
    other = with_ends(folder, tmp_path / "other", [2, 77])
    prints = [hf_causal(str(f)).fingerprint for f in (folder, same, other)]
    assert prints[0] == prints[1] != prints[2]


def test_a_first_token_that_the_model_forces_is_written(tiny, tmp_path):
    folder = shutil.copytree(tiny("bart"), tmp_path / "bart")
    GenerationConfig(eos_token_id=2, forced_bos_token_id=77, decoder_start_token_id=2).save_pretrained(folder)
    backend = hf_seq2seq(str(folder), device="cpu")
    model, tokenizer = opened(folder, "bart")
    assert list(backend.generate(ROWS, FREE).completions) == plain_completions(model, tokenizer, ASKED, FREE.tokens)
    assert written(backend, ROWS[0])[0] == 77


def test_g13_a_prompt_is_never_cut_in_silence(tiny):
    """What is read has all tokens of the prompt, and one token more than fits is an error."""
    backend = hf_causal(str(tiny("gpt2")), device="cpu")
    tokenizer = AutoTokenizer.from_pretrained(tiny("gpt2"))
    row = rendered("1 2 3 " * 20)
    length = len(tokenizer(row.text)["input_ids"])
    room = 128 - length
    assert backend.generate([row], Limits(room)).prompt_tokens == (length,)
    with pytest.raises(TrialError, match=r"too long: 129 tokens .* context is 128"):
        backend.generate([row], Limits(room + 1))


def test_g14_samples_are_told_apart_by_their_seeds(tiny):
    """A prompt that is asked twice with one seed gets one answer twice: several samples take several seeds."""
    backend = hf_causal(str(tiny("gpt2")), device="cpu")
    twice = backend.generate([ROWS[0], ROWS[0]], WARM)
    assert twice.completions[0] == twice.completions[1]
    assert twice.computed == 1
    assert len({backend.generate(ROWS[:1], replace(WARM, seed=seed)).completions for seed in range(5)}) > 1


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5"])
def test_half_precision_is_written_in(family, tiny, monkeypatch):
    """Its rounding lets texts depend on the batch where two tokens tie; the check allows for it."""
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    backend = maker(family)(str(tiny(family)), device="cpu", dtype="bfloat16")
    found = backend.generate(ROWS, FREE).completions
    assert all(one.tokens == FREE.tokens for one in found)
    assert backend._loaded.tried.get("ragged", True)


def test_g9_every_one_of_many_stop_strings_ends_a_text(tiny):
    """Servers of chats take four; nothing of that kind limits a local model."""
    backend = hf_causal(str(tiny("gpt2")), device="cpu")
    (free,) = backend.generate(ROWS[:1], Limits(24)).completions
    places = [at for at in range(1, len(free.text) - 1) if free.text[at : at + 2] not in free.text[: at + 1]][:6]
    assert places
    for at in places:
        stop = free.text[at : at + 2]
        others = tuple(f"<never-{number}>" for number in range(6))
        (one,) = backend.generate(ROWS[:1], Limits(24, (*others, stop))).completions
        assert (one.finish, one.stop) == ("stop", stop)
        assert one.text == free.text[: free.text.find(stop)]
