"""The table of methods and places that fit a model family."""

from autoprompt_search.core.families import EMBEDDINGS, PREFIXES
from autoprompt_search.soft import SOFT
from autoprompt_search.soft.fits import misfit


def test_the_table_knows_every_method():
    assert {*EMBEDDINGS, *PREFIXES} == set(SOFT.names())


def test_a_pair_that_does_not_fit_names_those_that_do():
    assert misfit("hf-encoder", "prefix-tuning") == (
        "'prefix-tuning' does not fit hf-encoder: choose among prompt-tuning, p-tuning, residual-prompt-tuning"
    )
    assert "choose among start, before-answer" in misfit("hf-causal", "prompt-tuning", "after-cls")
    assert "choose among start" in misfit("hf-masked", "prefix-tuning", "before-answer")
    assert misfit("hf-masked", "p-tuning", "after-cls") is None
    assert misfit("somebody-elses", "prefix-tuning") is None
