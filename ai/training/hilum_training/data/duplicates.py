"""The same exposure twice: byte for byte, or re-encoded, brightened, shifted, cut a little.

Chests are alike, so a perceptual hash alone mistakes hundreds of strangers for one another. It only proposes; whether
ribs, vessels and lettering fall on each other decides.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.fft import dctn, irfft2, rfft2
from scipy.ndimage import gaussian_filter

from ..errors import TrainingError
from .samples import SampleSet
from .splits import Patient, Split, patient_of

SIDE = 64  # pixels of the copies that are compared
BITS = 63  # signs of the 8 x 8 lowest cosine coefficients, without the mean
# Measured on 10,000 radiographs: of copies with another gamma, window or JPEG quality, turned by 2 degrees or shifted
# by 3 % of the frame, nine in ten differ in at most this many bits; so do a few of a thousand pairs of strangers.
HASH_LIMIT = 12
# Detail finer than SOFT pixels of the copy, each place in units of its neighbourhood (or the edges of the collimator
# would decide), moved by up to SHIFT. 98 % of the copies above agree by 0.84, two strangers never by more than 0.69.
SOFT = 2.0
NEIGHBOURHOOD = 4.0
SHIFT = 4
LIKENESS = 0.72
BLOCK = 1000


@dataclass(frozen=True)
class Pair:
    """Two images (indices, first < second): bits that their hashes differ in, how well their detail agrees (0 to 1)."""

    first: int
    second: int
    distance: int
    likeness: float


def exact_groups(images: np.ndarray) -> list[list[int]]:
    """Indices of images with the same pixels, one list for each picture that is there more than once."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for i, image in enumerate(images):
        groups[hashlib.sha256(np.ascontiguousarray(image)).digest()].append(i)
    return [group for group in groups.values() if len(group) > 1]


def _copies(images: np.ndarray) -> np.ndarray:
    """float32 [n, SIDE, SIDE]"""
    small = [np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.BOX)) for image in images]
    return np.stack(small).astype(np.float32)


def _signs(copies: np.ndarray) -> np.ndarray:
    """+1 or -1, float32 [n, BITS]: which of the coarsest patterns of light and dark are above the image's median."""
    halves = copies.reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean((2, 4))
    coarse = dctn(halves, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(copies), -1)[:, 1:]
    return np.where(coarse > np.median(coarse, axis=1, keepdims=True), 1, -1).astype(np.float32)


def _proposals(signs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs within HASH_LIMIT: first, second, distance. A matrix product counts the bits of a block with all others."""
    first, second, distance = [], [], []
    for start in range(0, len(signs), BLOCK):
        apart = ((BITS - signs[start : start + BLOCK] @ signs[start:].T) / 2).round().astype(np.int16)
        i, j = np.nonzero(apart <= HASH_LIMIT)
        use = i < j
        first.append(i[use] + start)
        second.append(j[use] + start)
        distance.append(apart[i[use], j[use]])
    return np.concatenate(first), np.concatenate(second), np.concatenate(distance)


def _detail(copies: np.ndarray) -> np.ndarray:
    """Spectra of the fine detail, of unit length, fading towards the frame: complex64 [n, SIDE, SIDE / 2 + 1]"""
    fade = np.sqrt(np.hanning(SIDE + 2)[1:-1])
    fine = np.stack([copy - gaussian_filter(copy, SOFT) for copy in copies])
    # 2 gray levels are what JPEG leaves in an empty corner: not to be blown up.
    fine /= np.stack([np.sqrt(gaussian_filter(f * f, NEIGHBOURHOOD)) + 2 for f in fine])
    fine *= fade[:, None] * fade
    fine -= fine.mean((1, 2), keepdims=True)
    fine /= np.linalg.norm(fine, axis=(1, 2), keepdims=True) + 1e-3
    return rfft2(fine.astype(np.float32))


def near_pairs(images: np.ndarray, least: float = LIKENESS) -> list[Pair]:
    """Pairs of at least this likeness that are not the same pixels; the most alike first. From LIKENESS on they are
    one exposure, or two of one patient taken just alike; below, strangers come among them.
    """
    if len(images) < 2:
        return []
    copies = _copies(images)
    first, second, distance = _proposals(_signs(copies))
    proposed, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    if not len(proposed):
        return []
    spectra = _detail(copies[proposed])
    a, b = place[: len(first)], place[len(first) :]
    found = []
    for start in range(0, len(first), BLOCK):
        at = slice(start, start + BLOCK)
        agreement = irfft2(spectra[a[at]] * np.conj(spectra[b[at]]), s=(SIDE, SIDE))
        moved = np.roll(agreement, (SHIFT, SHIFT), (1, 2))[:, : 2 * SHIFT + 1, : 2 * SHIFT + 1]
        likeness = moved.max((1, 2)).clip(0, 1)
        for k in np.flatnonzero(likeness >= least):
            i, j = int(first[start + k]), int(second[start + k])
            if not np.array_equal(images[i], images[j]):
                found.append(Pair(i, j, int(distance[start + k]), round(float(likeness[k]), 3)))
    return sorted(found, key=lambda pair: -pair.likeness)


def same_people(images: SampleSet) -> list[tuple[Patient, Patient]]:
    """Pairs of patients who share a picture, or nearly one: for a split they are one person."""
    alike = [*exact_groups(images.images), *([p.first, p.second] for p in near_pairs(images.images))]
    person = [patient_of(sample) for sample in images.samples]
    return [(person[group[0]], person[i]) for group in alike for i in group[1:]]


def refuse_leaks(images: SampleSet, split: Split) -> None:
    """@raises TrainingError if the same picture is in two parts of the split, whatever patient it is filed under"""
    for group in exact_groups(images.images):
        samples = [images.samples[i] for i in group]
        for other in samples[1:]:
            parts = split.get(patient_of(samples[0])), split.get(patient_of(other))
            if parts[0] != parts[1]:
                raise TrainingError(
                    f"leaked image: {samples[0].path} in {parts[0]} and {other.path} in {parts[1]} are the same picture"
                )
