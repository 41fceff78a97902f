"""The exported prompt as MLflow's pyfunc model: MLflow calls `_load_pyfunc` when such a model is loaded."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any


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
