"""Options compared by log-likelihood: every normalisation equals a plain loop, and all are read from one response."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autoprompt_search.answering.options import Options
from autoprompt_search.backends.hf import loading
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.masked import hf_masked
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.core.answers import (
    NORMALISATIONS,
    LabelAnswers,
    Limits,
    OptionAnswers,
    OptionLogliks,
    TextAnswers,
)
from autoprompt_search.core.chat import Chat
from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.measurements import Answered, Outcome
from autoprompt_search.core.prompts import Demonstrations, Layout, Prompt, Template
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import ledger_key, measure, predict, render_all
from autoprompt_search.prompting import as_answer, premise_of, render_premise, render_text
from autoprompt_search.testing.reference import plain_logliks, plain_masked_logliks, plain_seq2seq_logliks
from autoprompt_search.testing.scripted import ScriptedBackend

FAMILIES = {
    "gpt2": (hf_causal, loading.CAUSAL, plain_logliks),
    "llama": (hf_causal, loading.CAUSAL, plain_logliks),
    "t5": (hf_seq2seq, loading.SEQ2SEQ, plain_seq2seq_logliks),
    "bert": (hf_masked, loading.MASKED, plain_masked_logliks),
}
OPTIONS = [
    ("a dull plot", "the music", "never"),
    ("good", "very good and not very long", "the actor I liked"),
    ("Straße 3", "yes", "no answer"),
    ("the music", "never", "a dull plot"),
    ("awful ending", "lovely"),
]
EXAMPLES = [
    Example(f"q{i}", {"question": f"It was long and {i} {'so ' * i}what?"}, own[-1], options=own)
    for i, own in enumerate(OPTIONS)
]
PROMPT = Prompt(
    Template("t", "{@Question}: {question}{@sep}{@Answer}:"),
    OptionAnswers(premise="Answer:"),
    demos=Demonstrations("random", (Example("d", {"question": "Why?"}, "a film", options=("a film", "1")),)),
)
PROMPT_LIMITS = Limits(4)
ANSWERS = {"negative": ("not good at all", "bad"), "positive": ("good",)}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tiny):
    make, form, plain = FAMILIES[request.param]
    folder = tiny(request.param)
    model = loading.load_model(folder, torch.device("cpu"), torch.float32, form)
    tokenizer = loading.load_tokenizer(folder)
    return make(str(folder), device="cpu"), lambda *asked: plain(model, tokenizer, *asked), tokenizer


def by_hand(plain, tokenizer, prompt, texts, how, word):
    """Scores of options as anyone would write them with transformers."""
    whole = plain([prompt], word)[0].astype(float)
    if how == "token":
        return whole / [len(_new_tokens(tokenizer, plain, prompt, w)) for w in word]
    if how == "byte":
        return whole / [len(text.encode("utf-8")) for text in texts]
    return whole - plain(["Answer:"], word)[0] if how == "pmi" else whole


def _new_tokens(tokenizer, plain, prompt, answer):
    bare = tokenizer(answer, add_special_tokens=False)["input_ids"]
    alone, both = (tokenizer(text)["input_ids"] for text in (prompt, prompt + answer))
    return bare if tokenizer.sep_token or alone[-1] == tokenizer.eos_token_id else both[len(alone) :]


@pytest.mark.slow
@pytest.mark.parametrize("how", NORMALISATIONS)
def test_every_normalisation_equals_a_plain_loop(family, how):
    backend, plain, tokenizer = family
    prompt = replace(PROMPT, answers=replace(PROMPT.answers, normalise=how))
    outcomes = predict(prompt, EXAMPLES, backend).outcomes
    for example, outcome, read in zip(EXAMPLES, outcomes, render_all(prompt, EXAMPLES, None), strict=True):
        words = [f" {text}" for text in example.options]
        wanted = by_hand(plain, tokenizer, read.text, example.options, how, words)
        assert np.allclose(outcome.response.compared(how), wanted, rtol=1e-4, atol=1e-4)
        assert outcome.prediction == example.options[int(wanted.argmax())]
        right = example.options.index(example.target)
        assert outcome.loss == pytest.approx(float(np.logaddexp.reduce(wanted) - wanted[right]), abs=1e-3)


def test_neither_batch_nor_order_of_options_matters(family):
    backend = family[0]
    turned = [replace(e, options=e.options[::-1]) for e in reversed(EXAMPLES)]
    for how in NORMALISATIONS:
        prompt = replace(PROMPT, answers=replace(PROMPT.answers, normalise=how))
        there, back = predict(prompt, EXAMPLES, backend).outcomes, predict(prompt, turned, backend).outcomes
        alone = [predict(prompt, [e], backend).outcomes[0] for e in EXAMPLES]
        assert [o.prediction for o in there] == [o.prediction for o in back[::-1]] == [o.prediction for o in alone]


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_labels_normalise_the_same_way(family, how):
    backend, plain, tokenizer = family
    labels = tuple(ANSWERS)
    answers = LabelAnswers(labels, ANSWERS, None, how, None if how == "none" else "Answer:")
    examples = [replace(e, target="positive", options=()) for e in EXAMPLES]
    prompt = replace(PROMPT, answers=answers, demos=Demonstrations())
    for outcome, read in zip(
        predict(prompt, examples, backend).outcomes, render_all(prompt, examples, None), strict=True
    ):
        texts = [word for words in ANSWERS.values() for word in words]
        found = by_hand(plain, tokenizer, read.text, texts, how, [f" {text}" for text in texts])
        wanted = np.array([np.logaddexp.reduce(found[:2]), found[2]])
        assert np.allclose(outcome.logprobs, wanted - np.logaddexp.reduce(wanted), atol=1e-3)


class Stored(dict):
    """Predictions made before."""

    def get(self, key, examples):
        return {e.id: self[key, e.id] for e in examples if (key, e.id) in self}

    def add(self, key, outcomes):
        self.update({(key, o.example): Answered(o.response, o.prompt_tokens) for o in outcomes})


def test_one_response_gives_all_normalisations_and_the_premise_is_asked_once_per_list():
    backend, known = ScriptedBackend(), Stored()
    for number, how in enumerate(NORMALISATIONS):
        prompt = replace(PROMPT, answers=replace(PROMPT.answers, normalise=how))
        made = predict(prompt, EXAMPLES, backend, known)
        known.add(made.key, made.outcomes)
        assert made.cost.forward_passes == (0 if number else len(EXAMPLES) + len(set(OPTIONS)))
    assert len({ledger_key(replace(PROMPT, answers=OptionAnswers(p)), backend) for p in NORMALISATIONS}) == 1
    assert ledger_key(replace(PROMPT, answers=OptionAnswers()), backend) != ledger_key(PROMPT, backend)


def test_labels_share_one_response_too():
    backend, known = ScriptedBackend(), Stored()
    answers = LabelAnswers(tuple(ANSWERS), ANSWERS, None, "token", "Answer:")
    examples = [replace(e, target="positive", options=()) for e in EXAMPLES]
    costs = []
    for how in ("token", "byte", "pmi"):
        prompt = replace(PROMPT, answers=replace(answers, normalise=how), demos=Demonstrations())
        raw = replace(prompt, answers=replace(prompt.answers, normalise="none", is_raw=True))
        made = predict(prompt, examples, backend, known)
        costs.append(made.cost.forward_passes)
        known.add(ledger_key(raw, backend), predict(raw, examples, backend).outcomes)
    assert costs == [len(examples) + 1, 0, 0]


def test_responses_survive_the_ledger():
    for outcome in predict(PROMPT, EXAMPLES, ScriptedBackend()).outcomes:
        assert isinstance(outcome.response, OptionLogliks)
        assert Outcome.from_plain(outcome.to_plain()) == outcome


def test_accuracy_is_that_of_the_best_option():
    cued = [
        Example(str(i), {"question": f"{i} had {('rain', 'sun')[i % 2]}"}, ("was wet", "was warm")[i % 2], (), o)
        for i, o in enumerate([("was wet", "was warm", "was odd"), ("was warm", "was wet")] * 40)
    ]
    backend = ScriptedBackend(skill=0.9, cues={"was wet": "rain", "was warm": "sun"})
    assert 0.8 < measure(PROMPT, cued, backend).score < 1


def test_what_stands_behind_the_last_field_is_the_premise():
    layout = Layout(separator="\n", casing="upper")
    assert premise_of("{question} because", layout) == "because"
    assert premise_of("{@Question}: {question}{@sep}{@Answer}:", layout) == "ANSWER:"
    assert premise_of("{question}", layout) == premise_of("Say: {question} {@answer} is it", layout) == "Answer:"
    assert premise_of("It is {@answer}, since {question}", layout) == "It is"
    chat = render_premise(replace(PROMPT, chat=Chat()), "Answer:")
    assert chat.conversation is not None
    assert "Answer:" in chat.text


def test_demonstrations_show_the_option_or_its_letter():
    shown = Example("1", {"question": "which?"}, "the second", (), ("the first", "the second"))
    lettered = TextAnswers(PROMPT_LIMITS, "option-letter")
    assert render_text(PROMPT, shown, answer=True).endswith("Answer: the second")
    assert render_text(replace(PROMPT, answers=lettered), shown, answer=True).endswith("Answer: B")
    assert as_answer(PROMPT, "the first") == " the first"


def test_what_cannot_be_compared_is_refused_in_words():
    class Mute:
        fingerprint = "mute"

    with pytest.raises(ConfigError, match="cannot compare options"):
        Options().ask(Mute(), [], PROMPT, [])  # type: ignore[arg-type]
    with pytest.raises(TrialError, match="'q0' has no options"):
        predict(PROMPT, [replace(EXAMPLES[0], options=())], ScriptedBackend())
