"""Random changes that leave the diagnosis as it is, for a whole batch at once.

Radiographs from elsewhere differ in position, exposure, display curve, sharpness, noise and collimation: so do these.
"""
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .legacy_data import SIZE

# A box of which less than this share is still in the frame is no longer an opacity one could point at.
MIN_VISIBLE = 0.35


def _place(images: Tensor, boxes: list[np.ndarray], rng: np.random.Generator) -> tuple[Tensor, list[np.ndarray]]:
    """Flip, scale (each axis by itself), rotate by up to 8 degrees and shift by up to 8 % of the frame."""
    n = len(images)
    flip = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    common = rng.uniform(0.86, 1.18, n)
    scale = np.stack([common * rng.uniform(0.93, 1.07, n), common * rng.uniform(0.93, 1.07, n)], 1)
    angle = np.deg2rad(rng.uniform(-8, 8, n))
    shift = rng.uniform(-0.16, 0.16, (n, 2))  # in the frame's -1 to 1
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1).reshape(n, 2, 2)
    forward = scale[:, :, None] * rotation
    forward[:, :, 0] *= flip[:, None]
    backward = np.linalg.inv(forward)
    theta = np.concatenate([backward, -backward @ shift[:, :, None]], 2)
    grid = F.affine_grid(torch.from_numpy(theta.astype(np.float32)), list(images.shape), align_corners=False)
    fill = torch.from_numpy(rng.choice([0.0, 0.0, 0.1, 1.0], n).astype(np.float32)).view(n, 1, 1, 1)
    moved = F.grid_sample(images - fill, grid, align_corners=False) + fill

    placed = []
    for i, b in enumerate(boxes):
        centre = ((b[:, :2] + b[:, 2:]) / SIZE - 1) @ forward[i].T + shift[i]
        half = (b[:, 2:] - b[:, :2]) / SIZE * scale[i]
        whole = (np.concatenate([centre - half, centre + half], 1) + 1) * SIZE / 2
        seen = whole.clip(0, SIZE)
        area = (whole[:, 2:] - whole[:, :2]).prod(1)
        share = (seen[:, 2:] - seen[:, :2]).prod(1) / np.maximum(area, 1e-6)
        placed.append(seen[share >= MIN_VISIBLE].astype(np.float32))
    return moved, placed


def _expose(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Window, gamma, resolution and noise."""
    n = len(images)

    def each(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).view(n, 1, 1, 1)

    low, high = each(rng.uniform(-0.05, 0.12, n)), each(rng.uniform(0.8, 1.05, n))
    images = ((images - low) / (high - low)).clamp_(1e-4, 1)
    images = images.pow(each(np.exp(rng.uniform(-0.45, 0.45, n))))
    soft = np.flatnonzero(rng.random(n) < 0.2)
    if len(soft):
        small = F.avg_pool2d(images[soft], 2)
        images[soft] = F.interpolate(small, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    noisy = np.flatnonzero(rng.random(n) < 0.4)
    if len(noisy):
        noise = torch.from_numpy(rng.standard_normal((len(noisy), 1, SIZE, SIZE), dtype=np.float32))
        images[noisy] += noise * torch.from_numpy(rng.uniform(0.005, 0.04, (len(noisy), 1, 1, 1)).astype(np.float32))
    return images.clamp_(0, 1)


def _collimate(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Black or white borders of up to a twelfth of the frame, as collimators, scanners and frames leave them."""
    for i in np.flatnonzero(rng.random(len(images)) < 0.25):
        tone = float(rng.choice([0.0, 0.0, 1.0]))
        top, bottom, left, right = (rng.random(4) < 0.5) * rng.integers(1, SIZE // 12, 4)
        images[i, :, :top] = tone
        images[i, :, SIZE - bottom:] = tone
        images[i, :, :, :left] = tone
        images[i, :, :, SIZE - right:] = tone
    return images


def augment(images: Tensor, boxes: list[np.ndarray], rng: np.random.Generator) -> tuple[Tensor, list[np.ndarray]]:
    """Images float32 [n, 1, 256, 256] in 0 to 1 and their boxes (pixels), changed alike. `rng` fixes the outcome."""
    images, boxes = _place(images, boxes, rng)
    return _collimate(_expose(images, rng), rng), boxes
