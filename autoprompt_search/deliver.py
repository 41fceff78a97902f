"""What a finished search hands over: result.json, the exported prompt, the report, the dashboard's last word."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoprompt_search.config import SearchConfig
from autoprompt_search.confirm import Confirmation
from autoprompt_search.core.answers import (
    Answers,
    Completion,
    LabelAnswers,
    LabelLogprobs,
    OptionAnswers,
    OptionLogliks,
    TextAnswers,
)
from autoprompt_search.core.bounded import loads
from autoprompt_search.core.disk import reading, writing
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import Answered, Measurement, Outcome, TrialRecord
from autoprompt_search.core.prompts import Prompt
from autoprompt_search.core.protocols.model import Meters, SetsChats
from autoprompt_search.core.protocols.output import FinalPrompt, ShowsWinner, Winner
from autoprompt_search.core.protocols.study import Probes
from autoprompt_search.core.types import SPLITS, Example, Params
from autoprompt_search.core.uris import HIDDEN
from autoprompt_search.evaluate import as_read, embedder, outcome_of, render_all
from autoprompt_search.exporters import EXPORTERS
from autoprompt_search.exporters.formats import IDS
from autoprompt_search.exporters.prompt import FOLDER
from autoprompt_search.exporters.written import answers_of
from autoprompt_search.prompting import AUTO, render, render_text
from autoprompt_search.prompting.slotted import said_in_turns, slotted
from autoprompt_search.report import ReportData, write_report
from autoprompt_search.result import Provenance, SearchResult, endpoint_of, to_plain
from autoprompt_search.session import Parts, Plan, stored_study
from autoprompt_search.trial import backend_of, build_prompt
from autoprompt_search.version import __version__
from autoprompt_search.workspace import Workspace, read_config, write_text

_GOLDEN = 12
"""Examples that an exported prompt is checked on before its first use."""
_MARGIN = 0.05
"""Between the log-probabilities of their first and second label: nearer ties may flip on another device."""
_SCORES = ("verdict", "reason", "metric", "confidence", "baseline", "best", "difference", "optimism")
_TEXT_SCORES = ("metric", "confidence")
_MATERIAL = "report.json"
_OF_THE_TEXT = ("template", "instruction", "layout", "style")


def deliver(
    config: SearchConfig, workspace: Workspace, plan: Plan, parts: Parts, confirmation: Confirmation
) -> SearchResult:
    """Write everything a user keeps, then show it on the dashboard."""
    records = tuple(parts.study.records())
    plain = _result(config, workspace, plan, parts, confirmation, records)
    write_text(workspace.folder / "result.json", json.dumps(plain, indent=2, ensure_ascii=False) + "\n")
    final = _final(config, plan, confirmation, plain)
    material = _material(plan, confirmation, final.prompt)
    write_text(workspace.state / _MATERIAL, json.dumps(material, ensure_ascii=False))
    with writing(workspace.folder):
        exported = [EXPORTERS.build(spec).export(final, workspace.folder) for spec in config.exports]
        written = write_report(workspace.folder, _report_data(config, plain, records, material))
    summary = (workspace.folder / "summary.md").read_text(encoding="utf-8")
    files = [*written, workspace.folder / "result.json", *exported]
    if isinstance(parts.tracker, ShowsWinner):
        parts.tracker.crown(_winner(final, plain, workspace.folder / FOLDER))
    parts.tracker.close(summary, _headline(plain), files, status="finished")
    baseline, best = confirmation.baseline.record, confirmation.best.record
    return SearchResult(workspace.folder, confirmation.verdict, baseline, best, records, plain)


def rebuild_report(folder: Path) -> list[Path]:
    """Write the report of a finished search again, from what its folder holds."""
    needed = (folder / "result.json", folder / "state" / "config.yaml", folder / "state" / _MATERIAL)
    missing = [str(path) for path in needed if not path.exists()]
    if missing:
        raise ConfigError(f"{folder} does not hold a finished search: {', '.join(missing)} is missing")
    config = read_config(folder / "state" / "config.yaml")
    if HIDDEN in str(config.study.options.get("storage", "")):
        raise ConfigError(
            f"the study of {folder} is in a database whose password is kept nowhere: `run` the search again, which "
            "goes on where it ended and writes the report"
        )
    with Workspace(folder, config) as workspace:
        records = tuple(stored_study(config, workspace).records())
        with reading(folder):
            plain = json.loads((folder / "result.json").read_text(encoding="utf-8"))
            material = loads((workspace.state / _MATERIAL).read_text(encoding="utf-8"))
            data = _report_data(config, plain, records, material)
            with writing(folder):
                written: list[Path] = write_report(folder, data)
        return written


def _result(
    config: SearchConfig,
    workspace: Workspace,
    plan: Plan,
    parts: Parts,
    confirmation: Confirmation,
    records: Sequence[TrialRecord],
) -> dict[str, Any]:
    seconds, probed = time.monotonic() - parts.began, parts.study if isinstance(parts.study, Probes) else None
    runs = workspace.log_run({"started": parts.started, "seconds": seconds, "status": "finished"})
    cost = parts.ledger.total()
    origin = Provenance(
        name=config.name,
        metric=plan.job.metric,
        confidence=config.confirm.confidence,
        labels=plan.job.labels,
        splits={name: len(getattr(plan.splits, name)) for name in SPLITS},
        notes=plan.splits.notes,
        config_fingerprint=config.fingerprint,
        model=plan.model,
        model_fingerprint=plan.model_fingerprint,
        data_fingerprints=plan.data_fingerprints,
    )
    plain = to_plain(
        confirmation,
        records,
        origin,
        cost=cost,
        new_forward_passes=cost.forward_passes - parts.spent_before,
        seconds=sum(run["seconds"] for run in runs),
        headroom=probed.headroom() if probed else None,
        is_futile=probed is not None and probed.is_futile,
    )
    backend = backend_of(plan.job.backend)
    if isinstance(backend, Meters):
        plain["endpoint"] = endpoint_of(backend.description(), backend.metered())
    return plain


def _final(config: SearchConfig, plan: Plan, confirmation: Confirmation, plain: Mapping[str, Any]) -> FinalPrompt:
    """The best prompt; where it has a soft prompt, its text alone goes with it."""
    best, text, backend = confirmation.best, confirmation.text_only, backend_of(plan.job.backend)
    prompt = _alone(build_prompt(plan.job, best.record.params, backend, best.test.soft))
    final = FinalPrompt(
        name=config.name,
        prompt=prompt,
        labels=plan.job.labels,
        fields=plan.fields,
        backend={**config.resolved()["backend"], **(backend.settled() if isinstance(backend, Meters) else {})},
        model=plan.model,
        model_fingerprint=plan.model_fingerprint,
        data_fingerprints=plan.data_fingerprints,
        scores={key: plain[key] for key in _SCORES},
        created_with=__version__,
        reading=plan.reading,
        baseline=_baseline(plan, confirmation),
        **_golden(plan, best.dev, prompt, backend),
    )
    final = _with_chat(final, backend)
    if text is None:
        return final
    alone_prompt = _alone(build_prompt(plan.job, text.params, backend))
    alone = replace(
        final,
        prompt=alone_prompt,
        scores={key: plain[key] for key in _TEXT_SCORES} | {key: plain["own_text"][key] for key in ("dev", "test")},
        chat={},
        **_golden(plan, text.dev, alone_prompt, backend),
    )
    return replace(final, text_alone=_with_chat(alone, backend))


def _baseline(plan: Plan, confirmation: Confirmation) -> Prompt | None:
    """The baseline's text; None where the model had to propose its words, or its demonstrations are chosen by it."""
    params = confirmation.baseline.record.params
    if params.get("verbalizer") == AUTO or params.get("demos.strategy", "none") != "none":
        return None
    return plan.job.book.compose(params)


