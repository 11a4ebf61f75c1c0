"""A run as it is used: several networks averaged, the image and its mirror image averaged, outputs as the gateway
reads.

The same module is judged and exported, so that what is measured is what is served.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.detector import Reader

# The map is drawn finer than the network's own 8 x 8 cells of a 256 image: regions otherwise jump by 32 pixels.
MAP_STRIDE = 4


class ClassifierReader(nn.Module):
    """`image` [n, 1, s, s] in 0 to 1 -> logit [n, C], cam [n, 1, s/4, s/4] in 0 to the network's own probability of the
    finding.

    The map is the log-odds of the positive labels at every place, drawn out from its lowest to its highest value: a
    network that is sure of an image is sure of all of it, and what is left to see is where it is surest. Logits are
    averaged over the networks and, with `flip`, over the image and its mirror image (run as one batch).
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
            # Networks differ in the size and the range of their maps: each is drawn to the same before the mean.
            maps.append(_drawn_out(F.interpolate(cam, size=(side, side), mode="bilinear", align_corners=False)))
        logit = sum(logits) / len(logits)
        probability = self._log_odds(logit[:, :, None, None]).sigmoid()
        return logit, _drawn_out(sum(maps)) * probability

    def _log_odds(self, cam: Tensor) -> Tensor:
        if len(self.positive) == 1:
            return cam
        finding, rest = ([i for i, p in enumerate(self.positive) if p is which] for which in (True, False))
        return cam[:, finding].logsumexp(1, keepdim=True) - cam[:, rest].logsumexp(1, keepdim=True)


def _drawn_out(cam: Tensor) -> Tensor:
    """Each map [n, 1, h, w] from 0, its lowest value, to 1, its highest."""
    low, high = cam.amin((2, 3), keepdim=True), cam.amax((2, 3), keepdim=True)
    return (cam - low) / (high - low + 1e-6)


class DetectorReader(Reader):
    """`image` [n, 1, s, s] in 0 to 1 -> logit [n, 1], boxes [n, K, 4] (pixels), scores [n, K] (0 to 1)."""

    outputs = ("logit", "boxes", "scores")
