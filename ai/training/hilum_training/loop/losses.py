"""Classification losses for targets that may lie between the classes, one value an image.

Smoothed labels, mixed images and a teacher's answers are all such targets, so there is one form for all of them.
"""
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

LOSSES = ("cross-entropy", "focal")


@dataclass(frozen=True)
class ClassLoss:
    """`gamma` 0 is cross-entropy; larger, the focal loss (Lin 2017, arXiv 1708.02002; for targets between 0 and 1 as in
    Li 2020, arXiv 2006.04388). `smoothing` moves that share of each target to all classes alike (Szegedy 2016)."""

    gamma: float = 0.0
    smoothing: float = 0.0

    def binary(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits and targets (0 to 1) [n, 1] -> [n]."""
        logits = logits.float()
        target = target * (1 - self.smoothing) + self.smoothing / 2
        value = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        if self.gamma:
            value = value * (target - logits.sigmoid()).abs() ** self.gamma
        return value[:, 0]

    def multiclass(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits and targets (rows sum to 1) [n, c] -> [n]."""
        target = target * (1 - self.smoothing) + self.smoothing / target.shape[1]
        told = F.log_softmax(logits.float(), dim=1)
        value = -target * told
        if self.gamma:
            value = value * (target - told.exp()).abs() ** self.gamma
        return value.sum(1)

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        return self.binary(logits, target) if logits.shape[1] == 1 else self.multiclass(logits, target)


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """`weight` is 1 on average over an epoch, so the sum is divided by the number of images and not by the batch's
    weight: a batch of common images then counts for less, as it should."""
    return (values * weight).sum() / len(values)
