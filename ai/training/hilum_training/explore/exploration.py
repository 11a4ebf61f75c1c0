"""Everything that the report tells, worked out once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..data.duplicates import LIKENESS, Pair, exact_groups, near_pairs
from ..data.samples import LABELS, Sample, SampleSet
from ..data.splits import PARTS, Split, part_indices
from .gray import Gray, gray_values

# Where no split is given.
WHOLE = "all"
# Down to this likeness, pairs of two patients are shown: most are strangers, a few one person under two names.
DOUBTFUL = 0.6


@dataclass
class Exploration:
    """A set, the part of each image, and what was measured on its pixels.

    `copies` are groups of the same pixels, `pairs` near-duplicates, `doubtful` less alike pairs of two patients.
    """

    images: SampleSet
    parts: list[str]
    gray: Gray
    copies: list[list[int]]
    pairs: list[Pair]
    doubtful: list[Pair]

    @property
    def samples(self) -> list[Sample]:
        return self.images.samples

    @cached_property
    def sources(self) -> list[str]:
        return sorted({sample.source for sample in self.samples})

    @cached_property
    def labels(self) -> list[str]:
        present = {sample.label for sample in self.samples}
        return [label for label in LABELS if label in present]

    @cached_property
    def part_names(self) -> list[str]:
        return [part for part in (*PARTS, WHOLE) if part in set(self.parts)]

    def where(self, source: str | None = None, label: str | None = None, part: str | None = None) -> np.ndarray:
        """Indices of the images that are all of what is given."""
        return np.array(
            [
                i
                for i, sample in enumerate(self.samples)
                if source in (None, sample.source) and label in (None, sample.label) and part in (None, self.parts[i])
            ],
            int,
        )

    def labels_of(self, source: str) -> list[str]:
        present = {sample.label for sample in self.samples if sample.source == source}
        return [label for label in LABELS if label in present]

    def across_parts(self, indices: list[int]) -> bool:
        return len({self.parts[i] for i in indices}) > 1

    def across_patients(self, indices: list[int]) -> bool:
        return len({(self.samples[i].source, self.samples[i].patient) for i in indices}) > 1


def explore(images: SampleSet, split: Split | None) -> Exploration:
    """@raises TrainingError if a patient is in no part of `split`"""
    parts = [WHOLE] * len(images)
    if split:
        for part, indices in part_indices(images.samples, split).items():
            for i in indices:
                parts[i] = part
    alike = near_pairs(images.images, DOUBTFUL)
    found = Exploration(
        images,
        parts,
        gray_values(images.images),
        exact_groups(images.images),
        [pair for pair in alike if pair.likeness >= LIKENESS],
        [],
    )
    doubtful = [p for p in alike if p.likeness < LIKENESS and found.across_patients([p.first, p.second])]
    found.doubtful = sorted(doubtful, key=lambda p: (not found.across_parts([p.first, p.second]), -p.likeness))
    return found
