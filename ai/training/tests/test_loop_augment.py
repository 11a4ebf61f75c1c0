"""Augmentation moves boxes with the image, stays in range, is repeatable, and each change does what its name says."""
from dataclasses import replace

import numpy as np
import pytest
import torch

from hilum_training.loop.augment import NOTHING, PRESETS, Augmentation, augment
from hilum_training.loop.degrade import blur, compress, soften
from hilum_training.loop.options import AUGMENTATIONS

SIZE = 96


def squares(n: int) -> tuple[torch.Tensor, list[np.ndarray]]:
    """Black images, each with one white box."""
    images, boxes = torch.zeros(n, 1, SIZE, SIZE), []
    rng = np.random.default_rng(3)
    for i in range(n):
        x, y = (int(v) for v in rng.integers(20, 40, 2))
        images[i, 0, y:y + 30, x:x + 20] = 1
        boxes.append(np.array([[x, y, x + 20, y + 30]], np.float32))
    return images, boxes


def around(image: torch.Tensor, near: np.ndarray) -> np.ndarray:
    """The box of what is white within six pixels of `near`: from outside the frame, white may come in as well."""
    x1, y1, x2, y2 = (int(v) for v in np.clip(near + [-6, -6, 6, 6], 0, SIZE))
    white = np.zeros((SIZE, SIZE), bool)
    white[y1:y2, x1:x2] = image[0, y1:y2, x1:x2].numpy() > 0.5
    ys, xs = np.nonzero(white)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float32)


def noise(n: int = 4) -> torch.Tensor:
    return torch.rand(n, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(
    "how",
    [
        replace(NOTHING, flip=0.5),
        replace(NOTHING, upside_down=0.5),
        replace(NOTHING, shift=0.1),
        replace(NOTHING, scale=0.2),
        replace(NOTHING, stretch=0.1),
        replace(NOTHING, flip=0.5, shift=0.08, scale=0.2, stretch=0.1),
    ],
    ids=["flip", "upside down", "shift", "scale", "stretch", "all"],
)
def test_boxes_go_where_the_image_goes(how: Augmentation) -> None:
    images, boxes = squares(16)
    moved, placed = augment(images, boxes, how, np.random.default_rng(1))
    assert any(not np.allclose(a, b) for a, b in zip(boxes, placed))
    for image, box in zip(moved, placed):
        assert np.abs(around(image, box[0]) - box[0]).max() <= 1.5


def test_a_box_out_of_the_frame_is_dropped_and_one_at_the_edge_is_cut() -> None:
    images = torch.zeros(64, 1, SIZE, SIZE)
    boxes = [np.array([[0, 40, 20, 60]], np.float32)] * 64
    _, placed = augment(images, boxes, replace(NOTHING, shift=0.3), np.random.default_rng(2))
    assert {len(b) for b in placed} == {0, 1}
    kept = np.concatenate(placed)
    assert kept.min() >= 0 and kept.max() <= SIZE and (kept[:, 2] - kept[:, 0]).min() >= 0.35 * 20 - 0.01


def test_rotation_turns_about_the_middle() -> None:
    images = torch.zeros(8, 1, SIZE, SIZE)
    images[:, 0, SIZE // 2 - 2:SIZE // 2 + 2] = 1  # a level bar
    turned, _ = augment(
        images, [np.zeros((0, 4), np.float32)] * 8, replace(NOTHING, rotate=20), np.random.default_rng(0)
    )
    assert torch.allclose(turned[:, 0, SIZE // 2, SIZE // 2], torch.ones(8), atol=0.05)
    ends = turned[:, 0, SIZE // 2, 4]
    assert (ends < 0.5).any()


def test_everything_stays_between_black_and_white_and_the_same_seed_gives_the_same() -> None:
    images, boxes = noise(16), [np.array([[10, 10, 40, 60]], np.float32)] * 16
    first, a = augment(images.clone(), boxes, PRESETS["strong"], np.random.default_rng([7, 1]))
    again, b = augment(images.clone(), boxes, PRESETS["strong"], np.random.default_rng([7, 1]))
    other, _ = augment(images.clone(), boxes, PRESETS["strong"], np.random.default_rng([7, 2]))
    assert 0 <= first.min() and first.max() <= 1
    assert (
        torch.equal(first, again) and all(np.array_equal(x, y) for x, y in zip(a, b)) and not torch.equal(first, other)
    )


def test_nothing_changes_nothing() -> None:
    images, boxes = noise(), [np.zeros((0, 4), np.float32)] * 4
    same, _ = augment(images.clone(), boxes, NOTHING, np.random.default_rng(0))
    assert torch.equal(same, images)


@pytest.mark.parametrize("name", ["window", "gamma", "contrast"])
def test_display_curves_keep_the_order_of_grays(name: str) -> None:
    ramp = torch.linspace(0, 1, SIZE).expand(16, 1, SIZE, SIZE).clone()
    shown, _ = augment(
        ramp,
        [np.zeros((0, 4), np.float32)] * 16,
        replace(NOTHING, **{name: 1.0 if name == "contrast" else 0.3}),
        np.random.default_rng(0),
    )
    assert (shown[..., 1:-1].diff(dim=-1) >= -1e-6).all() and (shown - ramp).abs().max() > 0.03


def test_inversion_exchanges_black_and_white() -> None:
    images = noise()
    shown, _ = augment(
        images.clone(), [np.zeros((0, 4), np.float32)] * 4, replace(NOTHING, invert=1.0), np.random.default_rng(0)
    )
    assert torch.allclose(shown, 1 - images, atol=2e-3)


@pytest.mark.parametrize("change", [soften, blur])
def test_lost_sharpness_keeps_the_mean_and_loses_detail(change) -> None:
    images = noise()
    changed = change(images, np.random.default_rng(0))
    assert torch.allclose(changed.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)), atol=0.01)
    assert changed.std() < 0.8 * images.std()


def test_jpeg_keeps_a_flat_image_and_rounds_detail_away_like_a_real_encoder() -> None:
    flat = torch.full((2, 1, SIZE, SIZE), 0.4)
    assert torch.allclose(compress(flat, np.random.default_rng(0)), flat, atol=0.02)
    images = 0.5 + 0.1 * (noise() - 0.5)
    rounded = compress(images, np.random.default_rng(0))
    assert rounded.shape == images.shape and rounded.std() < 0.8 * images.std()
    odd = compress(noise()[:, :, :50, :50], np.random.default_rng(0))
    assert odd.shape == (4, 1, 50, 50)


def test_borders_are_black_or_white_and_noise_is_of_the_size_asked_for() -> None:
    gray = torch.full((64, 1, SIZE, SIZE), 0.5)
    none = [np.zeros((0, 4), np.float32)] * 64
    framed, _ = augment(gray.clone(), none, replace(NOTHING, collimate=1.0), np.random.default_rng(0))
    assert {round(v, 2) for v in framed.unique().tolist()} == {0.0, 0.5, 1.0}
    noisy, _ = augment(gray.clone(), none, replace(NOTHING, noise=0.1), np.random.default_rng(0))
    spread = (noisy - gray).flatten(1).std(dim=1)
    assert 0.05 < spread.max() <= 0.11 and (spread < 1e-2).sum() > 20


def test_every_change_has_its_own_option() -> None:
    assert [name for name, _, _ in AUGMENTATIONS] == list(vars(Augmentation()))
