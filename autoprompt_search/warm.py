"""Points that did well in earlier searches, for a search that starts where they ended.

Of an earlier search its parameters and dev scores are read, never what its test split said. What it chose prompts on
must not be what this search is judged on, so its train and dev examples are held against this test split; that its own
test split may lie in this train or dev does no harm, because nothing that was learned from it is read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from autoprompt_search.config import SearchConfig
from autoprompt_search.config.reader import read
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.types import Example, Params, Scalar, Splits
from autoprompt_search.prompting import TEXT

MOST = 8
"""Points that are taken over, of all earlier searches together."""
OPTION = "warm_start"
SEEN = "examples.json"
"""In the state folder: fingerprints of the examples that prompts were chosen on."""
_DATA = "data.json"
_WRITTEN = (f"instruction{TEXT}", f"template{TEXT}")


def seen_examples(splits: Splits) -> dict[str, list[str]]:
    """What the file `SEEN` of a search holds: by split, of the inputs of every example."""
    return {"train": _prints(splits.train), "dev": _prints(splits.dev)}


def recall(config: SearchConfig, splits: Splits) -> list[Params]:
    """The best points of the searches in `study.warm_start` that exist in this space, best first, in turn by search.

    Scores of different searches are not compared: models, data and metrics may differ. A name stands for the text
    that it had there: a template of another name and the same text is the same one, and one of the same name and
    another text is not. A parameter that the earlier search did not have is as in the baseline. Of a search on another
    kind of backend only the text is taken over. Raises `ConfigError` with every folder that cannot be used.
    """
    problems: list[str] = []
    found: list[list[Params]] = []
    for name in config.study.options.get(OPTION, ()):
        folder = Path(name)
        try:
            found.append(list(_points(config, splits, folder)))
        except _UnusableError as exc:
            problems.append(f"study.{OPTION}: {exc}")
        except (OSError, ValueError, TypeError, LookupError, AttributeError, csv.Error, ConfigError) as exc:
            text = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
            problems.append(f"study.{OPTION}: {folder} does not hold a finished search that can be read: {text}")
    if problems:
        raise ConfigError(problems)
    baseline = fingerprint(config.space.baseline(config.baseline))
    in_turn = [point for rank in zip_longest(*found) for point in rank if point is not None]
    distinct = {fingerprint(point): point for point in in_turn}
    return [point for mark, point in distinct.items() if mark != baseline][:MOST]


class _UnusableError(ValueError):
    """The folder can be read and must not be used; the message says why."""


def _points(config: SearchConfig, splits: Splits, folder: Path) -> Iterator[Params]:
    """Complete trials of one search as points of this space, best first."""
    old = SearchConfig.model_validate(read(folder / "config.yaml").data)
    with (folder / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == "complete" and not _is_written(row)]
    _refuse_unsealing(folder, splits)
    is_related = old.backend.type == config.backend.type
    for row in sorted(rows, key=_standing):
        params = old.space.suggest(_Row(row))
        if not old.space.contains(params):
            raise ValueError(f"trial {row['number']} of trials.csv is no point of its space")
        kept = params if is_related else {n: v for n, v in params.items() if not n.startswith("soft.")}
        point = _here(config, old, kept)
        if point is not None:
            yield point


def _is_written(row: Mapping[str, str]) -> bool:
    """Whether a text of the prompt was written during that search: no space file has it."""
    return any(value for name, value in row.items() if name in _WRITTEN)


def _standing(row: Mapping[str, str]) -> tuple[float, float, int]:
    """As trials are ranked: by score, then by loss, then the older."""
    return -float(row["score"]), float(row["loss"]), int(row["number"])


def _here(config: SearchConfig, old: SearchConfig, params: Params) -> Params | None:
    """The same prompt as a point of this space; None where it is none."""
    moved = {name: _renamed(config, old, name, value) for name, value in params.items()}
    known: dict[str, Scalar] = {name: value for name, value in moved.items() if value is not None}
    if len(known) < len(moved):
        return None
    point = config.space.baseline({**config.baseline, **known})
    is_same = all(point.get(name, "none") == value for name, value in known.items())
    return point if is_same and config.space.contains(point) else None


def _renamed(config: SearchConfig, old: SearchConfig, name: str, value: Scalar) -> Scalar | None:
    """What this search calls the text that the earlier one called `value`; None where it does not have it."""
    theirs, ours = _texts(old, name), _texts(config, name)
    if value not in theirs:
        return None if value in ours else value
    if value in ours and ours[value] == theirs[value]:
        return value
    return next((other for other, text in ours.items() if text == theirs[value]), None)


def _texts(config: SearchConfig, name: str) -> dict[Scalar, object]:
    tables: Mapping[str, Mapping[str, object]] = {
        "template": config.templates,
        "instruction": config.instructions,
        "verbalizer": config.verbalizers,
    }
    return dict(tables.get(name, {}).items())


def _refuse_unsealing(folder: Path, splits: Splits) -> None:
    """Prompts that were chosen on this test split would make it a seen one."""
    path = folder / "state" / SEEN
    if path.exists():
        seen = json.loads(path.read_text(encoding="utf-8"))
        shared = len({*seen["train"], *seen["dev"]}.intersection(_prints(splits.test)))
        if shared:
            raise _UnusableError(
                f"{folder} chose its prompts on {shared} examples of this search's test split, which would no longer "
                "be unseen: use the seed and task.splits of that search, or leave it out"
            )
    elif json.loads((folder / "state" / _DATA).read_text(encoding="utf-8"))["test"] != fingerprint(splits.test):
        raise _UnusableError(
            f"{folder} does not say on which examples it chose its prompts, and its test split is another one: "
            "they may lie in this search's test split. Run it again, or leave it out"
        )


def _prints(examples: Sequence[Example]) -> list[str]:
    return [fingerprint(e.inputs) for e in examples]


class _Row:
    """A line of `trials.csv` as the part of an Optuna trial that a space needs."""

    def __init__(self, row: Mapping[str, str]) -> None:
        self._row = row

    def suggest_int(self, name: str, *_: int, **__: object) -> int:
        return int(self._row[name])

    def suggest_float(self, name: str, *_: float, **__: object) -> float:
        return float(self._row[name])

    def suggest_categorical(self, name: str, choices: Sequence[Scalar | None]) -> Scalar | None:
        by_text = {str(choice): choice for choice in choices}
        if self._row[name] not in by_text:
            raise ValueError(f"{name} is never {self._row[name]!r}")
        return by_text[self._row[name]]
