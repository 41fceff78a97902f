"""Metrics with options as one name: `bleu`, or `bleu(tokenize=zh)` for `{type: bleu, tokenize: zh}`.

A metric's name is what scores are called by, in the ledger of trials, in results and on dashboards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Scalar

WrittenMetric = str | dict[str, str | int | float | bool]
"""How a space file writes a metric: its name, or `type` and options."""

_SPELLED = re.compile(r"(?P<type>[^()\s]+)(?:\((?P<options>.+)\))?", re.DOTALL)
_BARE = re.compile(r"(?!true\b|false\b|null\b|nan\b|infinity\b)[a-z]\w*", re.IGNORECASE)
_VALUE = r'"(?:[^"\\]|\\.)*"|true|false|-?[\d.]+(?:e[+-]?\d+)?'
_OPTION = re.compile(rf"(\w+)=(?:({_VALUE})|({_BARE.pattern}))", re.IGNORECASE)


def metric_name(written: str | Mapping[str, Scalar]) -> str:
    """The one name of a metric: options in alphabetical order. Raises `ConfigError` for what is no metric."""
    spec = metric_spec(written)
    options = [f"{name}={_spelled(value)}" for name, value in sorted(spec.options.items())]
    return f"{spec.type}({', '.join(options)})" if options else spec.type


def metric_spec(written: str | Mapping[str, Scalar]) -> ComponentSpec:
    """Type and options of a metric, however it is written. Raises `ConfigError` for what is no metric."""
    if isinstance(written, Mapping):
        if not isinstance(written.get("type"), str):
            raise ConfigError(f"metric: needs a `type`, such as {{type: bleu, tokenize: zh}} (got {dict(written)})")
        return ComponentSpec.model_validate(dict(written))
    match = _SPELLED.fullmatch(written.strip())
    options = (match and match["options"]) or ""
    if match is None or _OPTION.sub("", options).strip(" ,"):
        raise ConfigError(f"metric: must be a name, or name(option=value) (got {written!r})")
    values = {name: json.loads(value) if value else bare for name, value, bare in _OPTION.findall(options)}
    return ComponentSpec.model_validate({**values, "type": match["type"]})


def _spelled(value: Scalar) -> str:
    """The value as JSON, words without quotes."""
    return value if isinstance(value, str) and _BARE.fullmatch(value) else json.dumps(value)
