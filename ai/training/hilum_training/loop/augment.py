"""Random changes that leave the diagnosis as it is, for a whole batch at once.

Radiographs from elsewhere differ in position, exposure, display curve, sharpness, compression, noise and collimation:
so do these. Everything is drawn from one numpy generator, so that a step that is run again sees the same images.
"""
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .degrade import blur, compress, soften

# A box of which less than this share is still in the frame is no longer an opacity one could point at.
MIN_VISIBLE = 0.35
# Steps of the display curve: four for each gray of the 8-bit images, since moved pixels lie between two.
LEVELS = 1024


@dataclass(frozen=True)
class Augmentation:
    """How far each change goes, 0 leaves it out; options.py says what each means."""

    flip: float = 0.5  # a heart on the right is rare, but no reason to miss an opacity
    upside_down: float = 0.0
    shift: float = 0.08
    scale: float = 0.16
    stretch: float = 0.07
    rotate: float = 8.0
    window: float = 0.12
    gamma: float = 0.45
    contrast: float = 0.5
    invert: float = 0.0
    soft: float = 0.2
    blur: float = 0.1
    jpeg: float = 0.1
    noise: float = 0.04
    collimate: float = 0.25


NOTHING = Augmentation(*[0.0] * 15)
PRESETS: dict[str, Augmentation] = {
    "none": NOTHING,
    "standard": Augmentation(),
    "strong": replace(
        Augmentation(),
        shift=0.12,
        scale=0.25,
        stretch=0.1,
        rotate=12.0,
        window=0.18,
        gamma=0.6,
        contrast=1.0,
        soft=0.3,
        blur=0.2,
        jpeg=0.25,
        noise=0.06,
        collimate=0.35,
    ),
}


def _each(values: np.ndarray, like: Tensor) -> Tensor:
    """One number for each image, [n, 1, 1, 1]."""
    return torch.from_numpy(np.asarray(values, np.float32)).view(-1, 1, 1, 1).to(like.device)


def place(
    images: Tensor, boxes: list[np.ndarray], how: Augmentation, rng: np.random.Generator
) -> tuple[Tensor, list[np.ndarray], Tensor]:
    """Mirror, scale, rotate and shift; what comes in from outside the frame is mostly black, sometimes white. The third
    is the grid by which `along` moves what was drawn on the images."""
    n, size = len(images), images.shape[-1]
    mirror = np.where(rng.random((n, 2)) < (how.flip, how.upside_down), -1.0, 1.0)
    common = np.exp(rng.uniform(-how.scale, how.scale, (n, 1)))
    scale = common * np.exp(rng.uniform(-how.stretch, how.stretch, (n, 2)))
    angle = np.deg2rad(rng.uniform(-how.rotate, how.rotate, n))
    shift = rng.uniform(-2 * how.shift, 2 * how.shift, (n, 2))  # the frame is -1 to 1
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1).reshape(n, 2, 2)
    forward = scale[:, :, None] * rotation * mirror[:, None, :]
    backward = np.linalg.inv(forward)
    theta = np.concatenate([backward, -backward @ shift[:, :, None]], 2)
    theta = torch.from_numpy(theta.astype(np.float32)).to(images.device)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    fill = _each(rng.choice([0.0, 0.0, 0.1, 1.0], n), images)
    moved = F.grid_sample(images - fill, grid, align_corners=False) + fill

    placed = []
    for i, b in enumerate(boxes):
        centre = ((b[:, :2] + b[:, 2:]) / size - 1) @ forward[i].T + shift[i]
        half = (b[:, 2:] - b[:, :2]) / size * scale[i]  # an upright box of the same size: turns are small
        whole = (np.concatenate([centre - half, centre + half], 1) + 1) * size / 2
        seen = whole.clip(0, size)
        area = (whole[:, 2:] - whole[:, :2]).prod(1)
        share = (seen[:, 2:] - seen[:, :2]).prod(1) / np.maximum(area, 1e-6)
        placed.append(seen[share >= MIN_VISIBLE].astype(np.float32))
    return moved, placed, grid


def along(masks: Tensor, grid: Tensor) -> Tensor:
    """Masks [n, c, s, s] in 0 to 1, moved as `place` moved their images; outside the frame is nothing."""
    return F.grid_sample(masks, grid, align_corners=False)


def _curves(n: int, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Window, gamma, S-curve and inversion as one display curve for each image, float32 [n, LEVELS]."""
    low, high = rng.uniform(-0.4 * how.window, how.window, (2, n, 1))
    x = (np.linspace(0, 1, LEVELS)[None] - low) / (1 - high - low)
    x = x.clip(0, 1) ** np.exp(rng.uniform(-how.gamma, how.gamma, (n, 1)))
    bend = rng.uniform(-how.contrast, how.contrast, (n, 1))
    x = x + bend * x * (1 - x) * (2 * x - 1)  # rises everywhere while the strength is at most 1
    return np.where(rng.random((n, 1)) < how.invert, 1 - x, x).astype(np.float32)


def _expose(images: Tensor, how: Augmentation, rng: np.random.Generator) -> Tensor:
    n = len(images)
    curves = torch.from_numpy(_curves(n, how, rng)).to(images.device)
    level = images.mul(LEVELS - 1).round_().clamp_(0, LEVELS - 1).long()
    return curves.gather(1, level.flatten(1)).view_as(images)


def _chosen(share: float, n: int, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(np.flatnonzero(rng.random(n) < share))


def _degrade(images: Tensor, how: Augmentation, rng: np.random.Generator) -> Tensor:
    """Resolution, sharpness, compression and noise, each for a few images of the batch."""
    n = len(images)
    for share, change in ((how.soft, soften), (how.blur, blur), (how.jpeg, compress)):
        some = _chosen(share, n, rng).to(images.device)
        if len(some):
            images[some] = change(images[some], rng)
    noisy = _chosen(0.4 if how.noise > 0 else 0, n, rng).to(images.device)
    if len(noisy):
        generator = torch.Generator(images.device).manual_seed(int(rng.integers(2**62)))
        noise = torch.randn(images[noisy].shape, generator=generator, device=images.device)
        images[noisy] += noise * _each(rng.uniform(0.1, 1, len(noisy)) * how.noise, images)
    return images.clamp_(0, 1)


def _collimate(images: Tensor, how: Augmentation, rng: np.random.Generator) -> Tensor:
    """Borders of up to a twelfth of the frame."""
    size = images.shape[-1]
    for i in _chosen(how.collimate, len(images), rng).tolist():
        tone = float(rng.choice([0.0, 0.0, 1.0]))
        top, bottom, left, right = (rng.random(4) < 0.5) * rng.integers(1, max(2, size // 12), 4)
        images[i, :, :top] = tone
        images[i, :, size - bottom:] = tone
        images[i, :, :, :left] = tone
        images[i, :, :, size - right:] = tone
    return images


def reshade(images: Tensor, how: Augmentation, rng: np.random.Generator) -> Tensor:
    """All that happens to the grays of images [n, 1, s, s] in 0 to 1, and leaves everything where it is."""
    return _collimate(_degrade(_expose(images, how, rng), how, rng), how, rng)


def augment(
    images: Tensor, boxes: list[np.ndarray], how: Augmentation, rng: np.random.Generator
) -> tuple[Tensor, list[np.ndarray]]:
    """Images float32 [n, 1, s, s] in 0 to 1 and their boxes (x1, y1, x2, y2 in pixels), changed alike."""
    if how == NOTHING:
        return images, boxes
    images, boxes, _ = place(images, boxes, how, rng)
    return reshade(images, how, rng), boxes
