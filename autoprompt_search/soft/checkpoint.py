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
    unit: float
    """What a learning rate of one means: RMS of what is trained."""
    replaces: int
    """The prompt's own tokens that the vectors took the place of."""
    parameters: dict[str, torch.Tensor]
    """The module's state, buffers included."""
    optimizer: dict[str, torch.Tensor] = field(default_factory=dict)
    """`<parameter number>.<name>` -> one tensor of the optimiser's state."""
    losses: list[float] = field(default_factory=list)
    """One per step: their number is the step reached."""
    history: dict[int, torch.Tensor] = field(default_factory=dict)
    """Step -> vectors after it [tokens, width], on the CPU; 0 are the initial ones."""

    @property
    def step(self) -> int:
        """Optimiser steps that are done."""
        return len(self.losses)


_PARTS = ("parameters", "optimizer", "history")


def write(folder: Path, state: TrainState) -> None:
    """Replace the checkpoint in `folder`; a crash leaves the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{part}/{name}": tensor.detach().cpu().contiguous().clone()
        for part in _PARTS
        for name, tensor in getattr(state, part).items()
    }
    facts = {"key": state.key, "unit": state.unit, "replaces": state.replaces, "losses": state.losses}
    part = folder / f".{FILE}.{os.getpid()}"
    with part.open("wb") as file:
        file.write(save(tensors, metadata={"state": json.dumps(facts)}))
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
            parts: dict[str, dict[str, torch.Tensor]] = {part: {} for part in _PARTS}
            for whole in file.keys():  # noqa: SIM118 (not a mapping)
                part, _, name = whole.partition("/")
                parts[part][name] = file.get_tensor(whole)
        if facts["key"] != key:
            return None
        history = {int(step): tensor for step, tensor in parts["history"].items()}
        return TrainState(
            key, facts["unit"], facts["replaces"], parts["parameters"], parts["optimizer"], facts["losses"], history
        )
    except (SafetensorError, KeyError, TypeError, ValueError):
        return None
