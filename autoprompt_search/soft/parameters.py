"""How vectors are made from what is trained. Knows tensors, no model, no optimiser.

Every form gives its initial vectors at first: the last layer of its network starts at zero. The papers begin
with random networks; here a training must never start below the text it takes over.

Embeddings differ in size by a factor of a hundred between models. Networks therefore see and give vectors in units of
their RMS, and `pace` says how far each parameter moves, so that one range of learning rates serves all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

Form = Callable[[torch.Tensor, float], nn.Module]
"""Initial vectors [tokens, width] float32 and their unit to a module whose call gives vectors of that shape."""


def pace(name: str, parameter: nn.Parameter, unit: float) -> float:
    """How far a learning rate of one moves a parameter of a form at each step.

    Vectors move by their unit; of a network, matrices by one over the number of their inputs and everything else by
    one: then every layer's output moves by about one, however wide it is (Yang et al. 2022, arXiv 2203.03466, table 3).
    """
    if name == "vectors":
        return unit
    return 1 / parameter.shape[1] if name.startswith("network.") and parameter.dim() == 2 else 1.0


class Plain(nn.Module):
    """The vectors themselves (Lester et al. 2021, arXiv 2104.08691; prefixes: Li & Liang 2021, arXiv 2101.00190)."""

    def __init__(self, start: torch.Tensor, unit: float) -> None:  # noqa: ARG002 (a `Form`)
        super().__init__()
        self.vectors = nn.Parameter(start.clone())

    def forward(self) -> torch.Tensor:
        """[tokens, width]."""
        return self.vectors


class Difference(nn.Module):
    """Fixed initial vectors plus what a network makes of trained inputs: only the difference is learned."""

    def __init__(self, start: torch.Tensor, unit: float, inputs: torch.Tensor, network: nn.Module) -> None:
        super().__init__()
        self.unit = unit
        self.register_buffer("start", start.clone())
        self.inputs = nn.Parameter(inputs.clone())
        self.network = network

    def forward(self) -> torch.Tensor:
        """[tokens, width]."""
        vectors: torch.Tensor = self.start + self.unit * self.network(self.inputs)
        return vectors


class Residual(nn.Module):
    """Trained vectors plus a network over each of them (Razdaibiedina et al. 2023, arXiv 2305.03937)."""

    def __init__(self, start: torch.Tensor, unit: float, network: nn.Module) -> None:
        super().__init__()
        self.unit = unit
        self.vectors = nn.Parameter(start.clone())
        self.network = network

    def forward(self) -> torch.Tensor:
        """[tokens, width]."""
        vectors: torch.Tensor = self.vectors + self.unit * self.network(self.vectors / self.unit)
        return vectors


class Sequence(nn.Module):
    """A bidirectional LSTM over the positions, then two layers (Liu et al. 2021, arXiv 2103.10385, section 3.2)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.layers = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), zero(nn.Linear(hidden, width)))

    def forward(self, inner: torch.Tensor) -> torch.Tensor:
        """[tokens, width] to the same shape."""
        vectors: torch.Tensor = self.layers(self.lstm(inner[None])[0][0])
        return vectors


def zero(layer: nn.Linear) -> nn.Linear:
    """The layer, giving nothing yet."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def encoded(encoder: Literal["mlp", "lstm"], hidden: int) -> Form:
    """P-tuning's prompt encoder."""

    def make(start: torch.Tensor, unit: float) -> nn.Module:
        width = start.shape[1]
        if encoder == "lstm":
            return Difference(start, unit, start / unit, Sequence(width, hidden))
        layers = (nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        return Difference(start, unit, start / unit, nn.Sequential(*layers, zero(nn.Linear(hidden, width))))

    return make


def projected(hidden: int) -> Form:
    """Prefix tuning's projection: a small vector per token, through two layers to all keys and values."""

    def make(start: torch.Tensor, unit: float) -> nn.Module:
        layers = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), zero(nn.Linear(hidden, start.shape[1])))
        return Difference(start, unit, torch.randn(len(start), hidden), layers)

    return make


def residual(hidden: int) -> Form:
    """Residual prompt tuning's network: down, ReLU, up, layer norm, whose scale starts at zero."""

    def make(start: torch.Tensor, unit: float) -> nn.Module:
        width = start.shape[1]
        norm = nn.LayerNorm(width)
        nn.init.zeros_(norm.weight)
        layers = (nn.Linear(width, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, width, bias=False))
        return Residual(start, unit, nn.Sequential(*layers, norm))

    return make
