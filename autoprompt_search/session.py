"""What a search needs while it runs: a plan that was found sound, and parts that are opened and closed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from autoprompt_search.backends import BACKENDS
from autoprompt_search.config import SearchConfig, check_data, check_model
from autoprompt_search.config.prices import budget_problems, final_passes, first_training, part_passes, prompt_prices
from autoprompt_search.config.rules_proposals import known_texts
from autoprompt_search.config.sections import Budget
from autoprompt_search.config.serving import served
from autoprompt_search.confirm import weights_folder
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Allowance, Cost, Measurement, TrialRecord
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.protocols.model import Meters
from autoprompt_search.core.protocols.output import Progress, SearchCard, SplitCard, Tracker
from autoprompt_search.core.protocols.study import Study
from autoprompt_search.core.protocols.task import Reads
from autoprompt_search.core.reading import AS_IT_IS, Reading
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import SPLITS, Params, Splits
from autoprompt_search.core.uris import public_uri
from autoprompt_search.ledger import Ledger
from autoprompt_search.metrics import metric_named
from autoprompt_search.proposers import PROPOSERS
from autoprompt_search.runners import Runner
from autoprompt_search.runners.driver import Driver
from autoprompt_search.space import Choice
from autoprompt_search.studies import STUDIES
from autoprompt_search.studies.proposal_slots import GrowingParameter
from autoprompt_search.studies.terms import HardLimits, ProbePlan, SearchBudget, SearchTerms
from autoprompt_search.tasks import TASKS
from autoprompt_search.trackers import TRACKERS
from autoprompt_search.trial import TrialJob, backend_of
from autoprompt_search.version import __version__
from autoprompt_search.warm import OPTION, SEEN, remember, seen_examples
from autoprompt_search.workspace import Workspace

log = logging.getLogger(__name__)

NOTHING = Cost()

_WARM = "warm_start.json"
"""File in the state folder: the points that the search began with, kept for when the earlier searches are gone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A configuration that was found sound: the data are read, the model is known to fit."""

    splits: Splits
    job: TrialJob
    fields: tuple[str, ...]
    model: str
    """The model's name as the user wrote it."""
    model_fingerprint: str
    data_fingerprints: dict[str, str]
    first_points: list[Params]
    """Points of earlier searches, which are tried right after the baseline."""
    reading: Reading = AS_IT_IS
    prices: Mapping[str, float] = field(default_factory=dict)
    """Unit of `Cost` -> what a forward pass is expected to take of it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that is open while trials run."""

    study: Study
    ledger: Ledger
    tracker: Tracker
    driver: Driver
    progress: Progress
    started: float
    """Unix seconds."""
    began: float
    """Monotonic seconds: the clock on the wall may be set back meanwhile."""
    spent_before: int
    """Forward passes of earlier runs on this folder."""


