"""Task detection: boxes on a grid of cells, and one label of the image."""
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.samples import Sample, SampleSet
from ..errors import TrainingError
from ..judge.boxes import Curve, Found, suppress
from ..judge.metrics import ones
from ..judge.regions import NMS_IOU
from ..networks.build import LABELS
from ..networks.detector import STRIDE, Seen, answered, to_boxes
from ..networks.second_look import moved, overlap
from .answers import asked
from .classification import by_source, pneumonia_probability
from .losses import ClassLoss, weighted_mean
from .task import Ask, Figures

# TTFNet's alpha: the share of a box over which the target is spread (a Gaussian with sigma = alpha * side / 6).
SPREAD = 0.54
# The image label is worth as much as the heat map. Boxes count for more: what keeps AP at IoU 0.5 down is where the
# sides are, not whether an opacity is found (AP at IoU 0.3 is twice as high).
BOX_WEIGHT, IMAGE_WEIGHT = 6.0, 1.5
SHIFT_WEIGHT, QUALITY_WEIGHT = 3.0, 4.0
# A box that shares less than this with every opacity is not put right but told to be wrong: by the first answer, by the others.
NEAR, NEAR_OTHERS = 0.25, 0.1
# The IoU at which a box is counted as right.
HIT = 0.5
# What the places of the other answers count beside that of the first, and the share of it that those learn which are not the
# closest: without it one that is never the closest learns nothing.
OTHERS_WEIGHT, STRAY = 0.33, 0.1


@dataclass
class Taught:
    """What the teachers that draw boxes found: heat [n, 1, c, c] in 0 to 1, boxes [n, 4, c, c] in pixels."""

    share: float
    heat: Tensor
    boxes: Tensor


@dataclass
class Targets:
    """Heat [n, 1, c, c] in 0 to 1; boxes [n, 4, c, c] in pixels; what each cell's box counts [n, c, c], 1 in all for a
    box; the image label [n, 1] in 0 to 1; 1 where the boxes are all there is to find [n]; and the boxes as they are,
    [n, m, 4], filled up with empty ones."""

    heat: Tensor
    boxes: Tensor
    weight: Tensor
    positive: Tensor
    located: Tensor
    true_boxes: Tensor
    taught: Taught | None = None

    def to(self, device: str) -> "Targets":
        parts = (self.heat, self.boxes, self.weight, self.positive, self.located, self.true_boxes)
        return Targets(*(part.to(device) for part in parts), self.taught)


