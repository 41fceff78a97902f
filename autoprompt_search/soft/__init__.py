"""Soft-prompt methods; `none` needs no component, by name."""

from autoprompt_search.core.protocols.tuning import SoftMethod
from autoprompt_search.core.registry import Registry

SOFT: Registry[SoftMethod] = Registry(
    "soft",
    {
        "prompt-tuning": "autoprompt_search.soft.prompt_tuning:prompt_tuning",
        "p-tuning": "autoprompt_search.soft.p_tuning:p_tuning",
        "residual-prompt-tuning": "autoprompt_search.soft.residual:residual_prompt_tuning",
        "prefix-tuning": "autoprompt_search.soft.prefix_tuning:prefix_tuning",
    },
)
