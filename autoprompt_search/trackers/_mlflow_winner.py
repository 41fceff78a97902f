"""What MLflow shows beyond runs: the chosen trial, its prompt in the registry, a model of it, and the data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric

from autoprompt_search import pyfunc
from autoprompt_search.core.protocols.output import SplitCard, Winner
from autoprompt_search.core.slotted import SlottedTurn
from autoprompt_search.trackers._mlflow_keys import prompt_name

MODEL = "prompt_model"
_RUN_NAME = "mlflow.runName"
_LINKED = "mlflow.linkedPrompts"


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a winner beside its tags."""

    registry: Literal["none", "candidate", "champion"] = "candidate"
    model: bool = False


SHOWN = Shown("none")


def inputs_of(data: Sequence[SplitCard]) -> list[DatasetInput]:
    """The splits as MLflow's data sets: names and digests, no text."""
    return [
        DatasetInput(
            Dataset(
                name=Path(one.source).name[:480] or "data",
                digest=one.digest[:36],
                source_type="local",
                source=json.dumps({"uri": one.source, "split": one.split}),
                schema=json.dumps({"mlflow_colspec": [{"type": "string", "name": name} for name in one.fields]}),
                profile=json.dumps({"num_rows": one.examples}),
            ),
            tags=[InputTag("mlflow.data.context", one.split)],
        )
        for one in data
    ]


def show_winner(client: Any, parent: str, chosen: str, winner: Winner, shown: Shown) -> list[str]:
    """Tag parent and child, then register the prompt and log the model where that is wanted; what failed, in words.

    Raises what MLflow raises where the runs themselves cannot be written.
    """
    tags = {
        "verdict": winner.verdict,
        "chosen_trial": str(winner.trial),
        "chosen_score": f"{winner.test:.6f}",
        "chosen_dev_score": f"{winner.dev:.6f}",
        "chosen_why": winner.reason[:5000],
    }
    for name, value in tags.items():
        client.set_tag(parent, name, value)
    if chosen:
        name = re.sub(r"^(★ best )*", "★ best ", client.get_run(chosen).info.run_name or f"#{winner.trial}")
        client.set_tag(chosen, "chosen", "true")
        client.set_tag(chosen, "verdict", winner.verdict)
        client.set_tag(chosen, _RUN_NAME, name)
        client.log_batch(chosen, metrics=[Metric("test/score", winner.test, _ended(client, chosen), 0)])
    extras: dict[str, Callable[[], object]] = {}
    if shown.registry != "none":
        extras["the prompt was not registered"] = lambda: _register(client, parent, chosen, winner, shown)
    if shown.model:
        extras["the model was not logged"] = lambda: _log_model(client, parent, winner)
    return list(_problems(extras))


def _problems(steps: dict[str, Callable[[], object]]) -> Iterator[str]:
    for said, step in steps.items():
        try:
            step()
        except Exception as exc:  # noqa: BLE001 - whatever a registry or an artifact store raises
            yield f"{said}: {' '.join(str(exc).split())[:300]}"


def _ended(client: Any, run_id: str) -> int:
    return int(client.get_run(run_id).info.end_time or 0)


def template_of(winner: Winner) -> str | list[dict[str, str]]:
    """The prompt with MLflow's own slots, `{{field}}`."""
    texts = [_in_double_braces(turn) for turn in winner.turns]
    if not winner.turns[0].role:
        return texts[0]
    return [{"role": turn.role, "content": text} for turn, text in zip(winner.turns, texts, strict=True)]


def _in_double_braces(turn: SlottedTurn) -> str:
    """Raises `ValueError` for a prompt that has MLflow's slots as words of its own."""
    text = "".join("{{" + p.text + "}}" if p.is_field else p.text for p in turn.pieces)
    slots = [p.text for p in turn.pieces if p.is_field]
    braces = re.findall(r"\{\{\s*([^{}]*?)\s*\}\}|\{%|\{#", text)
    if braces != slots:
        raise ValueError("its text holds braces that MLflow would take for a slot")
    return text


def _register(client: Any, parent: str, chosen: str, winner: Winner, shown: Shown) -> None:
    """A new version, unless the parent run has one already; then the aliases."""
    run = client.get_run(parent)
    name = prompt_name(str(run.info.run_name))
    known = run.data.tags.get("prompt_version", "")
    number = known.rpartition("/")[2]
    if not known:
        registered = client.register_prompt(
            name=name,
            template=template_of(winner),
            commit_message=f"{winner.verdict}: {winner.metric} {winner.test:.4f} on test"[:250],
            tags={"run_id": parent, "trial": str(winner.trial), "verdict": winner.verdict},
        )
        number = str(registered.version)
        client.set_tag(parent, "prompt_version", f"{name}/{number}")
        for run_id in filter(None, (parent, chosen)):
            # MLflow's own call for this looks for the run in the store of the environment, not in this one.
            client.set_tag(run_id, _LINKED, json.dumps([{"name": name, "version": number}]))
    client.set_prompt_alias(name, "candidate", int(number))
    if shown.registry == "champion" and winner.verdict == "promote":
        client.set_prompt_alias(name, "champion", int(number))


def _log_model(client: Any, parent: str, winner: Winner) -> None:
    import tempfile

    if any(file.path == MODEL for file in client.list_artifacts(parent)):
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / MODEL
        pyfunc.save(winner.folder, target)
        client.log_artifacts(parent, str(target), MODEL)
    client.set_tag(parent, "model_uri", f"runs:/{parent}/{MODEL}")


def monitored(uri: str, run_id: str) -> Any:
    """MLflow's own monitor of this machine, started; None, with a word in the log, where it cannot be had."""
    import logging

    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(run_id, tracking_uri=uri, resume_logging=True)
        monitor.start()
    except Exception as exc:  # noqa: BLE001 - psutil may be missing, and the store may go away
        logging.getLogger(__name__).warning("no system metrics: %s", exc)
        return None
    return monitor