def box_targets(boxes: list[np.ndarray], cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Heat, boxes and weights of `Targets`, from the boxes of each image in pixels."""
    n = len(boxes)
    heat = np.zeros((n, cells, cells), np.float32)
    box_map = np.zeros((n, 4, cells, cells), np.float32)
    weight = np.zeros((n, cells, cells), np.float32)
    grid = np.arange(cells, dtype=np.float32)
    for i, found in enumerate(boxes):
        area = (found[:, 2:] - found[:, :2]).prod(1)
        for box in found[np.argsort(-area)]:  # the smaller one, drawn last, keeps the cells they share
            w, h = (box[2:] - box[:2]) / STRIDE
            cx, cy = ((box[:2] + box[2:]) / 2 / STRIDE).astype(int).clip(0, cells - 1)
            sx, sy = max(SPREAD * w / 6, 0.4), max(SPREAD * h / 6, 0.4)
            shape = np.exp(-((grid[None] - cx) ** 2 / (2 * sx**2) + (grid[:, None] - cy) ** 2 / (2 * sy**2)))
            shape[shape < 0.01] = 0
            heat[i] = np.maximum(heat[i], shape)
            covered = shape > 0
            box_map[i][:, covered] = box[:, None]
            weight[i][covered] = shape[covered] / shape.sum()
    return torch.from_numpy(heat)[:, None], torch.from_numpy(box_map), torch.from_numpy(weight)


def heat_loss(logits: Tensor, heat: Tensor, located: Tensor) -> Tensor:
    """Focal loss with reduced penalty near centres (Objects as Points, eq. 1), over the images with `located` = 1."""
    p = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    centre = (heat == 1).float()
    gain = centre * (1 - p) ** 2 * p.log() + (1 - centre) * (1 - heat) ** 4 * p**2 * (1 - p).log()
    mask = located.view(-1, 1, 1, 1)
    return -(gain * mask).sum() / (centre * mask).sum().clamp(min=1)


def box_loss(distances: Tensor, box_map: Tensor, weight: Tensor) -> Tensor:
    """1 - GIoU, weighted by cell; every box counts the same."""
    _, giou = overlap(to_boxes(distances).movedim(1, -1), box_map.movedim(1, -1))
    return ((1 - giou) * weight).sum() / weight.sum().clamp(min=1)


def _right(iou: Tensor, around: float) -> Tensor:
    """How right a box is, 0 to 1: it begins to be `around` below the IoU at which it counts, and is as much above it."""
    return ((iou - (HIT - around)) / (2 * around)).clamp(0, 1)


def padded(boxes: list[np.ndarray]) -> Tensor:
    """[n, m, 4], m of the image with the most, at least 1; the rest are zeros."""
    whole = np.zeros((len(boxes), max(1, *(len(b) for b in boxes)), 4), np.float32)
    for row, found in zip(whole, boxes):
        row[:len(found)] = found
    return torch.from_numpy(whole)


def second_look_loss(seen: Seen, true_boxes: Tensor, located: Tensor) -> tuple[Tensor, Tensor]:
    """1 - GIoU with the opacity nearest to each box, where there is one: of the first answer, and, where that one misses, of
    the others, nearly all of it of the one that comes closest. And the cross-entropy of their quality: how well the first
    answer fits; of the others, where the first one misses. Over the images with `located` = 1."""
    before, _ = overlap(seen.boxes.unsqueeze(2), true_boxes.unsqueeze(1))
    share, nearest = before.max(2)
    truth = true_boxes.gather(1, nearest.unsqueeze(2).expand(-1, -1, 4))
    iou, giou = overlap(moved(seen.boxes.unsqueeze(2), seen.shift), truth.unsqueeze(2))
    iou, wrong = iou.detach(), 1 - giou
    missed = (iou[..., :1] < HIT).float()
    within = located.unsqueeze(1)
    near, far = (share > NEAR).float() * within, (share > NEAR_OTHERS).float() * within * missed[..., 0]
    others = (1 - STRAY) * wrong[..., 1:].min(2).values + STRAY * wrong[..., 1:].mean(2)
    shift = (wrong[..., 0] * near).sum() / near.sum().clamp(min=1)
    shift = shift + OTHERS_WEIGHT * (others * far).sum() / far.sum().clamp(min=1)
    fits = torch.cat([_right(iou[..., :1], 0.2), _right(iou[..., 1:], 0.1) * missed], 2)
    entropy = F.binary_cross_entropy_with_logits(seen.quality, fits, reduction="none").sum(2) * within
    return shift, entropy.sum() / (seen.boxes.shape[1] * located.sum()).clamp(min=1)


def taught_loss(heat: Tensor, distances: Tensor, taught: Taught) -> Tensor:
    """The teachers' heat as it is, and their boxes where they see heat; on the scale of `heat_loss`: per opacity."""
    entropy = F.binary_cross_entropy_with_logits(heat, taught.heat, reduction="sum")
    least = F.binary_cross_entropy(taught.heat, taught.heat, reduction="sum")  # what even the teacher would lose
    opacities = taught.heat.amax(dim=(2, 3)).sum().clamp(min=1)
    return (entropy - least) / opacities + BOX_WEIGHT * box_loss(distances, taught.boxes, taught.heat[:, 0])


class Detection:
    name = "detection"
    mixable = False  # a blend of two radiographs shows both opacities, each half as dense: no box would say so

    def __init__(self, loss: ClassLoss) -> None:
        self.labels, self._loss = LABELS["detection"], loss

    def class_of(self, sample: Sample) -> int | None:
        return int(sample.positive)

    def targets(self, samples: list[Sample], boxes: list[np.ndarray], size: int) -> Targets:
        positive = torch.tensor([[float(s.positive)] for s in samples])
        located = torch.tensor([float(s.located) for s in samples])
        return Targets(*box_targets(boxes, size // STRIDE), positive, located, padded(boxes))

    def mixed(self, targets: Targets, partner: Tensor, share: float) -> Targets:
        raise TrainingError("two images with boxes cannot be blended: detection is trained without --mixup")

    def check_teacher(self, task: str, size: int, own: int) -> None:
        """Any task tells whether there is pneumonia; but boxes are learnt cell by cell."""
        if task == "detection" and size != own:
            raise TrainingError(f"a teacher of detection at {size} pixels has other cells than a student at {own}")

    def taught(self, targets: Targets, told: list[tuple[str, tuple[Tensor, ...]]], share: float) -> Targets:
        positive = torch.stack([pneumonia_probability(outputs[0]) for _, outputs in told]).mean(0)
        targets = replace(targets, positive=(1 - share) * targets.positive + share * positive)
        drawn = [outputs for task, outputs in told if task == "detection"]
        if drawn:
            heat = torch.stack([outputs[1].sigmoid() for outputs in drawn]).mean(0)
            boxes = torch.stack([to_boxes(outputs[2]) for outputs in drawn]).mean(0)
            targets.taught = Taught(share, heat, boxes)
        return targets

    def loss(self, outputs: tuple[Tensor, ...], targets: Targets, weight: Tensor) -> tuple[Tensor, Figures]:
        seen = Seen(*(part.float() for part in outputs))
        shift, quality = second_look_loss(seen, targets.true_boxes, targets.located)
        parts = {
            "heat": heat_loss(seen.heat, targets.heat, targets.located),
            "box": BOX_WEIGHT * box_loss(seen.distances, targets.boxes, targets.weight),
            "image": IMAGE_WEIGHT * weighted_mean(self._loss(seen.logit, targets.positive), weight),
            "shift": SHIFT_WEIGHT * shift,
            "quality": QUALITY_WEIGHT * quality,
        }
        if targets.taught:
            for name in ("heat", "box"):
                parts[name] = (1 - targets.taught.share) * parts[name]
            parts["taught"] = targets.taught.share * taught_loss(seen.heat, seen.distances, targets.taught)
        loss = sum(parts.values())
        right = ((seen.logit.detach() >= 0) == (targets.positive >= 0.5)).float().mean()
        told = {
            "loss": float(loss.detach()),
            "accuracy": float(right),
            "labelLoss": float(parts["image"].detach()) / IMAGE_WEIGHT,
        }
        return loss, told | {name: float(part.detach()) for name, part in parts.items()}

    def validate(self, ask: Ask, images: SampleSet, batch: int) -> Figures:
        """AUC of the image label, and AP at IoU 0.5 over the images whose boxes are all known; `score` is their mean.
        The loss is that of the image label alone, unweighted."""
        seen = Seen(*asked(ask, images, batch))
        logits = seen.logit
        if not torch.isfinite(logits).all():
            raise TrainingError("the network answers NaN on the validation part")
        truth = np.array([float(s.positive) for s in images.samples])
        target = torch.from_numpy(truth).float().unsqueeze(1)
        figures = {"n": len(truth), "loss": float(self._loss(logits, target).mean()),
                   "accuracy": float(((logits >= 0) == (target >= 0.5)).float().mean())}
        figures |= by_source(images.samples, logits[:, 0].double().numpy(), truth)
        figures["score"] = figures["aucMean"]
        told = answered(seen.boxes, seen.peaks, seen.shift, seen.quality.sigmoid(), images.size)
        boxes, scores = (values.numpy() for values in told)
        found = []
        for sample, b, s in zip(images.samples, boxes, scores):
            if sample.located:
                kept = suppress(b, s, NMS_IOU)
                found.append(Found(b[kept], s[kept], sample.boxes * images.size))
        if any(len(f.truth) for f in found):
            figures["ap50"] = float(Curve(found, 0.5).figures(ones(len(found)))[0][0])
            figures["score"] = (figures["aucMean"] + figures["ap50"]) / 2
        return figures

    def heat(self, outputs: tuple[Tensor, ...]) -> Tensor:
        return outputs[1].float().sigmoid()[:, 0]
