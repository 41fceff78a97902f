"""One training's state as one file: safetensors, with JSON in its header. No pickle, written atomically."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

FILE = "soft.safetensors"


@dataclass(slots=True)
class TrainState:
    """Everything that the next step depends on, and what later calls may be asked for again."""

    key: str
    """Digest of model, method and data: a checkpoint of another training is not used."""
    rms: float
    """Of the model's embeddings."""
    soft: torch.Tensor
    """[tokens, width] float32: current vectors."""
    moments: tuple[torch.Tensor, torch.Tensor]
    """AdamW's running means of the gradient and its square."""
    losses: list[float] = field(default_factory=list)
    """One per step: their number is the step reached."""
    history: dict[int, torch.Tensor] = field(default_factory=dict)
    """Step -> vectors after it, on the CPU."""

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self.losses)


def write(folder: Path, state: TrainState) -> None:
    """Replace the checkpoint in `folder`; a crash leaves the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    first, second = state.moments
    tensors = {"soft": state.soft, "moment.1": first, "moment.2": second}
    tensors |= {f"history.{step}": vectors for step, vectors in state.history.items()}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {"state": json.dumps({"key": state.key, "rms": state.rms, "losses": state.losses})}
    part = folder / f".{FILE}.{os.getpid()}"
    with part.open("wb") as file:
        file.write(save(plain, metadata=header))
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / FILE)


def read(folder: Path, key: str) -> TrainState | None:
    """The checkpoint in `folder`, on the CPU; None when it is absent, damaged or of another training."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if facts["key"] != key:
            return None
        moments = (tensors["moment.1"], tensors["moment.2"])
        history = {int(n.partition(".")[2]): t for n, t in tensors.items() if n.startswith("history.")}
        return TrainState(key, facts["rms"], tensors["soft"], moments, facts["losses"], history)
    except (SafetensorError, KeyError, TypeError, ValueError):
        return None
