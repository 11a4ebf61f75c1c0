"""A second look at each box that the detector found: where its sides are, and whether it is right.

The first look speaks from the middle of an opacity, so its sides scatter (AP at IoU 0.3 was nearly twice that at 0.5).
The second sees the features in and around the box, as the second stage of Faster R-CNN does (Ren 2015, arXiv 1506.01497),
and tells how well the moved box will fit (Jiang 2018, arXiv 1807.11590), which ranks boxes better than the heat of a centre.

Readers draw the same opacity tall or low, and a single answer lies between the two and can miss both. So each box gets
other answers beside the first: each is learnt where the first one missed, by the one of them that comes closest (Guzman-
Rivera 2012, "Multiple Choice Learning"), and its quality is that of fitting where the first does not.
"""
import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

# The box is seen with half its width around it: what lies beyond a side tells where the side is.
GROWN = 1.5
CELLS = 8
NARROW, DENSE = 64, 256
# Where the other answers begin, as shifts (see `moved`): the lower part, the upper part, larger.
OTHERS = ((0.0, 0.25, 0.0, -0.7), (0.0, -0.25, 0.0, -0.7), (0.0, 0.0, 0.0, 0.5))


class SecondLook(nn.Module):
    """Features [n, channels, c, c] at `stride`, boxes [n, k, 4] (pixels) -> shift [n, k, h, 4], quality logit [n, k, h]; of
    the h answers the first is the likeliest."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Sequential(
            nn.Conv2d(channels, NARROW, 3, padding=1, bias=False), nn.BatchNorm2d(NARROW), nn.ReLU(inplace=True)
        )
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(NARROW * CELLS * CELLS, DENSE), nn.ReLU(inplace=True), nn.Dropout(0.2)
        )
        self.shift, self.quality = nn.Linear(DENSE, 4), nn.Linear(DENSE, 1)
        self.other_shift, self.other_quality = nn.Linear(DENSE, 4 * len(OTHERS)), nn.Linear(DENSE, len(OTHERS))
        for layer in (self.shift, self.other_shift):
            nn.init.zeros_(layer.weight)  # boxes stay where they are until something is learnt
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.other_shift.bias.copy_(torch.tensor(OTHERS).flatten())

    def forward(self, features: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        n, k = boxes.shape[:2]
        centre, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2 * GROWN
        grown = torch.cat([centre - half, centre + half], -1).reshape(-1, 4)
        image = torch.arange(n, device=boxes.device, dtype=grown.dtype).view(n, 1).expand(n, k).reshape(-1, 1)
        seen = roi_align(features.float(), torch.cat([image, grown], 1), CELLS, 1 / self.stride, 2, aligned=True)
        told = self.dense(self.conv(seen))
        shift = torch.cat([self.shift(told), self.other_shift(told)], 1).float().view(n, k, -1, 4)
        return shift, torch.cat([self.quality(told), self.other_quality(told)], 1).float().view(n, k, -1)


def moved(boxes: Tensor, shift: Tensor) -> Tensor:
    """Boxes [..., 4] with their centre moved by shares of their size, and their size by a logarithm; shapes broadcast."""
    centre, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    centre = centre + shift[..., :2] * size
    size = size * shift[..., 2:].clamp(-1, 1).exp()
    return torch.cat([centre - size / 2, centre + size / 2], -1)


def mirrored(boxes: Tensor, width: int) -> Tensor:
    """Boxes [..., 4] of an image as they lie in its mirror image, `width` pixels wide."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([width - right, top, width - left, bottom], -1)


def jittered(boxes: Tensor) -> Tensor:
    """The same boxes a little elsewhere and of another size: what the second look must learn to put right."""
    shift = torch.randn(boxes.shape, device=boxes.device) * torch.tensor([0.12, 0.12, 0.25, 0.25], device=boxes.device)
    return moved(boxes, shift)


def overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (Rezatofighi 2019, arXiv 1902.09630) of boxes [..., 4], whose shapes broadcast -> [...]."""
    inner = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    outer = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    areas = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1) + (b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1)
    union = areas - inner
    iou = inner / union.clamp(min=1)
    return iou, iou - (outer - union) / outer.clamp(min=1)
