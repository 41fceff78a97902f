"""Frozen models, by name."""

from autoprompt_search.core.protocols import Backend
from autoprompt_search.core.registry import Registry

BACKENDS: Registry[Backend] = Registry(
    "backends",
    {
        "hf-causal": "autoprompt_search.backends.hf_causal:HfCausal",
        "scripted": "autoprompt_search.testing.scripted:ScriptedBackend",
    },
)
