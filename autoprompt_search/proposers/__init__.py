"""Writers of new texts, by name. None of these asks a language model."""

from autoprompt_search.core.protocols.prompts import Proposer
from autoprompt_search.core.registry import Registry

PROPOSERS: Registry[Proposer] = Registry(
    "proposers",
    {
        "phrases": "autoprompt_search.proposers.phrases:Phrases",
        "crossover": "autoprompt_search.proposers.crossover:Crossover",
        "formats": "autoprompt_search.proposers.formats:Formats",
    },
)
