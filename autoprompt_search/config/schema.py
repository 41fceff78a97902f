"""The JSON schema of search space files, for editors: sections from the models, options from the components."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from autoprompt_search.config.components import names, written
from autoprompt_search.config.models import SearchConfig
from autoprompt_search.config.rules_proposals import GROWING
from autoprompt_search.config.rules_space import addresses
from autoprompt_search.core.errors import ConfigError, MissingExtraError
from autoprompt_search.core.signatures import Option

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BARE = {"type": ["string", "number", "boolean"], "description": "One value for the whole search."}


def json_schema() -> dict[str, Any]:
    """The schema, with every installed component and its options."""
    schema = SearchConfig.model_json_schema()
    parts = schema["properties"]
    for section in ("task", "backend", "study", "runner", "tracker"):
        parts[section] = {**_component(section), **_kept(parts[section])}
    parts["exports"] = {**parts["exports"], "items": _component("exports")}
    schema["$defs"]["Proposals"]["properties"]["proposers"]["items"] = _component("proposers")
    parts["proposals"]["propertyNames"] = {"enum": list(GROWING)}
    space = schema["$defs"]["SearchSpace"]
    space["additionalProperties"] = {"anyOf": [space["additionalProperties"], _BARE]}
    space["properties"] = dict.fromkeys(addresses(), space["additionalProperties"])
    return {"$schema": DIALECT, **schema, "title": "autoprompt-search space file"}


def _kept(part: dict[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in part.items() if n in ("default", "description")}


def _component(section: str) -> dict[str, Any]:
    """The bare name, or an object per component with its options."""
    known = list(names(section))
    return {"anyOf": [{"enum": known}, *(_object(section, name) for name in known)]}


def _object(section: str, name: str) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "object", "properties": {"type": {"const": name}}, "required": ["type"]}
    try:
        options = written(section, name).values()
    except (ConfigError, MissingExtraError):  # its package is not installed: any option may be right
        return shape
    shape["properties"] |= {o.name: _option(o) for o in options}
    shape["required"] += [o.name for o in options if o.is_required]
    return {**shape, "additionalProperties": False}


def _option(option: Option) -> dict[str, Any]:
    try:
        return TypeAdapter(option.annotation).json_schema()
    except PydanticInvalidForJsonSchema:
        return {}
