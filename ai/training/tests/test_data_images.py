"""Decoding once, finding the same exposure again, and refusing it across parts."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from hilum_training.data.duplicates import LIKENESS, exact_groups, near_pairs, refuse_leaks
from hilum_training.data.pixels import read_gray
from hilum_training.data.samples import Sample, SampleSet, load_images
from hilum_training.errors import TrainingError


def chest(seed: int, side: int = 128) -> np.ndarray:
    """Something with the broad shape that all have in common and fine detail of its own: uint8 [side, side]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    shape = (
        150
        - 90 * np.exp(-((x - 0.3) ** 2 + (y - 0.5) ** 2) * 25)
        - 90 * np.exp(-((x - 0.7) ** 2 + (y - 0.5) ** 2) * 25)
    )
    fine = gaussian_filter(rng.normal(0, 1, (side, side)), side / 64)
    return (shape + fine / fine.std() * 12).clip(0, 255).astype(np.uint8)


def files(folder: Path, images: list[np.ndarray], patients: str = "abcdefgh", source: str = "csv") -> list[Sample]:
    samples = []
    for i, image in enumerate(images):
        path = folder / f"{i}.png"
        Image.fromarray(image).save(path)
        samples.append(Sample(path, patients[i], source, "normal"))
    return samples


def jpeg(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=40)
    return np.asarray(Image.open(buffer))


def test_images_are_decoded_once_and_again_when_a_file_changes(tmp_path: Path) -> None:
    samples, cache = files(tmp_path, [chest(1), chest(2)]), tmp_path / "cache"
    first = load_images(samples, 64, cache)
    assert first.images.shape == (2, 64, 64) and first.size == 64
    kept = list(cache.iterdir())
    assert len(kept) == 1
    Image.fromarray(chest(3)).save(samples[0].path)
    os.utime(samples[0].path, ns=(1, 1))
    changed = load_images(samples, 64, cache)
    assert not np.array_equal(changed.images[0], first.images[0])
    np.testing.assert_array_equal(changed.images[1], first.images[1])


def test_the_cache_is_what_is_read_and_a_spoilt_one_is_made_again(tmp_path: Path) -> None:
    samples, cache = files(tmp_path, [chest(1)]), tmp_path / "cache"
    true = load_images(samples, 64, cache).images
    [kept] = cache.iterdir()
    np.save(kept, np.zeros_like(true))
    assert load_images(samples, 64, cache).images.max() == 0
    kept.write_bytes(b"\x93NUMPY spoilt")
    np.testing.assert_array_equal(load_images(samples, 64, cache).images, true)


def test_each_source_has_its_own_cache_and_its_own_place(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = files(tmp_path / "one", [chest(1), chest(2)]), files(tmp_path / "two", [chest(3)], source="siim")
    mixed = load_images([one[0], two[0], one[1]], 64, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    for i, seed in enumerate((1, 3, 2)):
        np.testing.assert_array_equal(
            mixed.images[i], np.asarray(Image.fromarray(chest(seed)).resize((64, 64), Image.BILINEAR))
        )


def test_a_subset_keeps_samples_and_pixels_together(tmp_path: Path) -> None:
    whole = load_images(files(tmp_path, [chest(1), chest(2), chest(3)]), 32, None)
    part = whole.subset([2, 0])
    assert [s.patient for s in part.samples] == ["c", "a"]
    np.testing.assert_array_equal(part.images, whole.images[[2, 0]])


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path: Path) -> None:
    Image.fromarray(chest(1).astype(np.uint16) * 200).save(tmp_path / "deep.png")
    shown = read_gray(tmp_path / "deep.png", 128)
    assert shown.min() == 0 and shown.max() == 255 and len(np.unique(shown)) > 100


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n broken"])
def test_an_unreadable_image_is_named_and_no_cache_is_left(tmp_path: Path, content: bytes) -> None:
    samples = files(tmp_path, [chest(1), chest(2)])
    samples[1].path.write_bytes(content)
    with pytest.raises(TrainingError, match="cannot read image .*1.png"):
        load_images(samples, 64, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_truncated_jpeg_and_a_missing_file_are_named(tmp_path: Path) -> None:
    Image.fromarray(chest(1)).save(tmp_path / "a.jpeg")
    whole = (tmp_path / "a.jpeg").read_bytes()
    (tmp_path / "a.jpeg").write_bytes(whole[: len(whole) // 2])
    for name in ("a.jpeg", "gone.jpeg"):
        with pytest.raises(TrainingError, match=f"cannot read image .*{name}"):
            load_images([Sample(tmp_path / name, "p", "csv", "normal")], 64, tmp_path / "cache")


def test_no_images_at_all_is_an_error() -> None:
    with pytest.raises(TrainingError, match="no images"):
        load_images([], 64, None)


def test_the_same_pixels_are_found_whatever_their_order() -> None:
    a, b, c = chest(1), chest(2), chest(3)
    assert exact_groups(np.stack([a, b, a, c, b, a])) == [[0, 2, 5], [1, 4]]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: jpeg(image),
        lambda image: (255 * (image / 255) ** 0.7).astype(np.uint8),
        lambda image: np.roll(image, 3, 1),
        lambda image: ((image.astype(int) - 20) * 1.3).clip(0, 255).astype(np.uint8),
        lambda image: np.asarray(Image.fromarray(image).resize((90, 90)).resize((128, 128))),
    ],
    ids=["jpeg", "gamma", "shifted", "windowed", "reduced"],
)
def test_a_changed_copy_is_found_among_strangers(change) -> None:
    images = [chest(seed) for seed in range(30)]
    found = near_pairs(np.stack([*images, change(images[4])]))
    assert [(pair.first, pair.second) for pair in found] == [(4, 30)]
    assert found[0].likeness >= LIKENESS


def test_strangers_and_blank_images_are_no_duplicates() -> None:
    blank = np.full((128, 128), 7, np.uint8)
    assert near_pairs(np.stack([*[chest(seed) for seed in range(20)], blank, blank + 1])) == []


def test_a_picture_in_two_parts_is_refused_by_name(tmp_path: Path) -> None:
    samples = files(tmp_path, [chest(1), chest(2), chest(1)])
    images = load_images(samples, 64, None)
    split = {("csv", "a"): "train", ("csv", "b"): "test", ("csv", "c"): "train"}
    refuse_leaks(images, split)
    with pytest.raises(TrainingError, match="leaked image: .*0.png in train and .*2.png in test are the same picture"):
        refuse_leaks(images, split | {("csv", "c"): "test"})


def test_a_set_says_how_many_it_holds(tmp_path: Path) -> None:
    assert len(SampleSet(files(tmp_path, [chest(1)]), chest(1)[None])) == 1
