from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from autoprompt_search.backends.endpoint.backend import OpenAIBackend
from autoprompt_search.testing.endpoint_server import EndpointServer
from autoprompt_search.testing.endpoint_wire import MODEL

PRICES = {"prompt": 1.0, "cached": 0.1, "completion": 4.0}
Open = Callable[..., OpenAIBackend]


@pytest.fixture
def serve() -> Iterator[Callable[..., EndpointServer]]:
    """Starts scripted servers, and stops them at the end."""
    running: list[EndpointServer] = []

    def start(*args: Any, **options: Any) -> EndpointServer:
        running.append(EndpointServer(*args, **options).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


def opened(server: EndpointServer, **options: Any) -> OpenAIBackend:
    """A backend of this server, that does not wait long."""
    usual: dict[str, Any] = {"model": MODEL, "base_url": server.url, "prices": PRICES, "patience": 5.0}
    return OpenAIBackend(**{**usual, **options})
