"""A prompt of one search as a point of another one's space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autoprompt_search.config import SearchConfig
from autoprompt_search.core.earlier import EarlierSearch, EarlierTrial
from autoprompt_search.core.types import Params, Scalar
from autoprompt_search.prompting import TEXT
from autoprompt_search.space import AnyParam, Float, Int, Pick

_WRITTEN = (f"instruction{TEXT}", f"template{TEXT}")


def points(config: SearchConfig, old: SearchConfig, search: EarlierSearch) -> Iterator[Params]:
    """Complete trials of one search as points of this space, best first.

    Texts that were written during that search are left out: no space file has them. Raises `ValueError` or
    `LookupError` where a trial is no point of its own space.
    """
    for trial in sorted(search.trials, key=_standing):
        if _is_written(trial):
            continue
        params = old.space.point(_recorded(trial.params))
        if not old.space.contains(params):
            raise ValueError(f"trial {trial.number} is no point of its space")
        kept = params if is_related(config, old) else {n: v for n, v in params.items() if not n.startswith("soft.")}
        point = _here(config, old, kept)
        if point is not None:
            yield point


def is_related(config: SearchConfig, old: SearchConfig) -> bool:
    """Whether both ask one kind of model: what is good for another kind is good for its texts alone."""
    return old.backend.type == config.backend.type


def _is_written(trial: EarlierTrial) -> bool:
    return any(value for name, value in trial.params.items() if name in _WRITTEN)


def _standing(trial: EarlierTrial) -> tuple[float, float, int]:
    """Key by which trials are ranked: score, then loss, then age."""
    return -trial.score, trial.loss, trial.number


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


def _recorded(params: Mapping[str, Scalar]) -> Pick:
    """Picks recorded values. A record that knows no types has texts for numbers, which become numbers again."""

    def pick(name: str, param: AnyParam) -> Scalar:
        if isinstance(param, (Int, Float)):
            return int(params[name]) if isinstance(param, Int) else float(params[name])
        by_text = {str(value): value for value in param.values}
        if str(params[name]) not in by_text:
            raise ValueError(f"{name} is never {params[name]!r}")
        return by_text[str(params[name])]

    return pick
