"""Tasks pneumonia (one logit) and type (normal, bacterial, viral): labels of the whole image."""
import numpy as np
import torch
from torch import Tensor

from ..data.samples import Sample, SampleSet
from ..errors import TrainingError
from ..judge.metrics import at_threshold, auc, ones
from ..networks.build import LABELS
from .answers import asked
from .losses import ClassLoss, weighted_mean
from .task import Ask, Figures


def probabilities(logits: Tensor) -> Tensor:
    """[n, 1] -> probability of pneumonia [n, 1]; [n, 3] -> of each class [n, 3]."""
    return logits.float().sigmoid() if logits.shape[1] == 1 else logits.float().softmax(1)


def pneumonia_probability(logits: Tensor) -> Tensor:
    """[n, 1], from one logit or from three."""
    told = probabilities(logits)
    return told if told.shape[1] == 1 else 1 - told[:, :1]


def by_source(samples: list[Sample], told: np.ndarray, truth: np.ndarray) -> Figures:
    """AUC of each source, `auc`, that of all, and `aucMean`, the mean of the sources': in the set as a whole, knowing
    the source may help."""
    figures = {"auc": float(auc(told, truth, ones(len(truth)))[0])}
    sources = np.array([s.source for s in samples])
    each = []
    for source in sorted(set(sources)):
        at = sources == source
        if 0 < truth[at].sum() < at.sum():
            each.append(float(auc(told[at], truth[at], ones(int(at.sum())))[0]))
            figures[f"auc.{source}"] = each[-1]
    return figures | {"aucMean": float(np.mean(each)) if each else figures["auc"]}


class Classification:
    """`task` is pneumonia or type."""

    mixable = True

    def __init__(self, task: str, loss: ClassLoss) -> None:
        self.name, self.labels, self._loss = task, LABELS[task], loss

    def class_of(self, sample: Sample) -> int | None:
        if self.name == "pneumonia":
            return int(sample.positive)
        return self.labels.index(sample.label) if sample.label in self.labels else None

    def targets(self, samples: list[Sample], boxes: list[np.ndarray], size: int) -> Tensor:
        """[n, 1] or one-hot [n, 3]."""
        classes = torch.tensor([self.class_of(s) for s in samples])
        if self.name == "pneumonia":
            return classes.float().unsqueeze(1)
        return torch.nn.functional.one_hot(classes, len(self.labels)).float()

    def mixed(self, targets: Tensor, partner: Tensor, share: float) -> Tensor:
        return share * targets + (1 - share) * targets[partner]

    def check_teacher(self, task: str, size: int, own: int) -> None:
        if self.name == "type" and task != "type":
            raise TrainingError(f"a teacher of task {task} cannot tell bacterial from viral")

    def taught(self, targets: Tensor, told: list[tuple[str, tuple[Tensor, ...]]], share: float) -> Tensor:
        read = probabilities if self.name == "type" else pneumonia_probability
        taught = torch.stack([read(outputs[0]) for _, outputs in told]).mean(0)
        return (1 - share) * targets + share * taught

    def loss(self, outputs: tuple[Tensor, ...], targets: Tensor, weight: Tensor) -> tuple[Tensor, Figures]:
        logits = outputs[0]
        loss = weighted_mean(self._loss(logits, targets), weight)
        return loss, {"loss": float(loss.detach()), "accuracy": self._accuracy(probabilities(logits.detach()), targets)}

    def _accuracy(self, told: Tensor, targets: Tensor) -> float:
        """Of a blended or taught target, the class that has most of it counts as true."""
        if told.shape[1] == 1:
            return float(((told >= 0.5) == (targets >= 0.5)).float().mean())
        return float((told.argmax(1) == targets.argmax(1)).float().mean())

    def validate(self, ask: Ask, images: SampleSet, batch: int) -> Figures:
        """Loss and accuracy unweighted, at a probability of 0.5; AUC of pneumonia, and of bacterial against viral."""
        logits = asked(ask, images, batch)[0]
        if not torch.isfinite(logits).all():
            raise TrainingError("the network answers NaN on the validation part")
        targets = self.targets(images.samples, [], images.size)
        told = probabilities(logits)
        positive = pneumonia_probability(logits)[:, 0].double().numpy()
        truth = np.array([float(s.positive) for s in images.samples])
        figures = {
            "n": len(truth),
            "loss": float(self._loss(logits, targets).mean()),
            "accuracy": self._accuracy(told, targets),
        }
        figures |= by_source(images.samples, positive, truth)
        at_half = at_threshold(positive, truth, 0.5, ones(len(truth)))
        figures |= {name: float(at_half[name][0]) for name in ("sensitivity", "specificity")}
        figures["score"] = figures["aucMean"]
        if self.name == "type":
            ill = truth == 1
            kind = (told[:, 2] / (told[:, 1] + told[:, 2]).clamp(min=1e-12)).double().numpy()[ill]
            figures["aucType"] = float(auc(kind, targets[:, 2].double().numpy()[ill], ones(int(ill.sum())))[0])
            figures["score"] = (figures["aucMean"] + figures["aucType"]) / 2
        return figures

    def heat(self, outputs: tuple[Tensor, ...]) -> Tensor:
        cam = outputs[1].float()
        n, classes, h, w = cam.shape
        flat = cam.permute(0, 2, 3, 1).reshape(-1, classes)
        return pneumonia_probability(flat).view(n, h, w)