def _winner(final: FinalPrompt, plain: Mapping[str, Any], folder: Path) -> Winner:
    best = plain["best"]
    return Winner(
        trial=best["trial"],
        verdict=plain["verdict"],
        reason=plain["reason"],
        metric=plain["metric"],
        dev=best["dev"]["score"],
        test=best["test"]["score"],
        turns=slotted(final.prompt),
        folder=folder,
    )


def _alone(prompt: Prompt) -> Prompt:
    return replace(prompt, answers=prompt.answers.alone)


def _with_chat(final: FinalPrompt, backend: object) -> FinalPrompt:
    """A prompt in turns with what the model's chat template makes of it: the text with slots, and golden token ids."""
    prompt = final.prompt
    if prompt.chat is None or not isinstance(backend, SetsChats):
        return final
    slots = Example("", {name: "{" + name + "}" for name in final.fields}, "")
    shown = as_read(render(prompt, slots, () if prompt.demos.per_query else prompt.demos.examples), backend)
    examples = [example for example, _ in final.golden]
    ids = backend.prompt_ids(render_all(prompt, examples, embedder(backend)))
    numbered = {example.id: tuple(row) for example, row in zip(examples, ids, strict=True)}
    return replace(final, chat={**backend.chat_settings(), "text": shown.text, IDS: numbered})


