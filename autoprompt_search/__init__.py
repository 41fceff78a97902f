"""One search over templates, demonstrations and soft prompts, with a verdict that holds on unseen data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoprompt_search.version import __version__

if TYPE_CHECKING:
    from autoprompt_search.config import SearchConfig, load_config
    from autoprompt_search.exported import ExportedPrompt, load_prompt
    from autoprompt_search.walk import SearchResult, search

__all__ = ["ExportedPrompt", "SearchConfig", "SearchResult", "__version__", "load_config", "load_prompt", "search"]

_HOMES = {
    "ExportedPrompt": "exported",
    "SearchConfig": "config",
    "SearchResult": "walk",
    "load_config": "config",
    "load_prompt": "exported",
    "search": "walk",
}


def __getattr__(name: str) -> Any:
    """Import the defining module at the first use, so that `import autoprompt_search` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"autoprompt_search.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
