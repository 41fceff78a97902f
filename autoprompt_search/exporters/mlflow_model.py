"""The best prompt for MLflow: a pyfunc model, and the text for its Prompt Registry."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from autoprompt_search import pyfunc
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.core.slotted import Piece
from autoprompt_search.exporters.portable import as_json, messages, portable, write_folder
from autoprompt_search.exporters.prompt import PromptFolder

_REGISTER = '''"""Register the prompt in the MLflow store of the environment (MLFLOW_TRACKING_URI)."""

import json
from pathlib import Path

import mlflow

said = json.loads(Path(__file__).with_name("prompt.json").read_text(encoding="utf-8"))
version = mlflow.genai.register_prompt(name=said["name"], template=said["template"])
mlflow.genai.set_prompt_alias(said["name"], "candidate", version.version)
print(f"prompts:/{said['name']}@candidate is version {version.version}")
'''


class MlflowModel:
    """Writes `exports/mlflow`: `model/` for `mlflow.pyfunc.load_model`, `prompt.json` and `register.py`."""

    def export(self, final: FinalPrompt, folder: Path) -> Path:
        """The model predicts with the whole best prompt, vectors included; the text is its text alone."""
        shown = portable(final)

        def write(piece: Piece) -> str:
            return "{{" + shown.variables[piece.text] + "}}" if piece.is_field else piece.text

        said = messages(shown.turns, write)
        text = {"name": final.name, "template": said if shown.is_chat else said[0]["content"]}
        files = {"prompt.json": as_json(text), "register.py": _REGISTER}
        target = write_folder(folder, "mlflow", files, shown)
        with tempfile.TemporaryDirectory() as draft:
            prompt = PromptFolder().export(final, Path(draft))
            pyfunc.save(prompt, Path(draft) / "model")
            shutil.copytree(Path(draft) / "model", target / "model")
        return target
