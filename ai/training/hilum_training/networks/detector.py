"""The detector: a backbone, a feature pyramid down to stride 8, a centre heat map, box distances, a second look at each
box, and an image logit.

After "Objects as Points" (Zhou 2019, arXiv 1904.07850) with the denser box supervision of TTFNet (Liu 2019,
arXiv 1909.00700), which learns faster, and "Feature Pyramid Networks" (Lin 2017, arXiv 1612.03144).
"""
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .backbones import ARCHITECTURES
from .classifier import normalised
from .second_look import SecondLook, jittered, mirrored, moved, overlap

# Opacities are large (a median of about 60 x 100 of 256 pixels): 32 x 32 places are enough to tell them apart.
STRIDE = 8
CHANNELS = 128
# A box is the mean of what the 7 x 7 cells around its peak say, weighted by their heat: single cells scatter.
# Chosen among 1 to 11 on validation (AP50 there 0.38 alone, 0.41 with 5, 0.42 with 7).
VOTERS = 7
# Boxes looked at twice: while learning, as many again a little elsewhere; in use, more than any radiograph has.
LEARNT_FROM, LOOKED_AT = 8, 12
# An answer beside the first counts less: it is there to find what the first ones miss, not to be told as a second opacity. AP50
# on validation was 0.462 by the first answers alone and 0.482 to 0.487 with the others at 0.3 to 1 of their score; what is hit
# with one false box an image fell above 0.5.
OTHERS_WORTH = 0.5
# A box that shares more than this with a better one is likelier the same opacity once more than a second one, and counts less.
# Of the true regions, 0.816 instead of 0.807 were hit with one false box an image on validation; AP50 stayed as it was.
SHARED, REPEATED_WORTH = 0.3, 0.5
BACKBONES = ("resnet18", "resnet50")


class Seen(NamedTuple):
    """What the network says: image logit [n, 1]; heat-map logits [n, 1, c, c]; distances [n, 4, c, c] from the middle of a
    cell to left, top, right, bottom, in pixels; the k best boxes of the first look [n, k, 4] with their heat [n, k]; and
    of the second look at them, its h answers: shift [n, k, h, 4] and quality logit [n, k, h]."""

    logit: Tensor
    heat: Tensor
    distances: Tensor
    boxes: Tensor
    peaks: Tensor
    shift: Tensor
    quality: Tensor