def _golden(plan: Plan, dev: Measurement, prompt: Prompt, backend: object) -> dict[str, Any]:
    """Dev examples with the answer each got, as the fields of `FinalPrompt`: the first that no other device will answer
    differently."""
    by_id = {e.id: e for e in plan.splits.dev}
    answers = prompt.answers
    golden = (
        _repeated(dev.outcomes, by_id, prompt) if isinstance(answers, TextAnswers) else _clear(dev.outcomes, answers)
    )
    chosen = golden[:_GOLDEN]
    examples = [by_id[o.example] for o in chosen]
    prompts = render_all(prompt, examples, embedder(backend))
    return {
        "golden_prompts": {e.id: said_in_turns(shown) for e, shown in zip(examples, prompts, strict=True)},
        "golden": tuple((by_id[o.example], o.prediction) for o in chosen),
        "golden_texts": {o.example: o.response.text for o in chosen if isinstance(o.response, Completion)},
    }


def _clear(outcomes: Sequence[Outcome], answers: Answers) -> list[Outcome]:
    """Those whose answer was no near tie."""
    return [o for o in outcomes if _margin(o, answers) > _MARGIN]


def _margin(outcome: Outcome, answers: Answers) -> float:
    """The difference between the two best answers; of options as far as whole log-likelihoods tell them apart."""
    said = outcome.response
    values = said.values if isinstance(said, LabelLogprobs) else ()
    if isinstance(said, OptionLogliks) and isinstance(answers, OptionAnswers):
        lengths = {"token": said.tokens, "byte": said.bytes}.get(answers.normalise, (1,))
        values = tuple(value * min(lengths) for value in said.compared(answers.normalise))
    ranked = sorted(values, reverse=True)
    return ranked[0] - ranked[1] if len(ranked) > 1 else 1.0


def _repeated(outcomes: Sequence[Outcome], by_id: Mapping[str, Example], prompt: Prompt) -> list[Outcome]:
    """Those whose text comes again: greedy ones that ended by themselves, shortest first, for each token is a choice
    that a near tie may turn elsewhere. None of a prompt whose texts are drawn.

    They are read as for a user, who has no references.
    """
    if not isinstance(prompt.answers, TextAnswers) or prompt.answers.limits.temperature:
        return []
    kept = []
    for o in outcomes:
        if isinstance(o.response, Completion) and o.response.finish != "length" and not o.unscored:
            bare = replace(by_id[o.example], target="", alternatives=())
            if outcome_of(prompt, bare, Answered(o.response)).prediction == o.prediction:
                kept.append(o)
    return sorted(kept, key=lambda o: o.completion_tokens)