@contextmanager
def _stage(progress: Progress, what: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    began = time.monotonic()
    progress.note(f"{what} ...")
    yield
    progress.note(f"{what}: {time.monotonic() - began:.1f} s")


def prepare(config: SearchConfig, workspace: Workspace, runner: Runner, progress: Progress | None = None) -> Plan:
    """Read the data and look at the model; every mistake is raised here, before any work.

    Looking at a model takes seconds, in which the runner starts.
    """
    progress = progress or Silent()
    task = TASKS.build(config.task)
    with _stage(progress, f"reading {public_uri(str(config.task.options.get('data')))}"):
        splits = task.load(config.seed)
    if problems := check_data(config, splits, task.answers):
        raise ConfigError(problems)
    book = config.book(task.answers)
    spec = served(config, book, splits, workspace.state.absolute())
    if not workspace.is_finished and spec is config.backend:
        runner.begin([BACKENDS.module(config.backend.type)])
    backend = backend_of(spec)
    job = TrialJob(
        backend=spec,
        book=book,
        answers=task.answers,
        train=splits.train,
        dev=splits.dev,
        metric=task.metric,
        metrics=task.metrics,
        rungs=config.rungs,
        seed=config.seed,
        state=workspace.state.absolute(),
        baseline=config.space.baseline(config.baseline),
        times_first=config.objective.objective.needs_latency,
    )
    name = str(config.backend.options.get("model", config.backend.type))
    with _stage(progress, f"looking at the model {public_uri(name)}, while the {config.runner.type} runner starts"):
        problems = check_model(config, job.book, splits, backend)
    if problems:
        raise ConfigError(problems)
    model_fingerprint = backend.fingerprint  # that of an endpoint takes a probe, the first time
    prices = prompt_prices(config, job.book, splits, backend)
    if problems := budget_problems(config, splits, prices):
        raise ConfigError(problems)
    is_known = (workspace.state / _WARM).exists()
    first = [] if is_known else _first(config, splits)
    prints = {name: fingerprint(getattr(splits, name)) for name in SPLITS}
    workspace.check_data(prints)
    workspace.remember(SEEN, seen_examples(splits))
    first = workspace.remember(_WARM, first)
    model = str(config.backend.options.get("model", config.backend.type))
    reading = task.reading if isinstance(task, Reads) else Reading()
    return Plan(splits, job, task.fields, model, model_fingerprint, prints, first, reading, prices)


def before_the_test(config: SearchConfig, plan: Plan, parts: Parts) -> str:
    """What comes after the trials, and about how long it takes at their pace, where that is long enough to wonder."""
    spent = parts.ledger.total()
    prompts = config.confirm.finalists + 1
    predictions = prompts * len(plan.splits.test)
    text = f"Measuring the finalists on the sealed test split: {predictions:,} predictions at most"
    pace = spent.seconds / spent.forward_passes if spent.forward_passes else 0.0
    minutes = predictions * pace / 60
    return f"{text}, about {minutes:.0f} min" if minutes >= 1 else text


def _first(config: SearchConfig, splits: Splits) -> list[Params]:
    """Points of earlier searches; what was left out of them is said."""
    memory = remember(config, splits)
    for line in memory.left_out:
        log.warning("study.%s: %s", OPTION, line)
    return list(memory.points)


@contextmanager
def session(
    config: SearchConfig, workspace: Workspace, plan: Plan, runner: Runner, progress: Progress | None
) -> Iterator[Parts]:
    """Open what trials need, and close it however the search ends.

    Trials that an earlier run could not send to the dashboard are sent first.
    """
    progress = progress or Silent()
    tracker = TRACKERS.build(config.tracker, folder=workspace.state)
    metric = metric_named(plan.job.metric, plan.job.labels)
    ledger = Ledger(workspace.state / "ledger.sqlite", is_shared=runner.is_on_cluster)
    study = _study(config, workspace, metric, plan, beside=_beside_trials(ledger, plan))
    tracker.open(_card(config, workspace, plan))
    examples = {e.id: e for e in plan.splits.dev}
    driver = Driver(study, ledger, tracker, progress, examples=examples, weights=weights_folder(workspace.state))
    done = study.records()
    for record in done:
        tracker.log_trial(record)
    budget = config.budget
    progress.begin(config.name, budget.most_trials(config.rungs, plan.prices), done, _allowance(budget))
    started, began, status = time.time(), time.monotonic(), "failed"
    try:
        yield Parts(study, ledger, tracker, driver, progress, started, began, ledger.total().forward_passes)
        status = "finished"
    except KeyboardInterrupt:
        status = "stopped"
        raise
    finally:
        progress.end()
        try:
            if status != "finished":
                tracker.close("", {}, [], status=status)
                workspace.log_run({"started": started, "seconds": time.monotonic() - began, "status": status})
        finally:
            ledger.close()


def _beside_trials(ledger: Ledger, plan: Plan) -> Cost:
    """What was spent beside trials; of an endpoint also by its probe, and for answers that no measurement holds."""
    beside, backend = ledger.total(beside_trials=True), backend_of(plan.job.backend)
    if not isinstance(backend, Meters):
        return beside
    trials = ledger.total() - beside
    return sum(backend.metered().values(), Cost()) - trials


def _allowance(budget: Budget) -> Allowance | None:
    """What the progress is measured against; None for the number of trials."""
    if not budget.goes_by_passes:
        return None
    if budget.most_passes is not None:
        return Allowance("forward_passes", budget.most_passes, has_baseline=False)
    unit, most = next(iter(budget.limits.items()))
    return Allowance(unit, most)


def _study(
    config: SearchConfig, workspace: Workspace, metric: Metric, plan: Plan | None, beside: Cost = NOTHING
) -> Study:
    """The study of a search, with what was spent beside its trials; without its plan for reading alone."""
    own = {name: value for name, value in config.study.options.items() if name != OPTION}
    budget, prices, rungs = config.budget, plan.prices if plan else {}, config.rungs
    hard_limits = HardLimits(
        budget.limits,
        planned=budget.bought(prices) or budget.most_trials(rungs) * rungs[0],
        held=final_passes(config, plan.splits) + part_passes(config) if plan else 0,
        spent={unit: beside.amount(unit) for unit in budget.limits},
        soft_look=first_training(config),
    )
    terms = SearchTerms(
        space=config.space,
        seed=config.seed,
        budget=SearchBudget(budget.most_trials(rungs, prices), budget.minutes, budget.most_passes, hard_limits),
        baseline=config.space.baseline(config.baseline),
        folder=workspace.state,
        name=workspace.identity,
        rungs=rungs,
        objective=config.objective.objective,
        metric=metric,
        texts=plan.job.book.texts if plan else {},
        growing=growing_parameters(config),
        probe=ProbePlan(budget.anchors(rungs, prices), budget.least_gain if budget.stop_for_futility else None),
        first_points=plan.first_points if plan else (),
    )
    return STUDIES.build(ComponentSpec(type=config.study.type, **own), terms=terms)


def growing_parameters(config: SearchConfig) -> list[GrowingParameter]:
    """The parameters to which texts are added; one that the space has fixed is not among them."""
    return [
        GrowingParameter(
            address, texts, wanted.slots, wanted.share, {p.type: PROPOSERS.build(p) for p in wanted.proposers}
        )
        for address, wanted in config.proposals.items()
        if (texts := known_texts(config, address))
    ]


def stored_study(config: SearchConfig, workspace: Workspace) -> Study:
    """The study of a finished search, for reading: no score is made, so the data are not read for label names."""
    return _study(config, workspace, metric_named(TASKS.build(config.task).metric, ()), None)


def _card(config: SearchConfig, workspace: Workspace, plan: Plan) -> SearchCard:
    plain = config.resolved()
    sizes = " / ".join(str(len(getattr(plan.splits, name))) for name in SPLITS)
    source = str(config.task.options.get("data"))
    description = (
        f"**{config.name}**: {config.budget.spelled(config.rungs)} of {plan.model} on "
        f"{plain['task'].get('data')}, "
        f"{sizes} examples in train / dev / test, rungs {list(config.rungs)}.\n\nThe search is running."
    )
    tags = {
        "model": plan.model,
        "model_fingerprint": plan.model_fingerprint,
        "config_fingerprint": config.fingerprint,
        "seed": str(config.seed),
        "metric": plan.job.metric,
        "version": __version__,
        **{f"data_{split}": value for split, value in plan.data_fingerprints.items()},
    }
    params = {
        "backend": config.backend.type,
        "model": plan.model,
        "data": str(plain["task"].get("data")),
        "examples": sizes,
        "metric": plan.job.metric,
        "rungs": str(list(config.rungs)),
        "study": str(plain["study"]),
        "seed": str(config.seed),
    }
    return SearchCard(
        config.name,
        workspace.identity,
        workspace.folder,
        workspace.folder / "config.yaml",
        description,
        tags,
        params,
        files=(workspace.state / SEEN,),
        varying={
            name: tuple(param.values) if isinstance(param, Choice) else ()
            for name, param in config.space.root.items()
            if param.size > 1
        },
        data=tuple(
            SplitCard(split, source, plan.data_fingerprints[split], len(getattr(plan.splits, split)), plan.fields)
            for split in SPLITS
        ),
    )


class Silent:
    """A `Progress` that shows nothing."""

    def begin(self, name: str, trials: int, done: object, limit: Allowance | None = None) -> None:
        """Show nothing."""

    def started(self, number: int, params: Params) -> None:
        """Show nothing."""

    def measured(self, number: int, measurement: Measurement) -> None:
        """Show nothing."""

    def finished(self, record: TrialRecord) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""
