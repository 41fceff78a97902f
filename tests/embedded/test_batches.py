"""The corpus as token ids: reproducible, in room, and each family asks for what it is said to ask for."""

import hashlib
from functools import lru_cache
from itertools import islice

import pytest
import torch

from autoprompt_search.embedded.batches import CONTEXT, Item, batches, hidden
from autoprompt_search.embedded.families import FAMILIES, Pupil, new

NAMES = pytest.mark.parametrize("name", FAMILIES)


@lru_cache
def pupil(name: str) -> Pupil:
    torch.manual_seed(0)
    return new(name, seed=1)


@lru_cache
def drawn(name: str, *, lessons: bool) -> list[list[Item]]:
    return list(islice(batches(pupil(name).tokenizer, 5, pupil(name).family.course, lessons=lessons), 6))


@pytest.mark.slow
@pytest.mark.parametrize(("lessons", "digest"), [(True, "b21ca923d20ffaf8"), (False, "a2e6430a06f5bb0c")])
def test_the_corpus_behind_the_shipped_gpt_is_what_it_was(lessons: bool, digest: str) -> None:
    source = batches(pupil("gpt").tokenizer, 1, pupil("gpt").family.course, lessons=lessons)
    ids = [item.ids for items in islice(source, 20) for item in items]
    assert hashlib.sha256(repr(ids).encode()).hexdigest()[:16] == digest


@pytest.mark.slow
@NAMES
def test_items_fit_the_context_and_end_with_an_answer(name: str) -> None:
    tokenizer = pupil(name).tokenizer
    for item in [item for items in drawn(name, lessons=False) for item in items]:
        assert item.places[-1] == len(item.ids) - 1
        assert len(item.ids) + tokenizer.num_special_tokens_to_add() <= CONTEXT
        assert not set(tokenizer.all_special_ids) & set(item.ids)


def test_documents_grow_with_the_lessons() -> None:
    answers = {
        lessons: {len(item.places) for items in drawn("bert", lessons=lessons) for item in items}
        for lessons in (True, False)
    }
    assert answers[True] == {1}
    assert max(answers[False]) > 4


def test_the_last_answer_is_always_hidden_and_random_tokens_never() -> None:
    torch.manual_seed(3)
    item = Item(list(range(20)), places=[9, 14, 19], junk=4)
    drawn_places = [hidden(item, answers=0.5, words=0.3) for _ in range(400)]
    assert all(places[-1] == 19 and places == sorted(set(places)) for places in drawn_places)
    assert set().union(*map(set, drawn_places)) == set(range(4, 20))
    assert 0.4 < sum(places == [19] for places in drawn_places) / 400 < 0.75


@pytest.mark.slow
@NAMES
def test_one_step_lowers_both_losses_of_its_batch(name: str) -> None:
    learner = pupil(name)
    items = next(items for items in drawn(name, lessons=False) if len(items[0].places) > 2)
    optimizer = torch.optim.SGD(learner.model.parameters(), lr=0.02)
    trace = []
    for _ in range(4):
        torch.manual_seed(9)
        answer, language = learner.family.losses(learner.model, learner.tokenizer, items)
        trace.append((answer.item(), language.item()))
        torch.autograd.backward(answer + language)
        optimizer.step()
        optimizer.zero_grad()
    assert trace[-1][0] < trace[0][0]
    assert trace[-1][1] < trace[0][1] or trace[0][1] == 0  # a batch may hide answers only
