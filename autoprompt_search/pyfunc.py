"""An exported prompt as MLflow's pyfunc model: saved by trackers and exporters, loaded by MLflow alone."""

from __future__ import annotations

import shutil
import warnings
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement


def save(prompt: Path, place: Path) -> None:
    """Write a model to `place` that predicts with the exported folder `prompt`.

    This package's code goes with it, so that an environment needs public packages only.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints when this is imported
        from mlflow.pyfunc import save_model

        save_model(
            str(place),
            loader_module="autoprompt_search.pyfunc",
            data_path=str(prompt),
            code_paths=[str(Path(__file__).parent)],
            pip_requirements=requirements(),
        )
    for stray in list(place.rglob("__pycache__")):
        shutil.rmtree(stray)


def requirements() -> list[str]:
    """What this package needs, at the versions that are installed."""
    try:
        named = requires("autoprompt-search") or []
    except PackageNotFoundError:
        named = []
    wanted = [Requirement(line) for line in named]
    plain = [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [f"{name}=={version(name).partition('+')[0]}" for name in plain]


class PromptModel:
    """Predicts an answer for each row."""

    def __init__(self, folder: Path) -> None:
        self._prompt: Any = import_module("autoprompt_search").load_prompt(folder)  # far above this layer

    def predict(self, model_input: Any, params: object = None) -> list[str]:  # noqa: ARG002 - MLflow's signature
        """Labels or texts. Rows are texts, mappings of a prompt's fields, or a data frame with a column for each."""
        rows = model_input.to_dict("records") if hasattr(model_input, "to_dict") else list(model_input)
        fields = self._prompt.fields
        inputs = [{name: str(row[name]) for name in fields} if isinstance(row, dict) else str(row) for row in rows]
        return [one.answer for one in self._prompt.predict(inputs)]


def _load_pyfunc(path: str) -> PromptModel:
    return PromptModel(Path(path))
