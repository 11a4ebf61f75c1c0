"""One step of learning: ask, compare, go back, move the weights; on a CPU or a GPU, in whole or in mixed precision."""
import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import TrainingError
from ..networks.build import fill
from .ema import update_average
from .optimisers import freeze, optimiser, set_rate

Loss = Callable[[tuple[Tensor, ...]], tuple[Tensor, dict[str, float]]]
DTYPES = {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def pick_device(wanted: str) -> str:
    """@raises TrainingError if a GPU is wanted and there is none"""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda: PyTorch sees no GPU here")
    return wanted


def pick_precision(wanted: str, device: str) -> str:
    """@raises TrainingError for fp16 on a CPU, which PyTorch cannot train in"""
    if wanted == "auto":
        return "float32" if device == "cpu" else "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if wanted == "fp16" and device == "cpu":
        raise TrainingError("--precision fp16 needs a GPU: a CPU trains in float32 or bf16")
    return wanted


@dataclass(frozen=True)
class Manner:
    """How a network is taught: names as in optimisers.py; `clip` bounds the norm of the gradient, 0 does not."""

    optimiser: str
    decay: float
    backbone_rate: float
    clip: float
    ema: float
    device: str
    precision: str


class Learner:
    """A network, its average, its optimiser and, for fp16, the scale of its gradients."""

    def __init__(self, network: nn.Module, manner: Manner) -> None:
        self._manner = manner
        # channels_last is twice as fast on a CPU, and what tensor cores want.
        self.network = network.to(manner.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        self.optimizer = optimiser(manner.optimiser, self.network, manner.decay, manner.backbone_rate)
        self._scaler = torch.cuda.amp.GradScaler(enabled=manner.precision == "fp16")

    def _autocast(self) -> torch.autocast:
        dtype = DTYPES[self._manner.precision]
        return torch.autocast(self._manner.device, dtype=dtype or torch.bfloat16, enabled=dtype is not None)

    def _shown(self, images: Tensor) -> Tensor:
        return images.to(self._manner.device).contiguous(memory_format=torch.channels_last)

    def ask(self, images: Tensor) -> tuple[Tensor, ...]:
        """The average's answer."""
        with torch.no_grad(), self._autocast():
            return self.average(self._shown(images))

    def step(self, images: Tensor, loss_of: Loss, rate: float, number: int, frozen: bool) -> dict[str, float]:
        """Move the weights by one batch. @raises TrainingError, before anything moved, if the loss is not finite"""
        self.network.train()
        freeze(self.network, frozen)
        set_rate(self.optimizer, rate)
        with self._autocast():
            outputs = self.network(self._shown(images))
        loss, told = loss_of(outputs)
        if not math.isfinite(told["loss"]):
            raise TrainingError(f"the loss is {told['loss']} at step {number}")
        self.optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self.optimizer)
        bound = self._manner.clip or math.inf
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), bound))
        if not math.isfinite(norm) and not self._scaler.is_enabled():  # with fp16 the scaler leaves such a step out
            raise TrainingError(f"the gradient is {norm} at step {number}")
        self._scaler.step(self.optimizer)
        self._scaler.update()
        update_average(self.average, self.network, self._manner.ema, number)
        return told

    def weights(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "average": self.average.state_dict()}

    def state(self) -> dict[str, Any]:
        return self.weights() | {"optimizer": self.optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def restore(self, kept: dict[str, Any], file: Path) -> None:
        """@raises TrainingError if `file`, which they were kept in, is of another network"""
        fill(self.network, kept["network"], file)
        fill(self.average, kept["average"], file)
        self.optimizer.load_state_dict(kept["optimizer"])
        self._scaler.load_state_dict(kept.get("scaler", {}))