def _conv(inputs: int, outputs: int, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Detector(nn.Module):
    """`image` [n, 1, s, s] in 0 to 1, s a multiple of 32 -> Seen, with c = s / 8."""

    def __init__(self, backbone: str = "resnet18") -> None:
        super().__init__()
        self.backbone = ARCHITECTURES[backbone].build()
        widths = self.backbone.widths
        self.lateral = nn.ModuleList(nn.Conv2d(w, CHANNELS, 1) for w in widths)
        self.smooth = _conv(CHANNELS, CHANNELS)
        self.heat = nn.Sequential(_conv(CHANNELS, CHANNELS), nn.Conv2d(CHANNELS, 1, 1))
        self.distance = nn.Sequential(_conv(CHANNELS, CHANNELS), nn.Conv2d(CHANNELS, 4, 1))
        self.dropout = nn.Dropout(0.2)
        self.image = nn.Linear(2 * widths[-1] + 1, 1)
        self.second = SecondLook(CHANNELS, STRIDE)
        nn.init.constant_(self.heat[-1].bias, -4.0)  # few cells are centres: start from there
        nn.init.constant_(self.distance[-1].bias, 1.3)  # exp(1.3) * stride = 29 pixels, half of a common box

    def first(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image logit, heat logits, distances, and the features [n, 128, c, c] that the second look sees."""
        c3, c4, c5 = self.backbone.stages(normalised(image))
        p5 = self.lateral[2](c5)
        p4 = self.lateral[1](c4) + F.interpolate(p5, scale_factor=2.0, mode="nearest")
        p3 = self.smooth(self.lateral[0](c3) + F.interpolate(p4, scale_factor=2.0, mode="nearest"))
        heat = self.heat(p3).float()
        distances = self.distance(p3).float().clamp(-4, 4).exp() * STRIDE
        hottest = heat.amax(dim=(2, 3)).clamp(min=-8)
        pooled = torch.cat([c5.float().mean(dim=(2, 3)), c5.float().amax(dim=(2, 3)), hottest], 1)
        return self.image(self.dropout(pooled)).float(), heat, distances, p3

    def forward(self, image: Tensor) -> Seen:
        logit, heat, distances, features = self.first(image)
        boxes, peaks = decode(heat.detach().sigmoid(), distances.detach(), LEARNT_FROM if self.training else LOOKED_AT)
        if self.training:
            boxes, peaks = torch.cat([boxes, jittered(boxes)], 1), torch.cat([peaks, peaks], 1)
        return Seen(logit, heat, distances, boxes, peaks, *self.second(features, boxes))


def cell_centres(cells: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of the middle of each cell, in pixels of the input, each [cells, cells]."""
    middle = (torch.arange(cells, device=like.device, dtype=torch.float32) + 0.5) * STRIDE
    return middle.view(1, -1).expand(cells, cells), middle.view(-1, 1).expand(cells, cells)


def to_boxes(distances: Tensor) -> Tensor:
    """Distances [n, 4, c, c] -> boxes x1, y1, x2, y2 in pixels, same shape."""
    x, y = cell_centres(distances.shape[-1], distances)
    left, top, right, bottom = distances.unbind(1)
    return torch.stack([x - left, y - top, x + right, y + bottom], 1)


def decode(heat: Tensor, distances: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` highest places of the heat map (0 to 1), peaks first: boxes [n, count, 4] within the frame, their heat [n, count]."""
    peak = F.max_pool2d(heat, 3, stride=1, padding=1) == heat
    best, place = (heat * peak.float()).flatten(1).topk(min(count, int(heat[0].numel())), dim=1)
    boxes = to_boxes(distances).clamp(0, heat.shape[-1] * STRIDE)
    near = {"kernel_size": VOTERS, "stride": 1, "padding": VOTERS // 2}
    boxes = F.avg_pool2d(boxes * heat, **near) / F.avg_pool2d(heat, **near).clamp(min=1e-9)
    boxes = boxes.flatten(2).transpose(1, 2)
    return boxes.gather(1, place.unsqueeze(2).expand(-1, -1, 4)), best


def confidence(peaks: Tensor, quality: Tensor) -> Tensor:
    """What the answers for a box are ranked by, 0 to 1, [n, k, h]: the heat of its centre [n, k], and how well each should fit
    [n, k, h]. AP50 on validation was 0.443 by heat alone, 0.448 by fit alone, 0.457 by both; the image's own probability
    added nothing."""
    ranked = (peaks.unsqueeze(2) * quality).sqrt()
    return torch.cat([ranked[..., :1], OTHERS_WORTH * ranked[..., 1:]], 2)


def worth(first: Tensor, scores: Tensor) -> Tensor:
    """What the answers for each box count, [n, k]: less where its first answer [n, k, 4] repeats one with a better score [n, k]."""
    share, _ = overlap(first.unsqueeze(2), first.unsqueeze(1))
    better = scores.unsqueeze(1) > scores.unsqueeze(2)
    repeats = ((share > SHARED) & better).to(scores.dtype).amax(2)
    return 1 - (1 - REPEATED_WORTH) * repeats


def answered(boxes: Tensor, peaks: Tensor, shift: Tensor, quality: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """All answers of the second look at boxes [n, k, 4] in one list: boxes [n, k * h, 4] within the frame, and scores."""
    told, scores = moved(boxes.unsqueeze(2), shift).clamp(0, side), confidence(peaks, quality)
    scores = scores * worth(told[..., 0, :], scores[..., 0]).unsqueeze(2)
    return told.flatten(1, 2), scores.flatten(1)


class Reader(nn.Module):
    """Networks as they are used: averaged, with `flip` over the image and its mirror image too (as one batch), and decoded.

    `image` [n, 1, s, s] in 0 to 1 -> logit [n, 1], boxes [n, k, 4] (pixels), scores [n, k] (0 to 1).
    """

    def __init__(self, networks: list[Detector], flip: bool) -> None:
        super().__init__()
        self.networks, self.flip = nn.ModuleList(networks), flip

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        side = image.shape[-1]
        looks = [network.first(torch.cat([image, image.flip(3)]) if self.flip else image) for network in self.networks]
        logit = self._mean([logit for logit, _, _, _ in looks], lambda told: told)
        heat = self._mean([heat.sigmoid() for _, heat, _, _ in looks], lambda told: told.flip(3))
        # A mirrored cell's left is the right of the cell in the image.
        distances = self._mean([d for _, _, d, _ in looks], lambda told: told.flip(3)[:, [2, 1, 0, 3]])
        boxes, peaks = decode(heat, distances, LOOKED_AT)
        seen = torch.cat([boxes, mirrored(boxes, side)]) if self.flip else boxes
        again = [network.second(features, seen) for network, (_, _, _, features) in zip(self.networks, looks)]
        shift = self._mean([shift for shift, _ in again], lambda told: torch.cat([-told[..., :1], told[..., 1:]], -1))
        quality = self._mean([quality.sigmoid() for _, quality in again], lambda told: told)
        return logit, *answered(boxes, peaks, shift, quality, side)

    def _mean(self, told: list[Tensor], turned: Callable[[Tensor], Tensor]) -> Tensor:
        """Of the networks and, with `flip`, of the two halves of the batch, the second as `turned` has it for the image."""
        mean = sum(told[1:], told[0]) / len(told)
        n = mean.shape[0] // 2  # not len(): the graph that is exported would keep the number
        return (mean[:n] + turned(mean[n:])) / 2 if self.flip else mean
