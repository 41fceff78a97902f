"""Which addresses of a Ray a search can join. Imports no Ray, so that configurations are checked without it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from autoprompt_search.core.uris import public_uri

AUTO, VARIABLE = "auto", "RAY_ADDRESS"
"""`auto` stands for the address in Ray's own environment variable, where that is set."""


def address_problem(address: str, environment: Mapping[str, str] = os.environ) -> str:
    """Why no search can run at this address, and what would be right; empty for one that may be tried.

    Through Ray Client (`ray://`) Tune moves its loop to the head node, away from the study and the ledger, which are
    this process's own. `http://` is the job server.
    """
    told = environment.get(VARIABLE, "") if address == AUTO else ""
    if "://" not in (told or address):
        return ""
    where = f"{VARIABLE} is {public_uri(told)!r}" if told else f"got {public_uri(address)!r}"
    return (
        f"a search cannot join a cluster from outside it ({where}): write {AUTO} or HOST:PORT (as in 10.0.0.5:6379) "
        "and run it on a node of the cluster, or hand it in: "
        "`autoprompt-search submit SPACE.yaml --address http://HEAD:8265`"
    )
