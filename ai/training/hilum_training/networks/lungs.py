"""Where the lungs are: a small U-Net (Ronneberger 2015, arXiv 1505.04597)."""
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .classifier import normalised

# Lungs are large and smooth: 128 pixels across show their border to one per cent of the chest.
SIZE = 128
WIDTHS = (16, 32, 64, 128, 128)


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class LungFinder(nn.Module):
    """`image` [n, 1, s, s] in 0 to 1, s a multiple of 16 -> logits [n, 2, s, s]: the lung on the left of the image,
    which is the patient's right one, and the other."""

    outputs = ("mask",)

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.backbone = nn.ModuleList(_twice(i, o) for i, o in zip((1, *widths), widths))
        self.up = nn.ModuleList(_twice(i + deeper, i) for i, deeper in zip(widths, widths[1:]))
        self.out = nn.Conv2d(widths[0], 2, 1)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        x, seen = normalised(image), []
        for level, down in enumerate(self.backbone):
            x = down(F.max_pool2d(x, 2) if level else x)
            seen.append(x)
        for level in reversed(range(len(self.up))):
            wider = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = self.up[level](torch.cat([seen[level], wider], 1))
        return (self.out(x).float(),)
