"""Where earlier searches are found: in their result folders, and in experiments of this search's own tracker."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from autoprompt_search.config import SearchConfig
from autoprompt_search.core.earlier import EarlierSearch, EarlierTrial, Recalls, listed
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.types import Example, Splits
from autoprompt_search.trackers import TRACKERS

EXPERIMENT = "mlflow:"
"""Begins the name of an experiment; anything else is a folder."""
SEEN = "examples.json"
"""File in the state folder and beside a record: fingerprints of the examples that prompts were chosen on."""
_DATA = "data.json"


def seen_examples(splits: Splits) -> dict[str, list[str]]:
    """What the file `SEEN` of a search holds: by split, of the inputs of every example."""
    return {"train": prints(splits.train), "dev": prints(splits.dev)}


def prints(examples: Sequence[Example]) -> list[str]:
    """Fingerprints of what the examples ask, whatever their label and place."""
    return [fingerprint(e.inputs) for e in examples]


def from_folder(folder: Path) -> EarlierSearch:
    """A finished search in its result folder; raises whatever reading files may raise."""
    seen = folder / "state" / SEEN
    with (folder / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == "complete"]
    return EarlierSearch(
        name=str(folder),
        config=(folder / "config.yaml").read_text(encoding="utf-8"),
        test="" if seen.exists() else str(json.loads((folder / "state" / _DATA).read_text(encoding="utf-8"))["test"]),
        seen=listed(seen.read_text(encoding="utf-8")) if seen.exists() else None,
        trials=tuple(
            EarlierTrial(int(row["number"]), row, float(row["score"]), float(row["loss"] or "inf")) for row in rows
        ),
    )


def from_experiment(config: SearchConfig, name: str) -> Sequence[EarlierSearch]:
    """The searches of experiment `name` in the store of this search's tracker; `ConfigError` where it has none."""
    tracker = TRACKERS.build(config.tracker, folder=Path())
    if not isinstance(tracker, Recalls):
        raise ConfigError(f"an experiment is looked for in the tracker's store, and {config.tracker.type!r} has none")
    return tracker.earlier(name)
