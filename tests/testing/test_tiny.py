"""Tiny models are real model folders."""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from autoprompt_search.testing.tiny import CAUSAL, tiny_model


def test_every_family_loads_complete_and_is_tiny(tmp_path):
    for family in CAUSAL:
        folder = tiny_model(tmp_path / family, family)
        model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
        assert not info["missing_keys"]
        assert sum(p.numel() for p in model.parameters()) < 100_000
        assert AutoTokenizer.from_pretrained(folder)("a good film")["input_ids"]


def test_the_seed_decides_the_weights_and_leaves_the_global_generator_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    files = [tiny_model(tmp_path / str(i), seed=seed) / "model.safetensors" for i, seed in enumerate((0, 0, 1))]
    assert torch.rand(1) == expected
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes() != files[2].read_bytes()
