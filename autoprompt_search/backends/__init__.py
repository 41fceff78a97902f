"""Frozen models, by name."""

from autoprompt_search.core.protocols.model import Backend
from autoprompt_search.core.registry import Registry

SHARED = "shared"
"""A backend around another one, for trials that share a model: the runner names it, and no file can."""

ENDPOINT = "endpoint"
"""An endpoint with the journal and the limits of a search: the session names it, and no file can."""

BACKENDS: Registry[Backend] = Registry(
    "backends",
    {
        "hf-causal": "autoprompt_search.backends.hf.causal:hf_causal",
        "hf-masked": "autoprompt_search.backends.hf.masked:hf_masked",
        "hf-seq2seq": "autoprompt_search.backends.hf.seq2seq:hf_seq2seq",
        "hf-encoder": "autoprompt_search.backends.hf.encoder:hf_encoder",
        "hf-classifier": "autoprompt_search.backends.hf.classifier:hf_classifier",
        "openai": "autoprompt_search.backends.endpoint.backend:OpenAIBackend",
        "scripted": "autoprompt_search.testing.scripted:ScriptedBackend",
    },
    internal={
        SHARED: "autoprompt_search.backends.hf.shared:SharedBackend",
        ENDPOINT: "autoprompt_search.backends.endpoint.in_search:in_search",
    },
)
