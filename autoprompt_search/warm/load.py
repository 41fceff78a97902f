"""The points of earlier searches that this one begins with, what they may not have seen, and what was left out."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from autoprompt_search.config import SearchConfig
from autoprompt_search.config.reader import parse
from autoprompt_search.core.earlier import EarlierSearch
from autoprompt_search.core.errors import ConfigError, first_line
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.types import Params, Splits
from autoprompt_search.warm.sources import EXPERIMENT, from_experiment, from_folder, prints
from autoprompt_search.warm.translate import is_related, points

MOST = 8
"""Points that are taken over, of all earlier searches together."""
OPTION = "warm_start"
_SHOWN = 3
"""Searches of an experiment that are named among those left out."""
_UNREADABLE = (OSError, ValueError, TypeError, LookupError, AttributeError, csv.Error, ConfigError)


@dataclass(frozen=True, slots=True)
class WarmStart:
    """What a search begins with."""

    points: tuple[Params, ...]
    """Best first, in turn by search."""
    sources: tuple[str, ...]
    """How many trials each source has, and how many of them are points of this space; for people."""
    left_out: tuple[str, ...]
    """What was not taken, and why; for people."""


def remember(config: SearchConfig, splits: Splits) -> WarmStart:
    """The best points of the searches in `study.warm_start` that exist in this space, best first, in turn by search.

    A folder is one search; `mlflow:NAME` is an experiment in the store of this search's tracker, with all searches that
    it holds. Scores of different searches are not compared: models, data and metrics may differ. A name stands for
    the text that it had there: a template of another name and the same text is the same one, and one of the same name
    and another text is not. A parameter that the earlier search did not have is as in the baseline. Of a search on
    another kind of backend only the text is taken over. Raises `ConfigError` with every source that cannot be used: a
    folder that cannot be read or chose its prompts on this test split, an experiment with no search that is any better.
    """
    problems: list[str] = []
    earlier_points: list[list[Params]] = []
    sources: list[str] = []
    left_out: list[str] = []
    for name in config.study.options.get(OPTION, ()):
        try:
            taken = (_of_experiment if name.startswith(EXPERIMENT) else _of_folder)(config, splits, name)
        except ConfigError as exc:
            problems += [f"study.{OPTION}: {line}" for line in exc.problems]
            continue
        earlier_points += taken.points
        sources.append(taken.told(name))
        left_out += [f"{name}: {line}" for line in taken.left_out]
    if problems:
        raise ConfigError(problems)
    baseline = fingerprint(config.space.baseline(config.baseline))
    in_turn = [point for rank in zip_longest(*earlier_points) for point in rank if point is not None]
    distinct = {fingerprint(point): point for point in in_turn}
    first = [point for mark, point in distinct.items() if mark != baseline][:MOST]
    return WarmStart(tuple(first), tuple(sources), tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Taken:
    """The points that one source gave."""

    points: list[list[Params]]
    """Points by search."""
    trials: int
    left_out: list[str]

    def told(self, name: str) -> str:
        usable, searches = sum(map(len, self.points)), len(self.points)
        several = f" in {searches} search{'es' if searches > 1 else ''}" if name.startswith(EXPERIMENT) else ""
        return f"{name}: {usable} of {self.trials} complete trials{several} are points of this space"


class _UnusableError(ValueError):
    """The search can be read and must not be used; the message says why."""


def _of_folder(config: SearchConfig, splits: Splits, name: str) -> _Taken:
    try:
        search = from_folder(Path(name))
        old = _config_of(search)
        _refuse_unsealing(search, splits)
        usable = list(points(config, old, search))
    except _UnusableError as exc:
        raise ConfigError(f"{name} {exc}") from exc
    except _UNREADABLE as exc:
        hint = "" if Path(name).exists() else f"; an MLflow experiment is written {EXPERIMENT}NAME"
        raise ConfigError(f"{name} does not hold a finished search that can be read: {first_line(exc)}{hint}") from exc
    return _Taken([usable], len(search.trials), list(_only_texts([old], config)))


def _of_experiment(config: SearchConfig, splits: Splits, name: str) -> _Taken:
    searches = from_experiment(config, name.removeprefix(EXPERIMENT))
    per_trial: list[list[Params]] = []
    used: list[SearchConfig] = []
    refused: dict[str, list[str]] = {}
    for search in searches:
        try:
            old = _config_of(search)
            _refuse_unsealing(search, splits)
            per_trial.append(list(points(config, old, search)))
            used.append(old)
        except _UNREADABLE as exc:
            why = str(exc) if isinstance(exc, _UnusableError) else f"cannot be read: {first_line(exc)}"
            refused.setdefault(why, []).append(search.name)
    left_out = [*(_named(names, why) for why, names in refused.items()), *_only_texts(used, config)]
    trials = sum(len(search.trials) for search in searches)
    if not any(per_trial):
        reasons = "; ".join([*left_out, *(["the others are no points of this space"] if used else [])])
        raise ConfigError(
            f"{name} holds {trials} complete trials, of which none can be used{reasons and ': '}{reasons}"
        )
    return _Taken(per_trial, trials, left_out)


def _named(names: Sequence[str], why: str) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more} {why}"


def _only_texts(used: Sequence[SearchConfig], config: SearchConfig) -> Iterator[str]:
    others = Counter(old.backend.type for old in used if not is_related(config, old))
    for kind, count in others.items():
        searches = "a search" if count == 1 else f"{count} searches"
        yield f"of {searches} on another kind of model ({kind}) only texts and demonstrations are taken"


def _config_of(search: EarlierSearch) -> SearchConfig:
    if not search.config:
        raise ValueError("its configuration was not recorded")
    return SearchConfig.model_validate(parse(search.config, where="config.yaml").data)


def _refuse_unsealing(search: EarlierSearch, splits: Splits) -> None:
    """Prompts that were chosen on this test split would make it a seen one."""
    if search.seen is not None:
        shared = len(search.seen.intersection(prints(splits.test)))
        if shared:
            raise _UnusableError(
                f"chose its prompts on {shared} examples of this search's test split, which would no longer "
                "be unseen: use the seed and task.splits of that search, or leave it out"
            )
    elif search.test != fingerprint(splits.test):
        raise _UnusableError(
            "does not say on which examples it chose its prompts, and its test split is another one: "
            "they may lie in this search's test split. Run it again, or leave it out"
        )
