"""What the loop asks of a task, whichever it is: who can teach it, what is to be learnt, how wrong an answer is, how
good a network is on validation, and what it points at. One class a task: classification.py, detection.py."""
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from ..data.samples import Sample, SampleSet

# Images float32 [n, 1, s, s] in 0 to 1 -> the network's outputs.
Ask = Callable[[Tensor], tuple[Tensor, ...]]
Figures = dict[str, float]


class Task(Protocol):
    """`labels` are the classes of an image, the first being normal. `mixable`: whether two images can be blended."""

    name: str
    labels: list[str]
    mixable: bool

    def class_of(self, sample: Sample) -> int | None:
        """The number of its label; None where what is known of it does not say, and it cannot be learnt from."""

    def targets(self, samples: list[Sample], boxes: list[np.ndarray], size: int) -> Any:
        """What is to be learnt of a batch; `boxes` in pixels, as augmentation left them."""

    def mixed(self, targets: Any, partner: Tensor, share: float) -> Any:
        """`share` of each image's target and the rest of that of its `partner` (indices [n])."""

    def check_teacher(self, task: str, size: int, own: int) -> None:
        """@raises TrainingError if a network of that task, trained at `size` pixels, cannot teach this one at `own`"""

    def taught(self, targets: Any, told: list[tuple[str, tuple[Tensor, ...]]], share: float) -> Any:
        """The targets with `share` of what the teachers say in them; `told` is each teacher's task and its outputs."""

    def loss(self, outputs: tuple[Tensor, ...], targets: Any, weight: Tensor) -> tuple[Tensor, Figures]:
        """The loss, and what the log shows of it: `loss`, `accuracy` and, where the loss is more than that of the image
        label, this as `labelLoss`. `weight` is what each image counts."""

    def validate(self, ask: Ask, images: SampleSet, batch: int) -> Figures:
        """Quick figures; always `loss`, `accuracy` and `score`, which chooses the best weights (more is better)."""

    def heat(self, outputs: tuple[Tensor, ...]) -> Tensor:
        """What the network points at, [n, h, w] in 0 to 1."""
