"""Forms in which the best prompt leaves, by name."""

from autoprompt_search.core.protocols.output import Exporter
from autoprompt_search.core.registry import Registry

EXPORTERS: Registry[Exporter] = Registry(
    "exporters",
    {
        "prompt": "autoprompt_search.exporters.prompt:PromptFolder",
        "messages": "autoprompt_search.exporters.others:Messages",
        "jinja": "autoprompt_search.exporters.others:Jinja",
        "langchain": "autoprompt_search.exporters.others:Langchain",
        "dspy": "autoprompt_search.exporters.others:Dspy",
        "promptfoo": "autoprompt_search.exporters.others:Promptfoo",
        "mlflow": "autoprompt_search.exporters.mlflow_model:MlflowModel",
        "hub": "autoprompt_search.exporters.hub:HubFolder",
    },
)
