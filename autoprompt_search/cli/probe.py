"""What an endpoint can be asked for and how far it can be trusted. Values in, values out; knows no screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import Cost
from autoprompt_search.core.registry import ComponentSpec


@dataclass(frozen=True, slots=True)
class Probed:
    """A certificate, and what finding it out took."""

    rows: tuple[tuple[str, str], ...]
    cost: Cost


def probe_endpoint(url: str, model: str, key_from: str, api: str, longest: int) -> Probed:
    """Probe an endpoint now, with prompts of up to `longest` tokens.

    Raises `ConfigError` or `EndpointError` where it cannot be asked at all.
    """
    options = {"model": model, "base_url": url, "key_from": key_from, "api": api, "patience": 60.0}
    backend: Any = BACKENDS.build(ComponentSpec(type="openai", **options))
    if problems := backend.problems([], []):
        raise ConfigError(problems)
    certificate = backend.probe(longest)
    return Probed(tuple(certificate.rows), sum(backend.metered().values(), Cost()))
