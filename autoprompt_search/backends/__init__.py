"""Frozen models, by name."""

from autoprompt_search.core.protocols import Backend
from autoprompt_search.core.registry import Registry

BACKENDS: Registry[Backend] = Registry(
    "backends",
    {
        "hf-causal": "autoprompt_search.backends.causal:hf_causal",
        "hf-masked": "autoprompt_search.backends.masked:hf_masked",
        "hf-seq2seq": "autoprompt_search.backends.seq2seq:hf_seq2seq",
        "hf-encoder": "autoprompt_search.backends.encoder:hf_encoder",
        "hf-classifier": "autoprompt_search.backends.classifier:hf_classifier",
        "together": "autoprompt_search.backends.together:Together",
        "scripted": "autoprompt_search.testing.scripted:ScriptedBackend",
    },
)
