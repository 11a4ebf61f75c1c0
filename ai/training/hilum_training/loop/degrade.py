"""What a worse detector, a scanner or a lossy archive does to images, float32 [n, 1, s, s] in 0 to 1."""
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

# JPEG's luminance quantisation at quality 50 (ITU-T T.81 table K.1), by rows.
# fmt: off
_QUANTISATION = (
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)
# fmt: on
REACH = 3  # of the blurring kernel, in pixels: twice the largest standard deviation


def _cosines() -> Tensor:
    """The 64 functions of the 8 x 8 DCT as filters [64, 1, 8, 8], orthonormal (T.81 A.3.3)."""
    place = torch.arange(8.0)
    one = torch.cos((2 * place[None] + 1) * place[:, None] * math.pi / 16) * math.sqrt(0.25)
    one[0] /= math.sqrt(2)
    return torch.einsum("ux,vy->uvxy", one, one).reshape(64, 1, 8, 8)


_DCT = _cosines()


def soften(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Down by one factor of 1.3 to 2.5 and up again: the resolution of a smaller detector, or of a thumbnail."""
    size = images.shape[-1]
    small = F.interpolate(images, size=max(8, int(size / rng.uniform(1.3, 2.5))), mode="area")
    return F.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)


def blur(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Gaussian, each image with its own standard deviation of 0.4 to 1.4 pixels."""
    n = len(images)
    sigma = torch.from_numpy(rng.uniform(0.4, 1.4, (n, 1)).astype(np.float32))
    kernel = torch.exp(-torch.arange(-REACH, REACH + 1).float() ** 2 / (2 * sigma**2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(images.device)
    padded = F.pad(images, (REACH, REACH, REACH, REACH), mode="replicate").transpose(0, 1)
    across = F.conv2d(padded, kernel.view(n, 1, 1, -1), groups=n)
    return F.conv2d(across, kernel.view(n, 1, -1, 1), groups=n).transpose(0, 1)


def compress(images: Tensor, rng: np.random.Generator) -> Tensor:
    """The rounding of JPEG's coefficients, each image at its own quality of 15 to 60."""
    n, size = len(images), images.shape[-1]
    quality = rng.uniform(15, 60, n)
    scale = np.where(quality < 50, 50 / quality, 2 - quality / 50)  # as libjpeg scales its tables
    steps = torch.from_numpy((np.array(_QUANTISATION)[None] * scale[:, None]).clip(1).astype(np.float32))
    steps, cosines = steps.view(n, 64, 1, 1).to(images.device), _DCT.to(images.device)
    rest = -size % 8
    blocks = F.conv2d(F.pad(images, (0, rest, 0, rest), mode="replicate") * 255 - 128, cosines, stride=8)
    rounded = (blocks / steps).round_() * steps
    return ((F.conv_transpose2d(rounded, cosines, stride=8) + 128) / 255)[..., :size, :size].clamp(0, 1)
