"""Rules between sections, over whatever part of the configuration is valid. Reads data only to learn label names."""

from __future__ import annotations

from collections.abc import Iterator

from autoprompt_search.config.components import component_problems, names, signature
from autoprompt_search.config.rules_answer import answer_rules
from autoprompt_search.config.rules_backend import backend_rules
from autoprompt_search.config.rules_metric import metric_problems
from autoprompt_search.config.rules_proposals import proposal_rules
from autoprompt_search.config.rules_space import space_rules
from autoprompt_search.config.rules_study import study_rules
from autoprompt_search.config.rules_text import text_rules
from autoprompt_search.config.validation import Draft, Problem
from autoprompt_search.core.errors import ConfigError, MissingExtraError
from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.registry import ComponentSpec, unknown
from autoprompt_search.runners.addresses import address_problem
from autoprompt_search.space import Choice, Fixed
from autoprompt_search.tasks import TASKS


def rule_problems(draft: Draft) -> list[Problem]:
    """Every broken rule, in the order of the file."""
    problems: list[Problem] = []
    for section in ("task", "backend", "study", "runner", "tracker"):
        if draft.is_sound(section):
            problems += _component(section, (section,), getattr(draft.config, section))
    if draft.is_sound("exports"):
        for i, spec in enumerate(draft.config.exports):
            problems += _component("exports", ("exports", str(i)), spec)
    for problem in problems:
        draft.broken.add(problem.place[0])
    task, labels = _task(draft, problems)
    problems += text_rules(draft, task.fields if task else None, labels)
    problems += space_rules(draft)
    problems += proposal_rules(draft)
    problems += backend_rules(draft)
    problems += answer_rules(draft)
    problems += _baseline(draft)
    problems += _sizes(draft)
    problems += study_rules(draft)
    problems += _weight(draft)
    problems += _address(draft)
    return problems


def _component(section: str, place: tuple[str, ...], spec: ComponentSpec) -> list[Problem]:
    where = ".".join(place)
    return [
        Problem((*place, *line.split(":")[0].split(".")), f"{where}.{line}")
        for line in component_problems(section, spec)
    ]


def _task(draft: Draft, problems: list[Problem]) -> tuple[Task | None, tuple[str, ...] | None]:
    """The task and its labels, as far as they can be had; what stands in the way goes to `problems`."""
    spec = draft.config.task
    if spec.type not in names("task"):
        return None, None
    problems += metric_problems(spec)
    bad = {p.place[1] for p in problems if p.place[0] == "task"}
    try:
        # Without its wrong options, so that one of them does not hide mistakes in templates.
        task = TASKS.build(ComponentSpec(type=spec.type, **{n: v for n, v in spec.options.items() if n not in bad}))
    except (ConfigError, MissingExtraError) as exc:
        problems += [] if bad else task_problems(spec, exc)
        draft.broken.add("task")
        return None, None
    draft.task = task
    try:
        draft.form = task.answers
    except (ConfigError, MissingExtraError) as exc:
        problems += task_problems(spec, exc)
        draft.broken.add("data")
        return task, None
    return task, draft.form.labels if draft.form.kind in ("label", "labels") else None


def task_problems(spec: ComponentSpec, exc: Exception) -> list[Problem]:
    """Lines about an option get the section's name in front; lines about a file speak for themselves."""
    lines = exc.problems if isinstance(exc, ConfigError) else (str(exc),)
    options = {"type", *spec.options, *signature("task", spec.type).options}
    problems = []
    for line in lines:
        name = line.split(":")[0].split(".")[0]
        is_option = name in options
        path = ("task", name if is_option else "data")
        problems.append(Problem(path, f"task.{line}" if is_option else f"task.data: {line}"))
    return problems


def _baseline(draft: Draft) -> Iterator[Problem]:
    space = draft.config.space
    if not draft.is_sound("space"):
        return
    is_whole = not any(n.startswith("space.") for n in draft.broken)
    point = space.baseline(draft.config.baseline)
    for name, value in draft.config.baseline.items():
        where = f"baseline.{name}"
        if not draft.is_sound(f"space.{name}"):
            continue
        if name not in space.root:
            yield Problem(("baseline", name), f"{where}: {unknown('parameter', name, space.root)} (got {value!r})")
            continue
        param = space.root[name]
        if not param.contains(value):
            possible = param.values if isinstance(param, (Choice, Fixed)) else f"{param.low} to {param.high}"
            yield Problem(("baseline", name), f"{where}: is not a possible value (got {value!r}); possible: {possible}")
        elif is_whole and name not in point:
            yield Problem(
                ("baseline", name),
                f"{where}: is not active at the baseline (got {value!r}): it needs {_condition(param.when)}",
            )


def _condition(when: dict[str, list[str | int | float | bool]]) -> str:
    return " and ".join(f"{parent} to be one of {values}" for parent, values in when.items())


def _sizes(draft: Draft) -> Iterator[Problem]:
    """Numbers that the wanted sizes of the splits already forbid; the real ones are checked with the data."""
    splits = draft.config.task.options.get("splits") if draft.is_sound("task") else None
    if not isinstance(splits, dict):
        return
    dev, train = splits.get("dev"), splits.get("train")
    last = draft.config.rungs[-1]
    if draft.is_sound("rungs") and isinstance(dev, int) and last > dev:
        yield Problem(("rungs",), f"rungs: the last rung needs {last} dev examples, task.splits.dev asks for {dev}")
    k = draft.config.space.root.get("demos.k")
    high = most(k) if k is not None and draft.is_sound("space", "space.demos.k") else 0
    if isinstance(train, int) and high > train:
        yield Problem(
            ("space", "demos.k"),
            f"space.demos.k: {high} demonstrations are more than the train split has (task.splits.train: {train})",
        )


def _weight(draft: Draft) -> Iterator[Problem]:
    """Tests of answers know no cost: they would stop prompts that cost less."""
    weight, pruner = draft.config.objective.weight, draft.config.study.options.get("pruner")
    if weight and pruner in ("racing", "wilcoxon") and draft.is_sound("objective", "study"):
        text = f"study.pruner: {pruner} compares answers, which cost nothing: use halving, knowledge-gradient or none"
        yield Problem(("objective", "weight"), f"objective.weight: {text} (got {weight:g})")


def _address(draft: Draft) -> Iterator[Problem]:
    """What `auto` stands for is seen where the search runs, which need not be here."""
    runner = draft.config.runner
    is_ray = draft.is_sound("runner") and runner.type == "ray"
    if is_ray and (text := address_problem(str(runner.options.get("address")), {})):
        yield Problem(("runner", "address"), f"runner.address: {text}")


def most(param: object) -> int:
    """The largest number a parameter can be; 0 where it is none."""
    values = param.values if isinstance(param, (Choice, Fixed)) else [getattr(param, "high", 0)]
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return int(max(numbers, default=0))
