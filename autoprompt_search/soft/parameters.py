"""How vectors are made from what is trained. Knows tensors, no model, no optimiser.

Every form gives its initial vectors at first: the last layer of its network starts at zero. The papers begin
with random networks; here a training must never start below the text it takes over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

Form = Callable[[torch.Tensor], nn.Module]
"""Initial vectors [tokens, width] float32 to a module whose call gives vectors of that shape."""


class Plain(nn.Module):
    """The vectors themselves (Lester et al. 2021, arXiv 2104.08691; prefixes: Li & Liang 2021, arXiv 2101.00190)."""

    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        self.vectors = nn.Parameter(start.clone())

    def forward(self) -> torch.Tensor:
        """[tokens, width]."""
        return self.vectors


class Difference(nn.Module):
    """Fixed initial vectors plus what a network makes of trained ones: only the difference is learned.

    The network's output is divided by its width: as many weights move at each step of Adam, and together they should
    move a vector no further than if it were trained itself.
    """

    def __init__(self, start: torch.Tensor, inner: torch.Tensor, network: nn.Module, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.register_buffer("start", start.clone())
        self.inner = nn.Parameter(inner.clone())
        self.network = network

    def forward(self) -> torch.Tensor:
        """[tokens, width]."""
        made: torch.Tensor = self.start + self.network(self.inner) / self.hidden
        return made


class Residual(nn.Module):
    """Trained vectors plus a network over each of them (Razdaibiedina et al. 2023, arXiv 2305.03937)."""

    def __init__(self, start: torch.Tensor, network: nn.Module) -> None:
        super().__init__()
        self.vectors = nn.Parameter(start.clone())
        self.network = network

    def forward(self) -> torch.Tensor:
        """[tokens, width]."""
        made: torch.Tensor = self.vectors + self.network(self.vectors)
        return made


class Sequence(nn.Module):
    """A bidirectional LSTM over the positions, then two layers (Liu et al. 2021, arXiv 2103.10385, section 3.2)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.layers = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), zero(nn.Linear(hidden, width)))

    def forward(self, inner: torch.Tensor) -> torch.Tensor:
        """[tokens, width] to the same shape."""
        made: torch.Tensor = self.layers(self.lstm(inner[None])[0][0])
        return made


def zero(layer: nn.Linear) -> nn.Linear:
    """The layer, giving nothing yet."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def encoded(encoder: Literal["mlp", "lstm"], hidden: int) -> Form:
    """P-tuning's prompt encoder."""

    def make(start: torch.Tensor) -> nn.Module:
        width = start.shape[1]
        if encoder == "lstm":
            return Difference(start, start, Sequence(width, hidden), hidden)
        layers = (nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        return Difference(start, start, nn.Sequential(*layers, zero(nn.Linear(hidden, width))), hidden)

    return make


def projected(hidden: int) -> Form:
    """Prefix tuning's projection: a small vector per token, through two layers to all keys and values."""

    def make(start: torch.Tensor) -> nn.Module:
        layers = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), zero(nn.Linear(hidden, start.shape[1])))
        return Difference(start, torch.randn(len(start), hidden), layers, hidden)

    return make


def residual(hidden: int) -> Form:
    """Residual prompt tuning's network: down, ReLU, up, layer norm, whose scale starts at zero."""

    def make(start: torch.Tensor) -> nn.Module:
        width = start.shape[1]
        norm = nn.LayerNorm(width)
        nn.init.zeros_(norm.weight)
        layers = (nn.Linear(width, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, width, bias=False))
        return Residual(start, nn.Sequential(*layers, norm))

    return make