def _material(plan: Plan, confirmation: Confirmation, prompt: Prompt) -> dict[str, Any]:
    """What the report shows beyond result.json and the study, so that it can be made again without data or model."""
    baseline, best = confirmation.baseline, confirmation.best
    return {
        "baseline_outcomes": [o.to_plain() for o in baseline.test.outcomes],
        "best_outcomes": [o.to_plain() for o in best.test.outcomes],
        "texts": {e.id: "\n".join(e.inputs.values()) for e in plan.splits.test},
        "baseline_prompt": baseline.record.preview,
        "best_prompt": best.record.preview,
        "words": _words(plan, baseline.record.params, prompt),
        "idle": _idle(plan, baseline.record.params, best.record.params, prompt),
    }


def _words(plan: Plan, baseline: Params, prompt: Prompt) -> dict[str, list[list[str]]]:
    """Label -> what the model says for it, in the baseline and in the best prompt; nothing where it writes."""
    if not isinstance(prompt.answers, LabelAnswers):
        return {}
    first = plan.job.book.compose(baseline)
    before = answers_of(first, plan.job.labels) if baseline.get("verbalizer") != AUTO else {}
    after = answers_of(prompt, plan.job.labels)
    return {label: [before.get(label, []), after[label]] for label in plan.job.labels}


def _idle(plan: Plan, baseline: Params, best: Params, prompt: Prompt) -> list[str]:
    """Parameters that differ, and that leave the best prompt as it is when they take the baseline's value.

    Only those of the text are asked: what demonstrations, calibration or vectors are changed by has an effect.
    """
    shown = () if prompt.demos.per_query else prompt.demos.examples[:2]
    read = render_text(prompt, plan.job.dev[0], shown, answer=True)
    idle = []
    for name in best.keys() & baseline.keys():
        if best[name] == baseline[name] or name.partition(".")[0] not in _OF_THE_TEXT:
            continue
        draft = plan.job.book.compose({**best, name: baseline[name]})
        other = replace(prompt, template=draft.template, instruction=draft.instruction, layout=draft.layout)
        same_words = getattr(draft.answers, "verbalizer", None) == getattr(
            plan.job.book.compose(best).answers, "verbalizer", None
        )
        if same_words and draft.chat == prompt.chat and render_text(other, plan.job.dev[0], shown, answer=True) == read:
            idle.append(name)
    return sorted(idle)


def _report_data(
    config: SearchConfig, plain: Mapping[str, Any], records: Sequence[TrialRecord], material: Mapping[str, Any]
) -> ReportData:
    return ReportData(
        name=config.name,
        config=config.resolved(),
        result=plain,
        records=records,
        labels=tuple(plain["labels"]),
        baseline_outcomes=_outcomes(material["baseline_outcomes"]),
        best_outcomes=_outcomes(material["best_outcomes"]),
        texts=material["texts"],
        baseline_prompt=material["baseline_prompt"],
        best_prompt=material["best_prompt"],
        words=material.get("words", {}),
        idle=tuple(material.get("idle", ())),
    )


def _outcomes(stored: Sequence[Mapping[str, Any]]) -> tuple[Outcome, ...]:
    return tuple(Outcome.from_plain(o) for o in stored)


def _headline(plain: Mapping[str, Any]) -> dict[str, float]:
    """The numbers by which searches are compared on the dashboard."""
    gap, text = plain["difference"], plain["own_text"]
    return {
        **({"text_alone/dev": text["dev"]["score"], "text_alone/test": text["test"]["score"]} if text else {}),
        "best/dev": plain["best"]["dev"]["score"],
        "best/test": plain["best"]["test"]["score"],
        "baseline/dev": plain["baseline"]["dev"]["score"],
        "baseline/test": plain["baseline"]["test"]["score"],
        "difference": gap["score"],
        "difference/low": gap["low"],
        "difference/high": gap["high"],
        "forward_passes": plain["forward_passes"],
    }
