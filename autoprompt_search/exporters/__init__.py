"""Forms in which the best prompt leaves, by name."""

from autoprompt_search.core.protocols.output import Exporter
from autoprompt_search.core.registry import Registry

EXPORTERS: Registry[Exporter] = Registry(
    "exporters",
    {
        "prompt": "autoprompt_search.exporters.prompt:PromptFolder",
    },
)
