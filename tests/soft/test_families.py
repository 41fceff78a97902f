"""Soft prompts on real architectures: exact starts in every family, and going on in another process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.encoder import hf_encoder
from autoprompt_search.backends.hf.masked import hf_masked
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.core import families
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.soft import SOFT
from autoprompt_search.soft.fits import misfit
from autoprompt_search.testing.backend_contract import close
from autoprompt_search.testing.soft_contract import DATA
from tests.soft.forms import FORMS

FAMILIES = {
    "hf-causal": (hf_causal, "llama"),
    "hf-masked": (hf_masked, "bert"),
    "hf-seq2seq": (hf_seq2seq, "t5"),
    "hf-encoder": (hf_encoder, "bert"),
}


def build(name, **options):
    return SOFT.build(ComponentSpec(type=name, **options), seed=1)


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_from_text_step_0_is_the_hard_prompt(family, name, options, tiny):
    make, kind = FAMILIES[family]
    if misfit(family, name):
        pytest.skip(f"{name} cannot be trained on {family}, which `check` says")
    backend = make(str(tiny(kind)), device="cpu")
    hard = backend.score(DATA.prompts, DATA.answers)
    for at in families.FAMILIES[family].places if name != "prefix-tuning" else ("start",):
        place = {} if name == "prefix-tuning" else {"placement": at}
        begun = build(name, tokens=4, steps=8, **options, **place).fit(backend, DATA, until=1, folder=None).snapshots[0]
        is_exact = at != "decoder" and (name != "prefix-tuning" or family == "hf-causal")
        assert (begun.place.replaces > 0) is is_exact
        ours = backend.score(DATA.prompts, DATA.answers, begun)
        assert close(ours.logliks, hard.logliks) is is_exact
        if is_exact:
            assert ours.prompt_tokens == hard.prompt_tokens


_GO_ON = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from tests.soft.test_families import DATA, FEW, build, hf_causal
fitted = build(**FEW).fit(hf_causal(sys.argv[1], device="cpu"), DATA, until=8, folder=Path(sys.argv[2]))
print(fitted.snapshots[-1].sha256)
"""
FEW = {"name": "p-tuning", "tokens": 4, "steps": 8, "batch_size": 3, "encoder": "lstm"}


@pytest.mark.model
def test_another_process_goes_on_bit_for_bit(tiny, tmp_path):
    model = hf_causal(str(tiny()), device="cpu")
    half = build(**FEW).fit(model, DATA, until=4, folder=tmp_path)
    command = [sys.executable, "-W", "ignore", "-c", _GO_ON, str(tiny()), str(tmp_path)]
    there = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    once = build(**FEW).fit(model, DATA, until=8, folder=None)
    assert there.stdout.split()[-1] == once.snapshots[-1].sha256 != half.snapshots[-1].sha256
