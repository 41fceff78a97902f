"""Faults between a search and its endpoint: what the user sees, what is lost, what is counted wrongly.

    python -m benchmarks.endpoint_faults            # writes reports/benchmarks/endpoint_faults.json

A search of three trials goes through a scripted server that has one kind of fault in the middle of it. Where the search
ends with a sentence it is run again without the fault. A measurement is lost where the result differs from that of a
search without any fault; counted wrongly is the difference between the meter and the server's own bill.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from autoprompt_search.core.errors import SearchError
from autoprompt_search.testing.endpoint_server import EndpointServer
from autoprompt_search.testing.endpoint_wire import Fault
from autoprompt_search.trial import job
from autoprompt_search.walk import search
from tests.integration.endpoint_space import space

OUT = Path(__file__).parents[1] / "reports" / "benchmarks" / "endpoint_faults.json"
AFTER = 100
"""Requests that are answered before the fault."""
FAULTS: dict[str, list[Fault]] = {
    "none": [],
    "429 with a delay": [Fault("429", after=1.0)],
    "429 without a delay": [Fault("429", times=3)],
    "500": [Fault("500", times=3)],
    "503": [Fault("503", times=3)],
    "cut answer": [Fault("cut", times=3)],
    "connection closed": [Fault("drop", times=3)],
    "HTML instead of JSON": [Fault("html", times=3)],
    "empty choices": [Fault("empty", times=3)],
    "content: null": [Fault("null", times=3)],
    "slow first byte": [Fault("slow", after=2.5, times=2)],
    "wrong model name": [Fault("model")],
    "quota ended": [Fault("quota", times=99)],
    "key refused": [Fault("401", times=99)],
    "500 for good": [Fault("500", times=999)],
}


def outcome(name: str, faults: list[Fault], whole: dict[str, Any] | None) -> dict[str, Any]:
    """One row of the table."""
    job._backend.cache_clear()
    with tempfile.TemporaryDirectory() as folder, EndpointServer("openai") as server:
        config = space(server, Path(folder), budget={"trials": 3})
        config = config.model_copy(
            update={"backend": config.backend.model_copy(update={"timeout": 1.0, "patience": 6.0})}
        )
        server.faults = [Fault("slow", after=0.0, times=AFTER), *faults]
        seen = "the search went on"
        try:
            found = search(config, out=Path(folder) / "out").data
        except SearchError as exc:
            seen, server.faults = str(exc).replace(server.url, "URL"), []
            job._backend.cache_clear()
            found = search(config, out=Path(folder) / "out").data
        total = found["endpoint"]["total"]
        asked = {json.dumps(body, sort_keys=True) for body in server.bodies}
        kept = {key: found[key] for key in ("verdict", "baseline", "best", "trials")}
        lost = total["requests"] - (whole or found)["endpoint"]["total"]["requests"]
        return {
            "fault": name,
            "what the user saw": seen,
            "answers that were paid and could not be used": lost,
            "measurements lost": 0 if whole is None or kept == {k: whole[k] for k in kept} else 1,
            "money counted wrongly": round(total["usd"] - server.bill.usd, 9),
            "requests counted wrongly": total["requests"] - server.bill.requests,
            "distinct requests": len(asked),
            "_data": found,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out
    rows, whole = [], None
    for name, faults in FAULTS.items():
        row = outcome(name, faults, whole)
        whole = whole or row["_data"]
        rows.append({key: value for key, value in row.items() if key != "_data"})
        print(json.dumps(rows[-1]))
    out.write_text(json.dumps({"requests before the fault": AFTER, "faults": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
