"""The best prompt as a repository of a model hub: the exported folder, its card under a head that hubs read."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import yaml

from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.exporters.manifest import CARD, MANIFEST, manifest_of
from autoprompt_search.exporters.portable import FOLDER
from autoprompt_search.exporters.prompt import folder_of


class HubFolder:
    """Writes `exports/hub`, ready for `hf upload NAME exports/hub`; `load_prompt` reads it too."""

    def export(self, final: FinalPrompt, folder: Path) -> Path:
        """The same files as `best_prompt/`, with a head on the card."""
        files = folder_of(final)
        head = yaml.safe_dump(_head(final), sort_keys=False, allow_unicode=True)
        files[CARD] = f"---\n{head}---\n\n".encode() + files[CARD]
        listed = {path: data for path, data in files.items() if path != MANIFEST and not path.startswith("text/")}
        listed |= {path: data for path, data in files.items() if path == "text/manifest.json"}
        files[MANIFEST] = manifest_of(listed)
        target = folder / FOLDER / "hub"
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".hub-", dir=target.parent) as draft:
            fresh = Path(draft) / "hub"
            for path, data in files.items():
                (fresh / path).parent.mkdir(parents=True, exist_ok=True)
                (fresh / path).write_bytes(data)
            if target.exists():
                shutil.rmtree(target)
            fresh.rename(target)
        return target


def _head(final: FinalPrompt) -> dict[str, object]:
    """What hubs index; a model that lies in a folder or in this package has no page to link to."""
    is_public = "/" in final.model and not final.model.startswith((".", "/", "builtin:", "~"))
    scores, best = final.scores, dict(final.scores.get("best") or {})
    test = best.get("test") or scores.get("test") or {}
    metric = {"type": str(scores.get("metric", "accuracy")), "value": test.get("score")}
    result = {"task": {"type": "text-classification"}, "dataset": {"name": "sealed test split", "type": "private"}}
    return {
        **({"base_model": final.model} if is_public else {}),
        **({"library_name": "peft"} if final.prompt.soft else {}),
        "tags": ["prompt", "autoprompt-search", *(["soft-prompt"] if final.prompt.soft else [])],
        "model-index": [{"name": final.name, "results": [{**result, "metrics": [metric]}]}],
    }
