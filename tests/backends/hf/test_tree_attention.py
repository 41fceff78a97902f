"""Several answers in one row: branches that do not see one another, where the model can be read so."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.backends.hf import loaded_model, selfcheck, tree_attention
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.scoring import Row, TokenTarget
from autoprompt_search.backends.hf.tree_attention import packed
from autoprompt_search.testing.backend_contract import LONG_ANSWERS, PROMPTS, close, rendered
from autoprompt_search.testing.tiny import CAUSAL

ROWS = [rendered(p) for p in PROMPTS]
BRANCHING = {"gpt2": True, "llama": True, "opt": True, "gpt_neox": True, "gemma3": False, "qwen3": True}
"""Windows would count other branches."""


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(loaded_model, "_LOADED", {})


def branches(ids, place=None):
    return Row(ids, (TokenTarget(0, sum(ids), len(ids) - 1 if place is None else place, 5),))


ENDS = st.lists(st.lists(st.integers(0, 2), max_size=4), min_size=1, max_size=5)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=4), ENDS)
def test_every_want_is_read_behind_the_ids_it_had(trunk, ends):
    rows = [
        Row([*trunk, *end], tuple(TokenTarget(0, n, p, 7) for p in range(len(trunk + end))))
        for n, end in enumerate(ends)
    ]
    ((row,),) = packed([(row,) for row in rows])
    before = [(want.answer, tuple(one.ids[: want.place + 1])) for one in rows for want in one.wants]
    assert [(want.answer, tuple(row.path(want.place))) for want in row.wants] == before
    assert [row.seen(w.place, True) for w in row.wants] == [r.seen(w.place, True) for r in rows for w in r.wants]


def test_branches_see_the_trunk_and_themselves():
    ((row,),) = packed([(branches([1, 2, 3, 4]),), (branches([1, 2, 5]),)])
    assert row.ids == [1, 2, 3, 4, 5]
    model = type("Model", (), {"device": torch.device("cpu"), "dtype": torch.float32})
    made = tree_attention.inputs_of([row], 1, 3, model)
    assert made["position_ids"].tolist() == [[3, 4, 5, 4]]
    assert (made["attention_mask"][0, 0] == 0).int().tolist() == [
        [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0, 0, 1],
    ]


def test_prompts_stay_apart():
    units = [(branches([1, 2]),), (Row([1, 3], (TokenTarget(1, 0, 1, 5),)),)]
    assert packed(units) == units


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("prefix_megabytes", [0, 256])
def test_models_that_take_branches_score_the_same_in_fewer_tokens(family, prefix_megabytes, tiny, monkeypatch):
    folder = str(tiny(family))
    options = {"device": "cpu", "state_megabytes": 0, "prefix_megabytes": prefix_megabytes}
    monkeypatch.setattr(selfcheck, "_CLOSE", 0.0)
    plain = hf_causal(folder, **options)
    apart = plain.score(ROWS, LONG_ANSWERS).logliks
    assert plain._loaded.tried["branches"] is False
    monkeypatch.undo()
    loaded_model._LOADED.clear()
    backend = hf_causal(folder, **options)
    read = []
    handle = backend._loaded.model.register_forward_pre_hook(
        lambda _module, _args, inputs: read.append(inputs["input_ids"].shape[0]), with_kwargs=True
    )
    found = backend.score(ROWS, LONG_ANSWERS).logliks
    handle.remove()
    assert backend._loaded.tried["branches"] is BRANCHING[family]
    assert close(found, apart)
    assert (read[-1] == len(ROWS)) is BRANCHING[family]


def test_a_model_that_adds_the_place_by_distance_from_the_end_falls_back(tiny, tmp_path):
    """ALiBi: the bias follows from a two-dimensional mask, so that branches cannot be told to it."""
    folder = shutil.copytree(tiny(), tmp_path / "m")
    config = {"model_type": "bloom", "hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.25}
    special = {k: v for k, v in json.loads((folder / "config.json").read_text()).items() if k.endswith("token_id")}
    from transformers import AutoConfig, AutoModelForCausalLM

    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.for_model(**config, **special, vocab_size=size)).save_pretrained(folder)
    backend = hf_causal(str(folder), device="cpu", state_megabytes=0)
    found = backend.score(ROWS, LONG_ANSWERS).logliks
    assert backend._loaded.tried["branches"] is False
    alone = [backend.score(ROWS, [answer]).logliks[:, 0] for answer in LONG_ANSWERS]
    assert all(close(found[:, i], one) for i, one in enumerate(alone))
