"""The network: a backbone, a feature pyramid down to stride 8, a centre heat map, box distances, and an image logit.

After "Objects as Points" (Zhou 2019, arXiv 1904.07850) with the denser box supervision of TTFNet (Liu 2019,
arXiv 1909.00700), which learns faster, and "Feature Pyramid Networks" (Lin 2017, arXiv 1612.03144).
"""
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18

# Opacities are large (a median of about 60 x 100 of 256 pixels): 32 x 32 places are enough to tell them apart.
STRIDE = 8
CHANNELS = 128
# A reported box is the mean of what the 7 x 7 cells around its peak say, weighted by their heat: single cells scatter.
# Chosen among 1 to 11 on the tuning half of the held-out patients (AP50 there 0.38 alone, 0.41 with 5, 0.42 with 7).
VOTERS = 7


class ResNet18(nn.Module):
    """Grayscale ResNet-18 from scratch; gives its features at strides 8, 16 and 32."""

    widths = (128, 256, 512)

    def __init__(self) -> None:
        super().__init__()
        net = resnet18(weights=None, zero_init_residual=True)
        conv = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        self.stem = nn.Sequential(conv, net.bn1, net.relu, net.maxpool)
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        c3 = self.layer2(self.layer1(self.stem(x)))
        c4 = self.layer3(c3)
        return c3, c4, self.layer4(c4)


BACKBONES: dict[str, Callable[[], nn.Module]] = {"resnet18": ResNet18}


def _conv(inputs: int, outputs: int, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Detector(nn.Module):
    """`image` [n, 1, 256, 256] in 0 to 1 -> (image logit [n, 1], heat-map logits [n, 1, 32, 32], distances
    [n, 4, 32, 32]: from the middle of a cell to left, top, right, bottom, in pixels)."""

    def __init__(self, backbone: str = "resnet18") -> None:
        super().__init__()
        self.backbone = BACKBONES[backbone]()
        self.lateral = nn.ModuleList(nn.Conv2d(w, CHANNELS, 1) for w in self.backbone.widths)
        self.smooth = _conv(CHANNELS, CHANNELS)
        self.heat = nn.Sequential(_conv(CHANNELS, CHANNELS), nn.Conv2d(CHANNELS, 1, 1))
        self.distance = nn.Sequential(_conv(CHANNELS, CHANNELS), nn.Conv2d(CHANNELS, 4, 1))
        self.dropout = nn.Dropout(0.2)
        self.image = nn.Linear(2 * self.backbone.widths[-1] + 1, 1)
        nn.init.constant_(self.heat[-1].bias, -4.0)  # few cells are centres: start from there
        nn.init.constant_(self.distance[-1].bias, 1.3)  # exp(1.3) * stride = 29 pixels, half of a common box

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # Per-image normalisation inside the network: windowing and exposure then matter little.
        centred = image - image.mean(dim=(2, 3), keepdim=True)
        x = centred / (centred.pow(2).mean(dim=(2, 3), keepdim=True).sqrt() + 1e-3)
        c3, c4, c5 = self.backbone(x)
        p5 = self.lateral[2](c5)
        p4 = self.lateral[1](c4) + F.interpolate(p5, scale_factor=2.0, mode="nearest")
        p3 = self.smooth(self.lateral[0](c3) + F.interpolate(p4, scale_factor=2.0, mode="nearest"))
        heat = self.heat(p3).float()
        distances = self.distance(p3).float().clamp(-4, 4).exp() * STRIDE
        hottest = heat.amax(dim=(2, 3)).clamp(min=-8)
        pooled = torch.cat([c5.float().mean(dim=(2, 3)), c5.float().amax(dim=(2, 3)), hottest], 1)
        return self.image(self.dropout(pooled)).float(), heat, distances


def cell_centres(cells: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of the middle of each cell, in pixels of the input, each [cells, cells]."""
    middle = (torch.arange(cells, device=like.device, dtype=torch.float32) + 0.5) * STRIDE
    return middle.view(1, -1).expand(cells, cells), middle.view(-1, 1).expand(cells, cells)


def to_boxes(distances: Tensor) -> Tensor:
    """Distances [n, 4, c, c] -> boxes x1, y1, x2, y2 in pixels, same shape."""
    x, y = cell_centres(distances.shape[-1], distances)
    left, top, right, bottom = distances.unbind(1)
    return torch.stack([x - left, y - top, x + right, y + bottom], 1)


def decode(heat: Tensor, distances: Tensor, count: int = 50) -> tuple[Tensor, Tensor]:
    """The `count` highest peaks of the heat map (0 to 1): boxes [n, count, 4] within the frame, scores [n, count]."""
    peak = F.max_pool2d(heat, 3, stride=1, padding=1) == heat
    best, place = (heat * peak.float()).flatten(1).topk(count, dim=1)
    boxes = to_boxes(distances).clamp(0, heat.shape[-1] * STRIDE)
    near = {"kernel_size": VOTERS, "stride": 1, "padding": VOTERS // 2}
    boxes = F.avg_pool2d(boxes * heat, **near) / F.avg_pool2d(heat, **near).clamp(min=1e-9)
    boxes = boxes.flatten(2).transpose(1, 2)
    return boxes.gather(1, place.unsqueeze(2).expand(-1, -1, 4)), best


class Reader(nn.Module):
    """The network as it is used: averaged over the image and its mirror image (run as one batch), and decoded.

    `image` [n, 1, 256, 256] in 0 to 1 -> logit [n, 1], boxes [n, 50, 4] (pixels), scores [n, 50] (0 to 1).
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n = image.shape[0]
        logit, heat, distances = self.detector(torch.cat([image, image.flip(3)]))
        mirrored = distances[n:].flip(3)
        mirrored = torch.cat([mirrored[:, 2:3], mirrored[:, 1:2], mirrored[:, 0:1], mirrored[:, 3:4]], 1)
        heat = heat.sigmoid()
        boxes, scores = decode((heat[:n] + heat[n:].flip(3)) / 2, (distances[:n] + mirrored) / 2)
        return (logit[:n] + logit[n:]) / 2, boxes, scores
