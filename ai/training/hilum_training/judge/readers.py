"""A run as it is used: several networks averaged, the image and its mirror image averaged, outputs as the gateway reads them.

The same module is judged and exported, so that what is measured is what is served.
"""
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import TrainingError
from ..networks.detector import Reader

# The map is drawn finer than the network's own 8 x 8 cells of a 256 image: regions otherwise jump by 32 pixels.
MAP_STRIDE = 4


class ClassifierReader(nn.Module):
    """`image` [n, 1, s, s] in 0 to 1 -> logit [n, C], cam [n, 1, s/4, s/4]: log-odds of the positive labels together.

    Logits are averaged over the networks and, with `flip`, over the image and its mirror image (run as one batch).
    """

    outputs = ("logit", "cam")

    def __init__(self, networks: list[nn.Module], positive: tuple[bool, ...], flip: bool) -> None:
        super().__init__()
        self.networks, self.positive, self.flip = nn.ModuleList(networks), positive, flip

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        n, side = image.shape[0], image.shape[-1] // MAP_STRIDE
        seen = torch.cat([image, image.flip(3)]) if self.flip else image
        logits, maps = [], []
        for network in self.networks:
            logit, cam = network(seen)
            cam = self._log_odds(cam)
            if self.flip:
                logit, cam = (logit[:n] + logit[n:]) / 2, (cam[:n] + cam[n:].flip(3)) / 2
            logits.append(logit)
            # Networks differ in the size of their maps: each is drawn to the same frame before the mean.
            maps.append(F.interpolate(cam, size=(side, side), mode="bilinear", align_corners=False))
        return sum(logits) / len(logits), sum(maps) / len(maps)

    def _log_odds(self, cam: Tensor) -> Tensor:
        if len(self.positive) == 1:
            return cam
        finding, rest = ([i for i, p in enumerate(self.positive) if p is which] for which in (True, False))
        return cam[:, finding].logsumexp(1, keepdim=True) - cam[:, rest].logsumexp(1, keepdim=True)


class DetectorReader(Reader):
    """`image` [n, 1, s, s] in 0 to 1 -> logit [n, 1], boxes [n, K, 4] (pixels), scores [n, K] (0 to 1)."""

    outputs = ("logit", "boxes", "scores")
