"""What each family does beyond the contract: slots, pairs, remembered states, cuts, words, prototypes, exact starts."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from autoprompt_search.backends.hf import loaded_model
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.classifier import hf_classifier
from autoprompt_search.backends.hf.encoder import hf_encoder
from autoprompt_search.backends.hf.family import Reading
from autoprompt_search.backends.hf.masked import _rows, hf_masked
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.prompts import Rendered, Segment, Shot, SoftPosition
from autoprompt_search.testing.backend_contract import ANSWERS, LONG_ANSWERS, PROMPTS, close, packed_soft, rendered

ROWS = [rendered(p) for p in PROMPTS]
MAKERS = {
    "gpt2": hf_causal,
    "llama": hf_causal,
    "bert": hf_masked,
    "roberta": hf_masked,
    "t5": hf_seq2seq,
    "bart": hf_seq2seq,
}


def make(tiny, family, **options):
    return MAKERS[family](str(tiny(family)), device="cpu", **options)


def worded(prompt):
    """The same prompt with its own words told apart from the data between them."""
    start = PROMPTS[0].index("Review: it was") + len("Review:")
    end = len(prompt) - len(" Sentiment:")
    return Rendered((Segment(prompt[:start]), Segment(prompt[start:end], "field:text"), Segment(prompt[end:])))


WORDED = [worded(p) for p in PROMPTS]


def slotted(before, after, origin="template"):
    return Rendered((Segment(before, "field:text"), Segment("", "answer"), Segment(after, origin)))


# Masked: the slot


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta-v2"])
def test_a_slot_in_the_middle_is_read_with_what_follows(family, tiny):
    folder = tiny(family)
    backend = hf_masked(str(folder), device="cpu")
    model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(f"a film It was{tokenizer.mask_token} to watch", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0, ids[0].tolist().index(tokenizer.mask_token_id)].log_softmax(-1)
    wanted = [float(logits[tokenizer(a, add_special_tokens=False)["input_ids"][0]]) for a in ANSWERS]
    assert close(backend.score([slotted("a film It was", " to watch")], ANSWERS).logliks[0], wanted)


def test_probabilities_of_all_fillings_of_one_length_sum_to_one(tiny):
    """Why answers are scored from left to right: one look at two masks gives no distribution over pairs."""
    backend = make(tiny, "bert", state_megabytes=0)
    tokenizer = AutoTokenizer.from_pretrained(tiny("bert"))
    pairs = [[first, second] for first in range(len(tokenizer)) for second in range(len(tokenizer))]
    assert len(pairs) > 100_000
    first = tokenizer(" good", add_special_tokens=False)["input_ids"][0]
    base = backend._family.bases(ROWS[:1])[0]
    rows = _rows(0, base, [pair for pair in pairs if pair[0] == first], tokenizer.mask_token_id, 0)
    with torch.no_grad():
        values = backend._family.read(backend._loaded, rows, Reading())
    at_second = [
        v for v, w in zip(values, (w for r in rows for w in r.wants), strict=True) if w.place == base.answer + 1
    ]
    assert float(torch.stack(at_second).exp().sum()) == pytest.approx(1, abs=1e-4)


def test_a_headless_masked_model_is_refused(tiny, tmp_path):
    folder = shutil.copytree(tiny("bert"), tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    body = {name: tensor for name, tensor in weights.items() if not name.startswith("cls.")}
    save_file(body, folder / "model.safetensors", {"format": "pt"})
    assert any("no head for masked LM" in p for p in hf_masked(str(folder)).problems([], []))
    with pytest.raises(ConfigError, match="it would be random"):
        hf_masked(str(folder), device="cpu").score(ROWS, ANSWERS)


def test_a_family_that_does_not_fit_is_refused_by_name(tiny):
    assert "use hf-masked" in hf_causal(str(tiny("bert"))).problems([], [])[0]
    assert "no masked LM form" in hf_masked(str(tiny("gpt2"))).problems([], [])[0]
    assert "no seq2seq LM form" in hf_seq2seq(str(tiny("bert"))).problems([], [])[0]
    assert "use hf-causal" in hf_encoder(str(tiny("gpt2"))).problems([], [])[0]
    assert "only classifiers over encoders" in hf_classifier(str(tiny("gpt2"))).problems([], [])[0]
    assert any("no head for sequence classification" in p for p in hf_classifier(str(tiny("bert"))).problems([], []))


# Pairs


@pytest.mark.parametrize("family", ["bert", "electra"])
def test_a_pair_is_read_as_the_tokenizer_reads_one(family, tiny):
    folder = tiny(family, classes=4)
    backend = hf_classifier(str(folder), device="cpu")
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    given = AutoTokenizer.from_pretrained(folder)("a good film", "It was dull", return_tensors="pt")
    pair = Rendered((Segment("a good film"), Segment("", "pair"), Segment("It was dull")))
    with torch.no_grad():
        wanted = model(**given).logits[0].log_softmax(-1)
    ours = backend.score([pair, ROWS[1]], ["bad", "good", "fine", "dull"]).logliks
    assert close(ours[0], wanted)


# Remembered states


@pytest.mark.parametrize("family", list(MAKERS))
def test_another_verbalizer_costs_no_forward_pass(family, tiny, monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    backend, cold = make(tiny, family), make(tiny, family, state_megabytes=0)
    assert backend.score(ROWS, ANSWERS).computed == len(ROWS)
    passes = []
    handle = backend._loaded.model.register_forward_pre_hook(lambda *_: passes.append(1))
    again = backend.score(ROWS, [" film", " good", "ly"])
    handle.remove()
    assert not passes
    assert again.computed == 0
    assert close(again.logliks, cold.score(ROWS, [" film", " good", "ly"]).logliks)
    soft = packed_soft(backend, backend.embed_tokens("a film"), SoftPosition())
    assert backend.score(ROWS, ANSWERS, soft).computed == len(ROWS)


def test_states_stay_within_their_bytes(tiny, monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    backend = make(tiny, "gpt2", state_megabytes=1)
    states = backend._loaded.states
    states._limit = 5 * 32 * 4
    for word in ("a", "the", "film", "movie", "plot", "music", "actor", "story"):
        backend.score([rendered(f"{word} was")], ANSWERS)
    assert 1 <= len(states._kept) <= 5


# Cutting


@pytest.mark.parametrize("family", list(MAKERS))
def test_only_the_named_field_is_cut_and_never_the_answers_place(family, tiny):
    cutting, refusing = make(tiny, family, truncate="text"), make(tiny, family)
    long = Rendered((Segment("Review:"), Segment(" a long film" * 200, "field:text"), Segment(" It was")))
    other = replace(long, segments=(long.segments[0], Segment(" a long film" * 200, "field:title"), long.segments[2]))
    if refusing._spec.context:
        with pytest.raises(TrialError, match="too long"):
            refusing.score([long], ANSWERS)
        with pytest.raises(TrialError, match="too long"):
            cutting.score([other], ANSWERS)
    scored = cutting.score([long, ROWS[0]], ANSWERS)
    assert cutting.problems([long], ANSWERS) == []
    assert scored.prompt_tokens[0] <= refusing._spec.context
    assert scored.prompt_tokens[0] > refusing._spec.context - 8
    assert close(scored.logliks[1], refusing.score(ROWS[:1], ANSWERS).logliks[0])
    fitting = cutting._fitting([long], ANSWERS, 0)[0]
    assert fitting.text.startswith("Review: a long film")
    assert fitting.text.endswith(" It was")


# Words


@pytest.mark.parametrize("family", ["gpt2", "bert", "t5"])
def test_proposed_words_are_single_tokens_that_tell_labels_apart(family, tiny):
    backend = make(tiny, family)
    prompts = [rendered(f"a {word} film It was") for word in ("good", "lovely", "fine", "bad", "dull", "awful")]
    targets = [1, 1, 1, 0, 0, 0]
    words = backend.propose_words(prompts, targets, 2, 3, " ")
    assert [len(row) for row in words] == [3, 3]
    flat = [word for row in words for word in row]
    assert len(set(flat)) == 6
    answers = [f" {word}" for word in flat]
    assert backend.problems(prompts, answers) == []
    logliks = backend.score(prompts, answers).logliks
    gaps = logliks[3:].mean(0) - logliks[:3].mean(0)  # label 0 minus label 1
    assert (gaps[:3] > 0).all()
    assert (gaps[3:] < 0).all()
    assert backend.propose_words(prompts, targets, 2, 3, " ") == words


# Encoders


def test_demonstrations_pull_the_labels_vectors(tiny):
    backend = hf_encoder(str(tiny("bert")), device="cpu")
    query = (Segment("a lovely story"),)
    shots = (Shot((Segment("a dull plot"),), " bad"), Shot((Segment("great music"),), " good"))
    vectors = backend.embed(["a lovely story", "bad", "good", "a dull plot", "great music"])
    means = [vectors[1] + vectors[3], vectors[2] + vectors[4]]
    wanted = np.array([20 * vectors[0] @ m / np.linalg.norm(m) for m in means])
    wanted = wanted - np.log(np.exp(wanted).sum())
    with_shots = Rendered((Segment("whatever"), *query), query, shots)
    scored = backend.score([with_shots, Rendered(query)], [" bad", " good"])
    assert close(scored.logliks[0], wanted)
    assert scored.prompt_tokens[0] == scored.prompt_tokens[1]
    alone = backend.score([Rendered(query)], [" bad", " good"])
    assert close(scored.logliks[1], alone.logliks[0])


def test_pooling_is_read_from_the_model(tiny, tmp_path):
    folder = shutil.copytree(tiny("bert"), tmp_path / "m")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    text = ["a good film"]
    auto = hf_encoder(str(folder), device="cpu").embed(text)
    assert close(auto, hf_encoder(str(folder), device="cpu", pooling="cls").embed(text))
    assert not close(auto, hf_encoder(str(folder), device="cpu", pooling="mean").embed(text))


# Soft prompts


@pytest.mark.parametrize("family", list(MAKERS))
@pytest.mark.parametrize("at", ["start", "after-cls", "before-answer"])
def test_own_vectors_in_place_of_their_tokens_change_nothing(family, at, tiny):
    if at == "after-cls" and family not in ("bert", "roberta"):
        pytest.skip(f"{family} has no [CLS] token, so there is no place after one")
    backend = make(tiny, family)
    vectors = backend.own_vectors(WORDED, SoftPosition(at), 6)
    assert 1 <= len(vectors) <= 6
    soft = packed_soft(backend, vectors, SoftPosition(at, replaces=len(vectors)))
    hard = backend.score(WORDED, LONG_ANSWERS)
    ours = backend.score(WORDED, LONG_ANSWERS, soft)
    assert close(ours.logliks, hard.logliks)
    assert ours.prompt_tokens == hard.prompt_tokens
    trained = backend.answer_logliks(vectors.requires_grad_(), soft.place, WORDED, LONG_ANSWERS)
    assert close(trained.detach(), hard.logliks)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_prefix_of_own_keys_and_values_changes_nothing(family, tiny):
    backend = make(tiny, family)
    place = SoftPosition(kind="prefix")
    vectors = backend.own_vectors(WORDED, place, 6)
    place = replace(place, replaces=len(vectors))
    assert len(vectors) == 6
    hard = backend.score(WORDED, LONG_ANSWERS)
    assert close(backend.score(WORDED, LONG_ANSWERS, packed_soft(backend, vectors, place)).logliks, hard.logliks)


@pytest.mark.parametrize(
    ("family", "place"),
    [("bert", SoftPosition(kind="prefix")), ("t5", SoftPosition("decoder")), ("t5", SoftPosition(kind="prefix"))],
)
def test_where_a_model_cannot_say_there_are_no_own_vectors_but_those_of_a_text(family, place, tiny):
    backend = make(tiny, family)
    assert backend.own_vectors(ROWS, place, 4).shape == (0, backend.width(place))
    found = backend.text_vectors("a good film", place)
    assert found.shape[1] == backend.width(place)
    assert len(found) >= 3


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_demonstrations_before_trained_vectors_are_computed_once(family, tiny, monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})
    backend = make(tiny, family)
    place = SoftPosition("before-answer")
    soft = (torch.randn(3, backend.width(place)) * 0.3).requires_grad_()
    whole = backend.answer_logliks(soft, place, ROWS, ANSWERS)
    (wanted,) = torch.autograd.grad(whole.sum(), soft)
    read = []
    embeddings = backend._loaded.model.get_input_embeddings()
    handle = embeddings.register_forward_pre_hook(lambda _m, given: read.append(given[0].shape[1]))
    again = backend.answer_logliks(soft, place, ROWS, ANSWERS)
    handle.remove()
    demos = "The review was long. Review: a film I liked Sentiment: good\n\nReview:"
    shared = len(backend._spec.tokenizer.encode([demos])[0])
    assert len(read) == 1
    assert read[0] <= max(backend.count_tokens(ROWS)) + 3 - shared + 1
    assert close(again.detach(), whole.detach())
    (gradient,) = torch.autograd.grad(again.sum(), soft)
    assert close(gradient, wanted)


@pytest.mark.parametrize("family", list(MAKERS))
@pytest.mark.parametrize("at", ["start", "before-answer"])
def test_data_that_all_prompts_happen_to_share_is_never_replaced(family, at, tiny):
    backend = make(tiny, family)

    def asked(text):
        return Rendered((Segment("Review:"), Segment(text, "field:text"), Segment(" It was")))

    alike = [asked(" the film and the plot"), asked(" the film again and the plot")]
    alone = [Rendered((Segment("Review:"),)), Rendered((Segment(" It was"),))]
    vectors = backend.own_vectors(alike, SoftPosition(at), 20)
    words = backend.count_tokens(alone[:1] if at == "start" else alone[1:])[0]
    assert 1 <= len(vectors) <= words
    other = [asked(" dull"), asked("")]
    soft = packed_soft(backend, vectors, SoftPosition(at, replaces=len(vectors)))
    assert close(backend.score(other, ANSWERS, soft).logliks, backend.score(other, ANSWERS).logliks)


def test_the_same_demonstrations_are_words_and_different_ones_are_data(tiny):
    backend = make(tiny, "gpt2")
    shots = [(Shot((Segment("Review:"), Segment(f" {w}", "field:text")), " good"),) for w in ("fine", "lovely")]

    def asked(text, shown):
        shot = (*shown[0].segments, Segment(shown[0].answer), Segment("\n\n"))
        query = (Segment("Review:"), Segment(text, "field:text"))
        return Rendered((*shot, *query), query, shown)

    same = [asked(" dull", shots[0]), asked(" poor", shots[0])]
    assert len(backend.own_vectors(same, SoftPosition(), 50)) > len(backend.own_vectors([same[0]], SoftPosition(), 3))
    differing = [asked(" dull", shots[0]), asked(" poor", shots[1])]
    assert (
        len(backend.own_vectors(differing, SoftPosition(), 50))
        == backend.count_tokens([Rendered((Segment("Review:"),))])[0]
    )


def test_a_prompt_without_the_tokens_that_are_replaced_is_refused(tiny):
    backend = make(tiny, "gpt2")
    soft = packed_soft(backend, torch.zeros(3, 32), SoftPosition(replaces=3))
    with pytest.raises(TrialError, match="the soft prompt replaces 3"):
        backend.score([rendered("a film")], ANSWERS, soft)
